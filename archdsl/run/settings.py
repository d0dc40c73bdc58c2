"""What a run was started with: written once, compared on every resume."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from archdsl import __version__
from archdsl.files import write_whole
from archdsl.ir.graph import Program
from archdsl.part import left, restricted
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import AdamW, Steps
from archdsl.run.folder import CHECKPOINT, LEDGER, begun
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import fault

if TYPE_CHECKING:
    from archdsl.library import Library


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """Everything that the result of a search depends on, besides the space.

    The defaults are those of Zhang and Liu's released code. `epochs` are outer epochs: one epoch
    of the shared weights with one sampled architecture, then `controller_steps` rewards, each on
    one random validation batch of `batch_size`. `paths` says along which paths weights are
    trained. The best of `derive_samples` proposals is derived; in their place, `frozen` proposals
    are judged on all of validation and told to the controller, under weights that no longer
    change. `measure_samples` architectures, drawn uniformly, show whether rewards tell
    architectures apart. `calibration` batches set batch statistics before each judgement.
    With `hypernetwork` weights are worked out from a code of so many numbers for each
    architecture, in place of being shared.
    """

    keyword: ClassVar[str] = "search"

    controller: str = "reinforce"
    paths: str = "controller"
    data: str = "digits"
    seed: int = 42
    epochs: int = 100
    controller_steps: int = 100
    derive_samples: int = 10
    frozen: int = 0
    measure_samples: int = 10
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    calibration: int = 2
    hypernetwork: int = 0
    as_released: bool = False
    threads: int = 2
    device: str = "cpu"

    @property
    def recipe(self) -> Recipe:
        """How the shared weights are trained, where no other recipe is given."""
        return Recipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=AdamW(learning_rate=self.learning_rate, weight_decay=self.weight_decay),
        )


PROPOSING = frozenset(
    {"paths", "controller_steps", "derive_samples", "frozen", "hypernetwork"}
    | {"measure_samples", "as_released"}
)
"""The settings of a search that mean nothing where a controller learns gates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExploreSettings:
    """Everything that the result of a search with an evaluator depends on, besides the space.

    `budget` evaluations in all; `batch` proposals are asked for at once, and told together.
    `latency` says how the value of that name comes about, where the evaluator has none;
    `reward` makes one number of what was measured, where the evaluator's own is not wanted;
    `objectives` are names of values, a - before those that are to be small.
    """

    keyword: ClassVar[str] = "search"

    controller: str = "evolution"
    evaluator: str = ""
    latency: str = ""
    reward: str = ""
    objectives: str = ""
    seed: int = 42
    budget: int = 100
    batch: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainSettings:
    """Everything that the result of a retraining depends on, besides the architecture.

    The defaults are those of Zhang and Liu's released code: AdamW, the rate times 0.85 every 50
    epochs, judged and saved every 10 epochs, and the best of those on validation is tested.
    """

    data: str = "digits"
    seed: int = 42
    epochs: int = 600
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    decay_every: int = 50
    decay: float = 0.85
    checkpoint_every: int = 10
    threads: int = 2
    device: str = "cpu"

    @property
    def recipe(self) -> Recipe:
        """The same as a recipe, for where no other is given."""
        return Recipe(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=AdamW(learning_rate=self.learning_rate, weight_decay=self.weight_decay),
            schedule=Steps(every=self.decay_every, by=self.decay),
            judge_every=self.checkpoint_every,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditSettings(RetrainSettings):
    """Everything that the result of an audit depends on, besides the scores of the run.

    Each of `samples` architectures is retrained as the other settings say, or measured by the
    evaluator that `truth` names.
    """

    samples: int = 20
    truth: str = ""

    @property
    def retraining(self) -> RetrainSettings:
        """How one of them is retrained."""
        names = RetrainSettings.__dataclass_fields__
        return RetrainSettings(**{name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What all parts of a run have in common: where it runs, and on what."""

    data: str = "digits"
    seed: int = 42
    threads: int = 2
    device: str = "cpu"


BESIDE = "runs"
"""What is noted where an evaluator names runs beside its own, not from the working folder."""
REPLACED = (
    *("space.arch", "network.py", "supernet.py"),
    *(CHECKPOINT, "best.safetensors", "summary.txt", "summary.json"),
)
"""Files that runs write besides those that only runs have."""
MOST = {"hypernetwork": 1024}
"""What takes memory by itself."""
Settings = SearchSettings | ExploreSettings | RetrainSettings | RunSettings


def check_settings(settings: Settings) -> None:
    """Refuse numbers that mean nothing. Raises ArchError E0810."""
    least = {"seed": 0, "epochs": 1, "measure_samples": 2, "decay": 0.0}
    least |= {"samples": 3, "controller_steps": 0, "frozen": 0, "hypernetwork": 0}
    for name, value in asdict(settings).items():
        if isinstance(value, bool | str):
            continue
        lowest = least.get(name, 0.0 if isinstance(value, float) else 1)
        if not lowest <= value < inf or value > MOST.get(name, inf):
            most = f", at most {MOST[name]:,}" if name in MOST else ""
            raise fault(
                "E0810",
                f"{name} cannot be {value}",
                found=str(value),
                expected=f"at least {lowest}{most}",
            )
    device = "cpu" if isinstance(settings, ExploreSettings) else settings.device
    if device != "cpu" and not _device_works(device):
        raise fault(
            "E0810",
            f"torch cannot compute on {device!r} here",
            found=device,
            expected="cpu, or a device that torch finds",
        )


def _device_works(name: str) -> bool:
    import torch  # who only reads the settings of a run does not wait for it

    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError):
        return False
    return True


def remember(
    path: Path,
    program: Program,
    settings: Settings,
    extra: Mapping[str, str],
    *,
    processes: int = 1,
) -> None:
    """Write the settings of a new run, or compare them with those that it was started with.

    `extra` is what else must stay the same (the architecture). The environment and the
    number of `processes` are recorded and may change, and a budget may grow after whole rounds;
    before the first step so may all the rest. Raises ArchError E0809 that names
    every difference, E0807 for a broken file, E0806 for a folder without a run that has files which
    a run would replace.
    """
    kept = left(program)
    now = {
        "space": program.space,
        "hash": program.hash,
        **{f"parameter {name}": value for name, value in program.parameters.items()},
        **asdict(settings),
        **({"kept": kept} if kept else {}),
        **extra,
    }
    if not path.exists():
        _check_free(path.parent)
        _write(path, now, processes)
        return
    then = read_settings(path)
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    nothing_yet = "hash" in then and not begun(path.parent)
    if (names and nothing_yet) or (names == ["budget"] and _goes_on(then, now)):
        _write(path, now, processes)
    elif names:
        raise fault(
            "E0809",
            f"the run in {path.parent} was started with other settings: {', '.join(names)}",
            found=", ".join(_differing(name, now, then) for name in names),
            expected=", ".join(_differing(name, then, now) for name in names),
            hint="give the same settings to go on, or another folder with -o",
        )


def _differing(name: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """A setting; of a text only the lines that the other one has not."""
    value, beside = (str(settings.get(name)) for settings in (one, other))
    known = set(beside.splitlines())
    lines = [line.strip() for line in value.splitlines() if line not in known]
    return f"{name}={value}" if "\n" not in value else f"{name}: {'; '.join(lines) or 'nothing'}"


def _check_free(folder: Path) -> None:
    """Refuse a folder that is no run and has what a run would replace: somebody wrote that."""
    names = [name for name in REPLACED if (folder / name).exists()]
    if names and not (folder / LEDGER).exists():
        raise fault(
            "E0806",
            f"{folder} is no run, and has files that a run replaces",
            found=", ".join(names),
            expected="a folder of its own",
            hint="choose another folder with -o, or move them away",
        )


def _write(path: Path, settings: Mapping[str, Any], processes: int) -> None:
    whole = {"settings": settings, "environment": environment() | {"processes": str(processes)}}
    write_whole(path, json.dumps(whole, indent=2) + "\n")


def _goes_on(then: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether a larger budget asks what the smaller one asked, and more: in whole rounds."""
    before, batch = then.get("budget"), now["batch"]
    return isinstance(before, int) and now["budget"] > before and before % batch == 0


def explored(path: Path) -> tuple[SearchSpace, ExploreSettings, Path | None]:
    """What `Judge` takes, from the folder of a search with an evaluator."""
    from archdsl.library import Library

    known = read_settings(path / "settings.json")
    names = [field.name for field in fields(ExploreSettings)]
    space = space_of(Library([path / "space.arch"]), known)
    settings = ExploreSettings(**{name: known[name] for name in names})
    return space, settings, path.parent if BESIDE in known else None


def space_of(library: Library, known: Mapping[str, Any]) -> SearchSpace:
    """The space of a search, or the part of one, as its own text and its settings say."""
    parameters = {
        name.removeprefix("parameter "): value
        for name, value in known.items()
        if name.startswith("parameter ")
    }
    space = library.space(known["space"], parameters)
    kept = known.get("kept")
    return restricted(space, kept) if kept else space


def read_settings(path: Path, part: str = "settings") -> dict[str, Any]:
    """What a run was started with, or on (`environment`). Raises ArchError E0807."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))[part])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise fault(
            "E0807",
            f"{path} is not the settings of a run: {error}",
            found=str(path),
            expected="what archdsl wrote when the run began",
        ) from error


def environment() -> dict[str, str]:
    """Versions and processor, for the record."""
    import torch

    return {
        "archdsl": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
    }
