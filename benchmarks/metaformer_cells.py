"""MetaFormer-NAS on a CIFAR-10 subset: do trained cells differ by more than their seeds?

python -m benchmarks.metaformer_cells [--work FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from archdsl.controllers.seeds import seed_for, stream
from archdsl.evaluate.data import Data
from archdsl.ir.cost import cost
from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.passes.many import many
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import AdamW, Cosine
from archdsl.run.agreement import agreement
from archdsl.space.view import SearchSpace
from benchmarks.cifar import WORDS, subset
from benchmarks.compared import p_text
from benchmarks.frozen import scores
from benchmarks.table import Row, write
from benchmarks.trainings import Kept, Trained, supernet, train

SCALE = {
    "classes": 10, "size": 24, "patch": 4, "stem_width": 8, "width1": 24, "width2": 32,
    "width3": 48, "width4": 64, "depth1": 1, "depth2": 1, "depth3": 1, "depth4": 0,
}  # fmt: skip
"""Three encoders, on maps of 6, 3 and 2 positions a side."""
RECIPE, SUPERNET = (
    Recipe(
        epochs=epochs,
        batch_size=64,
        optimizer=AdamW(learning_rate=3e-3),
        schedule=Cosine(by_step=True),
    )
    for epochs in (2, 20)
)
CELLS, SEEDS = 24, 3
FOUND = {
    "found, N=4": (4, "id; 1 pool; 1 id; 3 pool"),
    "found, N=7": (7, "pool; 1 pool; 2 pool; 3 pool; 3 pool; 4 pool; 3 pool"),
}
"""What the paper found, Fig. 6."""
BASELINES = {"pooling": "pool", "spatial MLP": "mlp", "attention": "attention"}
SCORED = "best score, N=4"
SEARCH_SEED = 0
LEVEL = 0.01
WORK = Path("runs/metaformer_cells")


def space_of(nodes: int) -> SearchSpace:
    """The space of cells of so many nodes, at the scale of the study."""
    return Library().space("metaformer_nas", {**SCALE, "nodes": nodes})


def drawn(space: SearchSpace) -> list[str]:
    """The random cells: uniform over the strings, those left out that equal one before."""
    known, found = many(space), {}
    number = 0
    while len(found) < CELLS:
        cell = space.sample(stream(SEARCH_SEED, "cell", number))
        found.setdefault(known.identity(cell), cell.text)
        number += 1
    return list(found.values())


def named() -> dict[str, Program]:
    """The found cells and the three baselines."""
    networks = {}
    for title, (nodes, mixer) in FOUND.items():
        space = space_of(nodes)
        head = space.unrank(0).text.partition("/")[0]
        networks[title] = space.resolve(space.parse(f"{head}/mixer[{mixer}]"))
    for title, mixer in BASELINES.items():
        plain = Library().space("metaformer", {**SCALE, "mixer": mixer})
        networks[title] = plain.resolve(plain.unrank(0))
    return networks


def trained(
    program: Program, data: Data, kept: Kept, numbers: Sequence[int], *, new: bool
) -> list[Trained]:
    """Trainings of a network by their numbers; those that are not kept are made if `new`."""
    keys = [f"train {program.genotype} {number}" for number in numbers]
    if not new:
        return [Trained(**kept.known[key]) for key in keys if key in kept.known]
    return [_trained(program, number, data, kept) for number in numbers]


def _trained(program: Program, number: int, data: Data, kept: Kept) -> Trained:
    """One training; its seed belongs to it alone, so that trainings are independent."""
    text = program.genotype
    found = kept.once(
        f"train {text} {number}",
        lambda: asdict(train(program, data, RECIPE, seed_for(number, "training", text))),
    )
    print(f"{number} {text.partition('/')[2]} {found}", flush=True)
    return Trained(**found)


def frozen(space: SearchSpace, data: Data, work: Path) -> dict[str, float]:
    """Every string of the space, and what one supernet's shared weights say of it."""
    kept = Kept(work / "scores.jsonl")
    weights = work / "supernet.safetensors"
    shared = supernet(space, data, SUPERNET, SEARCH_SEED, weights)
    score = scores(shared, kept)
    return {text: score(text) for text in map(lambda i: space.unrank(i).text, range(space.size))}


def separated(groups: Sequence[Sequence[float]]) -> tuple[bool, str]:
    """Whether cells differ by more than their seeds (F-test), and the words for it."""
    test = stats.f_oneway(*groups)
    sizes = np.array([len(group) for group in groups])
    total, left = int(sizes.sum()), int(sizes.sum()) - len(groups)
    within = sum(float(np.var(group)) * len(group) for group in groups) / left
    each = (total - (sizes**2).sum() / total) / (
        len(groups) - 1
    )  # seeds a cell, where all have as many
    between = (float(test.statistic) - 1) * within / each
    words = (
        f"F-test of {len(groups)} cells, {total} trainings: F({len(groups) - 1}, {left}) = "
        f"{test.statistic:.2f}, {p_text(float(test.pvalue))}; standard deviation "
        f"{within**0.5:.2f} points between seeds, {max(between, 0.0) ** 0.5:.2f} between cells "
        "(0 where seeds explain all). "
    )
    if test.pvalue < LEVEL:
        return True, words + f"Cells differ by more than seeds (p < {LEVEL})."
    return False, words + (
        f"Cells are not told apart from seeds (p >= {LEVEL}): no winners are named."
    )


def audit(proxy: Sequence[float], accuracies: Sequence[Sequence[float]]) -> str:
    """How far the supernet orders cells as training does, and training as itself."""
    means = [float(np.mean(group)) for group in accuracies]
    found = agreement(proxy, means, seed=SEARCH_SEED)
    pairs = [
        zip(*[(one[i], one[j]) for one in accuracies], strict=True)
        for i, j in combinations(range(SEEDS), 2)
        if all(len(one) > j for one in accuracies)
    ]
    seeds = np.mean([_tau(some, others) for some, others in pairs])
    return (
        f"Audit of the proxy: Kendall's tau between the scores of one supernet and the mean "
        f"accuracy of the {len(means)} trained cells is {_two(found.value)} (95 % interval "
        f"{_two(found.low)} to {_two(found.high)}, bootstrap over cells). Two seeds of training "
        f"agree with each other by {seeds:.2f} (mean of the pairs "
        "of seeds that all cells have)."
    )


def _two(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _tau(some: Sequence[float], others: Sequence[float]) -> float:
    return float(stats.kendalltau(some, others).statistic)


def compared(found: Mapping[str, Sequence[float]]) -> str:
    """What was found against the baselines, two by two."""
    titles = list(found)
    test = stats.tukey_hsd(*found.values())
    interval = test.confidence_interval(0.95)
    words = []
    for title in titles:
        for bar in BASELINES:
            if title in BASELINES:
                continue
            i, j = titles.index(title), titles.index(bar)
            words.append(
                f"{title} less {bar} {test.statistic[i, j]:+.2f} ({interval.low[i, j]:+.2f} to "
                f"{interval.high[i, j]:+.2f}), {p_text(float(test.pvalue[i, j]))}"
            )
    return (
        "Held-out accuracy in points, two by two (Tukey's test and 95 % intervals over these "
        f"{len(titles)} networks): " + "; ".join(words) + "."
    )


def row(title: str, cell: str, runs: Sequence[Trained], program: Program, proxy: str) -> Row:
    """One network in the table; accuracies in percent."""
    held = [100 * one.held for one in runs]
    return {
        "network": title,
        "mixer": cell,
        "held out": f"{np.mean(held):.2f}",
        "deviation": f"{np.std(held, ddof=1):.2f}" if len(held) > 1 else "",
        "seeds": len(runs),
        "test": f"{100 * np.mean([one.test for one in runs]):.1f}",
        "supernet's score": proxy,
        "parameters": (price := cost(program)).params,
        "MACs": price.macs,
        "s a training": float(np.mean([one.seconds for one in runs])),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--kept-only", action="store_true", help="no training: what is finished")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    kept = Kept(given.work / "units.jsonl")
    space, data = space_of(4), subset(SCALE["size"], RECIPE.batch_size)
    cells = {text: space.resolve(space.parse(text)) for text in drawn(space)}
    networks = named()
    if not given.kept_only:  # seed by seed, so that what is killed has some of every network
        for number in range(SEEDS):
            for program in (*cells.values(), *networks.values()):
                _trained(program, number, data, kept)
    proxy = frozen(space, data, given.work)
    networks[SCORED] = space.resolve(space.parse(max(proxy, key=lambda text: proxy[text])))
    runs = {
        title: trained(program, data, kept, range(SEEDS), new=not given.kept_only)
        for title, program in {**cells, **networks}.items()
    }
    missing = sum(SEEDS - len(some) for some in runs.values())
    networks = {title: program for title, program in networks.items() if runs[title]}
    held = {title: [100 * one.held for one in some] for title, some in runs.items()}
    _, verdict = separated([held[text] for text in cells])
    write(
        "metaformer_cells",
        "MetaFormer-NAS on a CIFAR-10 subset: cells, seeds and what was found",
        "python -m benchmarks.metaformer_cells" + " --kept-only" * given.kept_only,
        [
            *(
                row(f"random {i}", mixer(text), runs[text], cells[text], f"{100 * proxy[text]:.2f}")
                for i, text in enumerate(cells, 1)
            ),
            *(
                row(title, mixer(program.genotype), runs[title], program, "")
                for title, program in networks.items()
            ),
        ],
        [
            f"{scale(space)} {WORDS} {RECIPE.epochs} epochs, batches of {RECIPE.batch_size}, AdamW "
            f"{RECIPE.optimizer.learning_rate:g}, cosine; float32, one thread, networks as -O 1 "
            "writes them. No epoch is chosen: the last is judged once. Each training has a seed of "
            "its own. Accuracies in percent; `deviation` over seeds, of held-out accuracy.",
            *(
                [
                    f"Missing: {missing} of {SEEDS * len(runs)} trainings; without --kept-only the "
                    "same command goes on."
                ]
                if missing
                else []
            ),
            f"Random cells: {CELLS} of the 96 strings with 4 nodes, drawn uniformly, of equal "
            "networks the first only. They stand in the order in which they were drawn. The rates "
            "1e-3 and 3e-3 were tried on four other networks, at another scale.",
            verdict,
            audit(
                [proxy[text] for text in cells],
                [held[text] for text in cells],
            ),
            compared({title: held[title] for title in networks}),
            "Found, N=4 and N=7: those of the paper's Fig. 6, which were found at another scale. "
            + f"{SCORED}: the best of all 96 by the supernet's score"
            + ("." if SCORED in networks else "; not trained yet."),
        ],
    )


def mixer(genotype: str) -> str:
    """The decisions of a string, without the parameters of its space."""
    return genotype.partition("/mixer")[2]


def scale(space: SearchSpace) -> str:
    """How small all is, for the head of a table."""
    return (
        f"Scale: images of {SCALE['size']} pixels, stem {SCALE['stem_width']} wide, patches of "
        f"{SCALE['patch']}, stages {SCALE['width1']}, {SCALE['width2']}, {SCALE['width3']}, "
        f"{SCALE['width4']} wide, {SCALE['depth1']}, {SCALE['depth2']}, {SCALE['depth3']}, "
        f"{SCALE['depth4']} deep, semantics of the paper."
    )


if __name__ == "__main__":
    main()
