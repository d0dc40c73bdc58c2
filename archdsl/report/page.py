"""The report of a run, section by section, as one HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from archdsl.codegen import network_source
from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.report import compared
from archdsl.report.audits import audit
from archdsl.report.code import coloured
from archdsl.report.curves import curves
from archdsl.report.figure import check_matplotlib
from archdsl.report.outcome import outcome, retrained, settings
from archdsl.report.ranking import pareto, ranking
from archdsl.report.view import Facts, Lines, Page, Part, Section, Words
from archdsl.resources import environment
from archdsl.run.audited import read_audit
from archdsl.run.record import Kind, Record, read_record
from archdsl.run.settings import read_settings
from archdsl.syntax.errors import ArchError


def report_html(
    folder: Path,
    *,
    against: str = "",
    retrainings: Sequence[Path] = (),
    library: Library | None = None,
) -> str:
    """The report of the run in a folder, finished or not: the same run gives the same bytes.

    `against` names what the architecture is compared with, looked up in `library`; without a name
    one is drawn. `retrainings` are folders of retrainings, besides those within the run's folder.
    Raises ArchError: E0807 for what is no run, E0821 without matplotlib.
    """
    check_matplotlib()
    record = read_record(folder)
    trained = [read_record(path) for path in (*_within(folder), *retrainings)]
    sections = _sections(record, against, trained, library or Library())
    page = Page(
        title=f"{record.kind.value.capitalize()}: {record.space.program.genotype}",
        subtitle=record.space.program.title,
        sections=tuple(Section(name, title, tuple(parts)) for name, title, parts in sections),
    )
    html = environment(autoescape=True).get_template("report.html.jinja").render(page=page)
    return html.encode("utf-8", "replace").decode()  # halves of letters, which JSON can name


def _within(folder: Path) -> Iterator[Path]:
    """Retrainings that stand in the folder of a run."""
    for path in sorted(folder.iterdir()):
        with suppress(ArchError):  # what else somebody keeps there is not ours
            if "architecture" in read_settings(path / "settings.json"):
                yield path


def _sections(
    record: Record, against: str, trained: Sequence[Record], library: Library
) -> Iterator[tuple[str, str, Iterator[Part]]]:
    """Names, titles and parts, in the order of the page."""
    yield "outcome", "Outcome", outcome(record)
    yield "curves", "Over time", curves(record)
    if record.kind is not Kind.RETRAIN:
        yield "best", "The best of the ledger", ranking(record)
    if record.settings.get("objectives"):
        yield "front", "Pareto front", pareto(record)
    best = record.best()
    if best is not None:
        found = record.network(best)
        beside = compared.other(record, best, against, library)
        yield "found", "What was found", compared.pictures(record, found, beside)
        if beside is not None:
            yield "changes", "What differs", compared.changes(record, found, beside)
        yield "costs", "What it costs", iter([compared.costs(found, beside)])
    audited = read_audit(record.folder / "audit")
    if audited is not None:
        yield "audit", "Audit of the scores", audit(audited)
    if trained:
        yield "retraining", "Retraining", _retrainings(trained)
    yield "settings", "Settings", settings(record)
    yield "space", "The space", iter([Lines(record.space.program.text)])
    if best is not None:
        yield "code", "The network in Python", _code(found)


def _retrainings(records: Sequence[Record]) -> Iterator[Part]:
    for record in records:
        yield Words(record.folder.name)
        yield Facts(tuple(retrained(record)))
        yield from curves(record)


def _code(found: Program) -> Iterator[Part]:
    yield coloured(network_source(found))
