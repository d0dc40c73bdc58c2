"""Perceptrons over positions in a row: the map between two of them is never made.

mlp_2(mlp_1(x))          -> second half of 2 (gelu(W (V h + v) + w)),  h the units of 1
mlp_2(pool(mlp_1(x)))    -> the same with W P for W
mlp_2(a), mlp_3(a)       -> one layer of units for both, where a is made of units

W (V h + v) + w = (W V) h + (W v + w), and W V has fewer numbers than a batch of maps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from archdsl.ir.graph import Apply, Graph, Path
from archdsl.ops.base import Axis
from archdsl.ops.fused import PositionMLPSum
from archdsl.ops.hidden import HiddenLayer, HiddenToHidden, HiddenToMap, MapToHidden, Shares
from archdsl.ops.mlp import TokensMLP
from archdsl.ops.pooling import Pool
from archdsl.passes.device import CPU, Device
from archdsl.passes.draft import Draft, Rewrite, weight_name
from archdsl.passes.facts import Modules
from archdsl.passes.laws import SUM, THROUGH, composed, fixed
from archdsl.passes.layout import stem_of
from archdsl.passes.reached import results_reached
from archdsl.passes.weights import Concat, Keep, Source


def link_perceptrons(graph: Graph, modules: Modules, device: Device = CPU) -> Rewrite:
    """Go from units to units where a device is faster so than by maps that only perceptrons read.

    Exact in training: the parameters of both layers stay, and gradients pass through the product.
    """
    return _linked(graph, modules, device, deployed=False)


def compose_perceptrons(graph: Graph, modules: Modules, device: Device = CPU) -> Rewrite:
    """The same with the product of the weights in their place, for deployment."""
    return _linked(graph, modules, device, deployed=True)


def _linked(graph: Graph, modules: Modules, device: Device, *, deployed: bool) -> Rewrite:
    """All links of a graph, or none: what a map costs is known when all that read it are."""
    links = _Links(graph, modules, deployed=deployed)
    if not links.readers:
        return Rewrite(graph=graph)
    rewrite = links.rewrite()
    loss = _seconds(rewrite.graph, device) - _seconds(graph, device)
    if loss <= 0:
        return rewrite
    left = Draft(graph, modules)
    left.leave(links.readers, loss)
    return left.finish()


def _seconds(graph: Graph, device: Device) -> float:
    """What the operations of a graph take."""
    return sum(
        device.seconds(node.kind.operation, graph.types_in(node), node.types)
        for node in graph.nodes
        if isinstance(node.kind, Apply)
    )


@dataclass(frozen=True, slots=True)
class Perceptrons:
    """A node of perceptrons: one, or the sum of several."""

    mlp: TokensMLP
    count: int
    summed: bool


@dataclass(frozen=True, slots=True)
class Reader:
    """A node of perceptrons that reads another's map, or that map pooled."""

    position: int
    count: int
    pooled: bool


class _Links:
    """A graph, and for each perceptron that is linked those that read it."""

    def __init__(self, graph: Graph, modules: Modules, *, deployed: bool) -> None:
        self.draft = Draft(graph, modules)
        self.deployed = deployed
        self.consumers = self.draft.consumers()
        self.uses = Counter(node.path for node in graph.nodes if node.path)
        self.reach = results_reached(self.draft, modules)
        self.order = self.draft.live()
        self.readers = {
            position: found for position in self.order if (found := self._read(position))
        }
        self.hidden: dict[int, int] = {}
        """The units of each node that is linked, or that reads one that is."""

    def rewrite(self) -> Rewrite:
        for position in self.order:
            if position in self.readers:
                if position not in self.hidden:
                    self._begin(position)
                self._go_on(position, self.readers[position])
            elif position in self.hidden:
                self._end(position)
        return self.draft.finish()

    # --- what is linked

    def _perceptrons(self, position: int) -> Perceptrons | None:
        """The perceptrons of a node that nothing else shares weights with."""
        if position < 0 or self.uses[self.draft.nodes[position].path] > 1:
            return None
        match self.draft.operation(position):
            case TokensMLP() as mlp:
                return Perceptrons(mlp, 1, summed=False)
            case PositionMLPSum(mlp=mlp, count=count):
                return Perceptrons(mlp, count, summed=True)
            case _:
                return None

    def _read(self, position: int) -> tuple[Reader, ...]:
        """Those that read a single perceptron, pooled ones first; none where something else does.

        All are of its ratio, for which one class does, and all lead to the same results: a unit
        that no loss reaches has no gradient, and an optimiser leaves it alone.
        """
        own = self._perceptrons(position)
        if own is None or own.summed or position not in self.reach:
            return ()
        found: list[Reader] = []
        for taker in self.consumers.get(position, ()):
            pooled = taker >= 0 and isinstance(self.draft.operation(taker), Pool)
            for reader in self.consumers.get(taker, ()) if pooled else (taker,):
                one = self._perceptrons(reader)
                if one is None or one.mlp != own.mlp or not self._together(reader, position):
                    return ()
                found.append(Reader(reader, one.count, pooled))
        return tuple(sorted(found, key=lambda one: not one.pooled))

    def _together(self, one: int, other: int) -> bool:
        """Whether two values lead to results, and to the same."""
        return one in self.reach and self.reach[one] == self.reach[other]

    # --- what becomes of it

    def _begin(self, position: int) -> None:
        """The units of a perceptron that reads a map, and of all others that are linked and do."""
        draft = self.draft
        (map_,) = draft.args(position)
        begun = [
            other
            for other in self.readers
            if draft.args(other) == (map_,)
            and self._mlp(other) == self._mlp(position)
            and self._together(other, position)
        ]
        paths = [draft.nodes[other].path for other in begun]
        label = draft.nodes[map_].label
        path = paths[0] if len(paths) == 1 else draft.fresh(stem_of("hidden", label))
        for name in ("weight", "bias"):
            firsts = [Keep(weight_name(old, f"fc1.{name}")) for old in paths]
            draft.rows[weight_name(path, name)] = self._joined(firsts, position)
        operation = MapToHidden(mlp=self._mlp(position), count=len(begun))
        made = draft.add(operation, (map_,), path, position)
        self._share(made, begun, [1] * len(begun), label)

    def _go_on(self, position: int, readers: Sequence[Reader]) -> None:
        """The units of all that read a perceptron, from its own."""
        draft, node = self.draft, self.draft.nodes[position]
        positions = [reader.position for reader in readers]
        counts = [reader.count for reader in readers]
        path = draft.nodes[positions[0]].path
        if len(readers) > 1:
            path = draft.fresh(stem_of("hidden", node.label))
        _, height, width = node.type.shape
        mlp, count = self._mlp(position), sum(counts)
        operation: HiddenLayer | HiddenToHidden
        if self.deployed:
            operation = HiddenLayer(mlp=mlp, count=count, height=height, width=width)
            self._compose(path, position, readers)
        else:
            pooled = sum(reader.count for reader in readers if reader.pooled)
            operation = HiddenToHidden(
                mlp=mlp, count=count, pooled=pooled, height=height, width=width
            )
            self._keep(path, position, readers)
        made = draft.add(operation, (self.hidden[position],), path, max(positions))
        self._share(made, positions, counts, node.label)

    def _share(self, made: int, positions: Sequence[int], counts: Sequence[int], of: str) -> None:
        """Give each of some nodes its part of units that were made for all of them."""
        draft = self.draft
        if len(positions) == 1:
            self.hidden[positions[0]] = made
            return
        path, last = draft.fresh(stem_of("shares", of)), max(positions)
        shares = draft.add(Shares(counts=tuple(counts)), (made,), path, last)
        for position, part in zip(positions, draft.items(shares, last), strict=True):
            if label := draft.nodes[position].label:
                draft.nodes[part] = replace(draft.nodes[part], label=f"{label}_hidden")
            self.hidden[position] = part

    def _end(self, position: int) -> None:
        """The map of perceptrons whose units are known."""
        draft, node, own = self.draft, self.draft.nodes[position], self._perceptrons(position)
        assert own is not None
        _, height, width = node.type.shape
        path = draft.fresh(f"{'_'.join(node.path)}_end")
        for name in ("weight", "bias"):
            old = name if own.summed else f"fc2.{name}"
            draft.rows[weight_name(path, name)] = Keep(weight_name(node.path, old))
        end = HiddenToMap(
            mlp=own.mlp, count=own.count, summed=own.summed, height=height, width=width
        )
        made = draft.add(end, (self.hidden[position],), path, position)
        draft.replace(position, made)

    def _mlp(self, position: int) -> TokensMLP:
        operation = self.draft.operation(position)
        assert isinstance(operation, TokensMLP)
        return operation

    # --- where weights come from

    def _keep(self, path: Path, position: int, readers: Sequence[Reader]) -> None:
        """The last layer of one perceptron, and the first layers of those that read it."""
        for name in ("weight", "bias"):
            firsts = [self._first(reader, name) for reader in readers]
            self.draft.rows[weight_name(path, f"last.{name}")] = self._last(position, name)
            joined = self._joined(firsts, position, readers)
            self.draft.rows[weight_name(path, f"first.{name}")] = joined

    def _compose(self, path: Path, position: int, readers: Sequence[Reader]) -> None:
        """One layer for both: W P V, and W P v + w."""
        product = composed((1, 1))
        weights: list[Source] = []
        biases: list[Source] = []
        for reader in readers:
            first = self._first(reader, "weight")
            if reader.pooled:
                pool = Pool()
                rows = pool.axis_map(Axis.POSITIONS, (self.draft.nodes[position].type,))
                assert rows is not None and rows.rows is not None
                first = product(first, fixed(rows.rows, pool.describe()))
            weights.append(product(first, self._last(position, "weight")))
            through = THROUGH(first, self._last(position, "bias"))
            biases.append(SUM(through, self._first(reader, "bias")))
        for name, parts in (("weight", weights), ("bias", biases)):
            self.draft.rows[weight_name(path, name)] = self._joined(parts, position, readers)

    def _first(self, reader: Reader, name: str) -> Source:
        return Keep(weight_name(self.draft.nodes[reader.position].path, f"fc1.{name}"))

    def _last(self, position: int, name: str) -> Source:
        return Keep(weight_name(self.draft.nodes[position].path, f"fc2.{name}"))

    def _joined(
        self, parts: Sequence[Source], position: int, readers: Sequence[Reader] = ()
    ) -> Source:
        """What perceptrons have, one below another."""
        if len(parts) == 1:
            return parts[0]
        (map_,) = self.draft.inputs(position)
        hidden = self._mlp(position).weights((map_,))[0].shape[0]
        counts = [reader.count for reader in readers] or [1] * len(parts)
        return Concat(0, tuple(parts), tuple(count * hidden for count in counts))
