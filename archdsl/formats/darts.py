"""Genotypes of DARTS and PC-DARTS, and the compact pairs of NAS-Bench-301 and NASLib.

    Genotype(normal=[('sep_conv_3x3', 0), ...], normal_concat=range(2, 6), reduce=[...], ...)
    ([(0, 6), (1, 2), ...], [...])

Two edges for each node, `(operation, source)` in the first, `(source, operation)` by number in the
second. In DARTS' own cells the order of the two edges means nothing: ours has them in the order of
their sources, which differ. The cells of NASNet and AmoebaNet, as DARTS' code writes them, have
five nodes, whose edges may share a source; what is concatenated is what no node takes. A recurrent
cell is `Genotype(recurrent=[('relu', 0), ...], concat=range(1, 9))`.

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


# --- cells of blocks -------------------------------------------------------------------------

BLOCK_CELLS = {"normal": "stride.1", "reduce": "stride.2"}


def read_blocks(text: str, space: str) -> str:
    """Our string for a `Genotype(...)` of cells of blocks. Raises ArchError as `read` does."""
    check = Checked("a Genotype(...) of cells of blocks")
    value = read_python(text, "<darts>", check.what)
    names = [name for cell in CELLS for name in (cell, f"{cell}_concat")]
    parts = dict(zip(names, check.fields(value, *names, name="Genotype"), strict=True))
    groups = []
    for cell, group in BLOCK_CELLS.items():
        edges: list[Edge] = []
        for number, item in enumerate(check.items(parts[cell])):
            operation, source = check.items(item, 2, "an operation and a source")
            most = number // INPUTS + INPUTS - 1
            edges.append((check.integer(source, 0, most), check.text(operation)))
        if len(edges) % INPUTS:
            check.refuse(parts[cell], "two edges for each node")
        unused = _unused(edges)
        if sorted(check.integers(parts[f"{cell}_concat"])) != unused:
            check.refuse(parts[f"{cell}_concat"], f"the unused nodes, {unused}", code="E0643")
        pairs = zip(edges[::2], edges[1::2], strict=True)
        nodes = [" ".join(f"{source}({name})" for source, name in pair) for pair in pairs]
        groups.append(f"{group}[{'; '.join(nodes)}]")
    return "/".join((space, *groups))


def _unused(edges: Sequence[Edge]) -> list[int]:
    """The nodes that no other takes."""
    nodes = range(INPUTS, INPUTS + len(edges) // INPUTS)
    return sorted(set(nodes) - {source for source, _ in edges})


def write_blocks(ours: Ours) -> str:
    """The `Genotype(...)` for one of ours, of cells of blocks."""
    parts = []
    for cell, group in BLOCK_CELLS.items():
        taken = [ours.one(picks) for entry in ours.entries(group) for picks in entry]
        edges = [(int(pick.label), ours.one(pick.inner[0]).label) for pick in taken]
        shown = [(name, source) for source, name in edges]
        parts.append(f"{cell}={shown}, {cell}_concat={_unused(edges)}")
    return f"Genotype({', '.join(parts)})"


# --- recurrent cells -------------------------------------------------------------------------

STEP = "step"
ACTIVATIONS = ("tanh", "relu", "sigmoid", "identity")


def read_recurrent(text: str, space: str) -> str:
    """Our string for a recurrent `Genotype(...)`. Raises ArchError as `read` does."""
    check = Checked("a Genotype(recurrent=..., concat=...) of DARTS")
    value = read_python(text, "<darts>", check.what)
    recurrent, concat = check.fields(value, "recurrent", "concat", name="Genotype")
    nodes = []
    for node, item in enumerate(check.items(recurrent), 1):
        activation, source = check.items(item, 2, "an activation and a source")
        word = check.text(activation, *ACTIVATIONS)
        nodes.append(f"{check.integer(source, 0, node - 1)} {word}")
    expected = list(range(1, len(nodes) + 1))
    if check.integers(concat) != expected:
        check.refuse(concat, f"all nodes, {expected}", code="E0643")
    return f"{space}/{STEP}[{'; '.join(nodes)}]"


def write_recurrent(ours: Ours) -> str:
    """The recurrent `Genotype(...)` for one of ours."""
    nodes = []
    for entry in ours.entries(STEP):
        source, activation = (ours.one(picks).label for picks in entry)
        nodes.append((activation, int(source)))
    return f"Genotype(recurrent={nodes}, concat=range(1, {len(nodes) + 1}))"


# --- writing DARTS' own cells -------------------------------------------------------------------


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
