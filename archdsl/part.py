"""A part of a space: some decisions keep only some of their alternatives."""

from __future__ import annotations

from archdsl.ir.graph import Program
from archdsl.ir.parts import decisions_of
from archdsl.ir.restrict import restrict
from archdsl.passes.constraints import constrained
from archdsl.space.architecture import Architecture
from archdsl.space.kept import Kept, whole_kept
from archdsl.space.view import SearchSpace


def restricted(space: SearchSpace, kept: Kept) -> SearchSpace:
    """The part of a space in which decisions, by their keys, keep only these alternatives.

    `kept` gives their numbers in the space, as `choices` do; a decision that is not named keeps
    all, one that keeps a single alternative is fixed. What stands inside the others is gone from
    graphs, supernets, mixtures and counts. Every string of the part is one of the space, means the
    same network there, and names of weights are a subset, with their shapes, so weights of one
    supernet are those of the other. Constraints hold as before. Raises ArchError E0625 for what
    leaves no architecture.
    """
    return constrained(restrict(space.program, whole_kept(space, kept)))


def fixed(space: SearchSpace, found: Architecture, levels: int) -> SearchSpace:
    """The part in which the decisions of the outermost levels are those of one architecture."""
    taken = zip(space.decisions, space.outer(found, levels), strict=True)
    return restricted(space, {one.key: some for one, some in taken if some is not None})


def left(program: Program) -> dict[str, list[int]]:
    """What decisions keep that keep less than in the text, by their keys; nothing for a whole.

    `restricted` makes the same part of it again.
    """
    part = program.part
    if part is None:
        return {}
    outside = left(part.whole)
    counts = {one.key: len(one.hole.labels) for one in decisions_of(part.whole)}
    fewer = {key: some for key, some in part.kept.items() if len(some) < counts[key]}
    for key, some in fewer.items():
        outside[key] = [outside[key][a] if key in outside else a for a in some]
    return outside
