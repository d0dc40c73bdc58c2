"""A search by gradients: the weights of a supernet and its gates in turn, then what they point to.

    each epoch    for every batch a step of the gates, on images that validate, and one of weights
    derive        the string that the gates point to, after every epoch
    stages        after the last epoch of one, the next goes on in what is left of the space
    judge         the last of them, under the supernet's weights, on all of validation

A run is a folder, and goes on where it was killed: all that is drawn comes from (seed, purpose,
step), and a checkpoint is one point between two batches.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from archdsl.codegen import mixture_source, network_source
from archdsl.controllers.base import State
from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.gates import Gates
from archdsl.controllers.seeds import seed_for, stream
from archdsl.controllers.stages import Labels
from archdsl.controllers.tensors import below
from archdsl.evaluate.checkpoint import Checkpoint, load_checkpoint, restoring
from archdsl.evaluate.data import Data, opened_for
from archdsl.evaluate.relaxed import RelaxedWeights
from archdsl.evaluate.training import accuracy, sound
from archdsl.files import write_whole
from archdsl.recipes import Recipe
from archdsl.run.running import Running, running
from archdsl.run.settings import SearchSettings, check_settings
from archdsl.run.stages import StageSpaces, left_of
from archdsl.run.summary import GatesSummary, summarise_gates
from archdsl.run.tables import write_gates_summary
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError

CHECKPOINT_BATCHES = 200  # within one long epoch


def search_gates(
    space: SearchSpace,
    method: DartsSettings,
    *,
    out: Path,
    settings: SearchSettings,
    recipe: Recipe | None = None,
    data: Data | None = None,
    quiet: bool = False,
) -> GatesSummary:
    """Run a search by gradients in the folder `out`, or go on with the one that is there.

    `recipe` says how the weights are trained; without one, as the settings do. `data` is taken for
    what the settings name, if it is open already. Raises ArchError
    (E08xx, E0906 to E0909 for a space whose alternatives cannot be weighed so), and Interrupted
    after Ctrl-C, when everything is saved.
    """
    check_settings(settings)
    program = space.program
    stages = StageSpaces(space, method)
    text = recipe.text if recipe else ""
    recipe = recipe or settings.recipe
    data = data or opened_for(program.net, settings.data, recipe.batch_size)
    data = data.prepared(recipe)
    with running(
        out,
        program,
        settings,
        also={"recipe": text},
        files={"space.arch": program.text},
        title="search",
        total=stages.stages.count * recipe.epochs * data.steps,
        quiet=quiet,
    ) as here:
        best = _Run(stages, data, settings, recipe, here).run()
        write_whole(here.folder / "network.py", network_source(space.resolve(space.parse(best))))
        entries, seconds = here.ledger.entries(), here.ledger.seconds()
        summary = summarise_gates(space, settings, entries, seconds)
        write_gates_summary(here.folder, summary)
    return summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The next batch of a search; `loss` is the sum over those of the epoch so far."""

    stage: int = 0
    epoch: int = 0
    batch: int = 0
    loss: float = 0.0


class _Run:
    """One search in progress."""

    def __init__(
        self,
        stages: StageSpaces,
        data: Data,
        settings: SearchSettings,
        recipe: Recipe,
        here: Running,
    ) -> None:
        self.stages = stages
        self.data = data
        self.settings = settings
        self.recipe = recipe
        self.here = here
        self.place = Place()
        saved = load_checkpoint(here.checkpoint)
        if saved is None:
            self._begin(left_of(stages.asked))
            return
        with restoring(here.checkpoint):
            self.place = Place(**saved.values["place"])
            self._begin({key: tuple(labels) for key, labels in saved.values["left"].items()})
            self.weights.restore(below(saved.tensors, "shared."))
            learned = below(saved.tensors, "gates.")
            self.gates.restore(State(tensors=learned, values=saved.values["gates"]))
        here.ledger.check(self._epochs())

    def _begin(self, left: Labels) -> None:
        """The gates and weights of the stage, with what is left of every decision."""
        stage, method = self.place.stage, self.stages.method
        self.left = left
        self.space = self.stages.space(stage, left)
        mixed = self.stages.mixed(self.space, stage)
        write_whole(self.here.folder / "supernet.py", mixture_source(mixed.program))
        seed = seed_for(self.settings.seed, "stage", stage) if stage else self.settings.seed
        self.gates = Gates(self.space, method, seed=seed)
        self.weights = RelaxedWeights(
            mixed,
            self.data,
            self.gates,
            recipe=self.recipe,
            seed=seed,
            device=self.settings.device,
            calibration=self.settings.calibration,
            ranks=self.here.ranks,
        )

    def run(self) -> str:
        """What is left; the string that the gates point to."""
        while self.place.epoch < self.recipe.epochs and not self._ended():
            self._epoch()
        at = self._epochs()
        own = self.gates.architecture() if self.gates.learns else self._best_drawn(at)
        best = self.stages.of_asked(own).text
        drawn = 0 if self.gates.learns else self.settings.derive_samples
        entry = self.here.ledger.ask(at + drawn, at, "final", best)
        if entry.reward is None:
            hits = self.weights.judge(own.text, self.data.validation_batches)
            self.here.ledger.tell(entry.step, accuracy(hits), {"hits": hits})
        return best

    def _best_drawn(self, at: int) -> Architecture:
        """Where no gates are learned, the best on validation of some that are drawn uniformly."""
        found: list[tuple[float, Architecture]] = []
        for number in range(self.settings.derive_samples):
            one = self.space.sample(stream(self.settings.seed, "drawn", number))
            entry = self.here.ledger.ask(at + number, at, "measure", self.stages.of_asked(one).text)
            reward = entry.reward
            if reward is None:
                hits = self.weights.judge(one.text, self.data.validation_batches)
                reward = accuracy(hits)
                self.here.ledger.tell(entry.step, reward, {"hits": hits})
            found.append((reward, one))
        return max(found, key=lambda pair: pair[0])[1]

    def _epochs(self) -> int:
        """How many epochs are behind, of all stages."""
        return self.place.stage * self.recipe.epochs + self.place.epoch

    def _ended(self) -> bool:
        """Whether the method has enough, which is asked between epochs."""
        learned = self.place.epoch > self.gates.settings.warmup
        return learned and self.place.batch == 0 and self.gates.enough()

    def _epoch(self) -> None:
        """What is left of one epoch, then what the gates point to and a checkpoint."""
        epoch, behind = self.place.epoch, self._epochs()
        self.weights.begin_epoch(epoch, self.stages.stages.skip_dropout(self.place.stage))
        while self.place.batch < self.data.steps:
            self.here.pause(self._save)
            batch = self.place.batch
            if epoch >= self.gates.settings.warmup:
                self.weights.learn_gates(epoch, batch)
            loss = self.place.loss + sound(self.weights.train_step(epoch, batch), epoch)
            self.place = replace(self.place, batch=batch + 1, loss=loss)
            mean = loss / (batch + 1)
            self.here.advance(behind * self.data.steps + batch + 1, f"loss {mean:.3f}")
            if self.place.batch % CHECKPOINT_BATCHES == 0:
                self._save()
        sound(sum(map(sum, self.gates.probabilities().values())), epoch)
        entry = self.here.ledger.ask(behind, behind, "derive", self._pointed())
        self.here.ledger.tell(entry.step, None, self._seen())
        self.place = replace(self.place, epoch=epoch + 1, batch=0, loss=0.0)
        self._next_stage()
        self._save()

    def _pointed(self) -> str:
        """What the gates point to: in the space that was asked for, unless that decides more."""
        found = self.gates.architecture()
        try:
            return self.stages.of_asked(found).text
        except ArchError:
            return found.text

    def _seen(self) -> dict[str, Any]:
        """What the ledger keeps of an epoch."""
        mean = self.place.loss / self.data.steps
        seen: dict[str, Any] = {"loss": mean, "gates": self.gates.probabilities()}
        if (cost := self.weights.expected_cost()) is not None:
            seen["cost"] = cost
        if self.stages.stages.count > 1:
            seen |= {"stage": self.place.stage, "left": left_of(self.space)}
        return seen

    def _next_stage(self) -> None:
        """Go on in what is left, where a stage is at its end and another one follows."""
        stage, plan = self.place.stage + 1, self.stages.stages
        if self.place.epoch < self.recipe.epochs or stage == plan.count or self._ended():
            return
        gates, weights = self.gates, self.weights
        left = gates.left(plan.keep[stage]) if plan.keep else self.left
        self.place = Place(stage=stage)
        self._begin(left)
        if not gates.settings.fresh:
            self.gates.follow(gates)
            self.weights.follow(weights)

    def _save(self) -> None:
        tensors = {f"shared.{k}": v for k, v in self.weights.state().items()}
        gates = self.gates.state()
        tensors |= {f"gates.{k}": v for k, v in gates.tensors.items()}
        values = {"place": asdict(self.place), "left": self.left, "gates": gates.values}
        checkpoint = Checkpoint.of(self.stages.asked.program, tensors, values)
        self.here.save(checkpoint)
