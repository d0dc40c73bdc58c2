"""What the folder of a whole run holds, however far it came: the records of its parts.

Only read, and without torch, as run/record.py does for each part.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archdsl.library import Library
from archdsl.methods import Method, whole_method
from archdsl.methods.method import AGAINST, FOUND
from archdsl.run.against import folder_of_title
from archdsl.run.record import COMPARED, METHOD, Kind, Record, opening, read_record, strange
from archdsl.run.settings import read_settings, space_of
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.parse import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRecord:
    """One run: the searches that were begun, each with the name of its stage; the retrainings of
    what was found, and of the `others`, each with its title."""

    folder: Path
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    space: SearchSpace
    method: Method
    searches: Sequence[tuple[str, Record]]
    found: Record | None
    others: Sequence[tuple[str, Record]]

    @property
    def networks(self) -> list[tuple[str, Record]]:
        """All retrainings, with their titles."""
        return [*([(FOUND, self.found)] if self.found else []), *self.others]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return (self.folder / "summary.json").is_file()

    def best(self) -> Architecture | None:
        """What was found, or the best so far of the last search that has one."""
        for _, record in reversed(self.searches):
            found = record.best()
            if found is not None:
                with opening(self.folder / "settings.json"):
                    return self.space.parse(found.text)
        return None


def is_whole(folder: Path) -> bool:
    """Whether a folder is that of a whole run. Raises ArchError E0807 where it is of no run."""
    return METHOD in read_settings(folder / "settings.json")


def read_whole(folder: Path) -> WholeRecord:
    """The whole run in a folder. Raises ArchError E0807 where its files are broken."""
    path = folder / "settings.json"
    settings = read_settings(path)
    with opening(path):
        (written,) = parse(str(settings[METHOD]), METHOD).methods
        method = whole_method(written)
        space = space_of(Library([folder / "space.arch"]), settings)
    titles = [name.removeprefix(COMPARED) for name in settings if name.startswith(COMPARED)]
    stages = ((one.name, one.name) for one in method.stages)
    others = ((one, f"{AGAINST}/{folder_of_title(one)}") for one in titles)
    return WholeRecord(
        folder=folder,
        settings=settings,
        environment=read_settings(path, "environment"),
        space=space,
        method=method,
        searches=tuple(_begun(folder, stages, retrained=False)),
        found=next((one for _, one in _begun(folder, [(FOUND, FOUND)], retrained=True)), None),
        others=tuple(_begun(folder, others, retrained=True)),
    )


def _begun(
    folder: Path, places: Iterable[tuple[str, str]], *, retrained: bool
) -> Iterator[tuple[str, Record]]:
    """The parts that are there, by name: retrainings, or searches."""
    for name, place in places:
        if not (folder / place / "ledger.sqlite").exists():
            continue
        record = read_record(folder / place)
        if (record.kind is Kind.RETRAIN) is not retrained:
            raise strange(folder / place, f"it is a {record.kind.value}")
        yield name, record
