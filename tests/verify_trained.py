"""Every shipped space is trained in every way, for an epoch: `python -m tests.verify_trained`.

By gates of all alternatives and of two, along paths, and as a network, on the digits at the
smallest size; saved at the end and opened again. What a way refuses (E0804, E0906) is told; the
exit status is 1 where one fails otherwise.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from archdsl.controllers.darts import DartsSettings
from archdsl.run.gates import search_gates
from archdsl.run.retrain import retrain
from archdsl.run.search import search
from archdsl.run.settings import RetrainSettings, SearchSettings
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from tests.shipped import shipped
from tests.verify_spaces import names, tiny

REFUSED = {"E0804": "trains no images to classes", "E0906": "has no such sum"}
SEARCH = SearchSettings(
    controller="random",
    paths="uniform",
    epochs=1,
    batch_size=450,
    controller_steps=2,
    derive_samples=1,
    measure_samples=2,
    threads=1,
)
RETRAIN = RetrainSettings(epochs=1, batch_size=450, checkpoint_every=1, threads=1)
ALL = DartsSettings(sources=True, cost="macs")
TWO = DartsSettings(relaxation="two_paths")


def main() -> int:
    torch.set_num_threads(1)
    wrong = 0
    for name in names():
        parameters = dict(tiny(name).program.parameters)
        if "classes" not in parameters:
            print(f"{name}: no classes")
            continue
        space = shipped(name, **{**parameters, "classes": 10})
        for way, run in _ways(space):
            told = _twice(run)
            wrong += told.startswith("FAILED")
            print(f"{name}, {way}: {told}", flush=True)
    return int(wrong > 0)


def _ways(space: SearchSpace) -> Iterator[tuple[str, Callable[[Path], object]]]:
    if space.decisions:
        how: dict[str, Any] = {"settings": SEARCH, "quiet": True}
        yield "gates", lambda out: search_gates(space, ALL, out=out, **how)
        yield "two paths", lambda out: search_gates(space, TWO, out=out, **how)
        yield "paths", lambda out: search(space, out=out, **how)
    network = space.resolve(space.sample(random.Random(0)))
    yield "network", lambda out: retrain(network, out=out, settings=RETRAIN, quiet=True)


def _twice(run: Callable[[Path], object]) -> str:
    """A run to its end, and once more: it reads what it saved, and says the same."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "run"
        try:
            first = run(out)
            return "fine" if run(out) == first else "FAILED: opened again it says something else"
        except ArchError as error:
            code = error.diagnostics[0].code
            return REFUSED.get(code, f"FAILED: {error}")
        except Exception as error:
            return f"FAILED: {type(error).__name__}: {str(error)[:200]}"


if __name__ == "__main__":
    sys.exit(main())
