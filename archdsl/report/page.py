"""The report of a run, section by section, as one HTML page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from archdsl.codegen import network_source
from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.methods.method import FOUND
from archdsl.report.audits import audit
from archdsl.report.code import coloured
from archdsl.report.compared import Other, changes, costs, other, pictures
from archdsl.report.curves import curves
from archdsl.report.figure import check_matplotlib
from archdsl.report.outcome import outcome, retrained, settings
from archdsl.report.ranking import pareto, ranking
from archdsl.report.view import Facts, Lines, Page, Part, Section, Words
from archdsl.report.whole import ended, first_other
from archdsl.resources import environment
from archdsl.run.audited import read_audit
from archdsl.run.record import Kind, Record, read_record
from archdsl.run.settings import read_settings
from archdsl.run.whole_record import WholeRecord, is_whole, read_whole
from archdsl.space.view import SearchSpace
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
    it is the first that a whole run compares with, or one is drawn. `retrainings` are folders of
    retrainings, besides those within the run's folder.
    Raises ArchError: E0807 for what is no run, E0821 without matplotlib.
    """
    check_matplotlib()
    known, others = library or Library(), [read_record(path) for path in retrainings]
    record: Record | WholeRecord
    if is_whole(folder):
        record, kind = read_whole(folder), "Run"
        sections = _whole(record, against, [*_within(folder, FOUND), *others], known)
    else:
        record = read_record(folder)
        kind = record.kind.value.capitalize()
        sections = _sections(record, against, [*_within(folder), *others], known)
    page = Page(
        title=f"{kind}: {record.space.program.genotype}",
        subtitle=record.space.program.title,
        sections=tuple(Section(name, title, tuple(parts)) for name, title, parts in sections),
    )
    html = environment(autoescape=True).get_template("report.html.jinja").render(page=page)
    return html.encode("utf-8", "replace").decode()  # halves of letters, which JSON can name


def _within(folder: Path, known: str = "") -> list[Record]:
    """Retrainings that stand in the folder of a run, but for the one that is `known`."""
    paths = []
    for path in sorted(folder.iterdir()):
        with suppress(ArchError):  # what else somebody keeps there is not ours
            if path.name != known and "architecture" in read_settings(path / "settings.json"):
                paths.append(path)
    return [read_record(path) for path in paths]


Sections = Iterator[tuple[str, str, Iterator[Part]]]
"""Names, titles and parts, in the order of the page."""


def _sections(
    record: Record, against: str, trained: Sequence[Record], library: Library
) -> Sections:
    """Those of one search or retraining."""
    yield from _ledger(record)
    best = record.best()
    found = None if best is None else record.network(best)
    if best is not None and found is not None:
        yield from _found(record.space, found, other(record.space, best, against, library))
    yield from _audit(record)
    if trained:
        yield "retraining", "Retraining", _retrainings(_named(trained))
    yield from _texts(record, found)


def _whole(
    record: WholeRecord, against: str, trained: Sequence[Record], library: Library
) -> Sections:
    """Those of a whole run: what came out, what was found, the retrainings, each search."""
    best = record.best()
    yield "outcome", "Outcome", ended(record, best)
    found = None if best is None else record.space.resolve(best)
    if best is not None and found is not None:
        beside = None if against else first_other(record)
        beside = beside or other(record.space, best, against, library)
        yield from _found(record.space, found, beside)
    retrainings = [*record.networks, *_named(trained)]
    if retrainings:
        yield "retraining", "Retraining", _retrainings(retrainings)
    for name, one in record.searches:
        yield f"stage-{name}", f"Search: {name}", _search(one)
    yield from _texts(record, found)


def _search(record: Record) -> Iterator[Part]:
    """What a page of its own says of a search, as one section."""
    for _, _, parts in _ledger(record):
        yield from parts
    for _, title, parts in _audit(record):
        yield Words(title)
        yield from parts


def _ledger(record: Record) -> Sections:
    """What the ledger says."""
    yield "outcome", "Outcome", outcome(record)
    yield "curves", "Over time", curves(record)
    if record.kind is not Kind.RETRAIN:
        yield "best", "The best of the ledger", ranking(record)
    if record.settings.get("objectives"):
        yield "front", "Pareto front", pareto(record)


def _audit(record: Record) -> Sections:
    audited = read_audit(record.folder / "audit")
    if audited is not None:
        yield "audit", "Audit of the scores", audit(audited)


def _found(space: SearchSpace, found: Program, beside: Other | None) -> Sections:
    yield "found", "What was found", pictures(space, found, beside)
    if beside is not None:
        yield "changes", "What differs", changes(space, found, beside)
    yield "costs", "What it costs", iter([costs(found, beside)])


def _texts(record: Record | WholeRecord, found: Program | None) -> Sections:
    yield "settings", "Settings", settings(record)
    yield "space", "The space", iter([Lines(record.space.program.text)])
    if found is not None:
        yield "code", "The network in Python", _code(found)


def _named(records: Iterable[Record]) -> list[tuple[str, Record]]:
    return [(record.folder.name, record) for record in records]


def _retrainings(records: Iterable[tuple[str, Record]]) -> Iterator[Part]:
    for name, record in records:
        yield Words(name)
        yield Facts(tuple(retrained(record)))
        yield from curves(record)


def _code(found: Program) -> Iterator[Part]:
    yield coloured(network_source(found))
