"""What Lark's parser does when a rule is complete: it asks a builder for the node.

Lark calls one function for each rule, with all that it has read of it, punctuation included. So
the place of a node is known without Lark's own trees, which take three times as long to build
when they have positions, and the typed tree is built while Lark parses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from operator import itemgetter
from typing import Any, NamedTuple

from lark import Lark
from lark.grammar import Rule

from archdsl.syntax.lexer import token_of

Reduce = Callable[[str, list[Any], int, int], Any]
"""A builder's function: the rule's name, its children, and its place in the text."""
Callbacks = dict[Any, Callable[[Any], Any]]

TOKEN, NODE, SPLICE = 0, 1, 2
"""How a rule takes a child: as it is, its value, or the values of a repetition one by one."""
Kept = tuple[tuple[int, int], ...]


class Piece(NamedTuple):
    """What a rule gave, and its place with the brackets around it. A repetition gives a list."""

    value: Any
    start: int
    end: int


class Plan(NamedTuple):
    """What becomes of a rule; `kept` are its children without the punctuation.

    An inline rule (`?name`) gives its only child, a repeated one the list of its turns.
    """

    rule: Rule
    action: str
    kept: Kept
    inline: bool
    repeats: bool


@cache
def plans(parser: Lark) -> tuple[Plan, ...]:
    """The plans for all rules of a grammar."""
    return tuple(_plan(rule) for rule in parser.rules)


def _plan(rule: Rule) -> Plan:
    kept = []
    for i, symbol in enumerate(rule.expansion):
        if not symbol.is_term:
            kept.append((i, SPLICE if symbol.name.startswith("_") else NODE))
        elif not symbol.filter_out:  # type: ignore[attr-defined]
            kept.append((i, TOKEN))
    origin = str(rule.origin.name)
    return Plan(
        rule=rule,
        action=str(rule.alias or origin),
        kept=tuple(kept),
        inline=bool(rule.options.expand1) and rule.alias is None and len(kept) == 1,
        repeats=origin.startswith("_"),
    )


def callbacks(parser: Lark, reduce: Reduce) -> Callbacks:
    """The functions that Lark calls: one for each rule, and one for each terminal."""
    result: Callbacks = {terminal.name: token_of for terminal in parser.terminals}
    for plan in plans(parser):
        if plan.inline and len(plan.rule.expansion) == 1 and plan.kept[0][1] == NODE:
            # Most rules only climb the ladder of precedences.
            result[plan.rule] = itemgetter(0)
        elif plan.inline:
            result[plan.rule] = partial(_inline, plan.kept)
        elif plan.repeats:
            result[plan.rule] = partial(_repetition, plan.kept)
        else:
            result[plan.rule] = partial(_node, plan.kept, reduce, plan.action)
    return result


def _inline(kept: Kept, children: list[Any]) -> Piece:
    return Piece(_values(kept, children)[0], children[0].start, children[-1].end)


def _repetition(kept: Kept, children: list[Any]) -> Piece:
    return Piece(_values(kept, children), children[0].start, children[-1].end)


def _node(kept: Kept, reduce: Reduce, action: str, children: list[Any]) -> Piece:
    start, end = children[0].start, children[-1].end
    return Piece(reduce(action, _values(kept, children), start, end), start, end)


def _values(kept: Kept, children: list[Any]) -> list[Any]:
    values: list[Any] = []
    for i, use in kept:
        child = children[i]
        if use == TOKEN:
            values.append(child)
        elif use == NODE:
            values.append(child.value)
        elif values:
            values += child.value
        else:
            # A repetition extends the list of its former turns: copying it would be quadratic.
            values = child.value
    return values
