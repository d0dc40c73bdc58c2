"""MetaFormer-NAS's mixers as lists of pairs: `(0, "Id") (1, "Pool") ...`, one for each node.

A pair names the source of a node and its operation. Node 1 always takes node 0, node 2 always
node 1; ours leaves out what is no choice, but for a hole with one alternative, which it writes.

Zhang and Liu, "Efficient Neural Architecture Search Based on MetaFormer", Fig. 6.
"""

from __future__ import annotations

from archdsl.formats.base import Ours, sized
from archdsl.formats.literal import Checked, read_python

CELL = "mixer"
OPERATIONS = {"Id": "id", "Pool": "pool"}
NODES = 4
"""What the space has where the string does not say otherwise."""


def read(text: str, space: str) -> str:
    """Our string for a list of pairs. Raises ArchError: E0640, E0641, E0642."""
    what = "a list of pairs of a source and an operation"
    check = Checked(what)
    entries = []
    pairs = check.items(read_python(text, "<metaformer>", what))
    for node, pair in enumerate(pairs, 1):
        source, operation = check.items(pair, 2, "a source and an operation")
        number = check.integer(source, 0, max(node - 1, 0))
        if number == 0 and node > 1:
            check.refuse(source, f"1 to {node - 1}", code="E0642")
        word = OPERATIONS[check.text(operation, *OPERATIONS)]
        entries.append(word if node == 1 else f"{number} {word}")
    return f"{sized(space, 'nodes', len(pairs), NODES)}/{CELL}[{'; '.join(entries)}]"


def write(ours: Ours) -> str:
    """The list of pairs for one of ours."""
    names = {word: name for name, word in OPERATIONS.items()}
    pairs = []
    for entry in ours.entries(CELL):
        *source, operation = [ours.one(picks).label for picks in entry]
        pairs.append((int(source[0]) if source else 0, names[operation]))
    return str(pairs)
