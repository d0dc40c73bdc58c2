"""The LSTM that writes an architecture, decision by decision.

After the controller of ENAS (Pham et al. 2018) as Zhang and Liu use it ("Efficient Neural
Architecture Search Based on MetaFormer", section 3.3, and their code): a cell of 64, one
embedding, one linear for each decision, logits / 5.0, then 2.5 tanh.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor, nn

from archdsl.controllers.subsets import Subsets
from archdsl.ir.scopes import Decision
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

Taken = tuple[int, ...]


TRIES = 100
"""Draws of the policy until the constraints of the space accept one."""
CLOSED = -1e9
"""The logit of what cannot be taken: its probability is zero, and so is its share of entropy."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Walk:
    """One architecture as it was decided. The vectors have one entry a decision, zero where
    there was nothing to decide; `made` (bool) says where there was."""

    choices: tuple[Taken | None, ...]
    log_probability: Tensor
    entropy: Tensor
    made: Tensor


class Policy(nn.Module):
    """A distribution over the architectures of a space.

    A decision that does not exist, or has one way to go, takes no step of the LSTM. What was
    taken is the next input: the sum of the embeddings of the taken alternatives.
    """

    def __init__(
        self,
        space: SearchSpace,
        generator: torch.Generator,
        *,
        hidden: int = 64,
        temperature: float = 5.0,
        tanh: float = 2.5,
        spread: float = 0.1,
    ) -> None:
        super().__init__()
        self.space = space
        self.temperature = temperature
        self.tanh = tanh
        sizes = [len(decision.hole.labels) for decision in space.decisions]
        self.offsets = [sum(sizes[:i]) for i in range(len(sizes))]
        with torch.random.fork_rng(devices=[]):  # the values drawn here are replaced below
            self.embedding = nn.Embedding(max(sum(sizes), 1), hidden)
            self.cell = nn.LSTMCell(hidden, hidden)
            self.heads = nn.ModuleList(nn.Linear(hidden, size) for size in sizes)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -spread, spread, generator)

    def walk(self, choose: Callable[[int, Subsets], Taken]) -> Walk:
        """Decide everything, in the order of the string, by `choose(decision, distribution)`."""
        count, free = len(self.space.decisions), set(self.space.free)
        choices: list[Taken | None] = []
        log_probability = [torch.zeros(())] * count
        entropy = [torch.zeros(())] * count
        made = torch.zeros(count, dtype=torch.bool)
        hidden = self._start()
        token = torch.zeros_like(hidden[0])  # the first input is empty
        for index, decision in enumerate(self.space.decisions):
            if not self.space.exists(index, choices):
                choices.append(None)
                continue
            if index not in free:
                choices.append(tuple(range(len(decision.hole.labels))))
                continue
            hidden = self.cell(token, hidden)
            sets = self._sets(index, decision, hidden[0], self.space.open_to(index, choices))
            taken = choose(index, sets)
            choices.append(taken)
            log_probability[index] = sets.log_probability(taken)
            entropy[index] = sets.entropy()
            made[index] = True
            token = self._embed(index, taken)
        return Walk(
            choices=tuple(choices),
            log_probability=torch.stack(log_probability) if count else torch.zeros(0),
            entropy=torch.stack(entropy) if count else torch.zeros(0),
            made=made,
        )

    def propose(self, rng: Random) -> Architecture:
        """An architecture, drawn again until the constraints of the space accept it; after some
        tries as the space draws. Raises ArchError E0521 where that finds none.
        """
        for _ in range(TRIES):
            with torch.no_grad():
                walk = self.walk(lambda _, sets: sets.sample(rng))
            made = self.space.build(walk.choices)
            if self.space.accepts(made):
                return made
        return self.space.sample(rng)

    def retrace(self, architecture: Architecture) -> Walk:
        """The decisions of an architecture again, under the policy as it is now."""

        def recorded(index: int, _: object) -> Taken:
            taken = architecture.choices[index]
            assert taken is not None, "the space says that this decision exists"
            return taken

        return self.walk(recorded)

    def _start(self) -> tuple[Tensor, Tensor]:
        zero = torch.zeros(self.cell.hidden_size)
        return zero, zero

    def _sets(
        self, index: int, decision: Decision, hidden: Tensor, allowed: Sequence[int]
    ) -> Subsets:
        """The tempered distribution: no logit leaves (-2.5, 2.5), so nothing dies out early.

        What earlier decisions rule out has no probability.
        """
        logits = self.tanh * torch.tanh(self.heads[index](hidden) / self.temperature)
        if len(allowed) < len(logits):
            closed = torch.ones(len(logits), dtype=torch.bool)
            closed[list(allowed)] = False
            logits = logits.masked_fill(closed, CLOSED)
        return Subsets(logits, decision.hole.quantity, decision.hole.count)

    def _embed(self, index: int, taken: Taken) -> Tensor:
        rows = torch.tensor([self.offsets[index] + i for i in taken], dtype=torch.long)
        embedded: Tensor = self.embedding(rows)
        return embedded.sum(0)
