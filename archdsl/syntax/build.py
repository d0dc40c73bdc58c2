"""Reductions of `grammar/arch.lark` to nodes of the tree: one method for each rule."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from archdsl.syntax import tree as t
from archdsl.syntax.comments import comment_text
from archdsl.syntax.lexer import Scan, Token
from archdsl.syntax.numbers import number_value
from archdsl.syntax.parts import Part, each, part

VERSION = 1
FOREIGN_FLAGS = {"true": "yes", "True": "yes", "false": "no", "False": "no"}
OPERATORS = {operator.value: operator for operator in t.Operator}


class Builder:
    """Builds the nodes of one text. Findings about meaning go to the scan's list."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan

    def reduce(self, action: str, children: list[Any], start: int, end: int) -> Any:
        """The value of a rule; rules without a method are kept as parts."""
        method = getattr(self, action, None)
        if method is None:
            return Part(action, tuple(children))
        return method(children, self.scan.span(start, end))

    # --- documents and definitions ----------------------------------------------------------

    def start(self, children: list[Any], span: t.Span) -> t.Document:
        version, *rest = children
        if version.text != str(VERSION):
            self.scan.report(
                "E0206",
                "this version of the language is unknown",
                version,
                found=f"`archdsl {version.text[:20]}`",
                expected=f"`archdsl {VERSION}`",
                hint="a newer archdsl may read it: `pip install -U archdsl`",
            )
        uses = tuple(child.values[0].text for child in rest if isinstance(child, Part))
        return t.Document(
            version=VERSION,
            uses=uses,
            spaces=each(rest, t.Space),
            recipes=each(rest, t.Train),
            methods=each(rest, t.Method),
            comments=self._comments(),
            span=span,
        )

    def _comments(self) -> tuple[t.Comment, ...]:
        return tuple(
            t.Comment(text=comment_text(token.text), span=self.scan.span(token.start, token.end))
            for token in self.scan.comments
        )

    def space(self, children: list[Any], span: t.Span) -> t.Space:
        name, *rest = children
        return t.Space(
            name=name.text,
            parameters=self._distinct(part(rest, "parameters")),
            elastic=_elastic(rest),
            items=tuple(child for child in rest if not isinstance(child, Part | Token)),
            doc=self.scan.docs.get(span.start, ()),
            span=span,
        )

    def train(self, children: list[Any], span: t.Span) -> t.Train:
        name, *settings = children
        return t.Train(
            name=name.text,
            settings=self._distinct(tuple(settings)),
            doc=self.scan.docs.get(span.start, ()),
            span=span,
        )

    def method(self, children: list[Any], span: t.Span) -> t.Method:
        name, *items = children
        return t.Method(
            name=name.text,
            items=self._distinct(tuple(items)),
            doc=self.scan.docs.get(span.start, ()),
            span=span,
        )

    def stage(self, children: list[Any], span: t.Span) -> t.Stage:
        name, *settings = children
        return t.Stage(name=name.text, settings=self._distinct(tuple(settings)), span=span)

    def constant(self, children: list[Any], span: t.Span) -> t.Constant:
        return t.Constant(name=children[0].text, value=children[1], span=span)

    def title(self, children: list[Any], span: t.Span) -> t.Title:
        return t.Title(value=children[0].text.strip("\"'"), span=span)

    def where(self, children: list[Any], span: t.Span) -> t.Where:
        return t.Where(constraints=tuple(children), span=span)

    def vary(self, children: list[Any], span: t.Span) -> t.Vary:
        name, *rest = children
        arguments = each(part(rest, "arguments"), t.Argument)
        self._distinct(arguments)
        return t.Vary(
            operation=name.text,
            arguments=arguments,
            within=tuple(token.text for token in part(rest, "within")),
            span=span,
        )

    def operation(self, children: list[Any], span: t.Span) -> t.Operation:
        return t.Operation(
            name=children[0].text,
            parameters=self._distinct(part(children, "parameters")),
            value=children[-1],
            doc=self.scan.docs.get(span.start, ()),
            span=span,
        )

    def module(self, children: list[Any], span: t.Span) -> t.Module:
        kind, name, *rest, body = children
        header = part(rest, "header")
        inputs = part(header, "inputs")
        parameters = part(header, "parameter_list")
        family = part(rest, "family")
        self._distinct((*family, *inputs, *parameters))
        return t.Module(
            kind=t.ModuleKind(kind.text),
            name=name.text,
            family=tuple(token.text for token in family),
            inputs=inputs,
            parameters=parameters,
            elastic=_elastic(rest),
            body=body.values,
            short=body.kind == "short_body",
            doc=self.scan.docs.get(span.start, ()),
            span=span,
        )

    def short_body(self, children: list[Any], span: t.Span) -> Part:
        return Part("short_body", (t.Return(values=tuple(children), span=children[0].span),))

    def input(self, children: list[Any], span: t.Span) -> t.Input:
        below = part(children, "below")
        return t.Input(
            name=children[0].text,
            shape=part(children, "shape"),
            below=below[0] if below else None,
            span=span,
        )

    def shape(self, children: list[Any], span: t.Span) -> Part:
        for token in children[1::2]:
            if token.text != "x":
                self.scan.report(
                    "E0217",
                    "a shape is written with `x`",
                    token,
                    found=f"`{token.text}`",
                    expected="`x`",
                    hint="for example `image: 3 x 224 x 224`",
                )
        return Part("shape", tuple(children[::2]))

    def parameters(self, children: list[Any], span: t.Span) -> Part:
        return Part("parameters", part(children, "parameter_list"))

    def parameter(self, children: list[Any], span: t.Span) -> t.Parameter:
        default = children[1] if len(children) > 1 else None
        return t.Parameter(name=children[0].text, default=default, span=span)

    def _distinct(self, names: tuple[Any, ...]) -> tuple[Any, ...]:
        """The same inputs, parameters or arguments, each name reported that comes twice."""
        seen = set()
        for node in names:
            name = node.text if isinstance(node, Token) else node.name
            if name is not None and name in seen:
                place = node if isinstance(node, Token) else _token(node)
                self.scan.report(
                    "E0212",
                    f"`{name}` is named twice here",
                    place,
                    found=f"`{name}` again",
                    expected="each name once",
                    hint="rename or delete one of them",
                )
            seen.add(name)
        return names

    # --- statements -------------------------------------------------------------------------

    def target(self, children: list[Any], span: t.Span) -> t.Ref:
        return self.reference(children, span)

    def bind(self, children: list[Any], span: t.Span) -> t.Bind:
        return t.Bind(targets=tuple(children[:-1]), value=children[-1], span=span)

    def result(self, children: list[Any], span: t.Span) -> t.Return:
        return t.Return(values=tuple(children), span=span)

    def loop(self, children: list[Any], span: t.Span) -> t.For:
        name, values, body = children
        return t.For(name=name.text, values=values, body=body.values, span=span)

    def branch(self, children: list[Any], span: t.Span) -> t.If:
        condition, yes, *rest = children
        no = rest[0].values if rest else ()
        return t.If(condition=condition, yes=yes.values, no=no, span=span)

    # --- expressions ------------------------------------------------------------------------

    def select(self, children: list[Any], span: t.Span) -> t.Select:
        condition, yes, no = children
        return t.Select(condition=condition, yes=yes, no=no, span=span)

    def binary(self, children: list[Any], span: t.Span) -> t.Binary:
        left, operator, right = children
        return t.Binary(operator=OPERATORS[operator.text], left=left, right=right, span=span)

    def negate(self, children: list[Any], span: t.Span) -> t.Negate:
        return t.Negate(value=children[1], span=span)

    def tie(self, children: list[Any], span: t.Span) -> t.Tied:
        value, name = children[:2]
        return t.Tied(value=value, name=name.text, index=part(children, "index"), span=span)

    def number(self, children: list[Any], span: t.Span) -> t.Number:
        text = children[0].text
        return t.Number(value=number_value(text), text=text, span=span)

    def text(self, children: list[Any], span: t.Span) -> t.Text:
        return t.Text(value=children[0].text.strip("\"'"), span=span)

    def flag(self, children: list[Any], span: t.Span) -> t.Flag:
        return t.Flag(value=children[0].text == "yes", span=span)

    def name(self, children: list[Any], span: t.Span) -> t.Ref:
        return self.reference(children, span)

    def reference(self, children: list[Any], span: t.Span) -> t.Ref:
        name = children[0]
        if name.text in FOREIGN_FLAGS:
            self.scan.report(
                "E0214",
                f"`{name.text}` is no value of this language",
                name,
                found=f"`{name.text}`",
                expected="`yes` or `no`",
                hint=f"write `{FOREIGN_FLAGS[name.text]}`",
            )
        return t.Ref(name=name.text, index=part(children, "index"), span=span)

    def call(self, children: list[Any], span: t.Span) -> t.Call:
        inside = part(children, "arguments")
        arguments = each(inside, t.Argument)
        comprehensions = each(inside, t.Comprehension)
        self._check_arguments(arguments, comprehensions)
        return t.Call(
            name=children[0].text,
            index=part(children, "index"),
            arguments=arguments,
            comprehensions=comprehensions,
            span=span,
        )

    def _check_arguments(
        self, arguments: tuple[t.Argument, ...], comprehensions: tuple[t.Comprehension, ...]
    ) -> None:
        self._distinct(arguments)
        for before, after in pairwise(arguments):
            if before.name is not None and after.name is None:
                self.scan.report(
                    "E0210",
                    "an argument without a name stands behind one with a name",
                    _token(after),
                    expected="arguments without names first",
                    hint=f"move it before `{before.name}=`, or name it",
                )
        if comprehensions and (len(arguments) != 1 or arguments[0].name is not None):
            self.scan.report(
                "E0211",
                "`for` in a call needs one argument, without a name",
                _token(comprehensions[0]),
                found=f"{len(arguments)} arguments",
                expected="`sum(n[j] for j in 1..3)`",
                hint="put the other terms outside: `a + sum(... for j in ...)`",
            )

    def keyword(self, children: list[Any], span: t.Span) -> t.Argument:
        return t.Argument(name=children[0].text, value=children[1], span=span)

    def positional(self, children: list[Any], span: t.Span) -> t.Argument:
        return t.Argument(name=None, value=children[0], span=span)

    def comprehension(self, children: list[Any], span: t.Span) -> t.Comprehension:
        return t.Comprehension(name=children[0].text, values=children[1], span=span)

    def one_of(self, children: list[Any], span: t.Span) -> t.Hole:
        return t.Hole(quantity=t.Quantity.ONE, alternatives=children[0].values, span=span)

    def some_of(self, children: list[Any], span: t.Span) -> t.Hole:
        count, alternatives = children
        if int(count.text) == 0:
            self.scan.report(
                "E0218",
                "a hole that takes nothing",
                count,
                found="`0 of`",
                expected="a number from 1",
                hint="`any of {...}` may take none",
            )
        return t.Hole(
            quantity=t.Quantity.SOME,
            count=int(count.text),
            alternatives=alternatives.values,
            span=span,
        )

    def any_of(self, children: list[Any], span: t.Span) -> t.Hole:
        return t.Hole(quantity=t.Quantity.ANY, alternatives=children[0].values, span=span)

    def alternative(self, children: list[Any], span: t.Span) -> t.Alternative:
        label = children[0] if isinstance(children[0], t.Label) else None
        value = children[1] if label else children[0]
        return t.Alternative(
            label=label, value=value, comprehensions=each(children, t.Comprehension), span=span
        )

    def label(self, children: list[Any], span: t.Span) -> t.Label:
        return t.Label(name=children[0].text, index=part(children, "index"), span=span)


def _elastic(children: Iterable[Any]) -> bool:
    return any(isinstance(child, Token) and child.kind == "ELASTIC" for child in children)


def _token(node: t.Node) -> Token:
    return Token("", "", node.span.start, node.span.end)
