"""Reductions of `grammar/strings.lark` to the tree of an architecture string."""

from __future__ import annotations

from typing import Any

from archdsl.syntax import tree as t
from archdsl.syntax.lexer import Scan, Token
from archdsl.syntax.numbers import number_text, number_value
from archdsl.syntax.parts import Part, each, part


class StringBuilder:
    """Builds the nodes of one architecture string."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan

    def reduce(self, action: str, children: list[Any], start: int, end: int) -> Any:
        """The value of a rule; rules without a method are kept as parts."""
        method = getattr(self, action, None)
        if method is None:
            return Part(action, tuple(children))
        return method(children, self.scan.span(start, end))

    def start(self, children: list[Any], span: t.Span) -> t.Genotype:
        parameters = part(children, "parameters")
        names = [parameter.name for parameter in parameters]
        for i, parameter in enumerate(parameters):
            if parameter.name in names[:i]:
                place = Token("", "", parameter.span.start, parameter.span.end)
                self.scan.report(
                    "E0604",
                    f"`{parameter.name}` is given twice",
                    place,
                    found=f"`{parameter.name}` again",
                    expected="each parameter once",
                )
        return t.Genotype(
            space=children[0].text,
            parameters=parameters,
            groups=each(children, t.Group),
            span=span,
        )

    def parameter(self, children: list[Any], span: t.Span) -> t.Argument:
        return t.Argument(name=children[0].text, value=children[1], span=span)

    def number(self, children: list[Any], span: t.Span) -> t.Number:
        text = children[0].text
        return t.Number(value=number_value(text), text=text, span=span)

    def text(self, children: list[Any], span: t.Span) -> t.Text:
        return t.Text(value=children[0].text.strip("\"'"), span=span)

    def word(self, children: list[Any], span: t.Span) -> t.Flag | t.Text:
        """A bare word is a flag, or a text whose quotes the shell would only have eaten."""
        word = children[0].text
        if word in ("yes", "no"):
            return t.Flag(value=word == "yes", span=span)
        return t.Text(value=word, span=span)

    def group(self, children: list[Any], span: t.Span) -> t.Group:
        name, *entries = children
        stem, *index = name.text.split(".")
        return t.Group(
            name=stem, index=tuple(int(i) for i in index), entries=tuple(entries), span=span
        )

    def entry(self, children: list[Any], span: t.Span) -> t.Entry:
        return t.Entry(choices=tuple(children), span=span)

    def nothing(self, children: list[Any], span: t.Span) -> t.Picks:
        return t.Picks(picks=(), span=span)

    def picks(self, children: list[Any], span: t.Span) -> t.Picks:
        return t.Picks(picks=tuple(children), span=span)

    def pick(self, children: list[Any], span: t.Span) -> t.Pick:
        label, *inner = children
        return t.Pick(label=_label(label), inner=tuple(inner), span=span)


def _label(token: Token) -> str:
    """The canonical text of a label: `007` is `7`, `0.50` is `0.5`, `a.01` is `a.1`."""
    if token.kind == "NUMBER":
        return number_text(number_value(token.text))
    stem, *index = token.text.split(".")
    return ".".join([stem, *(str(int(i)) for i in index)])
