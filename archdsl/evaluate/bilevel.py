"""The gradient of gates, first and second order.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", section 2.3: the gates are to
be good for the weights that training leads to, of which one step stands for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from archdsl.evaluate.ranks import SINGLE, Ranks

Loss = Callable[[], Tensor]
"""The loss of the supernet under its gates on one batch, anew at every call; of several processes
each has its part of the loss, and the sum of those is meant."""

REACH = 1e-2
"""How far the weights move for the difference of two gradients, over the norm of the direction."""


def first_order(loss: Loss, logits: Sequence[Tensor], ranks: Ranks = SINGLE) -> None:
    """Leave the gradient of the loss in the gates' `grad`, and no other anywhere."""
    value = loss()
    for one, gradient in zip(logits, _gradients(value, logits, ranks), strict=True):
        one.grad = gradient


def second_order(
    validation: Loss,
    training: Loss,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    logits: Sequence[Tensor],
    ranks: Ranks = SINGLE,
) -> None:
    """Leave the gradient of validation after one step of training in the gates' `grad`.

        w' = w - rate (momentum x velocity + d training / d w + decay x w)
        d validation(w') / d gates - rate x (d training(w+) - d training(w-)) / d gates / 2 r

    w+- = w +- r d validation(w') / d w, r = 0.01 over the norm of that gradient (equations 7 and
    8). Rate, velocity, momentum and decay are those that the optimizer has; where it has none,
    they are 0. Weights and buffers are afterwards as before.
    """
    weights = [p for p in module.parameters() if p.requires_grad]
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    (rate,) = set(rates.values())
    with _put_back(module):
        steps = _gradients(training(), weights, ranks)
        with torch.no_grad():
            for weight, step in zip(weights, steps, strict=True):
                weight.sub_(rate * (_carried(optimizer, weight) + step))
        value = validation()
        found = _gradients(value, [*logits, *weights], ranks)
    direct, direction = found[: len(logits)], found[len(logits) :]
    norm = torch.cat([one.flatten() for one in direction]).norm()
    if norm == 0:  # the weights do not matter, so neither does the step
        for one, first in zip(logits, direct, strict=True):
            one.grad = first
        return
    reach = REACH / norm
    sides = []
    for sign in (1, -1):
        with _put_back(module):
            with torch.no_grad():
                for weight, one in zip(weights, direction, strict=True):
                    weight.add_(sign * reach * one)
            sides.append(_gradients(training(), logits, ranks))
    for one, first, plus, minus in zip(logits, direct, *sides, strict=True):
        one.grad = first - rate * (plus - minus) / (2 * reach)


def _carried(optimizer: torch.optim.Optimizer, weight: Tensor) -> Tensor:
    """What a step adds to the gradient of a weight: its velocity and its decay."""
    group = next(g for g in optimizer.param_groups if any(p is weight for p in g["params"]))
    carried: Tensor = group["weight_decay"] * weight
    velocity = optimizer.state.get(weight, {}).get("momentum_buffer")
    return carried if velocity is None else carried + group["momentum"] * velocity


def _gradients(value: Tensor, wanted: Sequence[Tensor], ranks: Ranks) -> Sequence[Tensor]:
    """Those of a loss; zeros for what it does not depend on."""
    found: Sequence[Tensor | None] = torch.autograd.grad(value, wanted, allow_unused=True)
    given = zip(wanted, found, strict=True)
    return ranks.together([torch.zeros_like(one) if g is None else g for one, g in given])


@contextmanager
def _put_back(module: nn.Module) -> Iterator[None]:
    """Weights and buffers of a module are afterwards what they were."""
    before: Mapping[str, Tensor] = {k: v.clone() for k, v in module.state_dict().items()}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, tensor in module.state_dict().items():
                tensor.copy_(before[name])
