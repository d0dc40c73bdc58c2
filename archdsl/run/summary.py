"""What a run found, as text for people and JSON for programs."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev, variance
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from archdsl.controllers.front import front
from archdsl.evaluate.objectives import objectives_of
from archdsl.files import write_whole
from archdsl.ir.cost import cost
from archdsl.run.ledger import Entry
from archdsl.run.settings import ExploreSettings, SearchSettings
from archdsl.space.view import SearchSpace
from archdsl.space.wording import exact, number

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
    weights, on all of validation; `sharpness` the mean over decisions of their largest weight, of
    which `even` would be that of nothing learned."""

    space: str
    hash: str
    size: int
    controller: str
    data: str
    seed: int
    epochs: int
    best: str
    accuracy: float
    sharpness: float
    even: float
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
    `best_epoch`, the best on validation."""

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


def _batch_variance(entry: Entry, batch_size: int) -> float:
    counts: list[tuple[int, int]] = (entry.detail or {})["hits"]
    full = [hits / total for hits, total in counts if total == batch_size]
    if len(full) > 1:
        return variance(full)
    share = entry.reward or 0.0
    return share * (1 - share) / min(batch_size, sum(total for _, total in counts))


def summarise_search(
    space: SearchSpace, settings: SearchSettings, entries: Sequence[Entry], seconds: float
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
        signal=measure_signal(entries, settings.batch_size),
        seconds=seconds,
    )


def summarise_gates(
    space: SearchSpace, settings: SearchSettings, entries: Sequence[Entry], seconds: float
) -> GatesSummary:
    """Read the result of a finished search by gradients off its ledger."""
    *learned, final = entries
    costs = cost(space.resolve(space.parse(final.text)))
    gates = [one for one in (learned[-1].detail or {})["gates"].values() if len(one) > 1]
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
        sharpness=fmean(map(max, gates)) if gates else 1.0,
        even=fmean(1 / len(one) for one in gates) if gates else 1.0,
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


def write_explore_summary(folder: Path, summary: ExploreSummary) -> None:
    """summary.json and summary.txt."""
    whole = asdict(summary) | {"size": exact(summary.size)}
    _write(folder, whole, explore_table(summary))


def write_gates_summary(folder: Path, summary: GatesSummary) -> None:
    """summary.json and summary.txt."""
    whole = asdict(summary) | {"size": exact(summary.size)}
    _write(folder, whole, gates_table(summary))


def write_search_summary(folder: Path, summary: SearchSummary) -> None:
    """summary.json and summary.txt."""
    signal = summary.signal
    ratio = signal.ratio if signal.ratio != float("inf") else None
    whole = asdict(summary) | {"size": exact(summary.size)}
    whole["signal"] |= {"ratio": ratio, "verdict": signal.verdict}
    _write(folder, whole, search_table(summary))


def write_retrain_summary(folder: Path, summary: RetrainSummary) -> None:
    """summary.json and summary.txt."""
    _write(folder, asdict(summary), retrain_table(summary))


def _write(folder: Path, whole: Mapping[str, object], table: Table) -> None:
    write_whole(folder / "summary.json", json.dumps(whole, indent=2) + "\n")
    write_whole(folder / "summary.txt", as_text(table))


def search_table(summary: SearchSummary) -> Table:
    """One search as rows of name and value."""
    rows = (
        ("best architecture", summary.best),
        ("accuracy, all of validation", percent(summary.accuracy)),
        ("accuracy, the batch it won by", percent(summary.reward)),
        ("parameters", f"{summary.params:,}"),
        ("MACs", f"{summary.macs:,}"),
        ("strings asked", f"{summary.asked:,} from {number(summary.size)} architectures"),
        ("rewards, first and last tenth", f"{percent(summary.first_rewards)}, "
         f"{percent(summary.last_rewards)}"),
        *signal_rows(summary.signal),
        ("controller, data, seed", f"{summary.controller}, {summary.data}, {summary.seed}"),
        ("seconds", f"{summary.seconds:.1f}"),
    )  # fmt: skip
    return _table(f"Search of {summary.space}", rows)


def gates_table(summary: GatesSummary) -> Table:
    """One search by gradients as rows of name and value."""
    rows = (
        ("best architecture", summary.best),
        ("accuracy, shared weights", percent(summary.accuracy)),
        ("parameters", f"{summary.params:,}"),
        ("MACs", f"{summary.macs:,}"),
        (
            "largest weight, mean",
            f"{summary.sharpness:.2f}, {summary.even:.2f} where nothing was learned",
        ),
        ("size of the space", number(summary.size)),
        ("controller", summary.controller),
        ("data, seed, epochs", f"{summary.data}, {summary.seed}, {summary.epochs}"),
        ("seconds", f"{summary.seconds:.1f}"),
    )
    return _table(f"Search of {summary.space}", rows)


def explore_table(summary: ExploreSummary) -> Table:
    """One search with an evaluator as rows of name and value."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary.failures.items())
    rows = (
        ("best architecture", summary.best or "none: every evaluation failed"),
        ("reward", "none" if summary.reward is None else f"{summary.reward:.6g}"),
        ("parameters", f"{summary.params:,}"),
        ("MACs", f"{summary.macs:,}"),
        ("evaluations", f"{summary.evaluations:,} of {summary.distinct:,} architectures"),
        *((("failed", f"{kinds}; the first: {summary.first_failure}"),) if kinds else ()),
        ("size of the space", number(summary.size)),
        ("controller, seed", f"{summary.controller}, {summary.seed}"),
        ("evaluator", summary.evaluator),
        *(
            (("not dominated", f"{len(summary.front):,}, in summary.json"),)
            if summary.front
            else ()
        ),
        ("seconds", f"{summary.seconds:.1f}"),
    )
    return _table(f"Search of {summary.space}", rows)


def signal_rows(signal: Signal) -> tuple[tuple[str, str], ...]:
    """Spread, noise and their ratio, in points (hundredths of accuracy)."""
    return (
        ("reward spread", f"{100 * signal.spread:.1f} points, standard deviation over "
         f"{signal.architectures} architectures"),
        ("batch noise", f"{100 * signal.noise:.1f} points, standard deviation over batches"),
        ("ratio", f"{signal.ratio:.1f}: {signal.verdict}"),
    )  # fmt: skip


def retrain_table(summary: RetrainSummary) -> Table:
    """One retraining as rows of name and value."""
    error = sqrt(summary.test * (1 - summary.test) / summary.test_images)
    rows = (
        ("test accuracy", f"{percent(summary.test)}, standard error {100 * error:.1f} points"),
        ("validation accuracy", f"{percent(summary.validation)}, epoch {summary.best_epoch}"),
        ("parameters", f"{summary.params:,}"),
        ("MACs", f"{summary.macs:,}"),
        ("data, seed, epochs", f"{summary.data}, {summary.seed}, {summary.epochs}"),
        ("seconds", f"{summary.seconds:.1f}"),
    )
    return _table(f"Retraining of {summary.architecture}", rows)


def _table(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    """A run as rows of name and value."""
    table = Table(box=box.SIMPLE, show_header=False, title=Text(title))
    for name, value in rows:
        table.add_row(name, Text(value))
    return table


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def as_text(table: Table) -> str:
    """A table in plain characters, 100 columns wide, for a file."""
    file = io.StringIO()
    Console(file=file, width=100, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
