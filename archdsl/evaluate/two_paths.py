"""Two alternatives of every decision, and the gradient that their gates give to all logits.

Cai, Zhu and Han, "ProxylessNAS: Direct Neural Architecture Search on Target Task and Hardware",
section 3.2:

    drawn = two_paths(logits, generator)
    loss(supernet(x, supernet.gates(drawn))).backward()
    before = {key: one.detach().clone() for key, one in logits.items()}
    optimiser.step()
    keep_rest(logits, before, drawn)
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Gates = Mapping[str, Mapping[int, Tensor]]
"""For each decision the gates of those alternatives that run, by their numbers."""


def two_paths(logits: Mapping[str, Tensor], generator: torch.Generator) -> Gates:
    """Two alternatives of every decision, drawn by softmax(logits) without putting back.

    Of the two one is taken, by their probabilities among themselves: its gate is 1, the other's
    0. Straight-through, a gate's gradient is that of its probability, so it reaches the logits
    (alternatives,) of the two and no others. `generator`, on the logits' device, makes it again.
    """
    found: dict[str, dict[int, Tensor]] = {}
    for key, one in logits.items():
        chances = one.detach().softmax(0)
        pair = torch.multinomial(chances, min(2, len(one)), generator=generator).sort().values
        among = one[pair].softmax(0)
        taken = torch.multinomial(among.detach(), 1, generator=generator)
        binary = torch.zeros_like(among).scatter(0, taken, 1.0)
        gates = binary + (among - among.detach())
        found[key] = dict(zip(pair.tolist(), gates.unbind(), strict=True))
    return found


@torch.no_grad()
def keep_rest(logits: Mapping[str, Tensor], before: Mapping[str, Tensor], drawn: Gates) -> None:
    """Leave the logits that were not drawn where they were, and shift those that were, so that all
    others keep their probabilities.

    In place, after a step of an optimiser, whose momentum and decay move what has no gradient too;
    `before`: the logits before it.
    """
    for key, gates in drawn.items():
        pair = list(gates)
        moved = logits[key][pair]
        logits[key].copy_(before[key])
        logits[key][pair] = moved + before[key][pair].logsumexp(0) - moved.logsumexp(0)
