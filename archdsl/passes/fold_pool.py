"""A pool in front of maps over positions: the weights are pooled, not the value.

mlp(pool(x))                      -> pooled mlp(x)           W (P x) = (W P) x
mlp_1(pool(x)), mlp_2(pool(x))    -> pooled mlps(x)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from archdsl.ir.graph import Apply, Graph
from archdsl.ir.types import Weight
from archdsl.ops.base import Axis, Operation, Rows
from archdsl.ops.pooled import POSITIONAL, Pooled, first_weight
from archdsl.ops.pooling import Pool
from archdsl.passes.device import BATCH
from archdsl.passes.draft import Draft, Rewrite, weight_name
from archdsl.passes.facts import Modules
from archdsl.passes.laws import composed, fixed
from archdsl.passes.weights import Keep


def fold_pool(graph: Graph, modules: Modules) -> Rewrite:
    """Take a pool into the first weights of what reads it.

    For deployment: the weights change. Only where all that reads the pooled value can take it in,
    so that the pool is gone.
    """
    fold = _Fold(graph, modules)
    for position, matrix, readers in fold.pools():
        rows = fixed(matrix, fold.operation(position).describe())
        for reader in readers:
            name = fold.first_weight(reader)
            fold.draft.rows[name] = composed((1, 1))(fold.draft.rows.get(name, Keep(name)), rows)
            fold.take_in(position, reader, fold.operation(reader))
    return fold.draft.finish()


def pool_weights(graph: Graph, modules: Modules) -> Rewrite:
    """Pool the first weights of what reads a pool, at every step, where they are fewer numbers.

    Exact in training: the parameters stay, and their gradients pass through the product.
    """
    fold = _Fold(graph, modules)
    for position, _, readers in fold.pools():
        if isinstance(fold.operation(position), Pool) and fold.pays(position, readers):
            for reader in readers:
                operation = fold.operation(reader)
                assert isinstance(operation, POSITIONAL)
                fold.take_in(position, reader, Pooled(operation=operation))
    return fold.draft.finish()


class _Fold:
    """A graph whose pools are taken in, the last first, so that a pool of a pool can be too."""

    def __init__(self, graph: Graph, modules: Modules) -> None:
        self.draft = Draft(graph, modules)
        self.consumers = self.draft.consumers()
        self.uses = Counter(node.path for node in graph.nodes if node.path)

    def pools(self) -> Iterator[tuple[int, Callable[[], Rows], tuple[int, ...]]]:
        """The pools that can be taken in, with the matrix and the readers of each."""
        for position in reversed(self.draft.live()):
            operation = self.draft.operation(position)
            if operation is None or len(self.draft.nodes[position].types) != 1:
                continue
            found = operation.axis_map(Axis.POSITIONS, self.draft.inputs(position))
            readers = tuple(dict.fromkeys(self.consumers.get(position, ())))
            if found and found.rows and readers and all(map(self._takes, readers)):
                yield position, found.rows, readers

    def _takes(self, reader: int) -> bool:
        """Whether a reader's first weight takes positions, and nothing else uses that weight."""
        known = reader >= 0 and isinstance(self.draft.operation(reader), POSITIONAL)
        return known and self.uses[self.draft.nodes[reader].path] == 1

    def take_in(self, pool: int, reader: int, operation: Operation) -> None:
        """A reader takes what the pool takes."""
        args = self.draft.args(pool)
        self.draft.change(reader, Apply(operation), args)
        takers = self.consumers[args[0]]
        takers[:] = [*(taker for taker in takers if taker != pool), reader]

    def pays(self, pool: int, readers: Sequence[int]) -> bool:
        """Whether the weights are at most half as large as a batch of values."""
        rows = sum(self._first(reader).shape[0] for reader in readers)
        return 2 * rows <= BATCH * self.draft.nodes[pool].type.channels

    def first_weight(self, reader: int) -> str:
        return weight_name(self.draft.nodes[reader].path, self._first(reader).name)

    def _first(self, reader: int) -> Weight:
        operation = self.operation(reader)
        assert isinstance(operation, POSITIONAL)
        return first_weight(operation, self.draft.inputs(reader))

    def operation(self, position: int) -> Operation:
        operation = self.draft.operation(position)
        assert operation is not None
        return operation
