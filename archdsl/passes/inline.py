"""Small modules dissolved into their user, where another pass then finds something across the call.

one(x), other(x), each of them a convolution     -> split(conv(x))
pool(x), cell(x) that pools x itself             -> p = pool(x), used in both places
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archdsl.ir.graph import Apply, Frame, FrameKind, Graph, Input, Invoke, Item, Node, Path
from archdsl.passes.device import Device
from archdsl.passes.draft import Draft, Rewrite, frames_used
from archdsl.passes.facts import Modules
from archdsl.passes.meetings import applied, meeting, worth_a_class
from archdsl.passes.step import Pass

SMALL = 8
"""Operations up to which a class is given up."""
MOST = 32
"""Uses up to which they are tried: each takes a run of the passes."""


def inline(graph: Graph, modules: Modules, device: Device, across: Sequence[Pass]) -> Rewrite:
    """Dissolve the uses of small modules where the passes behind this one save operations by it.

    Exact, as the same operations run. It is tried, for uses in which something meets its like: the
    passes `across` run on the graph with and without the calls, and only uses stay dissolved
    without which less would be saved. So what nothing gains by keeps its classes, and an
    activation more is not worth one. What was `use.weight` is called `use_weight` then, by `tidy`.
    """
    return _Inliner(graph, modules, device, across).run()


@dataclass(slots=True)
class _Inliner:
    graph: Graph
    modules: Modules
    device: Device
    across: Sequence[Pass]
    counts: dict[str, int] = field(default_factory=dict)
    """The operations of each module after the passes."""

    def run(self) -> Rewrite:
        chosen = self._candidates()
        if not 0 < len(chosen) <= MOST:
            return Rewrite(graph=self.graph)
        whole = self._after(self.graph)
        best = self._saved(chosen, whole)
        if best <= 0:
            return Rewrite(graph=self.graph)
        for position in tuple(chosen):
            fewer = [other for other in chosen if other != position]
            if fewer and (saved := self._saved(fewer, whole)) >= best:
                chosen, best = fewer, saved
        return dissolved(self.graph, self.modules, chosen)

    def _candidates(self) -> list[int]:
        """The small uses that something meets its like in."""
        draft = Draft(self.graph, self.modules)
        order = draft.live()
        small = self._small(draft, order)
        if not small:
            return []
        patterns = [step.across for step in self.across if step.across]
        met = meeting(self.graph, self.modules, order, small, patterns)
        return [position for position in order if position in met]

    def _small(self, draft: Draft, order: Sequence[int]) -> set[int]:
        """The uses of small modules, all of whose results are read, under a path of their own.

        None with effects, and none that leaves an input out: what is run for nobody still updates
        the statistics of its norms, and would be gone.
        """
        paths = Counter(node.path for node in self.graph.nodes)
        readers = draft.consumers()
        return {
            position
            for position in order
            if isinstance(kind := self.graph.nodes[position].kind, Invoke)
            and not kind.steps
            and paths[self.graph.nodes[position].path] == 1
            and self.modules.inside(kind.module).calls <= SMALL
            and not self.modules.inside(kind.module).has_effects
            and all(self.modules.inputs_lead(kind.module))
            and _all_read(self.graph, position, readers)
        }

    def _saved(self, chosen: Sequence[int], whole: int) -> int:
        """How many operations fewer there are, when some uses are dissolved."""
        apart = whole + sum(self._inside(position) for position in chosen)
        return apart - self._after(dissolved(self.graph, self.modules, chosen).graph)

    def _inside(self, position: int) -> int:
        kind = self.graph.nodes[position].kind
        assert isinstance(kind, Invoke)
        if kind.module not in self.counts:
            self.counts[kind.module] = self._after(self.modules[kind.module])
        return self.counts[kind.module]

    def _after(self, graph: Graph) -> int:
        """The operations of a graph after the passes that are worth a class: no activations."""
        for step in self.across:
            given = (self.device,) if step.fusion else ()
            graph = step.run(graph, self.modules, *given).graph
        return sum(_counts(graph, node) for node in graph.nodes)


def _counts(graph: Graph, node: Node) -> bool:
    return isinstance(node.kind, Apply) and worth_a_class(applied(graph, node, node.kind.operation))


def _all_read(graph: Graph, position: int, readers: Mapping[int, list[int]]) -> bool:
    """Whether something reads each result: what a module computes for none would be left out."""
    count = len(graph.nodes[position].types)
    if count == 1:
        return True
    kinds = [graph.nodes[p].kind for p in readers.get(position, ()) if p >= 0]
    return {kind.index for kind in kinds if isinstance(kind, Item)} == set(range(count))


def dissolved(graph: Graph, modules: Modules, chosen: Sequence[int]) -> Rewrite:
    """The graph with the operations of some modules in the place of their uses."""
    draft = Draft(graph, modules)
    readers = draft.consumers()
    frames: dict[Path, Frame] = {}
    inlined: dict[Path, str] = {}
    for position in chosen:
        node = graph.nodes[position]
        assert isinstance(node.kind, Invoke)
        used = modules[node.kind.module]
        results = _copied(draft, position, used)
        if len(results) == 1:
            draft.replace(position, results[0])
        else:
            for reader in readers.get(position, ()):
                kind = graph.nodes[reader].kind
                assert isinstance(kind, Item)
                draft.replace(reader, results[kind.index])
        inlined[node.path] = node.kind.module
        frames[node.path] = Frame(kind=FrameKind.OPERATION, name=used.definition)
        frames |= {(*node.path, *prefix): frame for prefix, frame in used.frames.items()}
    rewrite = draft.finish()
    kept = frames_used(frames, rewrite.graph.nodes)
    whole = replace(rewrite.graph, frames={**rewrite.graph.frames, **kept})
    return replace(rewrite, graph=whole, inlined=inlined)


def _copied(draft: Draft, position: int, used: Graph) -> list[int]:
    """The nodes of a module in front of one of its uses; where its results are."""
    inputs = iter(draft.args(position))
    prefix = draft.nodes[position].path
    now: list[int] = []
    for node in used.nodes:
        if isinstance(node.kind, Input):
            now.append(next(inputs))
            continue
        args = tuple(now[argument] for argument in node.args)
        path = (*prefix, *node.path) if node.path else ()
        now.append(draft.insert(replace(node, args=args, path=path), position))
    return [now[output] for output in used.outputs]
