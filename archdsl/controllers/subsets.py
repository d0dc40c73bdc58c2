"""One distribution for all kinds of holes: a set is as likely as the product of its weights.

    P(S) = exp(sum of the logits in S) / Z,   Z over the sets that the hole allows

    one of      Z = sum of exp          the softmax
    k of        Z = e_k(exp)            the elementary symmetric polynomial: order plays no part
    any of      Z = product of 1 + exp  a coin for each alternative

In all three the probability that i is taken is d log Z / d logit i, and the entropy is
log Z - sum of (that probability x logit i).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from archdsl.syntax.tree import Quantity


@dataclass(frozen=True, slots=True, eq=False)
class Subsets:
    """The distribution that logits (n,) give to the sets which a hole may take.

    `count` is the k of a k-of hole, and 1 where one is taken.
    """

    logits: Tensor
    quantity: Quantity
    count: int = 1

    def log_probability(self, taken: tuple[int, ...]) -> Tensor:
        """The log probability of one set, as a scalar with a gradient."""
        return self.logits[list(taken)].sum() - self._log_z()

    def inclusion(self) -> Tensor:
        """The probability (n,) of each alternative to be among the taken."""
        if self.quantity is Quantity.ANY:
            return torch.sigmoid(self.logits)
        if self.count == 1:
            return torch.softmax(self.logits, 0)
        rows = []
        for i in range(len(self.logits)):
            others = torch.cat((self.logits[:i], self.logits[i + 1 :]))
            rows.append(self.logits[i] + log_elementary(others, self.count - 1))
        return torch.exp(torch.stack(rows) - self._log_z())

    def entropy(self) -> Tensor:
        """In nats, as a scalar with a gradient."""
        return self._log_z() - (self.inclusion() * self.logits).sum()

    def sample(self, rng: random.Random) -> tuple[int, ...]:
        """One set, its indices ascending: each alternative in turn, given those before it."""
        weights = [math.exp(value) for value in self.logits.tolist()]
        if self.quantity is Quantity.ANY:
            return tuple(i for i, w in enumerate(weights) if rng.random() < w / (1 + w))
        taken: list[int] = []
        for i, weight in enumerate(weights):
            left = self.count - len(taken)
            with_it = weight * elementary(weights[i + 1 :], left - 1)
            without = elementary(weights[i + 1 :], left)
            if rng.random() * (with_it + without) < with_it or not without:
                taken.append(i)
            if len(taken) == self.count:
                break
        return tuple(taken)

    def _log_z(self) -> Tensor:
        if self.quantity is Quantity.ANY:
            return F.softplus(self.logits).sum()
        return log_elementary(self.logits, self.count)


def elementary(weights: list[float], k: int) -> float:
    """e_k of the weights: the sum over all k-subsets of the product."""
    sums = [1.0] + [0.0] * k
    for weight in weights:
        for j in range(k, 0, -1):
            sums[j] += weight * sums[j - 1]
    return sums[k]


def log_elementary(logits: Tensor, k: int) -> Tensor:
    """log e_k(exp(logits)), differentiable; k is at most the number of logits."""
    if k == 1:
        return torch.logsumexp(logits, 0)
    sums: list[Tensor] = [logits.new_zeros(())]  # log e_0 .. log e_j of the logits so far
    for logit in logits:
        longer = [sums[-1] + logit] if len(sums) <= k else []
        sums = [
            sums[0],
            *(torch.logaddexp(sums[j], sums[j - 1] + logit) for j in range(1, len(sums))),
            *longer,
        ]
    return sums[k]
