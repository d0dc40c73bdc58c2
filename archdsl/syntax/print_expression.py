"""Expressions to layouts: parentheses where the grammar needs them, breaks where they read well."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from archdsl.syntax import tree as t
from archdsl.syntax.comments import Comments
from archdsl.syntax.errors import fault
from archdsl.syntax.layout import (
    FORCED,
    SOFT,
    SPACE,
    Group,
    IfBroken,
    Layout,
    Nest,
    join,
    set_lines,
)
from archdsl.syntax.numbers import number_text

# How tightly each form binds, as `grammar/arch.lark` has it, loosest first.
SELECT, OR, AND, COMPARE, RANGE, SUM, PRODUCT, CHAIN, NEGATE, POWER, TIED, ATOM = range(12)

BINDING = {
    t.Operator.OR: OR,
    t.Operator.AND: AND,
    t.Operator.LESS_EQUAL: COMPARE,
    t.Operator.GREATER_EQUAL: COMPARE,
    t.Operator.EQUAL: COMPARE,
    t.Operator.NOT_EQUAL: COMPARE,
    t.Operator.LESS: COMPARE,
    t.Operator.GREATER: COMPARE,
    t.Operator.RANGE: RANGE,
    t.Operator.ADD: SUM,
    t.Operator.SUBTRACT: SUM,
    t.Operator.MULTIPLY: PRODUCT,
    t.Operator.DIVIDE: PRODUCT,
    t.Operator.FLOOR_DIVIDE: PRODUCT,
    t.Operator.MODULO: PRODUCT,
    t.Operator.ARROW: CHAIN,
    t.Operator.REPEAT: POWER,
}
ALONE = frozenset({COMPARE, RANGE, POWER})
"""Operators that cannot follow each other: `a < b < c` and `a^b^c` need parentheses."""

HUGGED = 60
"""A short chain before a hole stays on the line where the hole opens."""


class Expressions:
    """Lays out expressions. `comments` are those of the text; holes put theirs back.

    `plain` writes numbers in their canonical spelling instead of the author's.
    """

    def __init__(self, comments: Comments, *, plain: bool = False) -> None:
        self.comments = comments
        self.plain = plain

    def layout(self, node: t.Expression, least: int = SELECT, tight: bool = False) -> Layout:
        """`node`, in parentheses if it binds less than `least`; `tight` writes `i-1`."""
        inside = self._bare(node, tight)
        if binding(node) >= least:
            return inside
        return Group(["(", Nest([SOFT, inside]), SOFT, ")"])

    def _bare(self, node: t.Expression, tight: bool) -> Layout:
        match node:
            case t.Number() | t.Text() | t.Flag():
                return self._literal(node)
            case t.Ref():
                return [node.name, self.index(node.index)]
            case t.Call():
                return self._call(node)
            case t.Hole():
                return self._hole(node)
            case t.Binary():
                return self._binary(node, tight)
            case t.Negate():
                return ["-", self.layout(node.value, NEGATE, tight)]
            case t.Select():
                return Group(Nest(self.cases(node)))
            case t.Tied():
                return [self.layout(node.value, ATOM), f"@{node.name}", self.index(node.index)]
        assert_never(node)

    def _literal(self, node: t.Number | t.Text | t.Flag) -> str:
        match node:
            case t.Number():
                return number_text(node.value) if self.plain or not node.text else node.text
            case t.Text():
                return quoted(node.value, node.span)
            case t.Flag():
                return "yes" if node.value else "no"
        assert_never(node)

    def index(self, values: tuple[t.Expression, ...]) -> Layout:
        if not values:
            return ""
        return ["[", join(", ", [self.layout(value, tight=True) for value in values]), "]"]

    def bound(self, node: t.Expression) -> Layout:
        """`= node`: the cases of a long choice stand under one another, on lines of their own."""
        if isinstance(node, t.Select):
            return Group([" =", Nest([SPACE, self.cases(node)])])
        return [" = ", self.layout(node)]

    def cases(self, node: t.Select) -> list[Layout]:
        """`if a then b`, `else if c then d`, `else e`, with breaks between them."""
        parts: list[Layout] = []
        rest: t.Expression = node
        while isinstance(rest, t.Select):
            case = ["if ", self.layout(rest.condition), " then ", self.layout(rest.yes)]
            parts.append(["else ", case] if parts else case)
            rest = rest.no
        return join(SPACE, [*parts, ["else ", self.layout(rest)]])

    def _binary(self, node: t.Binary, tight: bool) -> Layout:
        level = BINDING[node.operator]
        if node.operator is t.Operator.REPEAT:
            return [self.layout(node.left, TIED, tight), "^", self._exponent(node.right)]
        if node.operator is t.Operator.RANGE:
            left, right = (self.layout(side, SUM, tight=True) for side in (node.left, node.right))
            return [left, "..", right]
        return self._chain(level, _flatten(node, level), tight and level in (SUM, PRODUCT))

    def _exponent(self, node: t.Expression) -> Layout:
        if isinstance(node, t.Negate):
            return ["-", self._exponent(node.value)]
        return self.layout(node, TIED, tight=True)

    def _chain(self, level: int, links: list[tuple[str, t.Expression]], tight: bool) -> Layout:
        stricter = level + 1
        first = self._link(links[0][1], stricter if level in ALONE else level, tight)
        rest = [(sign, self._link(link, stricter, tight)) for sign, link in links[1:]]
        if tight:
            return [first, *([sign, link] for sign, link in rest)]
        if _may_hug(links) and _width([first, *(link for _, link in rest[:-1])]) <= HUGGED:
            return [first, *([f" {sign} ", link] for sign, link in rest)]
        return Group([first, Nest([[SPACE, f"{sign} ", link] for sign, link in rest])])

    def _link(self, node: t.Expression, least: int, tight: bool) -> Layout:
        # `x + (x -> f)`: the arrow binds more tightly, but nobody should have to know.
        arrow = isinstance(node, t.Binary) and node.operator is t.Operator.ARROW
        return self.layout(node, ATOM if arrow and least <= CHAIN else least, tight)

    def _call(self, node: t.Call) -> Layout:
        name: Layout = [node.name, self.index(node.index)]
        if len(node.arguments) == 1 and not node.comprehensions:
            [argument] = node.arguments
            if isinstance(argument.value, t.Hole):
                return [name, "(", self._argument(argument), ")"]
        arguments = join([",", SPACE], [self._argument(a) for a in node.arguments])
        loops = [[SPACE, self.comprehension(loop)] for loop in node.comprehensions]
        if not arguments:
            return [name, "()"]
        return Group([name, "(", Nest([SOFT, arguments, loops]), SOFT, ")"])

    def _argument(self, node: t.Argument) -> Layout:
        value = self.layout(node.value)
        return value if node.name is None else [f"{node.name}=", value]

    def comprehension(self, node: t.Comprehension) -> Layout:
        return [f"for {node.name} in ", self.layout(node.values)]

    def _hole(self, node: t.Hole) -> Layout:
        parts: list[Layout] = []
        mark: Layout = IfBroken("  ") if len(node.alternatives) > 1 else ""
        position, commented = node.span.start, False
        following = [alternative.span.start for alternative in node.alternatives[1:]]
        for alternative, limit in zip(node.alternatives, [*following, node.span.end], strict=True):
            before = self.comments.take(position, alternative.span.start)
            inside = self._alternative(alternative)
            before += self.comments.take(alternative.span.start, alternative.span.end)
            behind = self.comments.take_trailing(alternative.span.end, limit, past="|")
            position, commented = alternative.span.end, commented or bool(before or behind)
            parts += [SPACE if parts else SOFT, *_own_lines(before), mark, inside, *behind]
            mark = "| "
        rest = self.comments.take(position, node.span.end)
        for text in rest:
            parts += [SPACE, text]
        force = FORCED if commented or rest else ""
        return Group([_opening(node), Nest(parts), SOFT, "}", force])

    def _alternative(self, node: t.Alternative) -> Layout:
        label: Layout = ""
        if node.label:
            label = [node.label.name, self.index(node.label.index), " = "]
        loops = [[SPACE, self.comprehension(loop)] for loop in node.comprehensions]
        return Group([label, Nest([self.layout(node.value), loops])])


def binding(node: t.Expression) -> int:
    match node:
        case t.Select():
            return SELECT
        case t.Binary():
            return BINDING[node.operator]
        case t.Negate():
            return NEGATE
        case t.Number():
            return ATOM if node.value >= 0 else NEGATE
        case t.Tied():
            return TIED
        case t.Text() | t.Flag() | t.Ref() | t.Call() | t.Hole():
            return ATOM
    assert_never(node)


def quoted(value: str, span: t.Span) -> str:
    """A text in quotes. There are no escapes, so that what is read is what is meant."""
    if '"' in value or "\n" in value:
        raise fault(
            "E0902",
            "a text with a quote or a line break cannot be written",
            span,
            found=ascii(value),
            expected="one line without quotes",
        )
    return f'"{value}"'


def _opening(node: t.Hole) -> str:
    match node.quantity:
        case t.Quantity.ONE:
            return "{"
        case t.Quantity.SOME:
            return f"{node.count} of {{"
        case t.Quantity.ANY:
            return "any of {"
    assert_never(node.quantity)


def _own_lines(comments: Iterable[str]) -> list[Layout]:
    return [part for text in comments for part in (text, SPACE)]


def _flatten(node: t.Binary, level: int) -> list[tuple[str, t.Expression]]:
    """The links of a chain that leans to the left, each with the operator before it."""
    links: list[tuple[str, t.Expression]] = []
    left: t.Expression = node
    while isinstance(left, t.Binary) and BINDING[left.operator] == level:
        links.append((left.operator.value, left.right))
        left = left.left
        if level in ALONE:
            break
    links.append(("", left))
    return links[::-1]


def _may_hug(links: list[tuple[str, t.Expression]]) -> bool:
    """Whether the last link is a hole that may open on the line of a plain beginning."""
    *before, (_, last) = links
    return isinstance(last, t.Hole) and all(_simple(link) for _, link in before)


def _width(layout: Layout) -> int:
    return len(set_lines(Group(layout), 0, width=10**9))


def _simple(node: t.Expression) -> bool:
    """Whether a link of a chain is so plain that it needs no line of its own."""
    match node:
        case t.Number() | t.Text() | t.Flag() | t.Ref():
            return True
        case t.Call():
            return all(_simple(argument.value) for argument in node.arguments)
        case _:
            return False
