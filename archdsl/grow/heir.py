"""The weights of a child, from those of its parent: by their diff, and by what operations say.

`archdsl.diff` says which operations of the child are which of the parent; `trace` how each begins,
so that the child computes the same where that can be had. Sources: Chen et al. 2016, "Net2Net"
(wider and deeper); Elsken et al. 2018 and 2019 (NASH, LEMONADE: network morphisms, new branches
that begin with nothing); Cai et al. 2018 (EAS); Real et al. 2017 (large-scale evolution: what
matches is inherited).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archdsl.diff.align import align_nodes
from archdsl.grow.atoms import Atoms
from archdsl.grow.begin import begun, carried
from archdsl.grow.carry import Carried, Carrier
from archdsl.grow.flat import Flat, flat, owned
from archdsl.grow.trace import Plan, trace
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
                before = scans[choice.owner]
                new |= _scanned(value.owner, value.scan, choice.owner, before, old)
            elif value.operation is not None:
                inputs = self.child.inputs(value)
                taken = (
                    carried(choice, value, inputs, old, fresh)
                    if isinstance(choice, Carried)
                    else begun(choice, value, inputs, fresh)
                )
                new |= {f"{value.owner}.{name}": tensor for name, tensor in taken.items()}
        return new


def _scanned(new: str, body: Flat, old: str, before: Flat, known: Tensors) -> dict[str, Tensor]:
    """The weights below a scan: those of the same place in what it did before."""
    return {
        f"{new}.{owner}.{name}": known[f"{old}.{other}.{name}"]
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
