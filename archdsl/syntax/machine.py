"""The LALR machine: tokens and tables to a value, going on after errors where it can."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from archdsl.syntax.lexer import Token
from archdsl.syntax.tables import DROP, END, SPLICE, Rule, Tables

Reduce = Callable[[str, list[Any], int, int], Any]


@dataclass(slots=True)
class Replace:
    """A repair: read these tokens in place of the refused one."""

    tokens: tuple[Token, ...]


@dataclass(slots=True)
class Resume:
    """A repair: go on at the token with this index; None gives up."""

    at: int | None


class Repairs(Protocol):
    """Reports a refused token and says how to go on."""

    def repair(self, machine: Machine, at: int) -> Replace | Resume: ...


@dataclass(slots=True)
class Machine:
    """One parse. The three stacks hold values and their places beside the states."""

    tables: Tables
    reduce: Reduce
    tokens: list[Token]
    states: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def run(self, repairs: Repairs) -> Any:
        """The value of the whole text, or None where repairs gave up."""
        self.states.append(self.tables.start)
        at = 0
        while at < len(self.tokens):
            if self.feed(self.tokens[at]):
                at += 1
                continue
            match repairs.repair(self, at):
                case Replace(tokens):
                    if not all(self.feed(token) for token in tokens):
                        return None
                    at += 1
                case Resume(goal):
                    if goal is None:
                        return None
                    at = goal
        return self.values[0]

    def feed(self, token: Token) -> bool:
        """Shift a token after the reductions before it; False, and no change, if refused."""
        tables = self.tables
        checked = False
        while True:
            action = tables.states[self.states[-1]].get(token.kind)
            if action is None:
                return False
            if action >= 0:
                self.push(action, token, token.start, token.end)
                return True
            # LALR tables reduce before they notice an error: look ahead once, so that a refused
            # token leaves the stack as it was.
            if not checked and not self.accepts(token.kind):
                return False
            checked = True
            self._apply(tables.rules[-1 - action])
            if token.kind == END and self.states[-1] == tables.end:
                return True

    def push(self, state: int, value: Any, start: int, end: int) -> None:
        self.states.append(state)
        self.values.append(value)
        self.starts.append(start)
        self.ends.append(end)

    def pop(self, count: int = 1) -> None:
        for stack in (self.states, self.values, self.starts, self.ends):
            del stack[-count:]

    def _apply(self, rule: Rule) -> None:
        count = rule.length
        if count == 1 and rule.inline:
            # Most reductions only climb the ladder of precedences: the value stays.
            del self.states[-1]
            self.states.append(self.tables.states[self.states[-1]][rule.origin])
            return
        start, end = self.starts[-count], self.ends[-1]
        children = _children(rule, self.values[-count:])
        self.pop(count)
        if rule.repeats:
            value: Any = children
        elif rule.inline:
            value = children[0]
        else:
            value = self.reduce(rule.action, children, start, end)
        state = self.tables.states[self.states[-1]][rule.origin]
        self.push(state, value, start, end)

    def accepts(self, kind: str, depth: int | None = None) -> bool:
        """Whether a terminal would be shifted, on the lowest `depth` states of the stack."""
        tables = self.tables
        kept = len(self.states) if depth is None else depth
        added: list[int] = []
        while True:
            state = added[-1] if added else self.states[kept - 1]
            if kind == END and state == tables.end:
                return True
            action = tables.states[state].get(kind)
            if action is None:
                return False
            if action >= 0:
                return True
            rule = tables.rules[-1 - action]
            remove = min(rule.length, len(added))
            del added[len(added) - remove :]
            kept -= rule.length - remove
            state = added[-1] if added else self.states[kept - 1]
            added.append(tables.states[state][rule.origin])

    def expected(self) -> frozenset[str]:
        """The terminals that could come now."""
        row = self.tables.states[self.states[-1]]
        return frozenset(k for k in row if k.isupper() or k == END if self.accepts(k))

    def unwind(self, kind: str, floor: int) -> bool:
        """Drop what was begun until a terminal fits; keeps at least `floor` states."""
        for depth in range(len(self.states), floor - 1, -1):
            if self.accepts(kind, depth):
                if depth < len(self.states):
                    self.pop(len(self.states) - depth)
                return True
        return False


def _children(rule: Rule, values: list[Any]) -> list[Any]:
    # A repetition extends the list of its former turns: copying it would be quadratic.
    if rule.repeats and rule.children[0] == SPLICE:
        children: list[Any] = values[0]
        rest = list(zip(rule.children, values, strict=True))[1:]
    else:
        children = []
        rest = list(zip(rule.children, values, strict=True))
    for use, value in rest:
        if use == SPLICE:
            children += value
        elif use != DROP:
            children.append(value)
    return children
