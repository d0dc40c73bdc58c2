"""Ranks: runs of several processes, of which one is killed at a random moment; all begin again.

    python -m tests.ranks [KILLS] [SEED] [retrain|proposals|gates|whole]

Every run must end as one of as many processes that nobody disturbed: the same ledger, the same
weights, the same files. `python -m tests.ranks FOLDER` leaves there what tests/test_ranks.py
compares. Processes are forks of this one and find each other as under torchrun, over the loopback.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from itertools import product
from pathlib import Path

import sklearn.datasets  # noqa: F401  here, so that no fork imports it again
import torch
import torchvision.transforms.v2  # noqa: F401
from safetensors.torch import save_file
from torch import Tensor

from archdsl.controllers.gates import DartsSettings
from archdsl.evaluate.data import Batch, open_data
from archdsl.evaluate.followed import Followed
from archdsl.evaluate.ranks import Ranks, joined
from archdsl.load import load_network
from archdsl.methods import whole_method
from archdsl.recipes import Recipe, whole_recipe
from archdsl.recipes.optimizers import SGD
from archdsl.run.gates import search_gates
from archdsl.run.retrain import retrain
from archdsl.run.search import search
from archdsl.run.settings import RetrainSettings, RunSettings, SearchSettings
from archdsl.run.stop import Interrupted
from archdsl.run.whole import run_whole
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from tests.kills import compare_runs, rows_of
from tests.shipped import written

LOST, STOPPED = 3, 4
"""Exit statuses: of a process that has lost another, and of one that was asked to stop."""
LONG = 40
"""Epochs of a retraining that torchrun begins and somebody kills."""
PATIENCE = 60.0
"""Seconds after which a process should have ended that was asked to."""

NETWORK = """archdsl 1

space plain {{
  net network(image: 1 x 8 x 8) {{
    a = image -> conv(8, k=3, bias=no) -> {norm} -> silu
    b = a + (a -> conv(8, k=3, bias=no) -> {norm} -> silu)
    return b -> global_pool -> linear(10)
  }}
}}
"""
SPACE = """archdsl 1

space gated {
  net network(image: 1 x 8 x 8) {
    a = image -> conv(8, k=3, bias=no) -> bn -> silu
    b = a -> {pass = id | pool = avg_pool(3) | work = conv(8, k=3, bias=no) -> bn -> silu}
    c = sum(a, b) -> {pass = id | work = conv(8, k=3, bias=no) -> bn -> silu}
    return c -> global_pool -> linear(10)
  }
}
"""
METHOD = """archdsl 1

method weights_first {
  weights {
    controller = random paths = uniform epochs = 2 controller_steps = 0 derive_samples = 1
  }
  evolved { evaluator = supernet(run=weights, calibration=2) controller = random budget = 4 }
}
train short { epochs = 2 judge_every = 1 }
"""


def gradients(folder: Path) -> None:
    """Those of one step on an uneven batch, clipped, with and without batch norm, in files there.

    In float32 the batch is mixed with itself.
    """
    data = open_data("digits", shape=(1, 8, 8), classes=10, batch_size=37)
    batch = data.training_batch(0, 0, 0)
    with joined("cpu") as ranks:
        for norm, dtype in product(("id", "bn"), (torch.float32, torch.float64)):
            found = _gradients(norm, dtype, batch, ranks)
            if ranks.first:
                folder.mkdir(parents=True, exist_ok=True)
                save_file(found, folder / f"{norm}-{str(dtype).removeprefix('torch.')}.safetensors")


def _gradients(norm: str, dtype: torch.dtype, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
    mixup = 0.4 if dtype == torch.float32 else 0.0
    recipe = Recipe(mixup=mixup, label_smoothing=0.1, clip=1.0, optimizer=SGD(learning_rate=0.1))
    torch.manual_seed(0)
    model = load_network(written(NETWORK.format(norm=norm)).program).to(dtype)
    followed = Followed(recipe, model.parameters(), steps=1, classes=10, ranks=ranks)
    images, labels = batch
    followed.train((model,), (images.to(dtype), labels), 0, 0, 5)
    named = ((name, one.grad) for name, one in model.named_parameters())
    return {name: one for name, one in named if one is not None} | dict(model.named_buffers())


def retrained(folder: Path, epochs: int = 6) -> None:
    """A network in training, judged after every epoch."""
    network = written(NETWORK.format(norm="bn")).program
    settings = RetrainSettings(epochs=epochs, checkpoint_every=1, threads=1)
    retrain(network, out=folder, settings=settings, quiet=True)


def proposals(folder: Path) -> None:
    """Shared weights, and a controller that proposes."""
    settings = SearchSettings(
        epochs=3, controller_steps=6, derive_samples=3, measure_samples=3, threads=1
    )
    search(written(SPACE), out=folder, settings=settings, quiet=True)


def gates(folder: Path, **method: float | str) -> None:
    """Gates that are learned by gradients: of the second order, where nothing else is said."""
    settings = SearchSettings(epochs=3, threads=1)
    how = DartsSettings(**({"order": 2} | method))  # type: ignore[arg-type]
    search_gates(written(SPACE), how, out=folder, settings=settings, quiet=True)


def whole(folder: Path) -> None:
    """Shared weights, an evolution that the first process runs alone, a retraining."""
    document = parse(METHOD)
    (method,), (recipe,) = document.methods, document.recipes
    run_whole(
        written(SPACE),
        whole_method(method),
        whole_recipe(recipe),
        out=folder,
        settings=RunSettings(threads=1),
        recipes={},
        quiet=True,
    )


WAYS = {"retrain": retrained, "proposals": proposals, "gates": gates}


# ---- processes -----------------------------------------------------------------------------------


def start(work: Callable[[], None], world: int) -> list[int]:
    """The ids of processes that do the same work together."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [_forked(work, rank, world, port) for rank in range(world)]


def _forked(work: Callable[[], None], rank: int, world: int, port: int) -> int:
    child = os.fork()
    if child:
        return child
    told = {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": rank, "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in told.items()})
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}
    code = 1
    try:
        work()
        code = 0
    except ArchError as error:
        code = LOST if error.diagnostics[0].code == "E0880" else 1
        if code == 1:
            traceback.print_exc()
    except Interrupted:
        code = STOPPED
    except BaseException:
        traceback.print_exc()
    os._exit(code)


def together(work: Callable[[], None], world: int = 2) -> None:
    """Work that several processes do to its end."""
    found = [os.waitpid(child, 0)[1] for child in start(work, world)]
    assert not any(found), f"failed: {found}"


def killed(work: Callable[[], None], world: int, victim: int, wait: float) -> bool:
    """Begin or go on, and kill one of the processes after a while.

    False where it had ended. The others are then asked to end, as torchrun asks them.
    """
    children = start(work, world)
    time.sleep(wait)
    os.kill(children[victim], signal.SIGKILL)
    died = os.WIFSIGNALED(os.waitpid(children[victim], 0)[1])
    others = [child for child in children if child != children[victim]]
    for child in others if died else ():
        os.kill(child, signal.SIGTERM)
    ends = [_ended(child) for child in others]
    assert all(end in (0, LOST, -signal.SIGTERM) for end in ends), f"others ended with {ends}"
    return died


def stopped(work: Callable[[], None], folder: Path, world: int = 2) -> None:
    """Ctrl-C for all, as a terminal sends it and torchrun passes it on, once there is a row."""
    children = start(work, world)
    while not rows_of(folder):
        time.sleep(0.002)
    for number in (signal.SIGINT, signal.SIGTERM):
        for child in children:
            os.kill(child, number)
    ends = [_ended(child) for child in children]
    assert ends == [STOPPED] * world, f"ended with {ends}"


def _ended(child: int) -> int | None:
    """How a process ends, None where it has to be killed."""
    over = time.monotonic() + PATIENCE
    while time.monotonic() < over:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


# ---- runs ----------------------------------------------------------------------------------------


def leave(folder: Path) -> None:
    """What one, two and three processes find, for tests to compare."""
    for world in (1, 2, 3):
        together(lambda place=folder / f"gradients-{world}": gradients(place), world)
    for way, run in WAYS.items():
        for world in (1, 2):
            together(lambda run=run, place=folder / f"{way}-{world}": run(place), world)
    for way, run in list(WAYS.items())[:2]:
        place = folder / f"{way}-stopped"
        stopped(lambda run=run, place=place: run(place), place)
        together(lambda run=run, place=place: run(place))
    place = folder / "changed"  # begun by one process, ended by two
    stopped(lambda: retrained(place), place, 1)
    together(lambda: retrained(place))
    together(lambda: retrained(folder / "long", LONG))
    for world in (1, 2):
        together(lambda place=folder / f"whole-{world}": whole(place), world)
    for name, method in GATES.items():
        for world in (1, 2):
            place = folder / f"{name}-{world}"
            together(lambda place=place, method=method: gates(place, **method), world)


GATES: dict[str, dict[str, float | str]] = {
    "first": {"order": 1},
    "penalty": {"order": 1, "relaxation": "gumbel", "fair_skip": 1.0},
    "two_paths": {"order": 1, "relaxation": "two_paths"},
    "sampled": {"order": 1, "relaxation": "vae", "refit": 5, "best": 4, "vae_steps": 5},
}


def main(kills: int = 25, seed: int = 0, way: str = "retrain") -> None:
    """Kill as often as asked; prints one line for each run and a last one with the counts."""
    rng, run = random.Random(seed), (WAYS | {"whole": whole})[way]
    with tempfile.TemporaryDirectory() as temporary:
        done = runs = 0
        references: dict[int, tuple[Path, float]] = {}
        while done < kills:
            world, folder, here = rng.choice((2, 3)), Path(temporary) / f"run{runs}", 0
            if world not in references:
                reference, begun = Path(temporary) / f"reference{world}", time.monotonic()
                together(lambda place=reference: run(place), world)
                references[world] = reference, time.monotonic() - begun
            reference, seconds = references[world]
            while done < kills and here < 5:
                wait = rng.uniform(0, seconds)
                if not killed(lambda: run(folder), world, rng.randrange(world), wait):  # noqa: B023
                    break
                done, here = done + 1, here + 1
            together(lambda: run(folder), world)  # noqa: B023
            compare_runs(folder, reference)
            runs += 1
            print(f"run {runs}: {world} processes, killed {here} times, the same", flush=True)
        print(f"{done} kills in {runs} runs, no difference")


if __name__ == "__main__":
    words = sys.argv[1:]
    if words and os.sep in words[0]:
        leave(Path(words[0]))
    else:
        named = next((word for word in words if word in (*WAYS, "whole")), "retrain")
        main(*(int(word) for word in words if word != named), way=named)
