"""What every run that trains has: its folder, its ledger, a stop that was asked for, a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from archdsl.evaluate.training import torch_settings
from archdsl.files import write_whole
from archdsl.ir.graph import Program
from archdsl.run.folder import run_folder
from archdsl.run.ledger import Ledger, open_ledger
from archdsl.run.progress import Advance, progress
from archdsl.run.settings import RetrainSettings, SearchSettings, remember
from archdsl.run.stop import Interrupted, graceful

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One run in progress in its folder."""

    folder: Path
    ledger: Ledger
    stopped: Callable[[], bool]
    advance: Advance

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def pause(self, save: Callable[[], None]) -> None:
        """End here, saved, if the user asked for it. Raises Interrupted."""
        if self.stopped():
            save()
            raise Interrupted(self.folder)


@contextmanager
def running(
    out: Path,
    program: Program,
    settings: SearchSettings | RetrainSettings,
    *,
    also: Mapping[str, str],
    files: Mapping[str, str],
    title: str,
    total: int,
    quiet: bool,
) -> Iterator[Running]:
    """Begin in the folder `out`, or go on with what is there; `files` are written by their names.

    `also` is what must stay the same besides program and settings. The bar has `total` steps.
    Raises ArchError (E0805 to E0809) for a folder that is another run's or somebody else's.
    """
    with run_folder(out) as folder, torch_settings(settings.threads), graceful() as stopped:
        remember(folder / "settings.json", program, settings, also)
        for name, text in files.items():
            write_whole(folder / name, text)
        with (
            open_ledger(folder / "ledger.sqlite") as ledger,
            progress(title, total, quiet=quiet) as advance,
        ):
            ledger.begin()
            yield Running(folder=folder, ledger=ledger, stopped=stopped, advance=advance)
