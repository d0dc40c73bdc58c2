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

from archdsl.ir.graph import Graph, Path
from archdsl.ops.base import Axis
from archdsl.ops.fused import PositionMLPSum, Split
from archdsl.ops.hidden import HiddenLayer, HiddenToHidden, HiddenToMap, MapToHidden
from archdsl.ops.mlp import TokensMLP
from archdsl.ops.pooling import Pool
from archdsl.passes.device import BATCH
from archdsl.passes.draft import Draft, Rewrite, weight_name
from archdsl.passes.facts import Modules
from archdsl.passes.laws import SUM, THROUGH, composed, fixed
from archdsl.passes.layout import stem_of
from archdsl.passes.reached import results_reached
from archdsl.passes.weights import Concat, Keep, Source


def link_perceptrons(graph: Graph, modules: Modules) -> Rewrite:
    """Go from units to units where that is less work than by a map that only perceptrons read.

    Exact in training: the parameters of both layers stay, and gradients pass through the product.
    """
    return _Links(graph, modules, deployed=False).rewrite()


def compose_perceptrons(graph: Graph, modules: Modules) -> Rewrite:
    """The same with the product of the weights in their place, for deployment."""
    return _Links(graph, modules, deployed=True).rewrite()


@dataclass(frozen=True, slots=True)
class Perceptrons:
    """A node of perceptrons: one, or the sum of several."""

    mlp: TokensMLP
    count: int


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
                return Perceptrons(mlp, 1)
            case PositionMLPSum(mlp=mlp, count=count):
                return Perceptrons(mlp, count)
            case _:
                return None

    def _read(self, position: int) -> tuple[Reader, ...]:
        """Those that read a perceptron, pooled ones first; none where linking them is no gain.

        All have to lead to the same results: a unit that no loss reaches has no gradient.
        """
        own = self._perceptrons(position)
        if own is None or not isinstance(self.draft.operation(position), TokensMLP):
            return ()
        found: list[Reader] = []
        for taker in self.consumers.get(position, ()):
            behind: tuple[int, ...] = (taker,)
            if pooled := taker >= 0 and isinstance(self.draft.operation(taker), Pool):
                behind = tuple(self.consumers.get(taker, ()))
            for reader in behind:
                one = self._perceptrons(reader)
                if one is None or one.mlp != own.mlp:
                    return ()
                if self.reach.get(reader) != self.reach.get(position):
                    return ()
                found.append(Reader(reader, one.count, pooled))
        count = sum(reader.count for reader in found)
        return (
            tuple(sorted(found, key=lambda one: not one.pooled))
            if self._pays(position, count)
            else ()
        )

    def _pays(self, position: int, count: int) -> bool:
        """Whether so many perceptrons are less work behind units, in training with the product."""
        (map_,) = self.draft.inputs(position)
        channels, height, width = map_.shape
        positions = height * width
        hidden = MapToHidden(mlp=self._mlp(position)).units(positions)
        units = count * hidden
        saved = hidden * positions + positions * units - hidden * units
        product = 0 if self.deployed else hidden * positions * units
        return BATCH * channels * saved > product

    # --- what becomes of it

    def _begin(self, position: int) -> None:
        """The units of a perceptron that reads a map."""
        path = self.draft.nodes[position].path
        for name in ("weight", "bias"):
            self.draft.rows[weight_name(path, name)] = Keep(weight_name(path, f"fc1.{name}"))
        operation = MapToHidden(mlp=self._mlp(position))
        args = self.draft.args(position)
        self.hidden[position] = self.draft.add(operation, args, path, position)

    def _go_on(self, position: int, readers: Sequence[Reader]) -> None:
        """The units of all that read a perceptron, from its own."""
        draft, node = self.draft, self.draft.nodes[position]
        path = draft.nodes[readers[0].position].path
        if len(readers) > 1:
            path = draft.fresh(stem_of("hidden", node.label))
        _, height, width = node.type.shape
        count = sum(reader.count for reader in readers)
        mlp, pooled = self._mlp(position), sum(reader.count for reader in readers if reader.pooled)
        args = (self.hidden[position],)
        last = readers[-1].position
        if self.deployed:
            layer = HiddenLayer(mlp=mlp, count=count, height=height, width=width)
            self._compose(path, position, readers, layer.hidden)
            made = draft.add(layer, args, path, last)
        else:
            link = HiddenToHidden(mlp=mlp, count=count, pooled=pooled, height=height, width=width)
            self._keep(path, position, readers, link.hidden)
            made = draft.add(link, args, path, last)
        if len(readers) == 1:
            self.hidden[readers[0].position] = made
            return
        hidden = draft.nodes[made].type.channels // count
        split = Split(sizes=tuple(reader.count * hidden for reader in readers))
        made = draft.add(split, (made,), draft.fresh(stem_of("split", node.label)), last)
        for reader, part in zip(readers, draft.items(made, last), strict=True):
            label = draft.nodes[reader.position].label
            if label:
                draft.nodes[part] = replace(draft.nodes[part], label=f"{label}_hidden")
            self.hidden[reader.position] = part

    def _end(self, position: int) -> None:
        """The map of perceptrons whose units are known."""
        draft, node = self.draft, self.draft.nodes[position]
        operation = draft.operation(position)
        summed = isinstance(operation, PositionMLPSum)
        own = self._perceptrons(position)
        assert own is not None
        _, height, width = node.type.shape
        path = draft.fresh(f"{'_'.join(node.path)}_end")
        for name in ("weight", "bias"):
            old = name if summed else f"fc2.{name}"
            draft.rows[weight_name(path, name)] = Keep(weight_name(node.path, old))
        end = HiddenToMap(mlp=own.mlp, count=own.count, summed=summed, height=height, width=width)
        made = draft.add(end, (self.hidden[position],), path, position)
        draft.replace(position, made)

    def _mlp(self, position: int) -> TokensMLP:
        operation = self.draft.operation(position)
        assert isinstance(operation, TokensMLP)
        return operation

    # --- where weights come from

    def _keep(self, path: Path, position: int, readers: Sequence[Reader], hidden: int) -> None:
        """The second layer of one perceptron, and the first layers of those that read it."""
        for name in ("weight", "bias"):
            self.draft.rows[weight_name(path, f"fc2.{name}")] = self._second(position, name)
            firsts = tuple(self._first(reader, name) for reader in readers)
            self.draft.rows[weight_name(path, f"fc1.{name}")] = _joined(firsts, readers, hidden)

    def _compose(self, path: Path, position: int, readers: Sequence[Reader], hidden: int) -> None:
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
            weights.append(product(first, self._second(position, "weight")))
            through = THROUGH(first, self._second(position, "bias"))
            biases.append(SUM(through, self._first(reader, "bias")))
        for name, parts in (("weight", weights), ("bias", biases)):
            self.draft.rows[weight_name(path, name)] = _joined(parts, readers, hidden)

    def _first(self, reader: Reader, name: str) -> Source:
        return Keep(weight_name(self.draft.nodes[reader.position].path, f"fc1.{name}"))

    def _second(self, position: int, name: str) -> Source:
        return Keep(weight_name(self.draft.nodes[position].path, f"fc2.{name}"))


def _joined(parts: Sequence[Source], readers: Sequence[Reader], hidden: int) -> Source:
    """What readers have, one below another."""
    if len(parts) == 1:
        return parts[0]
    return Concat(0, tuple(parts), tuple(reader.count * hidden for reader in readers))
