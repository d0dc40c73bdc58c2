"""ENAS's fixed architectures: integers with blanks between them.

    micro       0 2 0 0  0 4 0 1  ...     (source, operation) twice for each block, both cells
    macro       0  3 0  0 1 0  ...        a layer's operation, then whether it takes each before
    recurrent   0  0 0  1 1  2 1  ...     an activation, then (source, activation) for each node

Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", and its code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from archdsl.formats.base import Cursor, Ours, sized

CELLS = ("stride.1", "stride.2")
BLOCKS = 5
INPUTS = 2
OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")

NETWORK = "network"
LAYERS = 12
BRANCHES = ("conv3", "sep3", "conv5", "sep5", "avg", "max")

STEP = "step"
NODES = 12
ACTIVATIONS = ("tanh", "relu", "identity", "sigmoid")

BLANKS = re.compile(r"[ \t\n]*")
NUMBER = re.compile(r"[0-9]{1,6}")


class Numbers:
    """Reads integers, each below a bound."""

    def __init__(self, text: str, name: str, what: str) -> None:
        self.cursor = Cursor(text, name, what)

    def take(self, bound: int, meaning: str) -> int:
        """The next number. Raises ArchError: E0640 for none, E0642 for one that is too large."""
        cursor = self.cursor
        cursor.take(BLANKS, "")
        start = cursor.at
        number = int(cursor.take(NUMBER, meaning))
        if number >= bound:
            raise cursor.error(
                "E0642",
                f"{meaning} is out of range",
                start=start,
                expected=f"0 to {bound - 1}",
            )
        return number

    @property
    def more(self) -> bool:
        self.cursor.take(BLANKS, "")
        return self.cursor.at < len(self.cursor.source.text)

    def end(self, expected: str) -> None:
        if self.more:
            raise self.cursor.error("E0640", f"not {self.cursor.what}", expected=expected)


def read_micro(text: str, space: str) -> str:
    """Our string for the 40 integers of two cells. Raises ArchError: E0640, E0642."""
    numbers = Numbers(text, "<enas>", "the integers of ENAS's two cells")
    groups = []
    for cell in CELLS:
        blocks = []
        for block in range(BLOCKS):
            sides = []
            for side in ("first", "second"):
                source = numbers.take(block + INPUTS, f"the {side} source of block {block}")
                operation = numbers.take(len(OPERATIONS), f"the {side} operation of block {block}")
                sides.append(f"{source}({OPERATIONS[operation]})")
            blocks.append(" ".join(sides))
        groups.append(f"{cell}[{'; '.join(blocks)}]")
    numbers.end("the end after two cells of five blocks")
    return "/".join((space, *groups))


def write_micro(ours: Ours) -> str:
    """The 40 integers for one of ours."""
    numbers: list[int] = []
    for cell in CELLS:
        for entry in ours.entries(cell):
            for picks in entry:
                pick = ours.one(picks)
                inner = ours.one(pick.inner[0])
                if inner.label not in OPERATIONS:
                    raise ours.refuse(picks, inner.label, "one of " + ", ".join(OPERATIONS))
                numbers += (int(pick.label), OPERATIONS.index(inner.label))
    if len(numbers) != len(CELLS) * BLOCKS * INPUTS * 2:
        raise ours.refuse(ours.genotype, "another number of blocks", f"{BLOCKS} in each cell")
    return " ".join(map(str, numbers))


def read_recurrent(text: str, space: str) -> str:
    """Our string for the integers of a recurrent cell. Raises ArchError: E0640, E0642."""
    numbers = Numbers(text, "<enas>", "the integers of ENAS's recurrent cell")
    nodes = [_activation(numbers, 0)]
    while numbers.more:
        source = numbers.take(len(nodes), f"the source of node {len(nodes)}")
        nodes.append(f"{source}({_activation(numbers, len(nodes))})")
    return f"{sized(space, 'nodes', len(nodes), NODES)}/{STEP}[{'; '.join(nodes)}]"


def _activation(numbers: Numbers, node: int) -> str:
    return ACTIVATIONS[numbers.take(len(ACTIVATIONS), f"the activation of node {node}")]


def write_recurrent(ours: Ours) -> str:
    """The integers for one of ours."""
    return " ".join(map(str, _recurrent(ours)))


def _recurrent(ours: Ours) -> Iterator[int]:
    for entry in ours.entries(STEP):
        pick = ours.one(entry[0])
        if pick.inner:
            yield int(pick.label)
            pick = ours.one(pick.inner[0])
        yield ACTIVATIONS.index(pick.label)


def read_macro(text: str, space: str) -> str:
    """Our string for the integers of all layers. Raises ArchError: E0640, E0642."""
    numbers = Numbers(text, "<enas>", "the integers of ENAS's layers")
    layers: list[str] = []
    while numbers.more or not layers:
        layer = len(layers)
        branch = BRANCHES[numbers.take(len(BRANCHES), f"the operation of layer {layer}")]
        skips = [numbers.take(2, f"a skip of layer {layer}, 0 or 1") for _ in range(layer)]
        taken = "+".join(str(i) for i, skip in enumerate(skips) if skip) or "-"
        layers.append(f"{branch} {taken}" if layer else branch)
    return f"{sized(space, 'layers', len(layers), LAYERS)}/{NETWORK}[{'; '.join(layers)}]"


def write_macro(ours: Ours) -> str:
    """The integers for one of ours."""
    numbers: list[int] = []
    for layer, (branch, *skips) in enumerate(ours.entries(NETWORK)):
        numbers.append(BRANCHES.index(ours.one(branch).label))
        taken = {int(pick.label) for picks in skips for pick in picks.picks}
        numbers += [int(source in taken) for source in range(layer)]
    return " ".join(map(str, numbers))
