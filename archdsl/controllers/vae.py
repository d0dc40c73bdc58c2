"""A variational autoencoder of architectures, both halves Transformers.

    encoder   what every decision takes -> mean and deviation of a code z
    decoder   z -> a distribution for every decision, all at once
    loss      KL(q(z | a) || N(0, I)) x weight - log p(a | z)

"TNAS: Neural Network Architecture Search Sampling Module Based on Variational Autoencoder",
section 3.2. Open in the paper, so chosen here: sizes, the weight of the KL term, and that the
code belongs to the whole architecture. Residuals and layer norms are those of the Transformer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.controllers.policy import CLOSED
from archdsl.controllers.subsets import Subsets
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Choices
from archdsl.space.subsets import Taken
from archdsl.space.view import SearchSpace
from archdsl.syntax.tree import Quantity


class VAE(nn.Module):
    """The autoencoder of a space. `width` of the Transformers, `latent` numbers of a code."""

    def __init__(
        self,
        space: SearchSpace,
        *,
        width: int = 32,
        latent: int = 8,
        layers: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.space = space
        self.free = space.free
        sizes = [len(space.decisions[index].hole.labels) for index in self.free]
        self.starts = [1 + sum(sizes[:i]) for i in range(len(sizes))]  # 0: it does not exist
        self.tokens = nn.Embedding(1 + sum(sizes), width)
        self.places = nn.Parameter(0.02 * torch.randn(len(sizes), width))
        self.encoder = _transformer(width, layers, heads)
        self.code = nn.Linear(width, 2 * latent)
        self.latent = latent
        self.given = nn.Linear(latent, width)
        self.decoder = _transformer(width, layers, heads)
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in sizes)

    def encode(self, architectures: Sequence[Architecture]) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, latent) of the codes of architectures."""
        hidden = self.encoder(self._embed(architectures) + self.places)  # (B, decisions, width)
        mean, log_variance = self.code(hidden.mean(1)).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, codes: Tensor) -> list[Tensor]:
        """Logits (B, alternatives) for each decision, from codes (B, latent)."""
        hidden = self.decoder(self.given(codes)[:, None] + self.places)
        return [head(hidden[:, i]) for i, head in enumerate(self.heads)]

    def loss(
        self, architectures: Sequence[Architecture], kl_weight: float, generator: torch.Generator
    ) -> Tensor:
        """The mean over architectures, with codes drawn for them."""
        mean, log_variance = self.encode(architectures)
        noise = torch.randn(mean.shape, generator=generator)
        lost = self.lost(mean + noise * (log_variance / 2).exp(), architectures)
        kl = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return (kl_weight * kl + lost).mean()

    def lost(self, codes: Tensor, architectures: Sequence[Architecture]) -> Tensor:
        """- log p(a | z) (B,) of architectures, given codes (B, latent)."""
        logits = self.decode(codes)
        return torch.stack([self._lost(i, r, architectures) for i, r in enumerate(logits)]).sum(0)

    def propose(self, rng: Random) -> Choices:
        """What a code drawn from N(0, I) says, as far as the decisions before leave it open."""
        generator = torch.Generator().manual_seed(rng.getrandbits(63))
        code = torch.randn(1, self.latent, generator=generator)
        return self.read(code, rng, lambda sets: sets.sample(rng))

    def read(self, code: Tensor, rng: Random, choose: Callable[[Subsets], Taken]) -> Choices:
        """What a code (1, latent) says, by `choose` from the distribution of each decision."""
        with torch.no_grad():
            logits = self.decode(code)
        forest = self.space.forest
        draw = forest.uniform(rng)
        choices = list(forest.empty())
        for index, rows in zip(self.free, logits, strict=True):
            if self.space.exists(index, choices):
                allowed = list(self.space.open_to(index, choices))
                open_ = torch.full_like(rows[0], CLOSED)
                open_[allowed] = rows[0, allowed]
                choices[index] = choose(self._sets(index, open_))
        return forest.fill(tuple(choices), draw)

    def _embed(self, architectures: Sequence[Architecture]) -> Tensor:
        """What each decision takes (B, decisions, width): the sum over its alternatives."""
        numbers: list[int] = []
        offsets: list[int] = []
        for one in architectures:
            for index, start in zip(self.free, self.starts, strict=True):
                offsets.append(len(numbers))
                taken = one.choices[index]
                numbers += [0] if taken is None else [start + i for i in taken]
        bags = F.embedding_bag(
            torch.tensor(numbers), self.tokens.weight, torch.tensor(offsets), mode="sum"
        )
        rows: Tensor = bags.unflatten(0, (len(architectures), len(self.free)))
        return rows

    def _lost(self, place: int, logits: Tensor, architectures: Sequence[Architecture]) -> Tensor:
        """- log p (B,) of what each architecture takes at a decision; 0 where it has none."""
        index = self.free[place]
        taken = [one.choices[index] for one in architectures]
        if self.space.decisions[index].hole.quantity is Quantity.ONE:
            targets = torch.tensor([-100 if t is None else t[0] for t in taken])
            return F.cross_entropy(logits, targets, reduction="none")
        return torch.stack(
            [self._log_loss(index, *pair) for pair in zip(logits, taken, strict=True)]
        )

    def _log_loss(self, index: int, logits: Tensor, taken: Taken | None) -> Tensor:
        if taken is None:
            return logits.new_zeros(())
        return -self._sets(index, logits).log_probability(taken)

    def _sets(self, index: int, logits: Tensor) -> Subsets:
        hole = self.space.decisions[index].hole
        return Subsets(logits, hole.quantity, hole.count)


def _transformer(width: int, layers: int, heads: int) -> nn.TransformerEncoder:
    """Blocks of attention and ReLU feed-forward, with residuals, layer norms first."""
    layer = nn.TransformerEncoderLayer(
        width, heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True
    )
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


V = TypeVar("V", bound=VAE)


def trained(
    kind: Callable[[SearchSpace], V],
    space: SearchSpace,
    loss: Callable[[V, torch.Generator], Tensor],
    *,
    seed: int,
    steps: int,
    learning_rate: float = 3e-3,
) -> V:
    """A new autoencoder after so many steps of Adam on a loss, which may draw from a generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = kind(space)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(made.parameters(), lr=learning_rate)
    for _ in range(steps):
        lost = loss(made, generator)
        optimiser.zero_grad()
        lost.backward()
        optimiser.step()
    return made.eval()
