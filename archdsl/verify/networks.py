"""One architecture, every way that there is to run it, compared.

The reference is written by `plain.py`. Against it stand the supernet on the architecture's
path, the generated network, and the optimised network, with weights carried by name and by the
weight map of the passes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from archdsl.load import Supernet, load_network, load_supernet
from archdsl.passes.driver import DEPLOYMENT, optimise
from archdsl.passes.shares import Shares, shares
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.verify.compare import (
    deployed_subject,
    generated,
    optimised_subject,
    smooth,
    still,
    verdict,
)
from archdsl.verify.equal import Result, Shared, Subject, randomise
from archdsl.verify.verdict import Verdict


@dataclass(slots=True)
class Verifier:
    """Compares architectures of one space; the supernet is generated once.

    `batch` images at once; `steps`: whether weights after optimiser steps are compared too.
    """

    space: SearchSpace
    seed: int = 0
    batch: int = 2
    steps: bool = True
    _supernets: tuple[Supernet, Supernet] | None = None

    def __call__(self, architecture: Architecture) -> Verdict:
        program = self.space.resolve(architecture)
        path = self._path(architecture)
        found = shares(self.space.program, program)
        if any(share.steps for share in found.entries.values()):
            path = self._sharing(path, found)
        plain = generated("network", program, load_network)
        subjects = [
            path,
            plain,
            optimised_subject(optimise(program), load_network),
            deployed_subject(optimise(program, DEPLOYMENT), load_network),
        ]
        return verdict(
            program, architecture.text, subjects, self.seed, self.batch, self.steps, plain
        )

    def _path(self, architecture: Architecture) -> Subject:
        """The supernet, taking the path of one architecture."""
        if self._supernets is None:
            program = still(self.space.program)
            rounded = smooth(program)
            same = rounded is program
            whole = load_supernet(program)
            self._supernets = (whole, whole if same else load_supernet(rounded))
        whole, smoothed = self._supernets

        def call(network: nn.Module, *inputs: Tensor) -> Result:
            owner = whole if network is whole.module else smoothed
            return owner(*inputs, architecture)

        return Subject("supernet path", whole.module, call=call, smooth=smoothed.module)

    def _sharing(self, path: Subject, found: Shares) -> Subject:
        """A path that takes slices: the supernet has weights, the network its share of them."""
        module = path.module.float()
        randomise(module, torch.Generator().manual_seed(self.seed))
        state = {
            name: tensor.double() if tensor.is_floating_point() else tensor.clone()
            for name, tensor in module.state_dict().items()
        }
        shared = Shared(found, state)
        return replace(path, carry=shared.carry, shared=shared)


def verify(
    space: SearchSpace,
    architecture: Architecture,
    *,
    seed: int = 0,
    batch: int = 2,
    steps: bool = True,
) -> Verdict:
    """Whether supernet path, network and optimised network compute one function.

    In float64 and float32, training and evaluation, on outputs and gradients; for the optimised
    network also on weights after five steps of SGD and of AdamW. The network of level 2 is compared
    in evaluation, on outputs.
    """
    return Verifier(space, seed, batch, steps)(architecture)
