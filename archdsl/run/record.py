"""What the folder of a run holds, whatever kind of run it is and however far it came.

Only read, and without torch: for reports, and for what looks at searches afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.run.ledger import Entry, reading
from archdsl.run.rows import number
from archdsl.run.settings import read_settings, space_of
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError, fault

METHOD = "method"
"""The setting that only whole runs have: the text of the method."""
COMPARED = "against "
"""What stands before the title of a network to compare with, as a setting of a whole run."""


class Kind(Enum):
    """Who wrote the folder."""

    SHARED = "search with shared weights"
    GATES = "search by gradients"
    EXPLORE = "search with an evaluator"
    RETRAIN = "retraining"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What a search says of one architecture: its last reward, told at `step`, of `times`.

    `values` is what else an evaluator measured then.
    """

    reward: float
    step: int
    times: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One run. `entries` are all rows of its ledger, also those that wait for their result.

    `seconds` is the time its sessions took, `trained` the architecture of a retraining.
    """

    folder: Path
    kind: Kind
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    library: Library
    space: SearchSpace
    entries: tuple[Entry, ...]
    seconds: float
    trained: Architecture | None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        if self.kind is Kind.EXPLORE:
            told = sum(entry.detail is not None for entry in self.entries)
            return told >= int(self.settings["budget"])
        return (self.folder / "summary.json").is_file()

    def told(self, *kinds: str) -> list[Entry]:
        """The rows of these kinds that have a reward, in order."""
        return [e for e in self.entries if e.kind in kinds and e.reward is not None]

    def scores(self) -> dict[str, Score]:
        """What the search says of architectures, by their strings, in the order of its last words.

        With shared weights a reward means as much as the weights did: those of the last outer epoch
        count, and what was judged after it.
        """
        rows = self.told("search", "derive", "final", "measure")
        if self.kind is Kind.SHARED:
            last = max((e.epoch for e in rows if e.kind == "search"), default=0)
            rows = [e for e in rows if e.epoch >= last]
        found: dict[str, Score] = {}
        for entry in rows:
            before = found.pop(entry.text, None)
            assert entry.reward is not None
            values = (entry.detail or {}).get("values", {})
            times = before.times + 1 if before else 1
            found[entry.text] = Score(
                reward=entry.reward, step=entry.step, times=times, values=values
            )
        return found

    def best(self) -> Architecture | None:
        """What was found, or the best so far: None before anything was judged."""
        if self.trained is not None:
            return self.trained
        final = [e for e in self.entries if e.kind == "final"]
        if not final and self.kind is Kind.GATES:
            final = [e for e in self.entries if e.kind == "derive"]
        if final:
            return self.architecture(final[-1].text)
        scores = self.scores()
        if not scores:
            return None
        first = sorted(scores, key=lambda text: scores[text].step)
        return self.architecture(max(first, key=lambda text: scores[text].reward))

    def architecture(self, text: str) -> Architecture:
        """A string of the ledger; its `space` has other parameters where a search in stages had.

        Raises ArchError E0807 where it is none of the space.
        """
        try:
            other = self.library.string(text).space.program if self.kind is Kind.GATES else None
            if other is not None and other.space == self.space.program.space:
                return self.library.string(text).require()
            return self.space.parse(text)
        except ArchError as error:
            raise strange(
                self.folder / "ledger.sqlite",
                f"it holds what is no architecture of {self.space.program.genotype}: "
                f"{error.diagnostics[0].message}",
            ) from None

    def network(self, architecture: Architecture) -> Program:
        return (architecture.space or self.space).resolve(architecture)


def read_record(folder: Path) -> Record:
    """The run in a folder. Raises ArchError E0807 where there is none, or its files are broken."""
    settings = read_settings(folder / "settings.json")
    if METHOD in settings:
        raise _whole(folder)
    if "samples" in settings:
        raise fault(
            "E0807",
            f"{folder} is an audit, which stands on the page of its search",
            found=str(folder),
            expected="the folder of a search",
            hint=f"archdsl report {folder.parent}",
        )
    environment = read_settings(folder / "settings.json", "environment")
    with reading(folder / "ledger.sqlite") as ledger:
        entries, seconds = ledger.entries(), ledger.seconds()
    kind = _kind(settings, entries)
    for entry in entries:
        if kind is not Kind.EXPLORE and not 0 <= (entry.reward or 0) <= 1:
            raise strange(folder / "ledger.sqlite", f"its row {entry.step} means nothing")
    with opening(folder / "settings.json"):
        library, space, trained = _opened(folder, kind, settings)
    return Record(
        folder=folder,
        kind=kind,
        settings=settings,
        environment=environment,
        library=library,
        space=space,
        entries=tuple(replace(entry, detail=_finite(entry.detail)) for entry in entries),
        seconds=seconds,
        trained=trained,
    )


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Settings that name what no space can be are E0807: no text of the user's is to blame."""
    try:
        yield
    except ArchError as error:
        raise strange(path, f"it names no space: {error.diagnostics[0].message}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise strange(path, f"it names no space: {error!r}") from error


def _kind(settings: Mapping[str, Any], entries: Sequence[Entry]) -> Kind:
    """By settings that others have not; shared weights are trained before anything is derived."""
    if "architecture" in settings:
        return Kind.RETRAIN
    if isinstance(settings.get("budget"), int):
        return Kind.EXPLORE
    return Kind.GATES if entries and entries[0].kind != "train" else Kind.SHARED


def _opened(
    folder: Path, kind: Kind, settings: Mapping[str, Any]
) -> tuple[Library, SearchSpace, Architecture | None]:
    if kind is Kind.RETRAIN:
        library = Library()
        found = library.find(str(folder / "network.py"))
        return library, found.space, found.require()
    library = Library([folder / "space.arch"])
    return library, space_of(library, settings), None


def _finite(detail: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A loss that is no number any more is told by its absence."""
    if detail is None or number(detail.get("loss", 0.0)):
        return detail
    return {name: value for name, value in detail.items() if name != "loss"}


def _whole(folder: Path) -> ArchError:
    paths = sorted(folder.glob("*/settings.json"))
    parts = [path.parent.name for path in paths if "architecture" not in read_settings(path)]
    return fault(
        "E0807",
        f"{folder} is a whole run, of which each part has a folder of its own",
        found=str(folder),
        expected=", ".join(str(folder / part) for part in parts) or "a part of it",
        hint=f"name a part, for example {folder / parts[0]}" if parts else "",
    )


def strange(path: Path, why: str) -> ArchError:
    """The error for a file that means nothing."""
    return fault(
        "E0807",
        f"{path} is not what archdsl wrote: {why}",
        found=str(path),
        expected="the folder of a run, as the command that began it left it",
    )
