"""What a run is and came to, as names and values."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archdsl.files import read_text
from archdsl.recipes import whole_recipe
from archdsl.report.view import Facts, Lines, Part, Words
from archdsl.run.moved import deciding, moved, moved_rows
from archdsl.run.record import METHOD, Kind, Record
from archdsl.run.settings import PROPOSING
from archdsl.run.summary import measure_signal
from archdsl.run.tables import percent, signal_rows, standard_error, worth
from archdsl.run.whole_record import WholeRecord
from archdsl.space.wording import count, number
from archdsl.syntax.errors import fault
from archdsl.syntax.parse import parse

Rows = Iterator[tuple[str, str]]


def outcome(record: Record) -> Iterator[Part]:
    """The figures of a run. Raises ArchError E0807 where its settings lack what they need."""
    if not record.finished:
        yield Words("This run is not finished; the command that began it goes on with it.")
    yield Facts(tuple(ROWS[record.kind](record)))


def settings(record: Record | WholeRecord) -> Iterator[Part]:
    """All that a run was started with, and on."""
    texts = {n: v for n, v in record.settings.items() if n == METHOD or n.startswith("recipe")}
    left = {*texts, *_unused(record)}
    rows = ((n.replace("_", " "), said(v)) for n, v in record.settings.items() if n not in left)
    yield Facts(tuple((name, value) for name, value in rows if value != ""))
    for text in filter(None, texts.values()):
        yield Lines(str(text))
    yield Facts(tuple((name, said(value)) for name, value in record.environment.items()))


def _unused(record: Record | WholeRecord) -> set[str]:
    """What means nothing where gates are learned; where they are not, some are drawn and judged."""
    if isinstance(record, WholeRecord) or record.kind is not Kind.GATES:
        return set()
    return set(PROPOSING) - ({"derive_samples"} if record.told("measure") else set())


def said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value)


def figure_of(value: float) -> str:
    """`858,426`, `91.516`: whole numbers whole, others with six digits."""
    return f"{int(value):,}" if value == int(value) and abs(value) < 1e15 else f"{value:.6g}"


def duration(seconds: float) -> str:
    """`12.3 s`, `4 min 10 s`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _found(record: Record) -> Rows:
    best = record.best()
    name = "architecture" if record.trained else "found" if record.finished else "best so far"
    yield name, best.text if best else "nothing yet"


def _about(record: Record) -> Rows:
    """What every search has."""
    yield "space", f"{record.space.program.genotype}, {number(record.space.size)} architectures"
    yield "controller", said(record.settings.get("controller", ""))
    yield "seed", said(record.settings.get("seed", ""))
    yield "time", duration(record.seconds)


def _shared(record: Record) -> Rows:
    yield from _found(record)
    for entry in record.told("final")[-1:]:
        yield "accuracy, shared weights", f"{percent(entry.reward or 0.0)} on all of validation"
    derived = [e.reward for e in record.told("derive") if e.reward is not None]
    if derived:
        yield "accuracy, what it won by", percent(max(derived))
    epochs = sum(e.kind == "train" for e in record.entries)
    yield "asked", f"{len(record.entries):,} strings in {count(epochs, 'outer epoch')}"
    measured = [e for e in record.told("measure") if (e.detail or {}).get("hits")]
    if len(measured) > 1 and record.told("search"):  # else no reward was asked for
        yield from signal_rows(measure_signal(measured, _batch_size(record)))
    yield from _about(record)


def _gates(record: Record) -> Rows:
    yield from _found(record)
    for entry in record.told("final")[-1:]:
        yield "accuracy, shared weights", f"{percent(entry.reward or 0.0)} on all of validation"
    derived = [e for e in record.entries if e.kind == "derive"]
    texts = [e.text for e in derived]
    yield "epochs", f"{len(derived)}{_steady(texts)}"
    gates = (derived[-1].detail or {}).get("gates") if derived else None
    if gates and not record.told("measure"):
        yield from moved_rows(moved(deciding(record.space, gates)))
    yield from _about(record)


def _steady(texts: list[str]) -> str:
    """For how long the gates have pointed to the same."""
    if not texts:
        return ""
    same = next((i for i, text in enumerate(reversed(texts)) if text != texts[-1]), len(texts))
    return (
        f"; the gates pointed to {count(len(set(texts)), 'architecture')}, "
        f"to the last for {count(same, 'epoch')}"
    )


def _explored(record: Record) -> Rows:
    yield from _found(record)
    scores = record.scores()
    best = record.best()
    if best and best.text in scores:
        score = scores[best.text]
        yield "reward", worth(score.reward, score.values)
        others = {name: value for name, value in score.values.items() if name != "reward"}
        yield "measured", ", ".join(f"{name} {figure_of(value)}" for name, value in others.items())
    told = [e for e in record.entries if e.detail is not None]
    distinct = len({e.text for e in told})
    planned = _whole(record, "budget")
    yield "evaluations", f"{len(told):,} of {planned:,}, {distinct:,} different architectures"
    failures = [e.detail or {} for e in told if e.reward is None]
    if failures:
        kinds = Counter(str(one.get("failed", "")) for one in failures)
        yield "failed", ", ".join(f"{kind} {times}" for kind, times in kinds.items())
        yield "the first failure", str(failures[0].get("message", ""))
    yield "evaluator", said(record.settings.get("evaluator", ""))
    yield from ((n, said(record.settings[n])) for n in OPTIONAL if record.settings.get(n))
    yield from _about(record)


OPTIONAL = ("objectives", "reward", "latency")


def retrained(record: Record) -> Rows:
    """What a retraining came to, or where it is."""
    yield from _found(record)
    judged = [(e.reward, -e.epoch) for e in record.told("judge") if e.reward is not None]
    if record.finished:
        test, error = tested(record)
        yield "test accuracy", f"{percent(test)}, standard error {error:.1f} points"
    if judged:
        best, epoch = max(judged)
        yield "validation accuracy", f"{percent(best)}, the best, after {count(-epoch, 'epoch')}"
    planned = said(record.settings.get("epochs", ""))
    yield "data, seed", f"{record.settings.get('data', '')}, {record.settings.get('seed', '')}"
    if not record.settings.get("recipe"):
        yield "epochs", planned
    if record.settings.get("inherit"):
        yield "began with", said(record.settings["inherit"])
    yield "time", duration(record.seconds)


def tested(record: Record) -> tuple[float, float]:
    """The accuracy of a finished retraining, 0 to 1, and its standard error in points."""
    known = read_summary(record.folder)
    test, images = _real(record, known, "test"), _real(record, known, "test_images")
    return test, 100 * standard_error(min(max(test, 0.0), 1.0), max(int(images), 1))


ROWS = {
    Kind.SHARED: _shared,
    Kind.GATES: _gates,
    Kind.EXPLORE: _explored,
    Kind.RETRAIN: retrained,
}


def read_summary(folder: Path) -> dict[str, Any]:
    """summary.json of a run. Raises ArchError E0807."""
    path = folder / "summary.json"
    try:
        return dict(json.loads(read_text(path)))
    except (ValueError, TypeError, RecursionError) as error:
        raise fault(
            "E0807",
            f"{path} is not the summary of a run: {error}",
            found=str(path),
            expected="what archdsl wrote at the end of the run",
            hint="the command that began the run writes it again",
        ) from error


def _real(record: Record, known: dict[str, Any], name: str) -> float:
    value = known.get(name)
    if not isinstance(value, int | float) or not abs(value) < 1e300:
        raise _lacks(record.folder / "summary.json", name, value)
    return float(value)


def _batch_size(record: Record) -> int:
    """Of the recipe, where weights were trained by one."""
    text = record.settings.get("recipe")
    if not text:
        return _whole(record, "batch_size")
    (recipe,) = parse(str(text), "recipe").recipes or [None]
    if recipe is None:
        raise _lacks(record.folder / "settings.json", "the batch size of its recipe", text)
    return whole_recipe(recipe).batch_size


def _whole(record: Record, name: str) -> int:
    value = record.settings.get(name)
    if not isinstance(value, int) or value < 1:
        raise _lacks(record.folder / "settings.json", name, value)
    return value


def _lacks(path: Path, name: str, value: object) -> Exception:
    return fault(
        "E0807",
        f"{path} has no number for {name}",
        found=str(value),
        expected="what archdsl wrote",
    )
