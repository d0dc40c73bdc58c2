"""Retraining: one architecture from fresh weights, or from those of a supernet.

Judged on validation every few epochs, as its ledger says; the best of these is tested once, at
the end. A folder
that can be left at any moment: the checkpoint holds weights, optimiser and best weights at one
point, and all randomness comes from (seed, purpose, epoch, step).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from archdsl.codegen import network_source
from archdsl.controllers.seeds import seed_for
from archdsl.controllers.tensors import below, pack_optimizer, unpack_optimizer
from archdsl.evaluate.checkpoint import Checkpoint, load_checkpoint, restoring
from archdsl.evaluate.data import Batch, Data, moved, opened_for
from archdsl.evaluate.followed import DropPaths, Followed
from archdsl.evaluate.placed import placed
from archdsl.evaluate.training import accuracy, correct, gathered, sound
from archdsl.ir.cost import cost
from archdsl.ir.graph import Program
from archdsl.load import load_network
from archdsl.recipes import Recipe
from archdsl.run.folder import CHECKPOINT
from archdsl.run.running import Running, running
from archdsl.run.settings import RetrainSettings, check_settings
from archdsl.run.summary import RetrainSummary
from archdsl.run.tables import write_retrain_summary
from archdsl.syntax.errors import fault

CHECKPOINT_BATCHES = 500  # between two judgements


def retrain(
    program: Program,
    *,
    out: Path,
    settings: RetrainSettings | None = None,
    recipe: Recipe | None = None,
    inherit: Path | None = None,
    quiet: bool = False,
) -> RetrainSummary:
    """Train a network (a program without holes) in the folder `out`, or go on there.

    `recipe` says how, in place of the settings' own numbers. `inherit` is the checkpoint of a
    search, or a safetensors file with the network's names: its weights are the start. Leaves
    network.py, best.safetensors and a summary. Raises ArchError (E08xx), and Interrupted after
    Ctrl-C, when everything is saved.
    """
    settings = settings or RetrainSettings()
    check_settings(settings)
    text = recipe.text if recipe else ""
    recipe = recipe or settings.recipe
    data = opened_for(program.net, settings.data, recipe.batch_size).prepared(recipe)
    with running(
        out,
        program,
        settings,
        also={"architecture": program.genotype, "inherit": str(inherit or ""), "recipe": text},
        files={"network.py": network_source(program)},
        title="retrain",
        total=recipe.epochs * data.steps,
        quiet=quiet,
    ) as here:
        summary = _Retrain(program, data, settings, recipe, inherit, here).run()
        write_retrain_summary(here.folder, summary)
    return summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The next batch of a retraining, and its best so far (after `best_epoch` epochs)."""

    epoch: int = 0
    batch: int = 0
    best_epoch: int = 0
    best: float = -1.0
    seconds: float = 0.0


class _Retrain:
    """One retraining in progress."""

    def __init__(
        self,
        program: Program,
        data: Data,
        settings: RetrainSettings,
        recipe: Recipe,
        inherit: Path | None,
        here: Running,
    ) -> None:
        self.program = program
        self.data = data
        self.settings = settings
        self.recipe = recipe
        self.here = here
        self.place = Place()
        self.ranks = here.ranks
        self.device = self.ranks.device(settings.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(settings.seed, "network"))
            self.model = placed(load_network(program), program, self.device)
        self.drop_paths = DropPaths(recipe, self.model)
        self.followed = Followed(
            recipe,
            self.model.parameters(),
            steps=data.steps,
            classes=data.classes,
            ranks=self.ranks,
        )
        self.optimizer = self.followed.optimizer
        self.best: dict[str, Tensor] = {}
        if not self._restore() and inherit is not None:
            inherit_weights(self.model, inherit)
        if recipe.compile:
            self.model.compile()

    def run(self) -> RetrainSummary:
        """The epochs that are left, then the test of the best."""
        while self.place.epoch < self.recipe.epochs:
            self._epoch()
            done = self.place.epoch + 1
            self.place = replace(self.place, epoch=done, batch=0)
            if done == self.recipe.epochs or done % self.recipe.judge_every == 0:
                self._judge()
                self._save()
        return self._test()

    def _epoch(self) -> None:
        """What is left of one epoch."""
        seed, epoch = self.settings.seed, self.place.epoch
        self.drop_paths.rise(epoch)
        self.model.train()
        while self.place.batch < self.data.steps:
            self.here.pause(self._save)
            begun, step = time.monotonic(), self.place.batch
            batch = moved(self.data.training_batch(seed, epoch, step), self.device)
            drawn = seed_for(seed, "step", epoch, step)
            sound(self.followed.train((self.model,), batch, epoch, step, drawn), epoch)
            spent = self.place.seconds + time.monotonic() - begun
            self.place = replace(self.place, batch=step + 1, seconds=spent)
            if (epoch * self.data.steps + step + 1) % CHECKPOINT_BATCHES == 0:
                self._save()
            self.here.advance(
                epoch * self.data.steps + step + 1, f"best {max(self.place.best, 0):.3f}"
            )

    def _judge(self) -> None:
        """Validation accuracy; the first of equals stays the best."""
        self.model.eval()
        hits = self._counts(self.ranks.own(self.data.validation_batches))
        score = accuracy(hits)
        number = -(-self.place.epoch // self.recipe.judge_every) - 1
        row = self.here.ledger.ask(number, self.place.epoch, "judge", self.program.genotype)
        if row.reward is None:
            self.here.ledger.tell(row.step, score, {"hits": hits})
        if score > self.place.best:
            self.place = replace(self.place, best=score, best_epoch=self.place.epoch)
            self.best = {name: t.detach().clone() for name, t in self.model.state_dict().items()}

    def _test(self) -> RetrainSummary:
        """The best weights on the test part, and in a file of their own."""
        self.model.load_state_dict(self.best)
        self.model.eval()
        counts = self._counts(self.data.test_batches(self.ranks))
        values: dict[str, object] = {
            "epoch": self.place.best_epoch,
            "validation": self.place.best,
        }
        values |= {"inputs": self.data.inputs} if self.data.inputs else {}
        self._write("best.safetensors", self.best, values)
        costs = cost(self.program)
        return RetrainSummary(
            architecture=self.program.genotype,
            hash=self.program.hash,
            data=self.settings.data,
            seed=self.settings.seed,
            epochs=self.recipe.epochs,
            best_epoch=self.place.best_epoch,
            validation=self.place.best,
            test=accuracy(counts),
            test_images=sum(total for _, total in counts),
            params=costs.params,
            macs=costs.macs,
            inputs=self.data.inputs,
            seconds=self.place.seconds,
        )

    def _counts(self, mine: Iterable[Batch]) -> list[tuple[int, int]]:
        """Hits and images of all batches, of which this process judges its own."""
        found = correct(self.model, (moved(batch, self.device) for batch in mine))
        return gathered(found, self.ranks)

    def _save(self) -> None:
        tensors = {f"weights.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"adamw.{k}": v for k, v in pack_optimizer(self.optimizer).items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        self._write(CHECKPOINT, tensors, {"place": asdict(self.place)})

    def _write(
        self, name: str, tensors: Mapping[str, Tensor], values: Mapping[str, object]
    ) -> None:
        self.here.save(Checkpoint.of(self.program, tensors, values), name)

    def _restore(self) -> bool:
        saved = load_checkpoint(self.here.checkpoint)
        if saved is None:
            return False
        with restoring(self.here.checkpoint):
            self.place = Place(**saved.values["place"])
            self.model.load_state_dict(below(saved.tensors, "weights."))
            unpack_optimizer(self.optimizer, below(saved.tensors, "adamw."))
            self.best = below(saved.tensors, "best.")
        done, every = self.place.epoch, self.recipe.judge_every
        self.here.ledger.check(-(-done // every) if done == self.recipe.epochs else done // every)
        return True


def inherit_weights(model: torch.nn.Module, path: Path) -> None:
    """Start a network from the weights of its names in a supernet.

    Strict: every tensor of the network must be there with its shape. Raises ArchError E0811.
    """
    saved = load_checkpoint(path)
    if saved is None:
        raise fault("E0811", f"there are no weights at {path}", found=str(path))
    tensors = below(saved.tensors, "shared.weights.") or dict(saved.tensors)
    wanted = model.state_dict()
    wrong = [k for k, v in wanted.items() if k not in tensors or tensors[k].shape != v.shape]
    if wrong:
        raise fault(
            "E0811",
            f"{len(wrong)} of the network's {len(wanted)} tensors are not in {path}",
            found=", ".join(wrong[:3]) + (", ..." if len(wrong) > 3 else ""),
            expected="a supernet of the same space, with the same parameters",
        )
    model.load_state_dict({name: tensors[name] for name in wanted})
