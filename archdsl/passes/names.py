"""The weights of a whole network, by their names in its `state_dict`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archdsl.ir.graph import Apply, Graph, Invoke, Path, Program
from archdsl.ir.types import Weight
from archdsl.passes.draft import weight_name
from archdsl.passes.weights import Keep, Source, WeightMap, names_in, substitute

Local = Mapping[str, Source]


def local_weights(graph: Graph) -> Iterator[tuple[str, Weight]]:
    """The weights of a module's own operations, by their names within it; tied ones once."""
    seen: set[Path] = set()
    for node in graph.nodes:
        if isinstance(node.kind, Apply) and node.path not in seen:
            seen.add(node.path)
            for weight in graph.weights_of(node):
                yield weight_name(node.path, weight.name), weight


def network_weights(program: Program) -> dict[str, Weight]:
    """Every parameter and buffer of a network, by its name."""
    found: dict[str, Weight] = {}
    own = {key: tuple(local_weights(graph)) for key, graph in program.modules.items()}

    def visit(key: str, prefix: Path) -> None:
        for name, weight in own[key]:
            found.setdefault(weight_name(prefix, name), weight)
        for node in program.modules[key].nodes:
            if isinstance(node.kind, Invoke):
                visit(node.kind.module, (*prefix, *node.path))

    visit(program.root, ())
    return found


def expand(
    before: Program,
    after: Program,
    rows: Mapping[str, Local],
    uses: Mapping[str, Mapping[Path, Path]],
) -> WeightMap:
    """Rows of each definition, written out along the paths of its uses."""
    entries: dict[str, Source] = {}
    own = {key: tuple(local_weights(graph)) for key, graph in after.modules.items()}

    def visit(key: str, new: Path, old: Path) -> None:
        for name, _ in own[key]:
            source = rows[key].get(name, Keep(name))
            entries.setdefault(
                weight_name(new, name), substitute(source, lambda n: Keep(weight_name(old, n)))
            )
        for node in after.modules[key].nodes:
            if isinstance(node.kind, Invoke):
                path = uses[key].get(node.path, node.path)
                visit(node.kind.module, (*new, *node.path), (*old, *path))

    visit(after.root, (), ())
    taken = {name for source in entries.values() for name in names_in(source)}
    dropped = tuple(name for name in network_weights(before) if name not in taken)
    return WeightMap(entries=entries, dropped=dropped)
