"""A part of a space: some decisions keep only some of their alternatives."""

from __future__ import annotations

from archdsl.ir.restrict import restrict
from archdsl.passes.constraints import constrained
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
