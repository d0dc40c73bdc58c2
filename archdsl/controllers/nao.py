"""Search in a continuous code: from that of a good architecture uphill, and back to a text.

    z = encoder(a),   z' = z + step x the gradient of the predicted worth,   a' = decoder(z')

Luo et al. 2018, "Neural Architecture Optimization", section 3. Encoder, decoder and predictor are
trained together, weighed 1 - w, w. Theirs are LSTMs; ours are the Transformers of `vae`, without
noise. Rewards enter by rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

import torch
from torch import Tensor, nn

from archdsl.controllers.features import ranked
from archdsl.controllers.modelled import Modelled
from archdsl.controllers.settings import within
from archdsl.controllers.subsets import Subsets
from archdsl.controllers.vae import VAE, trained
from archdsl.space.architecture import Architecture
from archdsl.space.subsets import Taken
from archdsl.space.view import SearchSpace
from archdsl.syntax.tree import Quantity

TRIES = 8
"""Steps uphill, the last 128 times as long as the first."""
BATCH = 64
"""Architectures of one training step, drawn anew for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NAOSettings:
    """`start` proposals are drawn uniformly; the networks are trained anew after every `refit`
    rewards, in `steps` steps. From one of the `best` it goes uphill by `step`, twice as far
    each time, until the code says something that was not proposed yet.
    """

    keyword: ClassVar[str] = "nao"

    start: int = 20
    refit: int = 20
    steps: int = 150
    weight: float = 0.8
    best: int = 10
    step: float = 0.2

    def __post_init__(self) -> None:
        within(self, 2, "start")
        within(self, 1, "refit", "steps", "best")
        within(self, 0, "weight", most=1)
        within(self, 0, "step")

    def over(self, space: SearchSpace, seed: int) -> NAO:
        return NAO(space, self, seed=seed)


class Valued(VAE):
    """An autoencoder, and what codes are worth."""

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        self.worth = nn.Sequential(nn.Linear(self.latent, 32), nn.ReLU(), nn.Linear(32, 1))

    def both(self, architectures: Sequence[Architecture], rewards: Tensor, weight: float) -> Tensor:
        """The loss of prediction and of reconstruction, for rewards (B,)."""
        codes, _ = self.encode(architectures)
        predicted: Tensor = (self.worth(codes)[:, 0] - rewards).square().mean()
        return weight * predicted + (1 - weight) * self.lost(codes, architectures).mean()

    def uphill(self, code: Tensor) -> Tensor:
        """The direction (1, latent), of length 1, in which the worth rises."""
        code = code.detach().requires_grad_()
        gradient: Tensor = torch.autograd.grad(self.worth(code).sum(), code)[0]
        direction: Tensor = gradient / (gradient.norm() + 1e-12)
        return direction


class NAO(Modelled[NAOSettings, Valued]):
    """All that was told, and the networks that learned from it."""

    def propose(self, rng: Random) -> Architecture:
        basis = self.reached(self.settings.start, self.settings.refit)
        if not basis or not self.space.free:
            return self.space.sample(rng)
        model = self.fitted(basis)
        with torch.no_grad():
            code, _ = model.encode([rng.choice(self.best(self.settings.best))])
        length = self.settings.step
        for _ in range(TRIES):
            code = code + length * model.uphill(code)
            made = self.space.build(model.read(code, rng, most_likely))
            accepted = self.space.accepts(made)
            if accepted and made not in self.seen:
                return made
            length *= 2
        return self.space.sample(rng)

    def fit(self, known: Mapping[Architecture, float], seed: int) -> Valued:
        rewards = torch.tensor(ranked(list(known.values())), dtype=torch.float32)
        architectures = list(known)

        def loss(model: Valued, generator: torch.Generator) -> Tensor:
            some = torch.randperm(len(rewards), generator=generator)[:BATCH]
            drawn = [architectures[i] for i in some.tolist()]
            return model.both(drawn, rewards[some], self.settings.weight)

        return trained(Valued, self.space, loss, seed=seed, steps=self.settings.steps)


def most_likely(sets: Subsets) -> Taken:
    """The set with the greatest probability."""
    if sets.quantity is Quantity.ANY:
        return tuple(i for i, logit in enumerate(sets.logits.tolist()) if logit > 0)
    return tuple(sorted(sets.logits.topk(sets.count).indices.tolist()))
