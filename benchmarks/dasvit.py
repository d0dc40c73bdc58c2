"""DASViT on a CIFAR-10 subset: skips under its penalties, bytes on half the tokens, stages, the
encoder that is found beside a plain one of its size.

python -m benchmarks.dasvit [--work FOLDER] [--finished]

Killed, it goes on; `--finished` trains no more networks and writes what there is.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch
from torch import Tensor

from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.gates import Gates
from archdsl.evaluate.data import Data
from archdsl.evaluate.images import MemoryImages
from archdsl.evaluate.relaxed import RelaxedWeights
from archdsl.ir.cost import cost
from archdsl.library import Library
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import AdamW, Cosine
from archdsl.run.gates import search_gates
from archdsl.run.ledger import read_ledger
from archdsl.run.settings import SearchSettings
from archdsl.run.stages import StageSpaces
from archdsl.space.view import SearchSpace
from benchmarks.cifar import subset
from benchmarks.table import Row, write
from benchmarks.trainings import Kept, train

WIDTH, DEPTH, PATCH, SIZE = 48, 6, 8, 32
HEADS = (2, 4, 6)
WORK = Path("runs/dasvit")
SEEDS = (0, 1, 2)
FACTORS = (0.0, 0.1, 1.0)
LEAST, MOST = 0.1, 0.6
"""The thresholds of a kind's share: fixed before the first search, and the defaults."""
STAGES = {"keep": "8, 5, 3", "grow": "depth=2, 4, 6"}
EPOCHS = 6
"""Of every stage."""
IMAGES, BATCH = 512, 64
"""So many train and so many validate in a search."""
GATES_RATE = 0.05
MEASURED_BATCH = 256
SEARCH = Recipe(
    epochs=EPOCHS, batch_size=BATCH, optimizer=AdamW(learning_rate=1e-3), schedule=Cosine()
)
RETRAIN = Recipe(
    epochs=12,
    batch_size=128,
    optimizer=AdamW(learning_rate=1e-3, weight_decay=0.05),
    schedule=Cosine(by_step=True),
    warmup=1,
)
OPERATIONS = ("skip", "msa_2", "mlp_1")
"""Those of the encoder that the paper found."""
CHOSEN = (1.0, 1.0)
"""The factors whose encoders are retrained: both penalties on."""


def searched() -> SearchSpace:
    heads = ", ".join(f"heads{i}={h}" for i, h in enumerate(HEADS, 1))
    text = f"dasvit(width={WIDTH}, depth={DEPTH}, size={SIZE}, patch={PATCH}, {heads})"
    return Library().find(text).space


def plain(params: int) -> str:
    """The Vision Transformer whose depth makes it nearest in size."""

    def text(depth: int) -> str:
        return (
            f"vit_b_16(width={WIDTH}, depth={depth}, size={SIZE}, patch={PATCH}, heads=6, "
            "classes=10)"
        )

    def far(depth: int) -> int:
        return abs(cost(Library().find(text(depth)).network()).params - params)

    return text(min(range(1, 13), key=far))


def few(data: Data) -> Data:
    """Of what trains and validates, the first so many images."""
    parts = {}
    for name in ("train", "validation"):
        whole = getattr(data, name)
        parts[name] = type(whole)(whole.images[:IMAGES], whole.labels[:IMAGES], whole.augment)
    return replace(data, **parts)


# ---- searches ------------------------------------------------------------------------------------


def method(skip: float, kind: float, **others: Any) -> DartsSettings:
    given = {"tokens": "1/2", "learning_rate": GATES_RATE, **STAGES, **others}
    return DartsSettings(fair_skip=skip, fair_kind=kind, least=LEAST, most=MOST, **given)


def search(data: Data, work: Path, seed: int, settings: DartsSettings, epochs: int) -> Any:
    """What one search comes to: the encoder, and the share of skips when each stage ends."""
    name = f"{settings.fair_skip}-{settings.fair_kind}-{seed}-{settings.keep.replace(', ', '')}"
    out, start = work / "searches" / name, time.process_time()
    space = searched()
    summary = search_gates(
        space,
        settings,
        out=out,
        settings=SearchSettings(seed=seed, data="cifar10 subset", threads=1),
        recipe=replace(SEARCH, epochs=epochs),
        data=data,
        quiet=True,
    )
    rows = [one.detail or {} for one in read_ledger(out / "ledger.sqlite")[:-1]]
    (group,) = re.findall(r"\[(.*)\]", summary.best)
    return {
        "encoder": group,
        "best": summary.best,
        "accuracy": summary.accuracy,
        "shares": [skip_share(row) for row in rows],
        "skips": group.split("; ").count("skip"),
        "seconds": time.process_time() - start,
    }


def skip_share(row: Mapping[str, Any]) -> float:
    """The mean weight of skips over all edges; 0 where an edge has none left."""
    shares = []
    for key, weights in row["gates"].items():
        labels = row["left"][key] if "left" in row else LABELS[key]
        shares.append(dict(zip(labels, weights, strict=True)).get("skip", 0.0))
    return fmean(shares)


LABELS = {one.key: one.hole.labels for one in searched().decisions}


# ---- bytes ---------------------------------------------------------------------------------------


def supernet(stage: int, tokens: str) -> RelaxedWeights:
    """The supernet of a stage under even gates, with OPERATIONS left in the last."""
    settings = method(0.0, 0.0, tokens=tokens)
    stages = StageSpaces(searched(), settings)
    left = {k: OPERATIONS for k in LABELS} if stage else LABELS
    space = stages.space(stage, left)
    images = torch.rand(MEASURED_BATCH, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    part = MemoryImages(images, torch.arange(MEASURED_BATCH) % 10)
    data = Data(
        name="noise", classes=10, shape=(3, SIZE, SIZE), train=part, validation=part, test=part,
        batch_size=MEASURED_BATCH,
    )  # fmt: skip
    return RelaxedWeights(
        stages.mixed(space, stage), data, Gates(space, settings, seed=0), recipe=SEARCH, seed=0
    )


def kept_bytes(stage: int, tokens: str) -> dict[str, float]:
    """What a forward pass keeps for backward besides weights, every storage once; in MB."""
    made = supernet(stage, tokens)
    images, _ = made.data.training_batch(0, 0, 0)
    known = {p.untyped_storage().data_ptr() for p in made.model.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no address is reused
        return tensor

    forward = made.supernet.under(made.gates.weights(0.0, 0), 0)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward(images)
    total = sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in known)
    command = [sys.executable, "-m", "benchmarks.dasvit", "--alone", f"{stage}:{tokens}"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    idle, peak = map(float, done.stdout.split())
    return {"backward": total / 1e6, "peak": peak, "idle": idle}


def alone(stage: int, tokens: str) -> None:
    """The memory of this process before its first step, and the most that it had; in MB."""
    torch.set_num_threads(1)
    made = supernet(stage, tokens)
    before = _memory("VmRSS")
    made.learn_gates(0, 0)
    made.train_step(0, 0)
    print(before, _memory("VmHWM"))


def _memory(name: str) -> float:
    (kilobytes,) = re.findall(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(kilobytes) * 1024 / 1e6


# ---- the table -----------------------------------------------------------------------------------


def main(work: Path = WORK, finished: bool = False) -> None:
    torch.set_num_threads(1)
    done = Kept(work / "done.jsonl")
    whole = subset(SIZE, RETRAIN.batch_size)
    small = replace(few(whole), batch_size=BATCH)
    found: dict[tuple[float, float, int], Any] = {}
    deep: dict[int, Any] = {}
    bytes_ = {
        (stage, tokens): done.once(
            f"bytes {stage} {tokens}",
            lambda: kept_bytes(stage, tokens),  # noqa: B023
        )
        for stage in (0, 2)
        for tokens in ("1", "1/2", "1/4")
    }
    for seed in SEEDS:
        for skip in FACTORS:
            for kind in FACTORS:
                found[skip, kind, seed] = done.once(
                    f"search {skip} {kind} {seed}",
                    lambda: search(small, work, seed, method(skip, kind), EPOCHS),  # noqa: B023
                )
        deep[seed] = done.once(
            f"one stage {seed}",
            lambda: search(small, work, seed, method(*CHOSEN, keep="", grow=""), 3 * EPOCHS),  # noqa: B023
        )
    trained: dict[tuple[str, int], Any] = {}
    for seed in SEEDS:
        best = found[*CHOSEN, seed]["best"]
        size = cost(Library().find(best).network()).params
        for name, text in (
            ("found", best),
            ("one stage", deep[seed]["best"]),
            ("ViT", plain(size)),
        ):
            key = f"train {name} {seed} {text}"
            if finished and key not in done.known:
                continue
            trained[name, seed] = done.once(
                key,
                lambda: asdict(train(Library().find(text).network(), whole, RETRAIN, seed)),  # noqa: B023
            )
    report(found, deep, bytes_, trained)


def _spread(values: Sequence[float], scale: float = 100.0) -> str:
    apart = f" ± {scale * stdev(values):.1f}" if len(values) > 1 else ""
    return f"{scale * fmean(values):.1f}{apart}"


def _skips(runs: Sequence[Any]) -> str:
    return "; ".join(str(run["encoder"].split("; ").count("skip")) for run in runs)


def _blind(deep: Mapping[int, Any]) -> str:
    """What is said of encoders without attention, whose class token sees nothing of the image."""
    seeds = [str(seed) for seed in SEEDS if "msa" not in deep[seed]["encoder"]]
    if not seeds:
        return ""
    one = "; ".join(f"`{deep[int(seed)]['encoder']}`" for seed in seeds)
    return (
        f" The search in one stage found no attention with seed {', '.join(seeds)} ({one}): its "
        "class token sees nothing of the image, so it stays at chance."
    )


def report(
    found: Mapping[tuple[float, float, int], Any],
    deep: Mapping[int, Any],
    bytes_: Mapping[tuple[int, str], Mapping[str, float]],
    trained: Mapping[tuple[str, int], Any],
) -> None:
    rows: list[Row] = []
    for skip in FACTORS:
        for kind in FACTORS:
            runs = [found[skip, kind, seed] for seed in SEEDS]
            ends = [[run["shares"][(i + 1) * EPOCHS - 1] for run in runs] for i in range(3)]
            rows.append(
                {
                    "what": f"search, l1={skip:g}, l2={kind:g}",
                    **{f"skips, % of weight, stage {i}": _spread(e) for i, e in enumerate(ends, 1)},
                    "skips of 5 edges": _skips(runs),
                    "CPU s": fmean(run["seconds"] for run in runs),
                }
            )
    rows.append(
        {
            "what": "search in one stage, depth 6, l1=1, l2=1",
            "skips, % of weight, stage 3": _spread([deep[s]["shares"][-1] for s in SEEDS]),
            "skips of 5 edges": _skips([deep[s] for s in SEEDS]),
            "CPU s": fmean(deep[s]["seconds"] for s in SEEDS),
        }
    )
    for (stage, tokens), memory in bytes_.items():
        rows.append(
            {
                "what": f"supernet of stage {stage + 1}, tokens {tokens}",
                "MB for backward": memory["backward"],
                "MB of a step": memory["peak"] - memory["idle"],
            }
        )
    for name in ("found", "one stage", "ViT"):
        seeds = [seed for seed in SEEDS if (name, seed) in trained]
        if not seeds:
            continue
        runs = [trained[name, seed] for seed in seeds]
        texts = [(found[*CHOSEN, s] if name != "one stage" else deep[s])["best"] for s in seeds]
        sizes = [cost(Library().find(text).network()).params for text in texts]
        if name == "ViT":
            sizes = [cost(Library().find(plain(size)).network()).params for size in sizes]
        rows.append(
            {
                "what": f"retrained: {name}",
                "seeds": ", ".join(map(str, seeds)),
                "parameters": "; ".join(f"{size:,}" for size in sizes),
                "held-out accuracy": _spread([run["held"] for run in runs]),
                "test accuracy": _spread([run["test"] for run in runs]),
                "CPU s": fmean(run["seconds"] for run in runs),
            }
        )
    encoders = "; ".join(f"`{found[*CHOSEN, seed]['encoder']}`" for seed in SEEDS)
    write(
        "dasvit",
        "DASViT: penalties, part of the tokens, stages, and what is found",
        "python -m benchmarks.dasvit",
        rows,
        [
            "Far smaller than the paper's, to fit the minutes of one core: "
            f"`dasvit`, {WIDTH} wide, {DEPTH} deep, {SIZE} px, patches of {PATCH} (17 tokens), "
            f"heads {HEADS}. A search has {EPOCHS} epochs (paper: 30) in each of three stages "
            f"(operations 8, 5, 3; depth 2, 4, 6) on {IMAGES} images, gates at a rate of "
            f"{GATES_RATE} on {IMAGES} others; half of the tokens. Retrained: {RETRAIN.epochs} "
            "epochs (paper: 500) on 10,000 images of CIFAR-10, cropped and flipped; 10,000 "
            "others are held out; test: the first 1,000 test images, each with a standard error of "
            "1.5 points. Three seeds unless a row names them, mean ± deviation.",
            f"Thresholds of a kind's share, fixed beforehand: {LEAST} and {MOST}; evenly, "
            "attention and perceptrons have 0.375 each, a skip 12.5 % of an edge.",
            "l2 acts only where the share of a kind leaves these bounds. Retrained networks whose "
            "accuracies on the held-out images differ by less than their deviations are not told "
            "apart.",
            f"Encoders found with l1 = l2 = 1: {encoders}.{_blind(deep)}",
            f"Bytes: one batch of {MEASURED_BATCH}; those kept for backward besides weights, and "
            "how far a step of gates and weights raises the memory of a process.",
            "The plain encoder is `vit_b_16` of the same width, as deep as comes nearest in size.",
        ],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--finished", action="store_true")
    parser.add_argument("--alone")
    given = parser.parse_args()
    if given.alone:
        number, share = given.alone.split(":")
        alone(int(number), share)
    else:
        main(given.work, given.finished)
