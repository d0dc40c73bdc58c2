"""The passes, in order, and what runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeAlias

from archdsl.ir.graph import Graph, Invoke, Path, Program
from archdsl.ir.verifier import verify_program
from archdsl.passes.batch_shared import TIED, batch_shared
from archdsl.passes.collapse_affine import collapse_affine
from archdsl.passes.collapse_sums import collapse_sums
from archdsl.passes.dedupe import EQUAL, dedupe
from archdsl.passes.device import CPU, Device
from archdsl.passes.draft import Left, Rewrite, weight_name
from archdsl.passes.facts import Modules
from archdsl.passes.fold_norm import fold_norm, still
from archdsl.passes.fold_pool import fold_pool, pool_weights
from archdsl.passes.fold_through_norm import LINKS, fold_through_norm
from archdsl.passes.fuse_siblings import SIBLINGS, fuse_siblings
from archdsl.passes.in_place import in_place, still_in_place
from archdsl.passes.inline import inline
from archdsl.passes.link_perceptrons import compose_perceptrons, link_perceptrons
from archdsl.passes.memory_format import best_channels_last
from archdsl.passes.merge_sums import TERMS, merge_sums
from archdsl.passes.names import expand, local_weights
from archdsl.passes.prune import prune
from archdsl.passes.split_gradients import split_gradients
from archdsl.passes.step import Pass
from archdsl.passes.tidy import tidy
from archdsl.passes.weights import Keep, Source, WeightMap, substitute

Watch: TypeAlias = Callable[[str, Program, Program, Mapping[str, tuple[Left, ...]]], None]
"""Told each pass that changed something, or left something as it did not pay: the program before
and after, and what was left in each graph."""

DEPLOYMENT = 2
"""The level at which weights are computed anew: for evaluation only."""

PIPELINE: tuple[Pass, ...] = (
    Pass(still, level=2),
    Pass(prune),
    Pass(inline, moves=True, fusion=True, tries=True),
    Pass(dedupe, across=EQUAL),
    Pass(merge_sums, moves=True, across=TERMS),
    Pass(fold_norm, level=2, moves=True),
    Pass(collapse_sums, level=2, moves=True),
    Pass(collapse_affine, level=2, moves=True),
    Pass(fold_through_norm, moves=True, across=LINKS),
    Pass(batch_shared, fusion=True, across=TIED),
    Pass(compose_perceptrons, level=2, moves=True, fusion=True),
    Pass(link_perceptrons, moves=True, fusion=True, trains=True),
    Pass(fuse_siblings, moves=True, fusion=True, across=SIBLINGS),
    Pass(fold_pool, level=2, moves=True),
    Pass(pool_weights),
    Pass(split_gradients, fusion=True, trains=True),
    Pass(in_place, last=True),
    Pass(still_in_place, level=2, last=True),
)

ACROSS = tuple(step for step in PIPELINE if step.across)
"""The passes that `inline` tries, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimised:
    """A rewritten network, and where its weights come from."""

    program: Program
    weights: WeightMap


def optimise(
    program: Program,
    level: int = 1,
    *,
    device: Device | None = CPU,
    passes: tuple[Pass, ...] = PIPELINE,
    watch: Watch | None = None,
) -> Optimised:
    """The network that the passes up to `level` make of a network, and where its weights are from.

    What pays on `device` is fused, on None what pays on every one; `watch` is told. A space with
    open holes is returned as it is. Raises E0910, naming the pass, where one breaks the program.
    """
    moves = _Moves(program)
    result = _optimised(program, level, passes, _Work(moves, device, watch))
    return Optimised(program=result, weights=moves.weights(result))


def optimised(
    program: Program, level: int = 1, *, device: Device | None = CPU, watch: Watch | None = None
) -> Program:
    """The network of `optimise`, for those who have no weights to move."""
    return _optimised(program, level, PIPELINE, _Work(_Moves(program), device, watch))


def _optimised(program: Program, level: int, passes: tuple[Pass, ...], work: _Work) -> Program:
    if level < 1 or any(graph.holes for graph in program.modules.values()):
        return program
    shared = frozenset(_sharing(program))
    result = used(program)
    chosen = [step for step in passes if _runs(step, level, work.device)]
    for step in chosen:
        if not step.last:
            result = _run(step, result, shared, work)
    result = _tidy(program, result, shared, work.moves)
    for step in chosen:
        if step.last:
            result = _run(step, result, shared, work)
    if level < DEPLOYMENT:
        return result
    return replace(result, deployed=True, channels_last=best_channels_last(result))


def _runs(step: Pass, level: int, device: Device | None) -> bool:
    trained = level < DEPLOYMENT or not step.trains
    return step.level <= level and trained and (device is not None or not step.fusion)


def _run(step: Pass, program: Program, shared: frozenset[str], work: _Work) -> Program:
    modules = Modules()
    given = (work.device,) if step.fusion else ()
    if step.tries:
        given = (*given, ACROSS)
    left: dict[str, tuple[Left, ...]] = {}
    changed = False
    for key, graph in program.modules.items():
        if step.moves and key in shared:
            modules[key] = graph
            continue
        rewrite = step.run(graph, modules, *given)
        modules[key] = rewrite.graph
        left[key] = rewrite.left
        if rewrite.graph is not graph:
            changed = True
            work.moves.add(key, rewrite)
    result = program
    if changed:
        result = verify_program(used(replace(program, modules=modules)), step.name)
    if work.watch is not None and (changed or any(left.values())):
        work.watch(step.name, program, result, left)
    return result


def _tidy(before: Program, program: Program, shared: frozenset[str], moves: _Moves) -> Program:
    modules: dict[str, Graph] = {}
    for key, graph in program.modules.items():
        rewrite = tidy(graph, before.modules[key]) if key not in shared else Rewrite(graph=graph)
        modules[key] = rewrite.graph
        if rewrite.graph is not graph:
            moves.add(key, rewrite)
    return verify_program(replace(program, modules=modules), "tidy")


def used(program: Program) -> Program:
    """Without the graphs that nothing uses any more."""
    found = {program.root}
    for key, graph in reversed(tuple(program.modules.items())):
        if key in found:
            found.update(n.kind.module for n in graph.nodes if isinstance(n.kind, Invoke))
    modules = {key: graph for key, graph in program.modules.items() if key in found}
    return replace(program, modules=modules)


def _sharing(program: Program) -> Iterator[str]:
    """Graphs that share weights with other graphs: uses of one path with different types."""
    shared: set[str] = set()
    for key, graph in reversed(tuple(program.modules.items())):
        at: dict[Path, set[str]] = {}
        for node in graph.nodes:
            if isinstance(node.kind, Invoke):
                at.setdefault(node.path, set()).add(node.kind.module)
        for used in at.values():
            if len(used) > 1 or key in shared:
                shared.update(used)
    yield from shared


@dataclass(frozen=True, slots=True)
class _Work:
    """What passes are given, and what is kept of them."""

    moves: _Moves
    device: Device | None
    watch: Watch | None = None


def _behind(path: Path, name: str) -> Source:
    """A weight of a module, by its name where the module is used."""
    return Keep(weight_name(path, name))


@dataclass(slots=True)
class _Moves:
    """What all passes so far did to names, for each graph."""

    before: Program
    rows: dict[str, dict[str, Source]] = field(default_factory=dict)
    uses: dict[str, dict[Path, Path]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = {key: {} for key in self.before.modules}
        self.uses = {key: {} for key in self.before.modules}

    def add(self, key: str, rewrite: Rewrite) -> None:
        """One more rewrite of a graph, behind those before."""
        known = {**self.rows[key], **self._inlined_rows(key, rewrite)}
        self.rows[key] = {
            name: substitute(
                rewrite.rows.get(name, Keep(name)), lambda old: known.get(old, Keep(old))
            )
            for name, _ in local_weights(rewrite.graph)
        }
        paths = {**self.uses[key], **self._inlined_uses(key, rewrite)}
        self.uses[key] = {
            node.path: paths.get(renamed, renamed)
            for node in rewrite.graph.nodes
            if isinstance(node.kind, Invoke)
            and (renamed := rewrite.uses.get(node.path, node.path)) is not None
        }

    def _inlined_rows(self, key: str, rewrite: Rewrite) -> dict[str, Source]:
        """What the passes so far did to the weights of modules that are now part of a graph."""
        return {
            weight_name(path, name): substitute(source, partial(_behind, self._old(key, path)))
            for path, module in rewrite.inlined.items()
            for name, source in self.rows[module].items()
        }

    def _inlined_uses(self, key: str, rewrite: Rewrite) -> dict[Path, Path]:
        return {
            (*path, *new): (*self._old(key, path), *old)
            for path, module in rewrite.inlined.items()
            for new, old in self.uses[module].items()
        }

    def _old(self, key: str, path: Path) -> Path:
        return self.uses[key].get(path, path)

    def weights(self, after: Program) -> WeightMap:
        return expand(self.before, after, self.rows, self.uses)
