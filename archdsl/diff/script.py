"""The edits between two aligned programs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from archdsl.diff.align import Alignment
from archdsl.diff.edits import Edit, Insert, Move, Remove, Rewire, Update, Value
from archdsl.ir.graph import Graph, Invoke, Kind, Node, Program

PROGRAM_FIELDS = (
    "space",
    "title",
    "doc",
    "parameters",
    "changed",
    "constraints",
    "text",
    "hash",
    "genotype",
)
MODULE_FIELDS = ("definition", "kind", "family", "arguments", "holes", "frames", "doc")
NODE_FIELDS = ("path", "label", "types", "under")


@dataclass(frozen=True, slots=True)
class _Pair:
    """One module and its partner."""

    key: str
    a: Graph
    b: Graph
    nodes: Mapping[int, int]
    modules: Mapping[str, str]

    def translated(self, positions: tuple[int, ...]) -> tuple[int | None, ...]:
        """Positions in the result; None for what is gone."""
        return tuple(self.nodes.get(i) for i in positions)


def script(a: Program, b: Program, alignment: Alignment) -> tuple[Edit, ...]:
    """Everything that turns `a` into `b`: the program, whole modules, then node by node."""
    edits: list[Edit] = [*_updates(None, None, PROGRAM_FIELDS, a, b)]
    partners = set(alignment.modules.values())
    edits += [
        Remove(module=key, value=graph)
        for key, graph in a.modules.items()
        if key not in alignment.modules
    ]
    edits += [
        Insert(module=key, value=graph) for key, graph in b.modules.items() if key not in partners
    ]
    for key, other in alignment.modules.items():
        if key != other:
            edits.append(Update(module=key, field="key", before=key, after=other))
        pair = _Pair(key, a.modules[key], b.modules[other], alignment.nodes[key], alignment.modules)
        edits += _module_edits(pair)
    return tuple(edits)


def translate(kind: Kind, modules: Mapping[str, str]) -> Kind:
    """What a node does, with modules under their names in the result."""
    if isinstance(kind, Invoke):
        return replace(kind, module=modules.get(kind.module, kind.module))
    return kind


def _module_edits(pair: _Pair) -> Iterator[Edit]:
    yield from _updates(pair.key, None, MODULE_FIELDS, pair.a, pair.b)
    kept = set(pair.nodes.values())
    for i, node in enumerate(pair.a.nodes):
        if i not in pair.nodes:
            yield Remove(module=pair.key, node=i, value=node)
    for j, node in enumerate(pair.b.nodes):
        if j not in kept:
            yield Insert(module=pair.key, node=j, value=node)
    for i in _moved(pair.nodes):
        yield Move(module=pair.key, node=i, to=pair.nodes[i])
    for i, j in pair.nodes.items():
        yield from _node_edits(pair, i, pair.a.nodes[i], pair.b.nodes[j])
    if pair.translated(pair.a.outputs) != pair.b.outputs:
        yield Rewire(module=pair.key, before=pair.a.outputs, after=pair.b.outputs)


def _node_edits(pair: _Pair, i: int, ours: Node, theirs: Node) -> Iterator[Edit]:
    if translate(ours.kind, pair.modules) != theirs.kind:
        yield Update(module=pair.key, node=i, field="kind", before=ours.kind, after=theirs.kind)
    yield from _updates(pair.key, i, NODE_FIELDS, ours, theirs)
    if pair.translated(ours.args) != theirs.args:
        yield Rewire(module=pair.key, node=i, before=ours.args, after=theirs.args)


def _updates(
    module: str | None,
    node: int | None,
    fields: tuple[str, ...],
    ours: Program | Graph | Node,
    theirs: Program | Graph | Node,
) -> Iterator[Update]:
    for field in fields:
        before: Value = getattr(ours, field)
        after: Value = getattr(theirs, field)
        if before != after:
            yield Update(module=module, node=node, field=field, before=before, after=after)


def _moved(nodes: Mapping[int, int]) -> list[int]:
    """The nodes outside a longest run that keeps its order: as few as possible move."""
    positions = list(nodes)
    ends: list[int] = []  # ends[n]: the lowest target that ends a run of n + 1
    last: list[int] = []  # the index in `positions` of that target
    before: list[int | None] = []
    for index, i in enumerate(positions):
        length = bisect_left(ends, nodes[i])
        before.append(last[length - 1] if length else None)
        ends[length : length + 1] = [nodes[i]]
        last[length : length + 1] = [index]
    stay: set[int] = set()
    at = last[-1] if last else None
    while at is not None:
        stay.add(positions[at])
        at = before[at]
    return [i for i in positions if i not in stay]
