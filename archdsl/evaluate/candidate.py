"""What an evaluator of somebody else's sees of a proposal."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from archdsl.controllers.seeds import seed_for
from archdsl.ir.graph import Program
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Candidate:
    """One architecture to be measured: `text`, the `step` of the search, how often it was asked
    for `again`, and a `seed` that follows from them.
    """

    space: SearchSpace
    architecture: Architecture
    step: int
    again: int

    @property
    def text(self) -> str:
        return self.architecture.text

    @property
    def seed(self) -> int:
        return seed_for(self.step, "candidate", self.text)

    @cached_property
    def program(self) -> Program:
        """The network as the compiler knows it: for `archdsl.cost` and the like."""
        return self.space.resolve(self.architecture)

    @property
    def source(self) -> str:
        """Its network.py."""
        from archdsl.codegen import network_source

        return network_source(self.program)

    def network(self) -> nn.Module:
        """The module, with fresh weights that follow from the seed, in training mode."""
        import torch

        from archdsl.load import load_network

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return load_network(self.program)
