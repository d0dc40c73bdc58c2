"""The weights of a child, from those of its parent: by their diff, and by what operations say.

`archdsl.diff` says which operations of the child are which of the parent; `trace` how each begins,
so that the child computes the same where that can be had. Sources: Chen et al. 2016, "Net2Net"
(wider and deeper); Elsken et al. 2018 and 2019 (NASH, LEMONADE: network morphisms, new branches
that begin with nothing); Cai et al. 2018 (EAS); Real et al. 2017 (large-scale evolution: what
matches is inherited).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archdsl.diff.align import align_nodes
from archdsl.grow.atoms import Atoms
from archdsl.grow.begin import begun, begun_names, carried
from archdsl.grow.carry import Carried, Carrier
from archdsl.grow.flat import Flat, flat, owned
from archdsl.grow.trace import Begins, Plan, trace
from archdsl.ir.graph import Program

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heir:
    """How a child takes over its parent's weights.

    `changed` are the places at which it computes something else, by the names of their weights:
    none where the function is preserved (in evaluation). `plan` has what is carried over and what
    begins so that it changes nothing; the rest is fresh.
    """

    parent: Flat
    child: Flat
    plan: Plan

    @property
    def changed(self) -> tuple[str, ...]:
        return self.plan.broken

    @property
    def preserved(self) -> bool:
        return not self.plan.broken

    def sources(self) -> dict[str, str]:
        """What is not fresh: its name, and that of what it is carried over from, if it is."""
        found: dict[str, str] = {}
        bodies = {v.owner: v.scan for v in self.parent.values if v.scan is not None}
        for value in self.child.values:
            choice = self.plan.choices.get(value.owner)
            if choice is None or value.item is not None:
                continue
            old = choice.owner if isinstance(choice, Carried) else ""
            if value.scan is not None:
                found |= _below(value.owner, value.scan, old, bodies[old])
            elif isinstance(choice, Begins):
                found |= dict.fromkeys(begun_names(choice, value, self.child.inputs(value)), "")
            elif value.operation is not None:
                for weight in value.operation.weights(self.child.inputs(value)):
                    found[f"{value.owner}.{weight.name}"] = f"{old}.{weight.name}"
        return found

    @property
    def share(self) -> float:
        """The share of the child's parameters, 0 to 1, that is carried over, copies included."""
        sizes = dict(_sizes(self.child))
        taken = sum(
            size
            for owner, size in sizes.items()
            if isinstance(self.plan.choices.get(owner), Carried)
        )
        return taken / max(sum(sizes.values()), 1)

    def weights(self, old: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The child's `state_dict`, from the parent's and from a fresh one of the child.

        Raises KeyError where one of them lacks a weight.
        """
        new = dict(fresh)
        scans = {v.owner: v.scan for v in self.parent.values if v.scan is not None}
        for value in self.child.values:
            choice = self.plan.choices.get(value.owner)
            if choice is None or value.item is not None:
                continue
            if value.scan is not None:
                assert isinstance(choice, Carried)
                names = _below(value.owner, value.scan, choice.owner, scans[choice.owner])
                new |= {name: old[source] for name, source in names.items()}
            elif value.operation is not None:
                inputs = self.child.inputs(value)
                taken = (
                    carried(choice, value, inputs, old, fresh)
                    if isinstance(choice, Carried)
                    else begun(choice, value, inputs, fresh)
                )
                new |= {f"{value.owner}.{name}": tensor for name, tensor in taken.items()}
        return new


def _sizes(network: Flat) -> Iterator[tuple[str, int]]:
    """How many parameters each owner has."""
    for value in network.values:
        if value.scan is not None:
            yield value.owner, sum(dict(_sizes(value.scan)).values())
        elif value.operation is not None:
            weights = value.operation.weights(network.inputs(value))
            yield value.owner, sum(weight.elements for weight in weights if not weight.buffer)


def _below(new: str, body: Flat, old: str, before: Flat) -> dict[str, str]:
    """The names of weights below a scan, with those of the same place in what it did before."""
    return {
        f"{new}.{owner}.{name}": f"{old}.{other}.{name}"
        for (owner, name), (other, _) in zip(owned(body), owned(before), strict=True)
    }


def heir(parent: Program, child: Program, *, seed: int = 0) -> Heir:
    """How the network `child` takes over the weights of `parent`; `seed` draws what is copied.

    Both are networks as written, without holes. Of two correspondences, by names alone and by
    names and structure, the one that changes less of the function is taken.
    """
    numbered = parent.hash != child.hash
    old, new = flat(parent, numbered=numbered), flat(child, numbered=numbered)
    named, whole = _pairs(old, new, seed)
    plans = [trace(old, new, pairs, seed) for pairs in (named, whole)]
    best = min(plans, key=lambda plan: (len(plan.broken), -_carried(plan)))
    return Heir(parent=old, child=new, plan=best)


def _carried(plan: Plan) -> int:
    return sum(isinstance(choice, Carried) for choice in plan.choices.values())


def _pairs(old: Flat, new: Flat, seed: int) -> tuple[dict[int, int], dict[int, int]]:
    """The child's operations with weights, with those of the parent: by names, and by the diff."""
    alike = Carrier(old, new, Atoms(), (), seed).alike
    found = {
        j: i
        for i, j in align_nodes(old.graph(), new.graph(), {}).items()
        if old.weighted(old.values[i])
        and new.weighted(new.values[j])
        and alike(old.values[i], new.values[j])
    }
    named = {j: i for j, i in found.items() if old.values[i].name == new.values[j].name}
    return named, found
