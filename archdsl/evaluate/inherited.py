"""Training from the weights of what was measured before: a child begins where its parent ended.

Real et al. 2017, "Large-Scale Evolution of Image Classifiers": what matches is inherited. Cai et
al. 2018 (EAS) and Elsken et al. 2018 (NASH): where the child can compute what its parent does, it
begins so, and few epochs tell what it is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from archdsl.controllers.settings import within
from archdsl.evaluate.candidate import Candidate
from archdsl.evaluate.evaluator import Failed
from archdsl.evaluate.scratch import learned
from archdsl.grow.heir import Heir, heir
from archdsl.ops.binding import LIMIT
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

if TYPE_CHECKING:
    from torch import nn

    from archdsl.evaluate.checkpoint import Checkpoint
    from archdsl.evaluate.data import Data

Measured: TypeAlias = Sequence[tuple[int, str]]
"""Steps of a search with the architectures that were measured at them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InheritedSettings:
    """AdamW for `epochs` epochs from the weights of the nearest architecture that was measured
    in an earlier round, of the last `keep`; `first` epochs for one that takes over less than the
    share `least` of its parameters from it. `near`: by decisions, so many of the nearest are
    compared by their diffs.
    """

    keyword: ClassVar[str] = "inherited"

    data: str = "digits"
    epochs: int = 1
    first: int = 5
    least: float = 0.5
    near: int = 3
    keep: int = 200
    share: float = 1.0
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        within(self, 1, "epochs", "first", "near", "keep", "batch_size", "threads")
        within(self, 0, "learning_rate", "weight_decay")
        within(self, 0, "seed", most=LIMIT)
        within(self, 0, "least", most=1)
        within(self, 1e-6, "share", most=1)

    def over(self, space: SearchSpace) -> Lineage:
        """Raises ArchError E0802 to E0804 where the data is not there or does not fit."""
        return Lineage(space, self)


@dataclass(frozen=True, slots=True)
class Parent:
    """What a child takes over, and from whom."""

    step: int
    heir: Heir
    saved: Checkpoint
    share: float
    """Of the child's parameters."""


class Lineage:
    """The data, and the weights of everything that was measured."""

    def __init__(self, space: SearchSpace, settings: InheritedSettings) -> None:
        from archdsl.evaluate.data import opened_for

        self.space = space
        self.settings = settings
        self.data: Data = opened_for(space.program.net, settings.data, settings.batch_size)
        self.folder: Path | None = None
        self.measured: Callable[[int], Measured] = lambda step: ()

    def keep_in(self, folder: Path, measured: Callable[[int], Measured]) -> None:
        """Keep weights in a folder; `measured` says what a step may inherit from.

        That has to be the same whenever it is asked, or the search is another one.
        """
        self.folder = folder
        self.measured = measured

    def __call__(self, architecture: Architecture, step: int, again: int) -> Mapping[str, float]:
        from archdsl.evaluate.training import torch_settings

        settings = self.settings
        with torch_settings(settings.threads):
            candidate = Candidate(self.space, architecture, settings.seed, 0)
            network = candidate.network()
            parent = self._parent(candidate, step)
            if parent is not None:
                fresh = network.state_dict()
                network.load_state_dict(parent.heir.weights(parent.saved.tensors, fresh))
            epochs = settings.epochs if parent else settings.first
            curve = learned(network, candidate.program, self.data, settings, epochs)
        found = {
            "reward": curve[-1],
            "accuracy": curve[-1],
            "epochs": float(epochs),
            "epochs_inherited": _epochs(parent),
            "parent": float(parent.step) if parent else -1.0,
            "inherited": parent.share if parent else 0.0,
            "preserved": float(parent is not None and parent.heir.preserved),
        }
        self._keep(step, candidate, network, found)
        return found

    # --- who is inherited from ---------------------------------------------------------------

    def _parent(self, candidate: Candidate, step: int) -> Parent | None:
        """Of the nearest by decisions, whose function is preserved, or most of whose weights fit;
        None where less than `least` would be taken over. Of equals, the latest."""
        settings = self.settings
        known = self.measured(step)[-settings.keep :]
        near = sorted(known, key=lambda one: (self._apart(candidate.architecture, one[1]), -one[0]))
        found = [self._heir(candidate, *one) for one in near[: settings.near]]
        best = max(found, key=lambda p: (p.heir.preserved, p.share, p.step), default=None)
        return best if best is not None and best.share >= settings.least else None

    def _apart(self, architecture: Architecture, text: str) -> int:
        """How many decisions two architectures take differently."""
        ours, theirs = architecture.assignment, self.space.parse(text).assignment
        return sum(ours.get(key) != theirs.get(key) for key in {**ours, **theirs})

    def _heir(self, candidate: Candidate, step: int, text: str) -> Parent:
        from archdsl.evaluate.checkpoint import load_checkpoint

        assert self.folder is not None
        path = _file(self.folder, step)
        saved = load_checkpoint(path)
        if saved is None or saved.genotype != text:
            raise Failed("error", f"{path} does not hold the weights of {text}")
        before = self.space.resolve(self.space.parse(text))
        found = heir(before, candidate.program, seed=self.settings.seed)
        return Parent(step, found, saved, found.share)

    # --- what is kept ------------------------------------------------------------------------

    def _keep(
        self, step: int, candidate: Candidate, network: nn.Module, found: Mapping[str, float]
    ) -> None:
        """Write the weights of a step whole; what nothing may inherit from any more goes."""
        from archdsl.evaluate.checkpoint import Checkpoint, save_checkpoint

        if self.folder is None:
            return
        self.folder.mkdir(exist_ok=True)
        saved = Checkpoint.of(candidate.program, network.state_dict(), dict(found))
        save_checkpoint(_file(self.folder, step), saved)
        for old, _ in self.measured(step)[: -self.settings.keep]:
            _file(self.folder, old).unlink(missing_ok=True)


def _file(folder: Path, step: int) -> Path:
    return folder / f"{step}.safetensors"


def _epochs(parent: Parent | None) -> float:
    """How long the inherited weights were trained in all."""
    if parent is None:
        return 0.0
    values = parent.saved.values
    return float(values["epochs"]) + float(values["epochs_inherited"])
