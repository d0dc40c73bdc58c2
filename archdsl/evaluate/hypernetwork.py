"""Weights that are worked out from an architecture, in place of shared ones.

Brock, Lim, Ritchie and Weston, "SMASH: One-Shot Model Architecture Search through HyperNetworks":
what is trained is the network that gives the weights, so paths do not pull at the same ones. Their
encoding is that of their own space (memory banks); here it is which alternatives are taken, which
every space has.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

HIDDEN = 64
SPREAD = 0.1
"""How much of a weight's own spread its part from the code has at first."""


class Hypernetwork(nn.Module):
    """W(a) = W + M c(a) for every weight of a supernet, with c(a) (code,) of a perceptron.

    What an architecture takes is its input: one number, 0 or 1, for each alternative of each
    decision. `supernet` holds the W and runs with what `weights` gives.
    """

    def __init__(self, space: SearchSpace, supernet: nn.Module, *, code: int) -> None:
        super().__init__()
        self.supernet = supernet
        sizes = [len(decision.hole.labels) for decision in space.decisions]
        self.keys = [decision.key for decision in space.decisions]
        self.starts = [sum(sizes[:i]) for i in range(len(sizes))]
        self.alternatives = max(sum(sizes), 1)
        self.coded = nn.Sequential(
            nn.Linear(self.alternatives, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, code), nn.Tanh()
        )
        self.names = [name for name, weight in supernet.named_parameters() if weight.dim() > 1]
        given = dict(supernet.named_parameters())
        self.maps = nn.ParameterList(
            SPREAD
            * given[name].detach().std(correction=0)
            * torch.randn(given[name].numel(), code)
            / code**0.5
            for name in self.names
        )

    def weights(self, architecture: Architecture) -> dict[str, Tensor]:
        """The weights of an architecture, by their names in the supernet.

        Biases and norms, which have one dimension, are shared as they are.
        """
        code = self.coded(self._taken(architecture))
        given = dict(self.supernet.named_parameters())
        pairs = zip(self.names, self.maps, strict=True)
        return {name: given[name] + (one @ code).view_as(given[name]) for name, one in pairs}

    def _taken(self, architecture: Architecture) -> Tensor:
        """What it takes (alternatives of all decisions,)."""
        taken: Tensor = next(self.coded.parameters()).new_zeros(self.alternatives)
        for key, start in zip(self.keys, self.starts, strict=True):
            taken[[start + i for i in architecture.assignment.get(key, ())]] = 1
        return taken
