"""Single-path one-shot's tuples: `(0, 0, 3, 1, ...)`, the number of every block's unit.

Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling", section 4.
"""

from __future__ import annotations

from archdsl.formats.base import Ours
from archdsl.formats.literal import Checked, read_python

GROUP = "layer"
UNITS = ("shuffle_3x3", "shuffle_5x5", "shuffle_7x7", "xception")


def read(text: str, space: str) -> str:
    """Our string for a tuple. Raises ArchError: E0640 where it is none."""
    check = Checked("a tuple of numbers of units")
    numbers = check.integers(read_python(text, "<spos>", check.what), 0, len(UNITS) - 1)
    return f"{space}/{GROUP}[{'; '.join(UNITS[number] for number in numbers)}]"


def write(ours: Ours) -> str:
    """The tuple for one of ours."""
    return str(tuple(UNITS.index(label) for label in ours.labels(GROUP)))
