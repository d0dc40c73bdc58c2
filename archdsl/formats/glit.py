"""GLiT's two lists: the kind of every layer, and its details as one number.

    [3, 0, 1, ...], [1, 4, 8, ...]

A kind is the number of head groups that attend: none is local, all is global, what is between is
mixed. Details are 3 a + b, where a and b number the two things that a kind leaves open.

Chen et al., "GLiT", and its released network.
"""

from __future__ import annotations

from archdsl.formats.base import Ours
from archdsl.formats.literal import Checked, read_python

GROUP = "layer"
GROUPS = 3
DETAILS = {
    "local": (("17", "31", "45"), ("1", "2", "4")),
    "global": (("0.5", "1", "2"), ("2", "4", "6")),
    "mixed": (("1", "2", "4"), ("2", "4", "6")),
}
"""What the two details of each kind may be, in the order of their numbers."""


def read(text: str, space: str) -> str:
    """Our string for two lists. Raises ArchError: E0640 where they are none."""
    check = Checked("a list of kinds and a list of details")
    kinds, details = check.items(read_python(text, "<glit>", check.what), 2)
    numbers = check.integers(kinds, 0, GROUPS)
    rows = check.items(details, len(numbers), f"{len(numbers)} details, one for each kind")
    layers = []
    for kind, row in zip(numbers, rows, strict=True):
        first, second = divmod(check.integer(row, 0, 8), 3)
        name = {0: "local", GROUPS: "global"}.get(kind, "mixed")
        label = f"mixed.{kind}" if name == "mixed" else name
        a, b = DETAILS[name]
        layers.append(f"{label}({a[first]} {b[second]})")
    return f"{space}/{GROUP}[{'; '.join(layers)}]"


def write(ours: Ours) -> str:
    """The two lists for one of ours."""
    kinds, details = [], []
    for (picks,) in ours.entries(GROUP):
        pick = ours.one(picks)
        name, _, heads = pick.label.partition(".")
        kinds.append({"local": 0, "global": GROUPS}.get(name) or int(heads or 0))
        numbers = [
            choices.index(ours.one(inner).label)
            for inner, choices in zip(pick.inner, DETAILS[name], strict=True)
        ]
        details.append(3 * numbers[0] + numbers[1])
    return f"{kinds}, {details}"
