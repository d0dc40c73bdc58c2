"""Architectures drawn from an autoencoder of the best that were seen: the sampling of TNAS-G.

"TNAS: Neural Network Architecture Search Sampling Module Based on Variational Autoencoder",
sections 3 and 4.3, equation 12: what is trained is drawn from the decoder alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from random import Random
from typing import Any

from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.seeds import seed_for, stream
from archdsl.controllers.vae import VAE, trained
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

REMEMBERED = 10_000
TRIES = 100
"""Draws of the decoder until the constraints of the space accept one."""


class Sampler:
    """What was seen, by the last metric of each; what is good; the autoencoder of that.

    An autoencoder is a function of what is good and of how much had been seen, so a search that
    goes on trains the same again.
    """

    def __init__(self, space: SearchSpace, settings: DartsSettings, *, seed: int) -> None:
        self.space = space
        self.settings = settings
        self.seed = seed
        self.count = 0
        self.known: dict[str, float] = {}
        self.basis: tuple[int, list[str]] = (0, [])
        self._model: VAE | None = None

    def draw(self, number: int) -> Architecture:
        """The architecture of a step: of the decoder, uniform before there is one."""
        rng = stream(self.seed, "sampled", number)
        return self._proposed(rng) if self.basis[1] and self.space.free else self.space.sample(rng)

    def tell(self, architecture: Architecture, metric: float) -> None:
        """What an architecture was worth (higher is better)."""
        if not isfinite(metric):
            return
        self.count += 1
        self.known.pop(architecture.text, None)  # what is seen again is remembered longer
        self.known[architecture.text] = metric
        if len(self.known) > REMEMBERED:
            del self.known[next(iter(self.known))]
        if self.count % self.settings.refit == 0:
            ranked = sorted(self.known, key=self.known.__getitem__, reverse=True)
            good = ranked[: self.settings.best]
            self.basis, self._model = (self.count, good), None

    def values(self) -> Mapping[str, Any]:
        return {"count": self.count, "known": list(self.known.items()), "basis": self.basis}

    def restore(self, values: Mapping[str, Any]) -> None:
        self.count = values["count"]
        self.known = dict(values["known"])
        count, texts = values["basis"]
        self.basis, self._model = (count, list(texts)), None

    def _proposed(self, rng: Random) -> Architecture:
        model = self._model = self._model or self._trained()
        for _ in range(TRIES):
            found = self.space.build(model.propose(rng))
            if self.space.accepts(found):
                return found
        return self.space.sample(rng)

    def _trained(self) -> VAE:
        settings, (count, texts) = self.settings, self.basis
        good = [self.space.parse(text) for text in texts]
        return trained(
            lambda space: VAE(
                space,
                width=settings.vae_width,
                latent=settings.vae_latent,
                layers=settings.vae_layers,
                heads=settings.vae_heads,
            ),
            self.space,
            lambda vae, generator: vae.loss(good, settings.kl_weight, generator),
            seed=seed_for(self.seed, "vae", count) % 2**32,
            steps=settings.vae_steps,
        )
