"""What a network costs on average, if alternatives are taken as often as they weigh.

    expected = sum over nodes of their cost x the weights of the alternatives that they stand in

Wu et al., "FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable Neural Architecture
Search", section 3.2: by a table of the latencies of operations it is a sum, so it has gradients.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from archdsl.evaluate.latency import no_table, read_latencies, row_of
from archdsl.ir.cost import price
from archdsl.ir.formula import ALWAYS, NEVER, All, Any, Formula, Not, Taken, all_of, any_of
from archdsl.ir.graph import Apply, Invoke, Node
from archdsl.ops.base import Operation, Types
from archdsl.ops.constants import Identity
from archdsl.passes.additive import renamed
from archdsl.passes.uses import Use, distinct, uses
from archdsl.space.view import SearchSpace
from archdsl.space.wording import similar
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Quantity

Price = Callable[[Operation, Types], float]
Terms = Mapping[Formula, float]
FIGURES = ("macs", "params")
MICROSECONDS = 1e3
"""In a millisecond; in these a latency is well above 1, where the logarithm begins."""


class Expected:
    """The expected cost of a space: `params`, `macs`, or a table's latency in microseconds."""

    def __init__(self, space: SearchSpace, what: str) -> None:
        """`what`: one of FIGURES, or the file of a table. Raises ArchError E0708 for a file that
        cannot be read, E0828 where it is no table, or has not all operations of the space."""
        own = what == "params"
        self.base = 0.0
        self.single: dict[str, Tensor] = {}
        self.mixed: list[tuple[Formula, float]] = []
        sizes = {one.key: len(one.hole.labels) for one in space.decisions}
        some = (one for one in space.decisions if one.hole.quantity is Quantity.SOME)
        self.counts = {one.key: one.hole.count for one in some}
        for formula, cost in _terms(space, _price(what), own).items():
            if formula == ALWAYS:
                self.base += cost
            elif isinstance(formula, Taken):
                row = self.single.setdefault(formula.hole, torch.zeros(sizes[formula.hole]))
                row[formula.alternative] += cost
            else:
                self.mixed.append((formula, cost))

    def __call__(self, weights: Mapping[str, Tensor]) -> Tensor:
        """The cost under the weights (alternatives,) of every decision, with gradients to them.

        Of k of several each is there k times as often as it weighs, at most always.
        """
        weights = {key: self._chances(key, one) for key, one in weights.items()}
        found = torch.tensor(self.base)
        for key, row in self.single.items():
            found = found + (weights[key] * row.to(weights[key])).sum()
        for formula, cost in self.mixed:
            found = found + cost * _weight(formula, weights)
        return found

    def _chances(self, key: str, weights: Tensor) -> Tensor:
        """How often each alternative is there."""
        count = self.counts.get(key)
        if count is None:
            return weights
        if count == len(weights):
            return torch.ones_like(weights)
        return (count * weights).clamp(max=1)


def _price(what: str) -> Price:
    if what in FIGURES:
        number = FIGURES[::-1].index(what)  # `price` has parameters first
        return lambda operation, inputs: price(operation, inputs)[number]
    try:
        known = read_latencies(Path(what))
    except ArchError as error:
        if Path(what).exists():
            raise
        raise _unknown(what) from error

    def latency(operation: Operation, inputs: Types) -> float:
        row = row_of(operation, inputs)
        if row not in known:
            raise no_table(Path(what), f"of this space: it has no {row!r}")
        return MICROSECONDS * known[row]

    return latency


def _unknown(what: str) -> ArchError:
    return fault(
        "E0708",
        f"there is no cost {what!r}, and no file of that name",
        found=what,
        expected=f"{', '.join(FIGURES)} or a file that `archdsl tune --operations` wrote",
        hint=similar(what, FIGURES),
    )


def _weight(formula: Formula, weights: Mapping[str, Tensor]) -> Tensor:
    """How far a formula holds, as a mixture reads it: `and` is a product, 1 - x is `not`."""
    match formula:
        case Taken(hole, alternative):
            return weights[hole][alternative]
        case Not(term):
            return 1 - _weight(term, weights)
        case All(terms):
            return torch.stack([_weight(term, weights) for term in terms]).prod(0)
        case Any(terms):
            some = torch.stack([_weight(term, weights) for term in terms])
            one = {term.hole if isinstance(term, Taken) else id(term) for term in terms}
            return some.sum() if len(one) == 1 else 1 - (1 - some).prod(0)


def _terms(space: SearchSpace, price_of: Price, own: bool) -> Terms:
    """Costs of the whole by the formula over decisions under which they count.

    `own`: what belongs to a weight, which several nodes may share, counts once.
    """
    keys = tuple(one.key for one in space.decisions)
    found: dict[int, Terms] = {}
    whole: Terms = {}
    for use in distinct(uses(space.program, keys)):
        names = dict(zip((h.name for h in use.graph.holes), use.holes, strict=True))
        known = {hole: keys[i] for hole, i in names.items() if i >= 0}
        total: defaultdict[Formula, float] = defaultdict(float)
        for nodes in _grouped(use, own):
            under = any_of(_under(use.graph.nodes[i], known) for i in nodes)
            for formula, cost in _of_node(use, nodes[0], found, price_of, own).items():
                both = all_of((under, formula))
                if both != NEVER and cost:
                    total[both] += cost
        whole = found[id(use)] = total
    return whole


def _under(node: Node, names: Mapping[str, str]) -> Formula:
    return node.under if node.under == ALWAYS else renamed(node.under, names)


def _grouped(use: Use, own: bool) -> Iterator[list[int]]:
    """The nodes that cost something, those with the same weights together where these count."""
    groups: dict[object, list[int]] = {}
    for position, node in enumerate(use.graph.nodes):
        if isinstance(node.kind, Apply | Invoke):
            groups.setdefault(node.path if own else position, []).append(position)
    yield from groups.values()


def _of_node(
    use: Use, position: int, inner: Mapping[int, Terms], price_of: Price, own: bool
) -> Terms:
    node = use.graph.nodes[position]
    match node.kind:
        case Invoke(steps=steps):
            times = 1 if own else steps or 1
            below = inner[id(use.inner[position])]
            return {formula: times * cost for formula, cost in below.items()}
        case Apply(operation) if not isinstance(operation, Identity):
            return {ALWAYS: price_of(operation, use.graph.types_in(node))}
        case _:
            return {}
