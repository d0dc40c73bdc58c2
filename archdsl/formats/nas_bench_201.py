"""NAS-Bench-201's cell strings, and the tuples of operations that NASLib writes for them.

    |nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_3x3~0|none~1|avg_pool_3x3~2|

One part for each node, one edge for each earlier node, `operation~source`. Ours is the same
list in our spelling, `nas_bench_201/infer[nor_conv_3x3; none skip_connect; ...]`. Their
strings name the cell alone: width, depth and classes of ours are not written.

NASLib's tuple, `(4, 0, 3, 1, 4, 3)`, holds one number for each edge, edges in the order of their
source; its order of operations is one of its own.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from archdsl.formats.base import Cursor, Ours
from archdsl.formats.literal import Checked, read_python

CELL = "infer"
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NODES = 3  # besides the input
NASLIB = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
EDGES = tuple((source, node) for source in range(NODES) for node in range(source + 1, NODES + 1))

NAME = re.compile(r"\w+", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,9}")
BAR = re.compile(r"\|")
PLUS = re.compile(r"\+")
TILDE = re.compile(r"~")


def read(text: str, space: str) -> str:
    """Our string for one of theirs.

    Raises:
        ArchError: E0640 for another spelling, E0641 for an unknown operation, E0642 for an
            edge from another node than the next one.
    """
    cursor = Cursor(text, "<nb201>", "a NAS-Bench-201 string")
    nodes = []
    for node in range(1, NODES + 1):
        if node > 1:
            cursor.take(PLUS, f"'+' and the edges into node {node}")
        nodes.append(_edges(cursor, node))
    if cursor.at < len(cursor.source.text):
        raise cursor.error(
            "E0640", "not a NAS-Bench-201 string", expected=f"the end after {NODES} nodes"
        )
    return spell(space, nodes)


def read_tuple(text: str, space: str) -> str:
    """Our string for NASLib's tuple. Raises ArchError: E0640 where it is none."""
    what = "a tuple of six operations of NASLib"
    check = Checked(what)
    value = read_python(text, "<naslib>", what)
    numbers = [check.integer(v, 0, len(NASLIB) - 1) for v in check.items(value, len(EDGES))]
    operation = {edge: NASLIB[number] for edge, number in zip(EDGES, numbers, strict=True)}
    return spell(
        space, [[operation[source, node] for source in range(node)] for node in range(1, NODES + 1)]
    )


def spell(space: str, nodes: Sequence[Sequence[str]]) -> str:
    """Our string for the operations on the edges into each node."""
    return f"{space}/{CELL}[{'; '.join(' '.join(edges) for edges in nodes)}]"


def write(ours: Ours) -> str:
    """Their string for one of ours."""
    return "+".join(_part(edges) for edges in _nodes(ours))


def write_tuple(ours: Ours) -> str:
    """NASLib's tuple for one of ours."""
    nodes = _nodes(ours)
    return str(tuple(NASLIB.index(nodes[node - 1][source]) for source, node in EDGES))


def _edges(cursor: Cursor, node: int) -> list[str]:
    """The operations on the edges into one node, from the first node on."""
    cursor.take(BAR, f"'|' before the edges into node {node}")
    operations = []
    for source in range(node):
        start = cursor.at
        operation = cursor.take(NAME, f"the operation on the edge from node {source} to {node}")
        if operation not in OPERATIONS:
            raise cursor.error(
                "E0641",
                f"NAS-Bench-201 has no operation {operation}",
                start=start,
                expected=", ".join(OPERATIONS),
            )
        cursor.take(TILDE, f"'~{source}'")
        start = cursor.at
        if int(cursor.take(NUMBER, f"the source, {source}")) != source:
            raise cursor.error(
                "E0642",
                f"edge {source} into node {node} comes from node {source}",
                start=start,
                expected=str(source),
                hint="every earlier node has one edge, in order; 'none' stands for no edge",
            )
        cursor.take(BAR, "'|'")
        operations.append(operation)
    return operations


def _part(edges: Sequence[str]) -> str:
    return "|" + "".join(f"{operation}~{source}|" for source, operation in enumerate(edges))


def _nodes(ours: Ours) -> list[list[str]]:
    """The operations on the edges into each node."""
    return [[ours.one(picks).label for picks in entry] for entry in ours.entries(CELL)]
