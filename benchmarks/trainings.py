"""Trainings for the studies: networks from scratch, and supernets whose every batch takes another
path. What is finished stands in a file of lines of JSON, so a study may be killed and goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from archdsl.controllers.seeds import seed_for, stream
from archdsl.controllers.tensors import below
from archdsl.evaluate.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from archdsl.evaluate.data import Data
from archdsl.evaluate.followed import Followed
from archdsl.evaluate.shared import SharedWeights
from archdsl.evaluate.training import accuracy, correct
from archdsl.ir.graph import Program
from archdsl.load import load_network
from archdsl.passes.driver import optimised
from archdsl.recipes import Recipe
from archdsl.space.view import SearchSpace


class Kept:
    """Finished pieces of work by their keys, in a file that each is added to when it is done."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, Any] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
            self.known = dict(json.loads(line) for line in whole.splitlines())
            path.write_text(whole + "\n" if whole else "", encoding="utf-8")  # no half line

    def once(self, key: str, work: Callable[[], Any]) -> Any:
        """What the work came to, now or earlier."""
        if key not in self.known:
            found = work()
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, found]) + "\n")
            self.known[key] = found
        return self.known[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Accuracy (0 to 1) of a network on the held-out images and on the test, and what it took."""

    held: float
    test: float
    loss: float
    seconds: float


def train(program: Program, data: Data, recipe: Recipe, seed: int) -> Trained:
    """A network from fresh weights, as `-O 1` writes it; judged once, after the last epoch."""
    start = time.process_time()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "network"))
        network = load_network(optimised(program))
    followed = Followed(recipe, network.parameters(), steps=data.steps, classes=data.classes)
    losses = []
    for epoch in range(recipe.epochs):
        network.train()
        losses = []
        for number in range(data.steps):
            batch = data.training_batch(seed, epoch, number)
            drawn = seed_for(seed, "step", epoch, number)
            losses.append(followed.train([network], batch, epoch, number, drawn))
    network.eval()
    return Trained(
        held=accuracy(correct(network, data.validation_batches)),
        test=accuracy(correct(network, data.test_batches())),
        loss=sum(losses) / len(losses),
        seconds=time.process_time() - start,
    )


def supernet(
    space: SearchSpace, data: Data, recipe: Recipe, seed: int, kept: Path
) -> SharedWeights:
    """Shared weights, each batch of which trained one architecture drawn uniformly. Saved in the
    file `kept` after each epoch, where it goes on.
    """
    shared = SharedWeights(space, data, recipe=recipe, seed=seed)
    done = 0
    if (saved := load_checkpoint(kept)) is not None:
        shared.restore(below(saved.tensors, "shared."))
        done = saved.values["epoch"]
    for epoch in range(done, recipe.epochs):
        loss = 0.0
        for step in range(data.steps):
            path = space.sample(stream(seed, "path", epoch, step)).text
            loss += shared.train_step([path], epoch, step) / data.steps
        tensors = {f"shared.{k}": v for k, v in shared.state().items()}
        save_checkpoint(kept, Checkpoint.of(space.program, tensors, {"epoch": epoch + 1}))
        print(f"supernet, epoch {epoch + 1} of {recipe.epochs}: loss {loss:.3f}", flush=True)
    return shared
