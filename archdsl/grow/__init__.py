"""Networks that grow out of others: edits, and the weights that a child takes over."""

from __future__ import annotations

from archdsl.grow.edits import Deepen, Edit, Insert, Skip, Widen, edited
from archdsl.grow.heir import Heir, heir

__all__ = ["Deepen", "Edit", "Heir", "Insert", "Skip", "Widen", "edited", "heir"]
