"""How the decisions of a space stand in its strings: groups, entries, slots; and printing.

A string lists the net's group, then every other definition's by first use; where a block's uses
depend on a definition that is used later, that one comes first, so that what stands to the left
always tells what may follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from archdsl.ir.graph import Program, Static
from archdsl.ir.parts import decisions_of
from archdsl.ir.scopes import Decision, Scope, qualify
from archdsl.space.forest import Forest, Partial, Place
from archdsl.syntax.numbers import number_text
from archdsl.syntax.printer import print_genotype
from archdsl.syntax.tree import (
    Argument,
    Expression,
    Flag,
    Genotype,
    ModuleKind,
    Number,
    Source,
    Span,
    Text,
)

MAX_REMEMBERED = 20_000
"""Spellings kept for each entry; beyond, they are made anew each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One decision in a string. `inner[a]` are those in parentheses behind alternative a."""

    index: int
    decision: Decision
    place: Place
    numbers: Mapping[str, int]
    inner: tuple[tuple[int, ...], ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return self.decision.hole.labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What stands between two `;`: the decisions of `range(start, stop)`.

    `slots` are those outside all parentheses; they exist together, when the first of them does.
    """

    start: int
    stop: int
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """`/NAME[...]`; the name has the family's indices, as strings spell them: `motif.2`."""

    name: str
    entries: tuple[Entry, ...]


class Layout:
    """The shape of a space's strings. `decisions` are in their order, parents first."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.head = head(program.space, program.changed)
        plan = _groups(decisions_of(program))
        ordered = [d for _, entries in plan for entry in entries for d in entry]
        position = {decision.key: i for i, decision in enumerate(ordered)}
        self.decisions = tuple(ordered)
        self.forest = Forest(_place(decision, position) for decision in ordered)
        self.governed = tuple(i for i, p in enumerate(self.forest.places) if p.governor >= 0)
        inner = _inner_of(ordered, self.forest)
        self.slots = tuple(
            _slot(i, decision, self.forest.places[i], inner[i])
            for i, decision in enumerate(ordered)
        )
        self.groups = tuple(
            Group(name=name, entries=tuple(_entry(entry, position) for entry in entries))
            for name, entries in plan
        )
        self._spelled: tuple[dict[Partial, str], ...] = tuple({} for _ in ordered)

    def reached(self, group: Group, choices: Partial) -> list[Entry]:
        """The entries of a group that exist, given what the decisions before it take."""
        return [e for e in group.entries if self.forest.exists(e.slots[0], choices)]

    def allows(self, entry: Entry, choices: Partial) -> bool:
        """Whether an entry that exists takes what it can, and nothing that does not exist."""
        return all(
            self.forest.places[i].allows(taken) if taken is not None else i not in entry.slots
            for i, taken in enumerate(choices[entry.start : entry.stop], entry.start)
        ) and all(
            (choices[i] is not None) is (i in entry.slots or self.forest.exists(i, choices))
            for i in range(entry.start, entry.stop)
        )

    def obeys(self, choices: Partial) -> bool:
        """Whether every decision takes what its governor, if it has one, leaves open to it."""
        forest = self.forest
        return all(
            taken is None or forest.allows(i, taken, choices)
            for i in self.governed
            for taken in (choices[i],)
        )

    def text(self, choices: Partial) -> str:
        """The canonical string of a filling."""
        parts = [self.head]
        for group in self.groups:
            entries = [
                self.entry_text(entry, choices)
                for entry in group.entries
                if choices[entry.slots[0]] is not None
            ]
            if entries:
                parts.append(f"{group.name}[{'; '.join(entries)}]")
        return "/".join(parts)

    def entry_text(self, entry: Entry, choices: Partial) -> str:
        """One entry, `3(pool) 1+2`."""
        known = self._spelled[entry.start]
        key = choices[entry.start : entry.stop]
        text = known.get(key)
        if text is None:
            text = " ".join(self._choice(slot, choices) for slot in entry.slots)
            if len(known) < MAX_REMEMBERED:
                known[key] = text
        return text

    def _choice(self, index: int, choices: Partial) -> str:
        slot, written = self.slots[index], set[int]()
        picks = []
        for alternative in choices[index] or ():
            inner = [child for child in slot.inner[alternative] if child not in written]
            written.update(inner)
            below = " ".join(self._choice(child, choices) for child in inner)
            picks.append(slot.labels[alternative] + (f"({below})" if inner else ""))
        return "+".join(picks) or "-"


def head(space: str, changed: Mapping[str, Static]) -> str:
    """What a string begins with: the space and the parameters that are not at their default."""
    span = Span(source=Source(name="<parameters>", text=""), start=0, end=0)
    given = tuple(
        Argument(name=name, value=_literal(value, span), span=span)
        for name, value in changed.items()
    )
    return print_genotype(Genotype(space=space, parameters=given, span=span))


def _literal(value: Static, span: Span) -> Expression:
    match value:
        case bool():
            return Flag(value=value, span=span)
        case int() | float():
            return Number(value=value, text=number_text(value), span=span)
        case str():
            return Text(value=value, span=span)


def unit_name(scope: Scope) -> str:
    """A definition with its family's indices, as strings spell it: `motif.2`."""
    return ".".join((scope.group, *(str(i) for i in scope.family)))


Plan = list[tuple[str, list[list[Decision]]]]


def _groups(found: Sequence[Decision]) -> Plan:
    """The decisions by group and entry, in the order of strings."""
    by_key = {decision.key: decision for decision in found}
    units: dict[str, list[Decision]] = {}
    for decision in found:
        units.setdefault(unit_name(decision.scope), []).append(decision)
    needs: dict[str, set[str]] = {unit: set() for unit in units}
    for decision in found:
        if decision.parent is not None:
            unit, parent = unit_name(decision.scope), by_key[decision.parent[0]]
            needs[unit].add(unit_name(parent.scope))
            needs[unit].discard(unit)
    return [(unit, _entries(units[unit])) for unit in _outer_first(needs)]


def _outer_first(needs: Mapping[str, set[str]]) -> Iterable[str]:
    """Each unit as early as it stands, but behind all that it needs; recursion cannot occur."""
    done: dict[str, None] = {}
    while len(done) < len(needs):
        ready = (u for u, needed in needs.items() if u not in done and needed <= done.keys())
        done[next(ready)] = None
    return done


def _entries(unit: Sequence[Decision]) -> list[list[Decision]]:
    """A block has an entry for each use, a cell or net one for each statement (and turn)."""
    inner: dict[str, list[Decision]] = {}
    entries: dict[tuple[tuple[str, ...], int], list[Decision]] = {}
    for decision in unit:
        if decision.hole.parent is not None and decision.parent is not None:
            inner.setdefault(decision.parent[0], []).append(decision)
        else:
            scope, block = decision.scope, decision.scope.kind is ModuleKind.BLOCK
            entry = (scope.key, 0 if block else decision.hole.entry)
            entries.setdefault(entry, []).append(decision)
    return [_preorder(tops, inner) for tops in entries.values()]


def _preorder(tops: Sequence[Decision], inner: Mapping[str, list[Decision]]) -> list[Decision]:
    result: list[Decision] = []
    waiting = list(reversed(tops))
    while waiting:
        decision = waiting.pop()
        result.append(decision)
        waiting.extend(reversed(inner.get(decision.key, ())))
    return result


def _place(decision: Decision, position: Mapping[str, int]) -> Place:
    parent, when = decision.parent or ("", ())
    governor = decision.hole.governor
    return Place(
        quantity=decision.hole.quantity,
        count=decision.hole.count,
        alternatives=len(decision.hole.labels),
        parent=position[parent] if parent else -1,
        when=tuple(sorted(when)),
        governor=position[qualify(decision.scope.key, governor)] if governor else -1,
        allowed=decision.hole.allowed,
    )


def _inner_of(parents: Sequence[Decision], forest: Forest) -> list[list[list[int]]]:
    """For each decision and alternative, the decisions written inside it, in order."""
    inner: list[list[list[int]]] = [[[] for _ in d.hole.labels] for d in parents]
    for i, decision in enumerate(parents):
        if decision.hole.parent is not None:
            parent, when = forest.conditions[i]
            for alternative in when:
                inner[parent][alternative].append(i)
    return inner


def _slot(index: int, decision: Decision, place: Place, inner: Sequence[Sequence[int]]) -> Slot:
    return Slot(
        index=index,
        decision=decision,
        place=place,
        numbers={label: i for i, label in enumerate(decision.hole.labels)},
        inner=tuple(tuple(children) for children in inner),
    )


def _entry(members: Sequence[Decision], position: Mapping[str, int]) -> Entry:
    start = position[members[0].key]
    return Entry(
        start=start,
        stop=start + len(members),
        slots=tuple(position[d.key] for d in members if d.hole.parent is None),
    )
