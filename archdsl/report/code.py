"""Generated Python in parts that a page can colour, by Pygments."""

from __future__ import annotations

from archdsl.report.view import Code


def coloured(source: str) -> Code:
    """The source, cut into runs of one kind: keyword, name, text, number, comment."""
    from pygments.lexers.python import PythonLexer
    from pygments.token import Comment, Keyword, Name, Number, Operator, String

    classes = (
        (Comment, "comment"),
        (Keyword, "keyword"),
        (Operator.Word, "keyword"),
        (String, "text"),
        (Number, "literal"),
        (Name.Class, "defined"),
        (Name.Function, "defined"),
        (Name.Decorator, "defined"),
    )
    parts: list[tuple[str, str]] = []
    for token, text in PythonLexer(stripnl=False, ensurenl=False).get_tokens(source):
        name = next((name for kind, name in classes if token in kind), "")
        if parts and parts[-1][0] == name:
            parts[-1] = (name, parts[-1][1] + text)
        else:
            parts.append((name, text))
    return Code(tuple(parts))
