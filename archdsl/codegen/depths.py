"""Repetitions that a choice cuts short: `f^{2..4}` as one loop over the first members.

for encoder, inner in zip(self.encoder[: choice.depth], choice.encoder, strict=False):
    x = encoder(x, inner)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from archdsl.codegen.conditions import hole_values
from archdsl.codegen.literals import Table, literal
from archdsl.codegen.steps import Chain, Depth, Pick, Step, Use
from archdsl.ir.graph import Graph


def cut_short(steps: Sequence[Step], outputs: Sequence[int], graph: Graph) -> list[Step]:
    """Steps with each such repetition as one chain, where its members are called alike."""
    by_value = {step.out: step for step in steps}
    users: dict[int, set[int]] = {output: {-1} for output in outputs}
    for step in steps:
        for arg in step.args:
            users.setdefault(arg, set()).add(step.out)
    gone: set[int] = set()
    found: dict[int, Step] = {}
    for step in steps:
        if not isinstance(step.what, Pick):
            continue
        members = _members(step, by_value)
        inside = {member.out for member in members}
        if len(members) > 1 and all(users[out] <= inside | {step.out} for out in inside):
            gone |= inside
            found[step.out] = _chain(step, step.what.hole, members)
    return [found.get(step.out, step) for step in steps if step.out not in gone]


def _members(pick: Step, steps: dict[int, Step]) -> list[Step]:
    """The uses in a row, of which the pick takes the results of the first so many."""
    members: list[Step] = []
    last = max(pick.args)
    while last in steps and isinstance(steps[last].what, Use):
        members.insert(0, steps[last])
        if len(steps[last].args) != 1:
            return []
        (last,) = steps[last].args
        if steps.get(last) is None or steps[last].path[:-1] != members[0].path[:-1]:
            break
    known = [member.out for member in members]
    if not members or any(arg not in (*known, members[0].args[0]) for arg in pick.args):
        return []
    same = {(member.what, member.numbers, member.path[:-1]) for member in members}
    numbered = [member.path[-1] for member in members] == [str(i) for i in range(len(members))]
    linked = all(after.args == (before.out,) for before, after in pairwise(members))
    return members if len(same) == 1 and numbered and linked else []


def _chain(pick: Step, hole: str, members: list[Step]) -> Step:
    results = [members[0].args[0], *(member.out for member in members)]
    counts = tuple(results.index(arg) for arg in pick.args)
    return replace(
        pick,
        args=members[0].args,
        what=Chain(tuple(members), Depth(hole, counts)),
        path=members[0].path[:-1],
    )


def count_text(depth: Depth, graph: Graph, name: str) -> str:
    """How many members are run: `choice.depth`, `choice.depth - 1`, or looked up."""
    (hole,) = (hole for hole in graph.holes if hole.name == depth.hole)
    values = hole_values(hole)
    apart = {
        count - value if isinstance(value, int) else None
        for count, value in zip(depth.counts, values, strict=True)
    }
    if apart == {0}:
        return name
    (only, *more) = apart
    if only is not None and not more:
        return f"{name} {'+' if only > 0 else '-'} {abs(only)}"
    return f"{literal(Table(tuple(zip(values, depth.counts, strict=True))))}[{name}]"


def depth_holes(step: Step) -> Iterator[str]:
    """The holes that cut a chain short."""
    if isinstance(step.what, Chain) and step.what.depth is not None:
        yield step.what.depth.hole
