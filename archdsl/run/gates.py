"""A search by gradients: the weights of a supernet and its gates in turn, then what they point to.

    each epoch    for every batch a step of the gates, on images that validate, and one of weights
    derive        the string that the gates point to, after every epoch
    judge         the last of them, under the supernet's weights, on all of validation

A run is a folder, and goes on where it was killed: all that is drawn comes from (seed, purpose,
step), and a checkpoint is one point between two batches.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from archdsl.codegen import mixture_source, network_source
from archdsl.compiler import partial
from archdsl.controllers.base import State
from archdsl.controllers.gates import DartsSettings, Gates
from archdsl.controllers.tensors import below
from archdsl.evaluate.checkpoint import Checkpoint, load_checkpoint
from archdsl.evaluate.data import Data, classifies, open_data
from archdsl.evaluate.relaxed import RelaxedWeights
from archdsl.evaluate.training import accuracy
from archdsl.files import write_whole
from archdsl.library import Found
from archdsl.recipes import Recipe
from archdsl.run.running import Running, running
from archdsl.run.settings import SearchSettings, check_settings
from archdsl.run.summary import GatesSummary, summarise_gates
from archdsl.run.tables import write_gates_summary
from archdsl.space.view import SearchSpace

CHECKPOINT_BATCHES = 200  # within one long epoch


def search_gates(
    space: SearchSpace,
    method: DartsSettings,
    *,
    out: Path,
    settings: SearchSettings,
    recipe: Recipe | None = None,
    quiet: bool = False,
) -> GatesSummary:
    """Run a search by gradients in the folder `out`, or go on with the one that is there.

    `recipe` says how the weights are trained; without one, as the settings do. Raises ArchError
    (E08xx, E0906 to E0909 for a space whose alternatives cannot be weighed so), and Interrupted
    after Ctrl-C, when everything is saved.
    """
    check_settings(settings)
    program = space.program
    shares = method.shares
    mixed = partial(Found(space=space, architecture=None), **shares).space if shares else space
    text = recipe.text if recipe else ""
    recipe = recipe or settings.recipe
    image, classes = classifies(program.net)
    data = open_data(settings.data, shape=image, classes=classes, batch_size=recipe.batch_size)
    if recipe.augment is not None:
        data = data.augmented_by(recipe.augment)
    with running(
        out,
        program,
        settings,
        also={"recipe": text},
        files={"space.arch": program.text, "supernet.py": mixture_source(mixed.program)},
        title="search",
        total=recipe.epochs * data.steps,
        quiet=quiet,
    ) as here:
        best = _Run(space, mixed, method, data, settings, recipe, here).run()
        write_whole(here.folder / "network.py", network_source(space.resolve(space.parse(best))))
        entries, seconds = here.ledger.entries(), here.ledger.seconds()
        summary = summarise_gates(space, settings, entries, seconds)
        write_gates_summary(here.folder, summary)
    return summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The next batch of a search; `loss` is the sum over those of the epoch so far."""

    epoch: int = 0
    batch: int = 0
    loss: float = 0.0


class _Run:
    """One search in progress."""

    def __init__(
        self,
        space: SearchSpace,
        mixed: SearchSpace,
        method: DartsSettings,
        data: Data,
        settings: SearchSettings,
        recipe: Recipe,
        here: Running,
    ) -> None:
        self.space = space
        self.data = data
        self.recipe = recipe
        self.here = here
        self.place = Place()
        self.gates = Gates(space, method, seed=settings.seed)
        self.weights = RelaxedWeights(
            mixed,
            data,
            self.gates,
            recipe=recipe,
            seed=settings.seed,
            device=settings.device,
            calibration=settings.calibration,
            ranks=here.ranks,
        )
        self._restore()

    def run(self) -> str:
        """What is left; the string that the gates point to."""
        while self.place.epoch < self.recipe.epochs and not self._ended():
            self._epoch()
        best = self.gates.derived()
        entry = self.here.ledger.ask(self.place.epoch, self.place.epoch, "final", best)
        if entry.reward is None:
            hits = self.weights.judge(best, self.data.validation_batches)
            self.here.ledger.tell(entry.step, accuracy(hits), {"hits": hits})
        return best

    def _ended(self) -> bool:
        """Whether the method has enough, which is asked between epochs."""
        learned = self.place.epoch > self.gates.settings.warmup
        return learned and self.place.batch == 0 and self.gates.enough()

    def _epoch(self) -> None:
        """What is left of one epoch, then what the gates point to and a checkpoint."""
        epoch = self.place.epoch
        while self.place.batch < self.data.steps:
            self.here.pause(self._save)
            batch = self.place.batch
            if epoch >= self.gates.settings.warmup:
                self.weights.learn_gates(epoch, batch)
            loss = self.place.loss + self.weights.train_step(epoch, batch)
            self.place = replace(self.place, batch=batch + 1, loss=loss)
            mean = loss / (batch + 1)
            self.here.advance(epoch * self.data.steps + batch + 1, f"loss {mean:.3f}")
            if self.place.batch % CHECKPOINT_BATCHES == 0:
                self._save()
        mean = self.place.loss / self.data.steps
        entry = self.here.ledger.ask(epoch, epoch, "derive", self.gates.derived())
        self.here.ledger.tell(entry.step, None, {"loss": mean, "gates": self.gates.probabilities()})
        self.place = Place(epoch=epoch + 1)
        self._save()

    def _save(self) -> None:
        tensors = {f"shared.{k}": v for k, v in self.weights.state().items()}
        tensors |= {f"gates.{k}": v for k, v in self.gates.state().tensors.items()}
        checkpoint = Checkpoint.of(self.space.program, tensors, {"place": asdict(self.place)})
        self.here.save(checkpoint)

    def _restore(self) -> None:
        saved = load_checkpoint(self.here.checkpoint)
        if saved is None:
            return
        self.place = Place(**saved.values["place"])
        self.weights.restore(below(saved.tensors, "shared."))
        self.gates.restore(State(tensors=below(saved.tensors, "gates.")))
