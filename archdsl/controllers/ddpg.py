"""Deep deterministic policy gradient: a network that answers each decision with a number.

    a    = actor(s) in 0 to 1, drawn around it while exploring; alternative floor(a x ways)
    y    = reward - baseline + Q'(s', actor'(s')), without the last term at the last decision
    loss = (Q(s, a) - y)^2 for the critic, - Q(s, actor(s)) for the actor

Lillicrap et al. 2016, "Continuous Control with Deep Reinforcement Learning", algorithm 1; for
architectures He et al. 2018, "AMC: AutoML for Model Compression", section 3, where the reward of
the whole is that of every decision and a moving average the baseline. It is meant for alternatives
in an order, as ratios are. Their state tells of layers; a space knows decisions, so ours has which
one it is, how many ways it has, the answer before, and the mean of all answers before.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

import torch
from scipy.special import ndtr, ndtri
from torch import Tensor, nn

from archdsl.controllers.history import Historic
from archdsl.controllers.seeds import seed_for, stream
from archdsl.controllers.settings import within
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Choices
from archdsl.space.subsets import Taken
from archdsl.space.view import SearchSpace

Seen = list[float]
"""What the actor sees of one decision."""
LEAST = 1e-9
"""A deviation below which nothing is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DDPGSettings:
    """`start` proposals are drawn uniformly. After every reward there are `steps` steps of Adam, on
    `batch` decisions of the last `memory` architectures. Answers are drawn with the deviation
    `noise`, which shrinks by `cooling` with every proposal; `decay` is that of the baseline.
    """

    keyword: ClassVar[str] = "ddpg"

    start: int = 100
    steps: int = 20
    batch: int = 64
    memory: int = 100
    hidden: int = 300
    actor_rate: float = 1e-4
    critic_rate: float = 1e-3
    noise: float = 0.5
    cooling: float = 0.95
    soft: float = 0.01
    decay: float = 0.95

    def __post_init__(self) -> None:
        within(self, 1, "start", "steps", "batch", "memory")
        within(self, 1, "hidden", most=10_000)
        within(self, 0, "actor_rate", "critic_rate", "noise")
        within(self, 0, "cooling", "soft", "decay", most=1)

    def over(self, space: SearchSpace, seed: int) -> DDPG:
        return DDPG(space, self, seed=seed)


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """One architecture as it was decided: states (n, width), answers (n, 1), and its reward."""

    states: Tensor
    answers: Tensor
    reward: float


class DDPG(Historic[DDPGSettings]):
    """Actor and critic, slow copies of both, and the last architectures."""

    def forget(self) -> None:
        self.width = len(self.space.free) + 3
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(self.seed, self.settings.keyword, "networks"))
            self.actor = nn.Sequential(*_layers(self.width, self.settings.hidden), nn.Sigmoid())
            self.critic = nn.Sequential(*_layers(self.width + 1, self.settings.hidden))
        self.slow_actor, self.slow_critic = copy.deepcopy(self.actor), copy.deepcopy(self.critic)
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), self.settings.actor_rate)
        self.critic_adam = torch.optim.Adam(self.critic.parameters(), self.settings.critic_rate)
        self.memory: list[Decided] = []
        self.baseline: float | None = None

    def propose(self, rng: Random) -> Architecture:
        beyond = self.asked - self.settings.start
        if beyond < 0 or not self.space.free:
            return self.space.sample(rng)
        deviation = self.settings.noise * self.settings.cooling**beyond
        return self.accepted(lambda: self._drawn(rng, deviation), rng)

    def _drawn(self, rng: Random, deviation: float) -> Choices:
        """What the actor answers, drawn around it."""
        before: list[float] = []

        def answered(i: int, choices: Sequence[Taken | None]) -> Taken:
            values = self.space.forest.values(i, choices)
            if values.total < 2:
                return values.find(0)[0]
            with torch.no_grad():
                answer = float(self.actor(torch.tensor(self._state(i, values.total, before))))
            before.append(_truncated(answer, deviation, rng))
            return values.find(min(int(before[-1] * values.total), values.total - 1))[0]

        return self.space.forest.fill(self.space.forest.empty(), answered)

    def _state(self, index: int, ways: int, before: Sequence[float]) -> Seen:
        position = [0.0] * len(self.space.free)
        position[self.space.free.index(index)] = 1.0
        last, mean = (before[-1], sum(before) / len(before)) if before else (0.0, 0.0)
        return [*position, 1 / ways, last, mean]

    # --- learning ------------------------------------------------------------------------------

    def learn(self, told: Sequence[tuple[Architecture, float]]) -> None:
        for number, (architecture, reward) in enumerate(told, self.told):
            before = reward if self.baseline is None else self.baseline
            self.baseline = self.settings.decay * before + (1 - self.settings.decay) * reward
            decided = self._decided(architecture, reward)
            if not len(decided.states):
                continue
            self.memory = [*self.memory, decided][-self.settings.memory :]
            if number + 1 >= self.settings.start:
                self._train(stream(self.seed, self.settings.keyword, "train", number))

    def _decided(self, architecture: Architecture, reward: float) -> Decided:
        """An architecture as its answers: the middle of what leads to each choice."""
        states: list[Seen] = []
        answers: list[float] = []
        for i in self.space.free:
            taken = architecture.choices[i]
            values = self.space.forest.values(i, architecture.choices)
            if taken is not None and values.total > 1:
                states.append(self._state(i, values.total, answers))
                answers.append((values.start(taken) + 0.5) / values.total)
        shaped = torch.tensor(states).reshape(len(states), self.width)
        return Decided(shaped, torch.tensor(answers)[:, None], reward)

    def _train(self, rng: Random) -> None:
        assert self.baseline is not None
        states = torch.cat([one.states for one in self.memory])
        answers = torch.cat([one.answers for one in self.memory])
        rewards = torch.cat(
            [torch.full_like(one.answers, one.reward - self.baseline) for one in self.memory]
        )
        following = torch.cat([one.states.roll(-1, 0) for one in self.memory])
        goes_on = torch.cat([_all_but_last(one.answers) for one in self.memory])
        for _ in range(self.settings.steps):
            rows = torch.tensor(rng.choices(range(len(states)), k=self.settings.batch))
            with torch.no_grad():
                after = _worth(self.slow_critic, following[rows], self.slow_actor(following[rows]))
                wanted = rewards[rows] + goes_on[rows] * after
            missed = _worth(self.critic, states[rows], answers[rows]) - wanted
            _step(self.critic_adam, missed.square().mean())
            worth = _worth(self.critic, states[rows], self.actor(states[rows]))
            _step(self.actor_adam, -worth.mean())
            for slow, fast in ((self.slow_actor, self.actor), (self.slow_critic, self.critic)):
                _follow(slow, fast, self.settings.soft)


def _layers(width: int, hidden: int) -> list[nn.Module]:
    """Two hidden layers."""
    return [
        nn.Linear(width, hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 1),
    ]


def _worth(critic: nn.Module, states: Tensor, answers: Tensor) -> Tensor:
    """What answers (n, 1) are worth in states (n, width): (n, 1)."""
    worth: Tensor = critic(torch.cat([states, answers], 1))
    return worth


def _all_but_last(answers: Tensor) -> Tensor:
    """1 where another decision follows, 0 at the last: (n, 1)."""
    found = torch.ones_like(answers)
    found[-1] = 0
    return found


def _step(adam: torch.optim.Adam, loss: Tensor) -> None:
    adam.zero_grad()
    loss.backward()
    adam.step()


@torch.no_grad()
def _follow(slow: nn.Module, fast: nn.Module, share: float) -> None:
    """Move a slow copy by a share of the way."""
    for a, b in zip(slow.parameters(), fast.parameters(), strict=True):
        a.lerp_(b, share)


def _truncated(mean: float, deviation: float, rng: Random) -> float:
    """A draw of a normal distribution around a mean in 0 to 1, within 0 to 1."""
    if deviation < LEAST:
        return mean
    low, high = ndtr(-mean / deviation), ndtr((1 - mean) / deviation)
    drawn = mean + deviation * float(ndtri(low + (high - low) * rng.random()))
    return min(max(drawn, 0.0), 1.0)
