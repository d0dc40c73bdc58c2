"""The mixture of a space, with nothing computed twice, under the names of its path supernet.

In a mixture all alternatives are alive, so what equal ones compute is computed once: the pool of
a source for all edges that leave it, its ReLU, norms without weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archdsl.ir.graph import Apply, Graph, Node, Path, Program
from archdsl.ir.relax import relax
from archdsl.ir.verifier import verify_program
from archdsl.ops.fused import Zeros
from archdsl.passes.dedupe import dedupe
from archdsl.passes.device import CPU, Device
from archdsl.passes.draft import frames_used
from archdsl.passes.driver import Watch, used
from archdsl.passes.facts import Modules
from archdsl.passes.hoist import hoist
from archdsl.passes.mix_kernels import mix_kernels
from archdsl.passes.prune import prune
from archdsl.passes.scale_norms import nest_gates, scale_norms
from archdsl.passes.set_apart import set_apart
from archdsl.passes.split_gradients import split_gradients
from archdsl.passes.weights import Same, Source, names_in


def mixture(
    program: Program, device: Device | None = CPU, watch: Watch | None = None, *, level: int = 1
) -> Program:
    """The mixture form of a space, as it pays on a device: no holes decide, gates weigh.

    At level 0 it is the space as written. Weights keep their paths: what passes drop stays,
    unreached, and operations made one are known under the paths of all. `watch` is told what each
    pass does to each module. Raises ArchError E0906 where a hole cannot be mixed.
    """
    relaxed = relax(program)
    if level == 0:
        return verify_program(used(relaxed), "mixture")
    modules = Modules()
    for key, graph in relaxed.modules.items():
        pruned = prune(graph, modules).graph
        hoisted, bare = hoist(pruned, modules)
        modules |= bare
        once = dedupe(hoisted, modules)
        kernels = mix_kernels(once.graph)
        scaled, made = scale_norms(nest_gates(kernels), modules)
        modules |= made
        parts = scaled if device is None else split_gradients(scaled, modules, device).graph
        if watch is not None:
            stages = {
                "prune": pruned,
                "hoist": hoisted,
                "dedupe": once.graph,
                "mix_kernels": kernels,
                "scale_norms": scaled,
                "split_gradients": parts,
            }
            behind = {k: g for k, g in relaxed.modules.items() if k not in modules}
            _tell(watch, replace(relaxed, modules=modules | behind), key, stages)
        modules[key] = _named(graph, set_apart(parts), once.rows, modules)
    return verify_program(used(replace(relaxed, modules=modules)), "mixture")


def _tell(watch: Watch, program: Program, key: str, stages: Mapping[str, Graph]) -> None:
    """Tell what each pass made of a module, in a program where the others are as they are."""
    before = program
    for step, graph in stages.items():
        after = replace(program, modules={**program.modules, key: graph})
        watch(step, before, after, {})
        before = after


def _named(before: Graph, after: Graph, rows: Mapping[str, Source], modules: Modules) -> Graph:
    """A rewritten graph that has all weights of the one before, under the same names."""
    aliases = _aliases(rows)
    there = {node.path for node in after.nodes} | aliases.keys()
    nodes = list(after.nodes)
    kept: dict[Path, None] = {}
    for node in before.nodes:
        if node.path and node.path not in there and modules.of(before, node).weights:
            there.add(node.path)
            kept[node.path] = None
            nodes += _unreached(before, node, len(nodes), after.inputs[0])
    frames = frames_used(before.frames, nodes)
    return replace(after, nodes=tuple(nodes), frames=frames, aliases=aliases)


def _aliases(rows: Mapping[str, Source]) -> dict[Path, Path]:
    """The paths of operations that were made one, by the path of that one."""
    found: dict[Path, Path] = {}
    for name, source in rows.items():
        if isinstance(source, Same):
            path = tuple(name.split(".")[:-1])
            others = (tuple(other.split(".")[:-1]) for other in names_in(source))
            found |= {other: path for other in others if other != path}
    return found


def _unreached(graph: Graph, node: Node, start: int, source: int) -> list[Node]:
    """An operation that nothing takes, on zeros of the shapes that it takes."""
    types = graph.types_in(node)
    made = [
        Node(
            kind=Apply(Zeros(shape=type_.shape)),
            args=(source,),
            types=(replace(type_, below=None),),
            path=(f"unreached_{start + number}",),
        )
        for number, type_ in enumerate(types)
    ]
    args = tuple(range(start, start + len(made)))
    return [*made, replace(node, args=args, label="")]
