"""What a run found, as text for people and JSON for programs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from math import sqrt
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from archdsl.files import write_whole
from archdsl.run.moved import moved_rows
from archdsl.run.summary import (
    ExploreSummary,
    GatesSummary,
    RetrainSummary,
    SearchSummary,
    Signal,
)
from archdsl.space.wording import exact, number


def write_explore_summary(folder: Path, summary: ExploreSummary) -> None:
    """summary.json and summary.txt."""
    whole = asdict(summary) | {"size": exact(summary.size)}
    _write(folder, whole, explore_table(summary))


def write_gates_summary(folder: Path, summary: GatesSummary) -> None:
    """summary.json and summary.txt."""
    whole = asdict(summary) | {"size": exact(summary.size)}
    if summary.moved is not None:
        whole["moved"] |= {"verdict": summary.moved.verdict}
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
    return facts(f"Search of {summary.space}", rows)


def gates_table(summary: GatesSummary) -> Table:
    """One search by gradients as rows of name and value."""
    rows = (
        ("best architecture", summary.best),
        ("accuracy, shared weights", percent(summary.accuracy)),
        ("parameters", f"{summary.params:,}"),
        ("MACs", f"{summary.macs:,}"),
        *(moved_rows(summary.moved) if summary.moved else ()),
        ("size of the space", number(summary.size)),
        ("controller", summary.controller),
        ("data, seed, epochs", f"{summary.data}, {summary.seed}, {summary.epochs}"),
        ("seconds", f"{summary.seconds:.1f}"),
    )
    return facts(f"Search of {summary.space}", rows)


def explore_table(summary: ExploreSummary) -> Table:
    """One search with an evaluator as rows of name and value."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary.failures.items())
    rows = (
        ("best architecture", summary.best or "none: every evaluation failed"),
        ("reward", "none" if summary.reward is None else worth(summary.reward, summary.values)),
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
    return facts(f"Search of {summary.space}", rows)


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
    error = standard_error(summary.test, summary.test_images)
    rows = (
        ("test accuracy", f"{percent(summary.test)}, standard error {100 * error:.1f} points"),
        ("validation accuracy", f"{percent(summary.validation)}, epoch {summary.best_epoch}"),
        ("parameters", f"{summary.params:,}"),
        ("MACs", f"{summary.macs:,}"),
        *(("inputs, 0 to 1", said) for said in _inputs(summary.inputs)),
        ("data, seed, epochs", f"{summary.data}, {summary.seed}, {summary.epochs}"),
        ("seconds", f"{summary.seconds:.1f}"),
    )
    return facts(f"Retraining of {summary.architecture}", rows)


def standard_error(accuracy: float, images: int) -> float:
    """Of an accuracy on so many independent images: sqrt(p (1 - p) / n)."""
    return sqrt(accuracy * (1 - accuracy) / images)


def _inputs(inputs: Mapping[str, Sequence[float]]) -> Iterable[str]:
    """What is to be done to images before the network sees them, if anything."""
    if inputs:
        mean, deviation = (
            ", ".join(f"{one:.4f}" for one in inputs[k]) for k in ("mean", "deviation")
        )
        yield f"less {mean}, over {deviation}"


def facts(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    """A run as rows of name and value."""
    table = Table(box=box.SIMPLE, show_header=False, title=Text(title))
    for name, value in rows:
        table.add_row(name, Text(value))
    return table


def worth(reward: float, values: Mapping[str, float]) -> str:
    """A reward: in percent where it is an accuracy."""
    accuracy = is_accuracy(reward, values)
    return f"{percent(reward)} accuracy" if accuracy else f"{reward:.6g}"


def is_accuracy(reward: float, values: Mapping[str, float]) -> bool:
    """Whether a reward is the accuracy that was measured, a share of 1."""
    return 0 <= reward <= 1 and values.get("accuracy") == reward


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def as_text(table: Table) -> str:
    """A table in plain characters, 100 columns wide, for a file."""
    file = io.StringIO()
    Console(file=file, width=100, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
