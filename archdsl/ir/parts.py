"""Which decisions a part of a space has: those of the whole, as far as they can exist.

What several decisions may use (a motif of any edge) is decided whether one of them uses it or
not. So it is decided in a part too in which none can, and every string of the part is one of
the whole; its scope then names no module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from archdsl.ir.formula import ALWAYS
from archdsl.ir.graph import Program
from archdsl.ir.restrict import narrow_hole
from archdsl.ir.scopes import Decision, ScopeKey, decisions, scopes, under

Numbers: TypeAlias = Mapping[int, int]
"""The kept alternatives of a decision: their numbers before, and those after."""
Holes: TypeAlias = dict[str, Numbers]


def decisions_of(program: Program) -> tuple[Decision, ...]:
    """Every decision of a program, which may be a part of another, in the order of strings."""
    part = program.part
    if part is None:
        return decisions(program)
    whole = decisions_of(part.whole)
    numbers = {key: {old: new for new, old in enumerate(some)} for key, some in part.kept.items()}
    there = {scope.key: scope for scope in scopes(program)}
    holes = _of_scopes(whole, numbers)
    left = _left(whole, numbers)
    result = []
    for one in left.values():
        parent = one.parent and (
            one.parent[0],
            tuple(numbers[one.parent[0]][a] for a in one.parent[1] if a in numbers[one.parent[0]]),
        )
        scope = there.get(one.scope.key) or replace(one.scope, module="", under=ALWAYS)
        hole = narrow_hole(one.hole, holes[one.scope.key])
        result.append(replace(one, scope=scope, hole=hole, parent=parent, under=ALWAYS))
    by_key = {one.key: one for one in result}
    return tuple(replace(one, under=under(one, by_key)) for one in result)


def _left(whole: tuple[Decision, ...], numbers: Mapping[str, Numbers]) -> dict[str, Decision]:
    """Those that exist under something that is left."""
    by_key = {one.key: one for one in whole}

    def exists(one: Decision) -> bool:
        while one.parent is not None:
            outer, alternatives = one.parent
            if not any(a in numbers[outer] for a in alternatives):
                return False
            one = by_key[outer]
        return True

    return {key: one for key, one in by_key.items() if exists(one)}


def _of_scopes(whole: tuple[Decision, ...], kept: Mapping[str, Numbers]) -> dict[ScopeKey, Holes]:
    """The numbers of the holes of every scope, by their own names."""
    found: dict[ScopeKey, Holes] = {}
    for one in whole:
        found.setdefault(one.scope.key, {})[one.hole.name] = kept[one.key]
    return found
