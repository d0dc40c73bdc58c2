"""TNAS-OS: a variational autoencoder learns which architectures are good, and proposes more.

    while sampling     with the chance epsilon from the autoencoder, else uniformly; epsilon
                       rises by `epsilon_step` with every training of the autoencoder
    afterwards         evolution, whose first population the autoencoder proposes

The autoencoder is trained on the best architectures seen. "TNAS: Neural Network Architecture
Search Sampling Module Based on Variational Autoencoder", sections 3.1 to 3.3; its evolution is
that of single-path one-shot (Guo et al. 2020): mutations and crossovers of the best, here one
after another. Open in the paper: how many architectures the autoencoder learns from, and how often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from archdsl.controllers.modelled import Modelled, best_of
from archdsl.controllers.settings import within
from archdsl.controllers.vae import VAE, trained
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class TNASSettings:
    """`sampling` proposals before evolution. The autoencoder is trained anew after every `refit`
    rewards, from the first `refit` on, in `steps` steps on the `best` seen. Evolution keeps the
    `top`; `population` of the autoencoder's come first, then as many mutations (of each decision
    with the chance `mutation`) as crossovers.
    """

    keyword: ClassVar[str] = "tnas"

    sampling: int = 50
    epsilon_step: float = 0.2
    refit: int = 10
    best: int = 20
    steps: int = 100
    kl_weight: float = 0.1
    population: int = 20
    top: int = 10
    mutation: float = 0.1

    def __post_init__(self) -> None:
        within(self, 1, "sampling", "refit", "best", "steps", "population", "top")
        within(self, 0, "kl_weight")
        within(self, 0, "epsilon_step", "mutation", most=1)

    def over(self, space: SearchSpace, seed: int) -> TNAS:
        return TNAS(space, self, seed=seed)


class TNAS(Modelled[TNASSettings, VAE]):
    """All that was told, and the autoencoder of the best of it."""

    def propose(self, rng: Random) -> Architecture:
        basis = self.reached(self.settings.refit, self.settings.refit)
        if not basis or not self.space.free:
            return self.space.sample(rng)
        epsilon = basis // self.settings.refit * self.settings.epsilon_step
        if self.asked < self.settings.sampling and rng.random() >= epsilon:
            return self.space.sample(rng)
        if self.asked < self.settings.sampling + self.settings.population:
            model = self.fitted(basis)
            return self.accepted(lambda: model.propose(rng), rng)
        return self._child(rng)

    def _child(self, rng: Random) -> Architecture:
        """A mutation or a crossover of the best, as likely."""
        best = self.best(self.settings.top)
        parent = rng.choice(best)
        if rng.random() < 0.5:
            return self.space.crossover(parent, rng.choice(best), rng)
        edits = sum(rng.random() < self.settings.mutation for _ in self.space.free)
        return self.space.mutate(parent, rng, max(edits, 1))

    def fit(self, known: Mapping[Architecture, float], seed: int) -> VAE:
        good = best_of(known, self.settings.best)
        return trained(
            VAE,
            self.space,
            lambda vae, generator: vae.loss(good, self.settings.kl_weight, generator),
            seed=seed,
            steps=self.settings.steps,
        )
