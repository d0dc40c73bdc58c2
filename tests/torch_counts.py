"""torch's own counts of generated networks, against those of the text."""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archdsl.ir.cost import cost
from archdsl.ir.graph import Program
from archdsl.load import load_network
from archdsl.space.view import SearchSpace


def torch_macs(module: nn.Module, *inputs: Tensor) -> int:
    """MACs as torch counts them, without gradients.

    Attention is taken apart into its products first: torch has no formula for the fused kernel
    that it may choose on a CPU, and then counts nothing.
    """
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        module(*inputs)
    flops: int = counter.get_total_flops()
    assert flops % 2 == 0
    return flops // 2


def torch_counts(program: Program) -> tuple[int, int]:
    """Parameters and MACs of the generated module, as torch counts them for one input."""
    network = load_network(program).eval()
    params = sum(parameter.numel() for parameter in network.parameters())
    types = [program.net.nodes[i].type for i in program.net.inputs]
    images = [
        torch.zeros(1, *t.shape, dtype=torch.float if t.below is None else torch.long)
        for t in types
    ]
    return params, torch_macs(network, *images)


def differing(space: SearchSpace, count: int, rng: Random) -> list[str]:
    """Those of `count` sampled architectures whose counts differ; 500 in `make verify`."""
    wrong = []
    for _ in range(count):
        architecture = space.sample(rng)
        program = space.resolve(architecture)
        expected = cost(program)
        if torch_counts(program) != (expected.params, expected.macs):
            wrong.append(architecture.text)
    return wrong
