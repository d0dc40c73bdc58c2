"""What every run that trains has: its folder, its ledger, a stop that was asked for, a bar.

Of several processes the first has the folder. Each other one works in a folder of its own that is
thrown away, beginning with copies of ledger and checkpoint: it then decides all that the first
decides, and nobody has to tell it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from archdsl.evaluate.checkpoint import Checkpoint, save_checkpoint
from archdsl.evaluate.ranks import Ranks, joined
from archdsl.evaluate.training import torch_settings
from archdsl.files import write_whole
from archdsl.ir.graph import Program
from archdsl.run.folder import CHECKPOINT, LEDGER, run_folder
from archdsl.run.ledger import Ledger, copied, open_ledger
from archdsl.run.progress import Advance, progress
from archdsl.run.settings import RetrainSettings, SearchSettings, remember
from archdsl.run.stop import Interrupted, graceful


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One run in progress in its folder."""

    folder: Path
    ledger: Ledger
    stopped: Callable[[], bool]
    advance: Advance
    ranks: Ranks

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def pause(self, save: Callable[[], None]) -> None:
        """End here, saved, if the user asked for it: any process of the run. Raises Interrupted."""
        if any(self.ranks.sums([self.stopped()])):
            save()
            raise Interrupted(self.folder)

    def save(self, checkpoint: Checkpoint, name: str = CHECKPOINT) -> None:
        """Write it into the folder, whole. Raises ArchError E0707."""
        if self.ranks.first:
            save_checkpoint(self.folder / name, checkpoint)


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
    with (
        joined(settings.device) as ranks,
        folder_of(out, ranks) as folder,
        torch_settings(settings.threads),
        graceful() as stopped,
    ):
        _hand_out(folder, ranks)
        remember(folder / "settings.json", program, settings, also, processes=ranks.world)
        for name, text in files.items():
            write_whole(folder / name, text)
        with (
            open_ledger(folder / LEDGER) as ledger,
            progress(title, total, quiet=quiet or not ranks.first, folder=folder) as advance,
        ):
            ledger.begin()
            yield Running(
                folder=folder, ledger=ledger, stopped=stopped, advance=advance, ranks=ranks
            )


@contextmanager
def folder_of(out: Path, ranks: Ranks) -> Iterator[Path]:
    """The folder that this process works in: of several, the first has the run's."""
    if ranks.first:
        with run_folder(out) as folder:
            yield folder
        return
    with TemporaryDirectory(prefix="archdsl-") as temporary:
        yield Path(temporary)


def _hand_out(folder: Path, ranks: Ranks) -> None:
    """Copies of ledger and checkpoint, from the first process to all others."""
    if not ranks.several:
        return
    ledger, checkpoint = folder / LEDGER, folder / CHECKPOINT
    for path, read in ((ledger, copied), (checkpoint, Path.read_bytes)):
        content = ranks.spread(read(path) if ranks.first and path.exists() else b"")
        if content and not ranks.first:
            path.write_bytes(content)
