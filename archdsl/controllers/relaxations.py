"""How the weights of alternatives come from the logits of a decision, and how these are moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

MOMENTUM = 0.9


def softened(logits: Tensor, noise: Tensor, heat: float) -> Tensor:
    """Weights under Gumbel noise at a temperature (SNAS, equation 4; GDAS, equation 4)."""
    return ((logits.log_softmax(0) + noise) / heat).softmax(0)


def hardened(soft: Tensor) -> Tensor:
    """1 for the heaviest and 0 for the rest, with the gradients of all (GDAS, equation 5)."""
    hard = torch.zeros_like(soft).scatter(0, soft.argmax(0, keepdim=True), 1.0)
    return hard - soft.detach() + soft


def gumbel(like: Tensor, generator: torch.Generator) -> Tensor:
    """Gumbel noise."""
    return -torch.empty_like(like).exponential_(generator=generator).log()


def shares(scales: Tensor) -> Tensor:
    """Scales (alternatives,) as parts of one; the same for all where all are 0."""
    sizes = scales.abs()
    total = sizes.sum()
    return sizes / total if float(total.detach()) > 0 else torch.ones_like(sizes) / len(sizes)


def dropped(count: int, share: float, rate: float, generator: torch.Generator) -> Tensor:
    """1 for each of so many alternatives that is there, 0 for one that is gone.

    Each is gone by itself, at the end with the chance rate^(1/count), so that all are with the
    chance `rate`; when a `share` of the training is over, with that share of it (Bender et al.,
    section 3.2).
    """
    chances = torch.rand(count, generator=generator)
    chance: float = share * rate ** (1 / count)
    return (chances >= chance).float()


class Proximal(torch.optim.Optimizer):
    """Accelerated proximal gradient on a loss plus `sparsity` times the sum of all sizes.

        z = S(w - rate gradient),  v = z - w + momentum v,  w = z + momentum v

    S takes rate x sparsity off every size, and leaves 0 where less is there (DSO-NAS, equations
    7 to 9, which are those of Huang and Wang, "Data-Driven Sparse Structure Selection"). Ours:
    what S makes 0 is 0, where momentum alone would carry it past.
    """

    def __init__(self, parameters: Iterable[Tensor], *, lr: float, sparsity: float) -> None:
        super().__init__(parameters, {"lr": lr, "sparsity": sparsity})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step on the gradients that are there."""
        for group in self.param_groups:
            off = group["lr"] * group["sparsity"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                moved = weight - group["lr"] * weight.grad
                near = moved.sign() * (moved.abs() - off).clamp(min=0)
                state = self.state[weight]
                before = state.get("velocity", torch.zeros_like(weight))
                state["velocity"] = near - weight + MOMENTUM * before
                ahead = near + MOMENTUM * state["velocity"]
                weight.copy_(torch.where(near == 0, near, ahead))
