"""Judging by the shared weights of a finished search: no architecture is trained.

With an evolution as the controller it is the second stage of single-path one-shot search (Guo et
al. 2020, section 3.4): batch statistics are measured anew for every architecture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from archdsl.controllers.settings import within
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import fault

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class SupernetSettings:
    """The supernet of the folder `run`, which a search with shared weights left, on all of
    validation of its `data`, or of other; `calibration` batches set batch statistics.
    """

    keyword: ClassVar[str] = "supernet"

    run: str
    data: str = ""
    calibration: int = 20
    batch_size: int = 128
    threads: int = 1

    def __post_init__(self) -> None:
        within(self, 1, "calibration", "batch_size", "threads")

    def over(self, space: SearchSpace) -> Inherited:
        """Raises ArchError E0802 to E0804 where the data does not fit, E0807 for a folder without
        shared weights, E0812 for weights of another space."""
        return Inherited(space, self)


class Inherited:
    """The supernet with its weights, and the data."""

    def __init__(self, space: SearchSpace, settings: SupernetSettings) -> None:
        from archdsl.controllers.tensors import below
        from archdsl.evaluate.checkpoint import load_checkpoint
        from archdsl.evaluate.data import opened_for
        from archdsl.evaluate.normal import Normal
        from archdsl.evaluate.shared import SharedWeights
        from archdsl.recipes import Recipe

        folder = Path(settings.run)
        saved = load_checkpoint(folder / "checkpoint.safetensors")
        if saved is None:
            raise _no_weights(folder)
        if saved.hash != space.program.hash or saved.genotype != space.program.genotype:
            raise fault(
                "E0812",
                f"the shared weights in {folder} are those of another space",
                found=saved.genotype,
                expected=f"those of {space.program.genotype}, as its text is now",
            )
        if (folder / "settings.json").exists() and not (folder / "summary.json").exists():
            raise fault(
                "E0807",
                f"the search in {folder} is not at its end: its weights still change",
                found=str(folder),
                expected="a finished search",
                hint="the command that began it goes on with it",
            )
        known = _known(folder, needed=not settings.data)
        self.settings = settings
        self.data = opened_for(
            space.program.net, settings.data or str(known["data"]), settings.batch_size
        )
        if inputs := saved.values.get("inputs"):  # as they were when it was trained
            self.data = self.data.normalised(Normal.of(inputs))
        self.shared = SharedWeights(
            space,
            self.data,
            recipe=Recipe(),
            seed=0,
            calibration=settings.calibration,
            code=int(known.get("hypernetwork", 0)),
        )
        self._take(below(saved.tensors, "shared."), folder)

    def _take(self, tensors: Mapping[str, Tensor], folder: Path) -> None:
        """The weights of a search, by gradients perhaps, or over more of the same text."""
        known = {f"weights.{k}": one.shape for k, one in self.shared.model.state_dict().items()}
        given = {k: one.shape for k, one in tensors.items() if k.startswith("weights.")}
        other = [name for name, shape in known.items() if given.get(name) != shape]
        if other:
            raise fault(
                "E0812",
                f"the shared weights in {folder} are those of a smaller part of the space, or of a "
                "mixture on a part of its channels or tokens",
                found=f"{len(other)} tensors that differ, {other[0].partition('.')[2]} first",
                expected="weights of all that is left of the supernet",
            )
        self.shared.take({name: tensors[name] for name in known})

    def __call__(self, architecture: Architecture, step: int, again: int) -> Mapping[str, float]:
        from archdsl.evaluate.training import accuracy, torch_settings

        with torch_settings(self.settings.threads):
            found = self.shared.judge(architecture.text, self.data.validation_batches)
        reached = accuracy(found)
        return {"reward": reached, "accuracy": reached}


def _known(folder: Path, *, needed: bool) -> Mapping[str, Any]:
    """The settings of the search; nothing where it has none and none are `needed`."""
    try:
        known = json.loads((folder / "settings.json").read_text("utf-8"))["settings"]
        return {"data": str(known["data"])} | dict(known)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if not needed:
            return {}
        raise fault(
            "E0807",
            f"{folder / 'settings.json'} is not the settings of a search: {error}",
            found=str(folder),
            expected="the folder of a search, or data=NAME",
        ) from error


def _no_weights(folder: Path) -> Exception:
    return fault(
        "E0807",
        f"there are no shared weights in {folder}",
        found=str(folder / "checkpoint.safetensors"),
        expected="the folder of a search with --evaluator shared",
    )
