"""Networks that grow out of others: edits, and the weights that a child takes over."""

from __future__ import annotations

from archdsl.grow.heir import Heir, heir

__all__ = ["Heir", "heir"]
