"""ENAS's fixed architectures: integers with blanks between them.

    micro       0 2 0 0  0 4 0 1  ...     (source, operation) twice for each block, both cells
    recurrent   0  0 0  1 1  2 1  ...     an activation, then (source, activation) for each node

Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", and its code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from archdsl.formats.base import Cursor, Ours

CELLS = ("stride.1", "stride.2")
BLOCKS = 5
INPUTS = 2
OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")

STEP = "step"
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
    return f"{_sized(space, len(nodes))}/{STEP}[{'; '.join(nodes)}]"


def _activation(numbers: Numbers, node: int) -> str:
    return ACTIVATIONS[numbers.take(len(ACTIVATIONS), f"the activation of node {node}")]


NODES = 12


def _sized(space: str, nodes: int) -> str:
    return space if "(" in space or nodes == NODES else f"{space}(nodes={nodes})"


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
