"""NAS-Bench-201's cell strings.

    |nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_3x3~0|none~1|avg_pool_3x3~2|

One part for each node, one edge for each earlier node, `operation~source`. Ours is the same
list in our spelling, `nas_bench_201/infer[nor_conv_3x3; none skip_connect; ...]`. Their
strings name the cell alone: width, depth and classes of ours are not written.

Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from archdsl.formats.base import Cursor
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.parse import parse_genotype
from archdsl.syntax.tree import Entry, Genotype, Group, Picks

SPACE = "nas_bench_201"
CELL = "infer"
OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NODES = 3  # besides the input

NAME = re.compile(r"\w+", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,9}")
BAR = re.compile(r"\|")
PLUS = re.compile(r"\+")
TILDE = re.compile(r"~")


def read(text: str) -> str:
    """Our string for one of theirs.

    Raises:
        ArchError: E0640 for another spelling, E0641 for an unknown operation, E0642 for an
            edge from another node than the next one.
    """
    cursor = Cursor(text.strip(), "<nb201>", "a NAS-Bench-201 string")
    nodes = []
    for node in range(1, NODES + 1):
        if node > 1:
            cursor.take(PLUS, f"'+' and the edges into node {node}")
        nodes.append(_edges(cursor, node))
    if cursor.at < len(cursor.source.text):
        raise cursor.error(
            "E0640", "not a NAS-Bench-201 string", expected=f"the end after {NODES} nodes"
        )
    return spell(nodes)


def spell(nodes: Sequence[Sequence[str]]) -> str:
    """Our string for the operations on the edges into each node."""
    return f"{SPACE}/{CELL}[{'; '.join(' '.join(edges) for edges in nodes)}]"


def write(text: str) -> str:
    """Their string for one of ours.

    Raises:
        ArchError: where it is no architecture string, or E0643 where it is not in this space.
    """
    genotype = parse_genotype(text, "<string>")
    return "+".join(_part(edges) for edges in _cell(genotype))


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


def _cell(genotype: Genotype) -> list[list[str]]:
    if genotype.space != SPACE:
        raise _foreign(genotype, genotype.space, f"a string of {SPACE}")
    if len(genotype.groups) != 1 or genotype.groups[0].name != CELL or genotype.groups[0].index:
        raise _foreign(genotype, "other groups", f"one group, {CELL}[...]")
    (group,) = genotype.groups
    return _nodes(group)


def _nodes(group: Group) -> list[list[str]]:
    counts = [len(entry.choices) for entry in group.entries]
    if counts != list(range(1, NODES + 1)):
        found = f"{'; '.join(str(count) for count in counts) or 'none'} choices"
        raise _foreign(group, found, "three nodes with 1; 2; 3 choices")
    return [[_operation(picks) for picks in entry.choices] for entry in group.entries]


def _operation(picks: Picks) -> str:
    if len(picks.picks) != 1 or picks.picks[0].inner or picks.picks[0].label not in OPERATIONS:
        found = "+".join(pick.label for pick in picks.picks) or "-"
        raise _foreign(picks, found, "one of " + ", ".join(OPERATIONS))
    return picks.picks[0].label


def _foreign(node: Genotype | Group | Entry | Picks, found: str, expected: str) -> ArchError:
    return fault(
        "E0643",
        "cannot be written as a NAS-Bench-201 string",
        node.span,
        found=found,
        expected=expected,
    )
