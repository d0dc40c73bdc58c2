"""Genotypes of DARTS and PC-DARTS, and the compact pairs of NAS-Bench-301 and NASLib.

    Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...], ...)
    ([(0, 6), (1, 2), ...], [...])

Two edges for each node, `(operation, source)` in the first, `(source, operation)` by number in the
second. The order of the two edges means nothing; ours has them in the order of their sources.

Liu, Simonyan and Yang, "DARTS"; Siems et al., "NAS-Bench-301".
"""

from __future__ import annotations

from collections.abc import Sequence

from archdsl.formats.base import Ours
from archdsl.formats.literal import Checked, Value, read_python

CELLS = ("normal", "reduce")
NODES = 4
INPUTS = 2
OUTPUT = list(range(INPUTS, INPUTS + NODES))
OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""In the order that NAS-Bench-301's numbers count."""

Edge = tuple[int, str]


def read(text: str, space: str) -> str:
    """Our string for a `Genotype(...)`.

    Raises ArchError: E0640 for another form, E0641 for an unknown operation, E0642 for an edge
    from a node that is not there yet, or two from one.
    """
    check = Checked("a Genotype(...) of DARTS")
    value = read_python(text, "<darts>", check.what)
    names = [name for cell in CELLS for name in (cell, f"{cell}_concat")]
    parts = dict(zip(names, check.fields(value, *names, name="Genotype"), strict=True))
    cells = []
    for cell in CELLS:
        concat = parts[f"{cell}_concat"]
        if check.integers(concat) != OUTPUT:
            check.refuse(concat, f"the nodes {OUTPUT}, all of them")
        edges = []
        for item in check.items(parts[cell], INPUTS * NODES):
            operation, source = check.items(item, 2, "an operation and a source")
            edges.append((source, check.text(operation, *OPERATIONS)))
        cells.append(_cell(check, edges))
    return _spelled(space, cells)


def read_pairs(text: str, space: str) -> str:
    """Our string for NAS-Bench-301's pairs. Raises ArchError as `read` does."""
    check = Checked("two lists of eight pairs (source, operation)")
    cells = []
    for cell in check.items(read_python(text, "<nb301>", check.what), len(CELLS)):
        edges = []
        for item in check.items(cell, INPUTS * NODES):
            source, number = check.items(item, 2, "a source and the number of an operation")
            edges.append((source, OPERATIONS[check.integer(number, 0, len(OPERATIONS) - 1)]))
        cells.append(_cell(check, edges))
    return _spelled(space, cells)


def _cell(check: Checked, edges: Sequence[tuple[Value, str]]) -> list[list[Edge]]:
    """The edges into each node, by source."""
    nodes = []
    for node in range(NODES):
        pair: dict[int, str] = {}
        for source, operation in edges[INPUTS * node : INPUTS * (node + 1)]:
            number = check.integer(source, 0, node + 1)
            if number in pair:
                check.refuse(source, "two edges from different nodes", code="E0642")
            pair[number] = operation
        nodes.append(sorted(pair.items()))
    return nodes


def _spelled(space: str, cells: Sequence[Sequence[Sequence[Edge]]]) -> str:
    groups = [
        f"{name}[{'; '.join('+'.join(f'{s}({o})' for s, o in pair) for pair in nodes)}]"
        for name, nodes in zip(CELLS, cells, strict=True)
    ]
    return "/".join((space, *groups))


def write(ours: Ours) -> str:
    """The `Genotype(...)` for one of ours."""
    parts = [f"{cell}={_edges(ours, cell)}, {cell}_concat={OUTPUT}" for cell in CELLS]
    return f"Genotype({', '.join(parts)})"


def write_pairs(ours: Ours) -> str:
    """NAS-Bench-301's pairs for one of ours."""
    cells = [[(s, OPERATIONS.index(o)) for o, s in _edges(ours, cell)] for cell in CELLS]
    return str(tuple(cells))


def _edges(ours: Ours, cell: str) -> list[tuple[str, int]]:
    edges = []
    for (picks,) in ours.entries(cell):
        for pick in picks.picks:
            operation = ours.one(pick.inner[0])
            if operation.label not in OPERATIONS:
                raise ours.refuse(picks, operation.label, "one of " + ", ".join(OPERATIONS))
            edges.append((operation.label, int(pick.label)))
    return edges
