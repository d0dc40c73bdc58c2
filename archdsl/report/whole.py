"""What a whole run came to: the networks that it retrained, beside each other."""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.ir.cost import cost
from archdsl.ir.graph import Program
from archdsl.report.compared import Other
from archdsl.report.outcome import duration, read_summary, tested
from archdsl.report.view import Facts, Grid, Part, Words
from archdsl.run.record import Record, strange
from archdsl.run.tables import percent
from archdsl.run.whole_record import WholeRecord
from archdsl.space.architecture import Architecture
from archdsl.space.wording import number

HEAD = ("network", "test accuracy", "validation accuracy", "parameters", "MACs", "time")


def ended(record: WholeRecord, best: Architecture | None) -> Iterator[Part]:
    """The figures of a run and its best.

    Raises ArchError E0807 where its files lack what they need.
    """
    if not record.finished:
        yield Words("This run is not finished; the command that began it goes on with it.")
    if record.networks:
        rows = tuple(_row(title, one) for title, one in record.networks)
        yield Grid(head=HEAD, rows=rows, named=True)
    if record.finished:
        yield from map(Words, _verdicts(record))
    yield Facts(tuple(_facts(record, best)))


def _verdicts(record: WholeRecord) -> list[str]:
    """What the run says of its accuracies."""
    found = read_summary(record.folder).get("verdicts", [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise strange(record.folder / "summary.json", "its verdicts are no texts")
    return found


def _row(title: str, record: Record) -> tuple[str, ...]:
    """A network: accuracies, that of the test with its standard error in points, and costs."""
    price = cost(_network(record))
    test, error = tested(record) if record.finished else (None, 0.0)
    judged = [entry.reward for entry in record.told("judge") if entry.reward is not None]
    return (
        title,
        "not yet" if test is None else f"{percent(test)} ± {error:.1f}",
        percent(max(judged)) if judged else "not yet",
        f"{price.params:,}",
        f"{price.macs:,}",
        duration(record.seconds),
    )


def _facts(record: WholeRecord, best: Architecture | None) -> Iterator[tuple[str, str]]:
    yield "found" if record.finished else "best so far", best.text if best else "nothing yet"
    program = record.space.program
    yield "space", f"{program.genotype}, {number(record.space.size)} architectures"
    stages = (stage.name for stage in record.method.stages)
    yield "method", f"{record.method.name}: {', '.join(stages)}"
    parts = (*record.searches, *record.networks)
    yield "time", duration(sum(part.seconds for _, part in parts))


def first_other(record: WholeRecord) -> Other | None:
    """The first network that the run compares with, once its retraining has begun."""
    if not record.others:
        return None
    title, one = record.others[0]
    return Other(program=_network(one), why=title)


def _network(record: Record) -> Program:
    assert record.trained is not None, "a retraining has one"
    return record.network(record.trained)
