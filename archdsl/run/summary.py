"""What a run found, read off its ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev, variance
from typing import Any

from archdsl.evaluate.objectives import objectives_of
from archdsl.front import front
from archdsl.ir.cost import cost
from archdsl.run.ledger import Entry
from archdsl.run.moved import Moved, deciding, moved
from archdsl.run.rows import lacks
from archdsl.run.settings import ExploreSettings, SearchSettings
from archdsl.space.view import SearchSpace

DISTINGUISHABLE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Whether rewards tell the architectures of a space apart, in accuracy (0 to 1).

    `spread`: standard deviation over architectures drawn uniformly, of their accuracy on the
    whole validation part under the shared weights. `noise`: standard deviation over reward
    batches of the accuracy of one architecture (root mean square over the same architectures).
    """

    spread: float
    noise: float
    architectures: int

    @property
    def ratio(self) -> float:
        """Spread over noise; with less than 2, one reward says little about an architecture."""
        if self.noise > 0:
            return self.spread / self.noise
        return float("inf") if self.spread > 0 else 0.0

    @property
    def verdict(self) -> str:
        return "distinguishable" if self.ratio >= DISTINGUISHABLE else "not distinguishable"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSummary:
    """The result of a search. Accuracies are shares of 1 under shared weights, on validation:
    `reward` on the one batch that the winner was chosen by, `accuracy` on all of it."""

    space: str
    hash: str
    size: int
    controller: str
    data: str
    seed: int
    asked: int
    best: str
    reward: float
    accuracy: float
    params: int
    macs: int
    first_rewards: float
    last_rewards: float
    signal: Signal
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GatesSummary:
    """The result of a search by gradients. `accuracy` is that of `best` under the supernet's
    weights, on all of validation. `moved`: how far the gates are from even ones; None where none
    are learned, and the best of some that were drawn is told."""

    space: str
    hash: str
    size: int
    controller: str
    data: str
    seed: int
    epochs: int
    best: str
    accuracy: float
    moved: Moved | None
    params: int
    macs: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreSummary:
    """The result of a search with an evaluator. `best` is the first with the greatest reward,
    empty where every evaluation failed; `values` is all that was measured of it. `failures`: how
    many of each kind; `first_failure` is what the first one said. `front`: what
    nothing dominates in the objectives, each with its values; empty where there is one reward."""

    space: str
    hash: str
    size: int
    controller: str
    evaluator: str
    seed: int
    evaluations: int
    distinct: int
    failed: int
    failures: Mapping[str, int]
    first_failure: str
    best: str
    reward: float | None
    values: Mapping[str, float]
    front: Sequence[Mapping[str, Any]]
    params: int
    macs: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainSummary:
    """The result of a retraining. Accuracies are shares of 1; the weights are those of
    `best_epoch`, the best on validation. `inputs`: the mean and deviation of each channel that
    the network takes images less and over; empty where it takes them in 0..1."""

    architecture: str
    hash: str
    data: str
    seed: int
    epochs: int
    best_epoch: int
    validation: float
    test: float
    test_images: int
    params: int
    macs: int
    inputs: Mapping[str, Sequence[float]]
    seconds: float


def measure_signal(entries: Sequence[Entry], batch_size: int) -> Signal:
    """The signal of the uniformly drawn architectures in a ledger.

    Only full batches count for the noise. Where validation is a single batch, the noise is that
    of as many independent images: sqrt(p (1 - p) / n).
    """
    measured = [entry for entry in entries if entry.kind == "measure"]
    rewards = [entry.reward for entry in measured if entry.reward is not None]
    noise = [_batch_variance(entry, batch_size) for entry in measured]
    return Signal(
        spread=stdev(rewards) if len(rewards) > 1 else 0.0,
        noise=sqrt(fmean(noise)) if noise else 0.0,
        architectures=len(rewards),
    )


def _noted(entry: Entry, name: str) -> Any:
    """What stands beside a reward. Raises ArchError E0807 where somebody took it away."""
    found = (entry.detail or {}).get(name)
    if found is None:
        raise lacks(entry.step, name)
    return found


def _batch_variance(entry: Entry, batch_size: int) -> float:
    counts: list[tuple[int, int]] = _noted(entry, "hits")
    full = [hits / total for hits, total in counts if total == batch_size]
    if len(full) > 1:
        return variance(full)
    share = entry.reward or 0.0
    return share * (1 - share) / min(batch_size, sum(total for _, total in counts))


def summarise_search(
    space: SearchSpace,
    settings: SearchSettings,
    entries: Sequence[Entry],
    seconds: float,
    batch_size: int,
) -> SearchSummary:
    """Read the result of a finished search off its ledger."""
    (final,) = (entry for entry in entries if entry.kind == "final")
    derived = [e.reward or 0.0 for e in entries if e.kind == "derive"]
    learned = [e.reward or 0.0 for e in entries if e.kind == "search"]
    tenth = max(len(learned) // 10, 1)
    costs = cost(space.resolve(space.parse(final.text)))
    return SearchSummary(
        space=space.program.genotype,
        hash=space.program.hash,
        size=space.size,
        controller=settings.controller,
        data=settings.data,
        seed=settings.seed,
        asked=len(entries),
        best=final.text,
        reward=max(derived),
        accuracy=final.reward or 0.0,
        params=costs.params,
        macs=costs.macs,
        first_rewards=fmean(learned[:tenth]) if learned else 0.0,
        last_rewards=fmean(learned[-tenth:]) if learned else 0.0,
        signal=measure_signal(entries, batch_size),
        seconds=seconds,
    )


def summarise_gates(
    space: SearchSpace, settings: SearchSettings, entries: Sequence[Entry], seconds: float
) -> GatesSummary:
    """Read the result of a finished search by gradients off its ledger."""
    (final,) = (one for one in entries if one.kind == "final")
    learned = [one for one in entries if one.kind == "derive"]
    costs = cost(space.resolve(space.parse(final.text)))
    drawn = any(one.kind == "measure" for one in entries)
    return GatesSummary(
        space=space.program.genotype,
        hash=space.program.hash,
        size=space.size,
        controller=settings.controller,
        data=settings.data,
        seed=settings.seed,
        epochs=len(learned),
        best=final.text,
        accuracy=final.reward or 0.0,
        moved=None if drawn else moved(deciding(space, _noted(learned[-1], "gates"))),
        params=costs.params,
        macs=costs.macs,
        seconds=seconds,
    )


def summarise_exploration(
    space: SearchSpace, settings: ExploreSettings, entries: Sequence[Entry], seconds: float
) -> ExploreSummary:
    """Read the result of a finished search with an evaluator off its ledger."""
    told = [entry for entry in entries if entry.reward is not None]
    failures = [entry.detail or {} for entry in entries if entry.reward is None]
    best = max(told, key=lambda entry: entry.reward or 0.0, default=None)
    costs = cost(space.resolve(space.parse(best.text))) if best else None
    return ExploreSummary(
        space=space.program.genotype,
        hash=space.program.hash,
        size=space.size,
        controller=settings.controller,
        evaluator=settings.evaluator,
        seed=settings.seed,
        evaluations=len(entries),
        distinct=len({entry.text for entry in entries}),
        failed=len(failures),
        failures=dict(Counter(one["failed"] for one in failures)),
        first_failure=failures[0]["message"] if failures else "",
        best=best.text if best else "",
        reward=best.reward if best else None,
        values=(best.detail or {}).get("values", {}) if best else {},
        front=_front(settings, told),
        params=costs.params if costs else 0,
        macs=costs.macs if costs else 0,
        seconds=seconds,
    )


def _front(settings: ExploreSettings, told: Sequence[Entry]) -> list[Mapping[str, Any]]:
    """What nothing dominates, once each, in the order of the first objective."""
    objectives = objectives_of(settings.objectives)
    if not objectives.signs:
        return []
    measured = {entry.text: (entry.detail or {})["values"] for entry in told}
    points = {text: objectives(values) for text, values in measured.items()}
    texts = list(points)
    best = sorted((texts[i] for i in front(list(points.values()))), key=points.__getitem__)
    return [{"architecture": text, "values": measured[text]} for text in best]
