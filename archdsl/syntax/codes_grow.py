"""Codes of edits that preserve a network's function, and of weights that children inherit."""

from __future__ import annotations

from archdsl.syntax.explanation import row

GROW_ROWS = (
    row(
        "E0840",
        "an edit that changes what the network computes",
        "A network grows only where new operations can begin without any effect, and where copies "
        "of channels can share what is summed over: not before what mixes channels otherwise, and "
        "not in inputs and results.",
    ),
    row(
        "E0841",
        "an edit that does not fit the network",
        "Places are MODULE.VALUE in the text of the network, and what is added stands behind what "
        "it takes.",
    ),
)
