"""The search: shared weights and a controller in turn, then the best architecture.

    each outer epoch    one epoch of the shared weights, along a path that the controller proposes
                        or along others (`evaluate/paths.py`),
                        then proposals, each judged on one random validation batch
    derive              the best of some proposals, each on a random batch of its own; or of more,
                        each on all of validation, from which the controller learns on
    measure             the winner, and architectures drawn uniformly, on all of validation

A run is a folder. It can be killed at any moment: all randomness comes from (seed, purpose,
step), a checkpoint is one consistent point within an epoch of the shared weights, and what the
controller did since is done again from the ledger, where its rewards stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from archdsl.codegen import network_source, supernet_source
from archdsl.controllers import State, Told, make_controller
from archdsl.controllers.seeds import stream
from archdsl.controllers.tensors import below
from archdsl.evaluate.checkpoint import Checkpoint, load_checkpoint, restoring
from archdsl.evaluate.data import Batch, Data, opened_for
from archdsl.evaluate.paths import make_sampler
from archdsl.evaluate.shared import SharedWeights
from archdsl.evaluate.training import accuracy, sound
from archdsl.files import write_whole
from archdsl.recipes import Recipe
from archdsl.run.ledger import Entry
from archdsl.run.proposals import OneController
from archdsl.run.running import Running, running
from archdsl.run.settings import SearchSettings, check_settings
from archdsl.run.summary import SearchSummary, summarise_search
from archdsl.run.tables import write_search_summary
from archdsl.space.view import SearchSpace

CHECKPOINT_BATCHES = 500  # within one long epoch of the shared weights


def search(
    space: SearchSpace,
    *,
    out: Path,
    settings: SearchSettings | None = None,
    recipe: Recipe | None = None,
    quiet: bool = False,
) -> SearchSummary:
    """Run a search in the folder `out`, or go on with the one that is there.

    `recipe` says how shared weights are trained, in place of the settings' own numbers. Raises
    ArchError (E08xx) for data, settings and folders that do not fit, and Interrupted after
    Ctrl-C, when everything is saved.
    """
    settings = settings or SearchSettings()
    check_settings(settings)
    program = space.program
    text = recipe.text if recipe else ""
    recipe = recipe or settings.recipe
    data = opened_for(program.net, settings.data, recipe.batch_size).prepared(recipe)
    with running(
        out,
        program,
        settings,
        also={"recipe": text},
        files={"space.arch": program.text, "supernet.py": supernet_source(program)},
        title="search",
        total=_Search.total(settings, recipe),
        quiet=quiet,
    ) as here:
        best = space.parse(_Search(space, data, settings, recipe, here).run().text)
        write_whole(here.folder / "network.py", network_source(space.resolve(best)))
        entries, seconds = here.ledger.entries(), here.ledger.seconds()
        summary = summarise_search(space, settings, entries, seconds, recipe.batch_size)
        write_search_summary(here.folder, summary)
    return summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a search is within its shared weights: the next batch of an epoch.

    `texts` are the first paths of the epoch, none before they are drawn; `step` the next row of
    the ledger; `loss` the sum over the batches of the epoch so far.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    texts: Sequence[str] = ()
    loss: float = 0.0


class _Search:
    """One search in progress."""

    def __init__(
        self,
        space: SearchSpace,
        data: Data,
        settings: SearchSettings,
        recipe: Recipe,
        here: Running,
    ) -> None:
        self.space = space
        self.data = data
        self.settings = settings
        self.recipe = recipe
        self.here = here
        self.place = Place()
        self.controller = OneController(
            lambda: make_controller(
                settings.controller, space, seed=settings.seed, as_released=settings.as_released
            ),
            here.ranks,
        )
        self.sampler = make_sampler(settings.paths, space, self.controller, seed=settings.seed)
        self.shared = SharedWeights(
            space,
            data,
            recipe=recipe,
            seed=settings.seed,
            device=settings.device,
            calibration=settings.calibration,
            code=settings.hypernetwork,
            ranks=here.ranks,
        )
        self._restore()

    @staticmethod
    def total(settings: SearchSettings, recipe: Recipe) -> int:
        """How many rows the ledger has at the end."""
        per_epoch = 1 + settings.controller_steps
        derived = settings.frozen or settings.derive_samples
        return recipe.epochs * per_epoch + derived + 1 + settings.measure_samples

    def run(self) -> Entry:
        """Everything that is left to do; the winner's row at the end."""
        while self.place.epoch < self.recipe.epochs:
            self._train_epoch()
            for _ in range(self.settings.controller_steps):
                self._learn("search", self._reward_batch())
            self.place = Place(epoch=self.place.epoch + 1, step=self.place.step)
        derived = [
            self._learn("derive", self.data.validation_batches) for _ in range(self.settings.frozen)
        ] or [self._derive() for _ in range(self.settings.derive_samples)]
        best = max(derived, key=lambda entry: entry.reward or 0.0)  # the first of equals
        winner = self._judged("final", best.text, self.data.validation_batches)
        for text in self._uniform():
            self._judged("measure", text, self.data.validation_batches)
        return winner

    # ---- shared weights --------------------------------------------------------------------------

    def _train_epoch(self) -> None:
        """What is left of this epoch's training; afterwards a checkpoint."""
        if not self.place.texts:
            self._begin_epoch()
        epoch = self.place.epoch
        if self.place.batch == self.data.steps:  # the checkpoint at the end of this epoch
            return
        while self.place.batch < self.data.steps:
            self._pause()
            loss = self.shared.train_step(
                self._paths(), epoch, self.place.batch, distill=self.sampler.distill
            )
            self.place = replace(
                self.place, batch=self.place.batch + 1, loss=self.place.loss + sound(loss, epoch)
            )
            if self.place.batch % CHECKPOINT_BATCHES == 0:
                self._save()
        mean = self.place.loss / self.data.steps
        self.here.ledger.tell(self.place.step - 1, None, {"loss": mean})
        self.here.advance(self.place.step, f"loss {mean:.3f}")
        self._save()

    def _begin_epoch(self) -> None:
        self.controller.new_epoch()
        if self.settings.as_released:  # the released code made its optimisers in the epoch
            self.shared.new_optimizer()
        self.place = replace(self.place, texts=self._drawn())
        self._asked("train", self.place.texts[0])

    def _paths(self) -> Sequence[str]:
        """Those of the next batch."""
        first = self.place.batch == 0 or self.sampler.each == "epoch"
        return self.place.texts if first else self._drawn()

    def _drawn(self) -> list[str]:
        number = self.place.epoch * self.data.steps + self.place.batch
        return self.sampler.paths(self.place.epoch / self.recipe.epochs, number)

    # ---- proposals -------------------------------------------------------------------------------

    def _learn(self, kind: str, batches: Sequence[Batch]) -> Entry:
        """A proposal and what it is worth, of which the controller hears."""
        (text,) = self.controller.ask(1)
        entry = self._judged(kind, text, batches)
        assert entry.reward is not None
        self.controller.tell([Told(text, entry.reward)])
        return entry

    def _derive(self) -> Entry:
        (text,) = self.controller.ask(1)
        return self._judged("derive", text, self._reward_batch())

    def _reward_batch(self) -> Sequence[Batch]:
        """One batch, drawn for this step of the ledger."""
        batches = self.data.reward_batches
        return [stream(self.settings.seed, "reward", self.place.step).choice(batches)]

    def _uniform(self) -> list[str]:
        """Different architectures drawn uniformly: all of them where there are no more."""
        count = self.settings.measure_samples
        rng = stream(self.settings.seed, "measure")
        found: dict[str, None] = {}
        for _ in range(100 * count):
            if len(found) == min(count, self.space.size):
                break
            found[self.space.sample(rng).text] = None
        return list(found)

    def _judged(self, kind: str, text: str, batches: Sequence[Batch]) -> Entry:
        """Ask and tell one string; one that was told before a crash is not judged again."""
        entry = self._asked(kind, text)
        if entry.reward is None:
            self._pause()
            counts = self.shared.judge(text, batches)
            detail: Mapping[str, Any] = {"hits": counts}
            entry = replace(entry, reward=accuracy(counts), detail=detail)
            self.here.ledger.tell(entry.step, entry.reward, detail)
        self.here.advance(self.place.step, f"{kind} {entry.reward:.3f}")
        return entry

    def _asked(self, kind: str, text: str) -> Entry:
        entry = self.here.ledger.ask(self.place.step, self.place.epoch, kind, text)
        self.place = replace(self.place, step=self.place.step + 1)
        return entry

    # ---- checkpoints -----------------------------------------------------------------------------

    def _pause(self) -> None:
        """End here if the user asked for it. Only training is saved: the rest is in the ledger."""
        training = self.place.texts and self.place.batch < self.data.steps
        self.here.pause(self._save if training else lambda: None)

    def _save(self) -> None:
        controller = self.controller.state()
        tensors = {f"shared.{k}": v for k, v in self.shared.state().items()}
        tensors |= {f"controller.{k}": v for k, v in controller.tensors.items()}
        values = {"place": asdict(self.place), "controller": dict(controller.values)}
        values |= {"inputs": self.data.inputs} if self.data.inputs else {}
        checkpoint = Checkpoint.of(self.space.program, tensors, values)
        self.here.save(checkpoint)

    def _restore(self) -> None:
        saved = load_checkpoint(self.here.checkpoint)
        if saved is None:
            return
        learned = below(saved.tensors, "controller.")
        with restoring(self.here.checkpoint):
            self.place = Place(**saved.values["place"])
            self.shared.restore(below(saved.tensors, "shared."))
            self.controller.restore(State(tensors=learned, values=saved.values["controller"]))
        self.here.ledger.check(self.place.step)
