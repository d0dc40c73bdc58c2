"""Terminals in words: what was found, and what could have come."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from archdsl.syntax.language import END, Language
from archdsl.syntax.lexer import Token

EXPRESSION = frozenset({"NAME", "INT", "FLOAT", "STRING", "YES", "NO", "LPAR", "LBRACE", "ANY"})
OPERATORS = frozenset(
    {
        "ARROW", "PLUS", "MINUS", "TIMES", "DIVIDE", "FLOOR_DIVIDE", "MODULO", "COMPARE", "AND",
        "OR", "RANGE", "REPEAT", "AT",
    }
)  # fmt: skip
STATEMENT = frozenset({"NAME", "RETURN", "FOR", "IF"})
DEFINITION = frozenset({"NAME", "OP", "CELL", "BLOCK", "NET", "TITLE", "WHERE", "VARY"})
GROUPS = (
    # (terminals that must all be possible, those it stands for as well, its name)
    (EXPRESSION, frozenset({"MINUS", "IF"}), "an expression"),
    (STATEMENT, frozenset[str](), "a statement"),
    (DEFINITION, frozenset[str](), "a definition"),
    (
        frozenset({"ARROW", "PLUS"}),
        OPERATORS | {"LPAR", "LSQB", "OF"},
        "an operator",
    ),
    (frozenset({"NAME", "LABEL", "NUMBER"}), frozenset[str](), "a label"),
    (frozenset({"NAME", "LABEL"}), frozenset[str](), "a name"),
)
WORDS = {
    "NAME": "a name",
    "INT": "a whole number",
    "FLOAT": "a number",
    "NUMBER": "a number",
    "LABEL": "a name with an index",
    "STRING": 'a text in "..."',
    "COMPARE": "a comparison",
    END: "the end of the text",
}
SHOWN = 5


def in_words(kinds: AbstractSet[str], language: Language) -> str:
    """`an expression, `,` or `)``: the terminals that could have come."""
    left = set(kinds)
    words = []
    for needed, more, name in GROUPS:
        if needed <= left:
            left -= needed | more
            words.append(name)
    spelled = [f"`{language.spellings[kind]}`" for kind in left if kind in language.spellings]
    words += sorted(WORDS[kind] for kind in left if kind in WORDS) + sorted(spelled)
    if len(words) > SHOWN:
        words = [*words[:SHOWN], "others"]
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def found(token: Token, language: Language) -> str:
    """`the name `foo``: a token as it was found."""
    text = token.text if len(token.text) <= 32 else f"{token.text[:28]}..."
    if token.kind == END:
        return "the end of the text"
    if token.kind == "STRING":
        return f"the text {text}"
    if token.kind in ("NAME", "LABEL"):
        return f"the name `{text}`"
    if token.kind in ("INT", "FLOAT", "NUMBER"):
        return f"the number `{text}`"
    if token.text in language.keywords:
        return f"the word `{text}`"
    return f"`{text}`"
