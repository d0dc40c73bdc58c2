"""The result of an audit: as values, as a table for people, as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from archdsl.files import read_text, write_whole
from archdsl.run.tables import as_text, facts
from archdsl.syntax.errors import fault

COLUMNS = ("score", "params", "macs", "over_params", "over_macs")
NAMES = {
    "score": "tau of the scores",
    "params": "tau of parameters",
    "macs": "tau of MACs",
    "over_params": "scores over parameters",
    "over_macs": "scores over MACs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Kendall's tau-b, or a difference of two, from `low` to `high` with 95 %, over `count`
    architectures. All three are None where there is none: one of the two orders has a single
    value. The ends alone are None where the architectures are too few for an interval."""

    value: float | None
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One architecture: what the search says, the truth, and what its text says."""

    architecture: str
    score: float
    truth: float
    params: int
    macs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """How far the truth agrees with scores, parameters and MACs on a part of the sample; `over_`:
    by how much scores agree better."""

    part: str
    score: Agreement
    params: Agreement
    macs: Agreement
    over_params: Agreement
    over_macs: Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSummary:
    """The result of an audit. `scored`: how many architectures of the run have a score; `place`:
    where the truth puts what the scores of the sample put first."""

    space: str
    hash: str
    truth: str
    seed: int
    scored: int
    failed: int
    first_failure: str
    compared: Sequence[Compared]
    place: int
    architectures: Sequence[Audited]
    seconds: float


def audit_facts(summary: AuditSummary) -> Iterator[tuple[str, str]]:
    """Names and values, for people, but for how far the orders agree."""
    count = len(summary.architectures)
    yield "truth", summary.truth
    yield "architectures", f"{count:,} of {summary.scored:,} with a score"
    if summary.failed:
        yield "failed", f"{summary.failed:,}; the first: {summary.first_failure}"
    if summary.place:
        yield "the best by its score", f"number {summary.place} of {count} by the truth"
    yield "seconds", f"{summary.seconds:.1f}"


def said(found: Agreement) -> str:
    """`+0.53 (+0.21 to +0.78)`."""
    if found.value is None:
        return "none: all are the same"
    if found.low is None or found.high is None:
        return f"{found.value:+.2f} (too few for an interval)"
    return f"{found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def audit_table(summary: AuditSummary) -> Table:
    """One audit as rows of name and value."""
    rows = [*audit_facts(summary)]
    for one in summary.compared:
        rows.append((f"{one.part}, {one.score.count:,} architectures", ""))
        rows += [(f"  {NAMES[name]}", said(getattr(one, name))) for name in COLUMNS]
    return facts(f"Audit of {summary.space}; 95 % in brackets", rows)


def write_audit_summary(folder: Path, summary: AuditSummary) -> None:
    """summary.json and summary.txt."""
    write_whole(folder / "summary.json", json.dumps(asdict(summary), indent=2) + "\n")
    write_whole(folder / "summary.txt", as_text(audit_table(summary)))


def read_audit(folder: Path) -> AuditSummary | None:
    """What an audit wrote at its end; None before. Raises ArchError E0807 for something else."""
    path = folder / "summary.json"
    if not path.is_file():
        return None
    try:
        told = json.loads(read_text(path))
        return AuditSummary(
            space=str(told["space"]),
            hash=str(told["hash"]),
            truth=str(told["truth"]),
            seed=int(told["seed"]),
            scored=int(told["scored"]),
            failed=int(told["failed"]),
            first_failure=str(told["first_failure"]),
            place=int(told["place"]),
            seconds=_real(told["seconds"]),
            compared=[_compared(one) for one in told["compared"]],
            architectures=[_audited(one) for one in told["architectures"]],
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise fault(
            "E0807",
            f"{path} is not the summary of an audit: {error}",
            found=str(path),
            expected="what archdsl audit wrote",
            hint="the same command writes it again",
        ) from error


def _compared(told: Mapping[str, Any]) -> Compared:
    found = {name: _agreement(told[name]) for name in COLUMNS}
    return Compared(part=str(told["part"]), **found)


def _agreement(told: Mapping[str, Any]) -> Agreement:
    ends = {n: None if told[n] is None else _real(told[n]) for n in ("value", "low", "high")}
    return Agreement(**ends, count=int(told["count"]))


def _audited(told: Mapping[str, Any]) -> Audited:
    return Audited(
        architecture=str(told["architecture"]),
        score=_real(told["score"]),
        truth=_real(told["truth"]),
        params=int(told["params"]),
        macs=int(told["macs"]),
    )


def _real(value: Any) -> float:
    """A number. Raises ValueError for what is none, or endless."""
    if not (isinstance(value, int | float) and abs(value) < 1e300):
        raise ValueError(f"{value!r} is no number")
    return float(value)
