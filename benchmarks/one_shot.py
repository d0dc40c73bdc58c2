"""Shared weights of NAS-Bench-201 on real images: do they rank, and what does epsilon do?

    python -m benchmarks.one_shot [UNITS]

One supernet for each way of drawing paths and each seed; then scores of the same architectures
under each (Kendall's tau against what the benchmark measured of them), an evolution, and what the
autoencoder of TNAS has learned. Every unit is kept when it is done; UNITS says how many more to do.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean
from typing import Any

import numpy as np
from scipy.stats import bootstrap, kendalltau

from archdsl.controllers import Controller, Told, make_controller
from archdsl.controllers.seeds import stream
from archdsl.controllers.tnas import TNAS
from archdsl.evaluate.data import Data
from archdsl.evaluate.paths import make_sampler
from archdsl.evaluate.shared import SharedWeights
from archdsl.evaluate.training import accuracy, torch_settings
from archdsl.library import Library
from archdsl.passes.many import many
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import SGD, Cosine
from archdsl.space.view import SearchSpace
from benchmarks.cifar import WORDS, subset
from benchmarks.searches import bench
from benchmarks.table import RESULTS, Row, write
from benchmarks.trainings import Kept, train

EPSILONS = (0.0, 0.04, 0.05, 0.0625, 0.1, 0.2, 0.5)
SEEDS = (0, 1, 2)
EPOCHS, REWARDS, SEARCHED = 60, 10, 300
RECIPE = Recipe(
    epochs=EPOCHS,
    optimizer=SGD(learning_rate=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True),
    schedule=Cosine(),
    clip=5.0,
)
SMALL: Mapping[str, int] = {"size": 16, "width": 8, "cells": 1}
VALIDATED, SEARCHED_ON, SHOWN = 5000, 8, 4
"""Images that ranks are judged on, batches that an evolution is, and that set batch statistics."""
DRAWN, TOP = 250, 120
"""Architectures that the ranks are taken over: of all, and of the best tenth."""
ALONE, ALONE_EPOCHS = 24, 12
"""Networks of the same size that are trained each for itself: what a supernet could know."""
COUNTS = (10, 50, 100, 300)
KEPT = RESULTS / "one_shot.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How the paths of a supernet are drawn; with `epsilon`, by TNAS. `epochs` may be fewer."""

    name: str
    paths: str
    epsilon: float | None = None
    epochs: int = EPOCHS
    ranked: bool = False

    @property
    def controller(self) -> str:
        """Who searches under the weights in the end."""
        if self.epsilon is None:
            return "generations(population=50, parents=10)"
        return f"tnas(sampling={EPOCHS * REWARDS}, epsilon_step={self.epsilon})"


UNIFORM = Way(name="uniform", paths="uniform", ranked=True)
FAIR = Way(name="fair", paths="fair", epochs=EPOCHS // 5, ranked=True)
WAYS = (
    UNIFORM,
    FAIR,
    *(
        Way(
            name=f"epsilon_inc {epsilon}",
            paths='controller(each="batch")',
            epsilon=epsilon,
            ranked=epsilon == 0.1,
        )
        for epsilon in EPSILONS
    ),
)
LONGER = (
    Way(name="uniform, four times as long", paths="uniform", epochs=4 * EPOCHS, ranked=True),
    Way(name="fair, five times as long", paths="fair", epochs=EPOCHS, ranked=True),
)
"""Whether more training is what shared weights lack; the first with one seed."""
UNITS = (
    *((way, seed) for seed in SEEDS for way in WAYS),
    (LONGER[0], SEEDS[0]),
    *((LONGER[1], seed) for seed in SEEDS),
)


def main() -> None:
    units = UNITS
    most = int(sys.argv[1]) if len(sys.argv) > 1 else len(units)
    kept = Kept(KEPT)
    missing = [(way, seed) for way, seed in units if key(way, seed) not in kept.known]
    for number in range(ALONE if len(sys.argv) < 2 else 0):
        kept.once(f"alone {number}", lambda n=number: trained_alone(n, opened()))  # type: ignore[misc]
    for way, seed in missing[:most]:
        unit = _Unit(way, seed, opened())
        kept.once(key(way, seed), unit.run)
        print(key(way, seed), f"{kept.known[key(way, seed)]['seconds']:.0f} s", flush=True)
    ranks(kept)
    samples(kept)


@functools.cache
def opened() -> Data:
    return subset(SMALL["size"], validation=slice(0, VALIDATED))


def key(way: Way, seed: int) -> str:
    return f"{way.name}, seed {seed}"


class _Unit:
    """One supernet: trained, asked for ranks, searched."""

    def __init__(self, way: Way, seed: int, data: Data) -> None:
        self.way = way
        self.seed = seed
        self.data = data
        self.space = Library().space("nas_bench_201", SMALL)
        self.controller: Controller = make_controller(way.controller, self.space, seed=seed)
        self.sampler = make_sampler(way.paths, self.space, self.controller, seed=seed)
        self.shared = SharedWeights(self.space, data, recipe=RECIPE, seed=seed, calibration=SHOWN)

    def run(self) -> dict[str, Any]:
        begun = time.process_time()
        with torch_settings(1):
            loss = self._train()
            trained = time.process_time() - begun
            found = {"loss": loss, "trained": trained, "searched": self._search()}
            if isinstance(self.controller, TNAS):
                found |= self._drawn(self.controller)
            if self.way.ranked:
                batches = self.data.validation_batches
                scores = (self.shared.judge(text, batches) for text in ranked(self.space))
                found["scores"] = [accuracy(hits) for hits in scores]
        return found | {"seconds": time.process_time() - begun}

    def _train(self) -> float:
        """All epochs, each with its rewards; the mean loss of the last."""
        total = 0.0
        for epoch in range(self.way.epochs):
            share, total = epoch / self.way.epochs, 0.0
            for batch in range(self.data.steps):
                texts = self.sampler.paths(share, epoch * self.data.steps + batch)
                # A shorter training runs through the same rates.
                total += self.shared.train_step(texts, int(share * EPOCHS), batch)
            if self.way.epsilon is not None:
                self._reward(epoch)
        return total / self.data.steps

    def _reward(self, epoch: int) -> None:
        """What the controller learns from between epochs: one batch for each proposal."""
        for number in range(REWARDS):
            rng = stream(self.seed, "reward", epoch, number)
            (text,) = self.controller.ask(1)
            batch = rng.choice(self.data.reward_batches)
            reward = accuracy(self.shared.judge(text, [batch]))
            self.controller.tell([Told(text, reward)])

    def _search(self) -> list[tuple[str, float]]:
        """An evolution under the weights as they are now."""
        found = []
        for _ in range(SEARCHED):
            (text,) = self.controller.ask(1)
            found.append((named(text), self._score(text)))
            self.controller.tell([Told(text, found[-1][1])])
        return found

    def _drawn(self, controller: TNAS) -> dict[str, list[str]]:
        """What the autoencoder proposes after training, and what it was trained on."""
        count = EPOCHS * REWARDS // controller.settings.refit * controller.settings.refit
        known = dict(list(controller.known.items())[:count])
        model = controller.fit(known, self.seed)
        rng = Random(self.seed)
        drawn = [self.space.build(model.propose(rng)).text for _ in range(max(COUNTS))]
        best = sorted(known, key=known.__getitem__, reverse=True)[: controller.settings.best]
        return {"drawn": [*map(named, drawn)], "learned": [named(one.text) for one in best]}

    def _score(self, text: str) -> float:
        return accuracy(self.shared.judge(text, self.data.validation_batches[:SEARCHED_ON]))


def trained_alone(number: int, data: Data) -> dict[str, float]:
    """One of the ranked architectures as a network of its own, by the same recipe."""
    space = Library().space("nas_bench_201", SMALL)
    text = ranked(space)[chosen_alone(space)[number]]
    recipe = replace(RECIPE, epochs=ALONE_EPOCHS)
    with torch_settings(1):
        found = train(space.resolve(space.parse(text)), data, recipe, number)
    return {"score": found.held}


def chosen_alone(space: SearchSpace) -> list[int]:
    """Where those stand among the ranked ones: at even steps of the true accuracy."""
    texts = ranked(space)[:DRAWN]
    order = sorted(range(DRAWN), key=lambda i: true(named(texts[i])))
    return [order[i * DRAWN // ALONE] for i in range(ALONE)]


def named(text: str) -> str:
    """An architecture without the size of its network, as the benchmark's table knows it."""
    return f"nas_bench_201/{text.split('/', 1)[1]}"


def ranked(space: SearchSpace) -> list[str]:
    """The same architectures for every supernet: some of all, then some of the best tenth."""
    texts = sorted(bench()[1].rows)
    best = sorted(texts, key=true)[-len(texts) // 10 :]
    chosen = [*Random(0).sample(texts, DRAWN), *Random(1).sample(best, TOP)]
    head = space.unrank(0).text.split("/", 1)[0]
    return [f"{head}/{text.split('/', 1)[1]}" for text in chosen]


def true(text: str, column: str = "cifar10_test") -> float:
    """The accuracy in percent that the benchmark has."""
    return bench()[1].rows[text][column]


# --- the tables ----------------------------------------------------------------------------------


def ranks(kept: Kept) -> None:
    """Kendall's tau of each supernet, beside what costs nothing."""
    space = Library().space("nas_bench_201", SMALL)
    texts = ranked(space)
    truth = [true(named(text)) for text in texts]
    costs = many(space).costs([space.parse(text) for text in texts])
    early = [true(named(text), "e12_cifar10_valid") for text in texts]
    rows: list[Row] = [
        _ranks("parameters", "", [one["params"] for one in costs], truth),
        _ranks("MACs", "", [one["macs"] for one in costs], truth),
        _ranks("12 epochs, whole networks", "", early, truth),
    ]
    rows += _alone(kept, space, truth)
    for way, seed in sorted(UNITS, key=lambda unit: (*WAYS, *LONGER).index(unit[0])):
        unit = kept.known.get(key(way, seed), {})
        if "scores" in unit:
            row = _ranks(f"supernet, {way.name}", str(seed), unit["scores"], truth)
            minutes = f"{unit['trained'] / 60:.1f}"
            middle = _middle(unit["scores"][:DRAWN])
            rows.append(
                dict(row) | {"epochs": way.epochs, "CPU minutes": minutes, "middle half": middle}
            )
    write(
        "one_shot",
        "Shared weights of NAS-Bench-201: do they rank architectures?",
        "python -m benchmarks.one_shot",
        rows,
        [
            f"Kendall's tau (95 % interval by bootstrap) against CIFAR-10 test accuracy after 200 "
            f"epochs, over {DRAWN} architectures drawn of all and {TOP} of the best tenth, the "
            f"same everywhere. {WORDS} Networks are 8 wide, one cell a stage, 16 px; "
            f"judged on {VALIDATED:,} images of batch 5, batch statistics of their own over "
            f"{SHOWN} batches; SGD 0.05, cosine, batches of 128. `fair` runs five paths for each "
            "step, so a fifth of the epochs is the same work.",
            _words(kept),
        ],
    )


def _alone(kept: Kept, space: SearchSpace, truth: Sequence[float]) -> list[Row]:
    """The same for the few that were trained each for itself, and for supernets over those."""
    at = chosen_alone(space)
    if any(f"alone {number}" not in kept.known for number in range(ALONE)):
        return []
    own = [kept.known[f"alone {number}"]["score"] for number in range(ALONE)]
    few = [truth[i] for i in at]
    note = f"{ALONE} of them"
    rows: list[Row] = [
        {
            "score": f"{note}, trained alone, {ALONE_EPOCHS} epochs",
            "of all": _tau(own, few),
            "middle half": _middle(own),
        }
    ]
    for seed in SEEDS:
        scores = kept.known.get(key(UNIFORM, seed), {}).get("scores")
        if scores:
            theirs = [scores[i] for i in at]
            what = f"{note}, supernet, uniform"
            rows.append({"score": what, "seed": str(seed), "of all": _tau(theirs, few)})
            what = f"{note}, supernet against trained alone"
            rows.append({"score": what, "seed": str(seed), "of all": _tau(theirs, own)})
    return rows


def _ranks(what: str, seed: str, scores: Sequence[float], truth: Sequence[float]) -> Row:
    return {
        "score": what,
        "seed": seed,
        "of all": _tau(scores[:DRAWN], truth[:DRAWN]),
        "of the best tenth": _tau(scores[DRAWN:], truth[DRAWN:]),
    }


def _middle(scores: Sequence[float]) -> str:
    """Between which accuracies, in percent, the middle half of the scores lies."""
    low, high = np.percentile(scores, [25, 75])
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _tau(scores: Sequence[float], truth: Sequence[float]) -> str:
    def tau(a: np.ndarray, b: np.ndarray) -> float:
        return float(kendalltau(a, b).statistic)

    found = bootstrap(
        (np.array(scores), np.array(truth)), tau, paired=True, vectorized=False, n_resamples=999,
        method="percentile", rng=0,
    )  # fmt: skip
    low, high = found.confidence_interval
    return f"{tau(np.array(scores), np.array(truth)):.3f} ({low:.3f} to {high:.3f})"


def samples(kept: Kept) -> None:
    """What is found, laid out as Table 4 of TNAS, and its Figure 2 as shares."""
    rows: list[Row] = []
    for way in WAYS:
        units = [kept.known[key(way, s)] for s in SEEDS if key(way, s) in kept.known]
        if not units:
            continue
        searched = [_best(unit["searched"]) for unit in units]
        rows.append(_row(f"{way.name}: evolution", searched))
        if way.epsilon is not None:
            rows.append(_row(f"{way.name}: autoencoder", [unit["drawn"] for unit in units]))
            learned = [unit["learned"] for unit in units]
            rows.append(_row(f"{way.name}: what it learned from", learned))
    texts = sorted(bench()[1].rows)
    uniform = [Random(seed).sample(texts, max(COUNTS)) for seed in SEEDS]
    rows.append(_row("drawn uniformly", uniform))
    write(
        "tnas_epsilon",
        "TNAS: what epsilon does to the training of a supernet",
        "python -m benchmarks.one_shot",
        rows,
        [
            "True accuracies (NAS-Bench-201, test, 200 epochs, percent), means over seeds: the "
            "maximum / the mean of so many samples. Of an evolution these are the best by the "
            f"supernet's scores of {SEARCHED} evaluations; of an autoencoder what it draws. "
            "`good`: the share of its samples among the best tenth of all architectures on "
            "CIFAR-10. `uniform` with evolution is single-path one-shot. The paper's Table 4 has "
            "maxima of 93.0 to 94.2 and means of 91.1 to 92.6 on CIFAR-10.",
            _words(kept),
        ],
    )


def _best(searched: Sequence[Sequence[Any]]) -> list[str]:
    """What was searched, the best scores first, each once."""
    scores = {text: score for text, score in reversed(searched)}
    return sorted(scores, key=scores.__getitem__, reverse=True)


def _row(what: str, seeds: Sequence[Sequence[str]]) -> Row:
    row: dict[str, str | int | float] = {"samples of": what, "seeds": len(seeds)}
    for name, column in (("CIFAR-10", "cifar10_test"), ("CIFAR-100", "cifar100_test")):
        for count in COUNTS:
            if any(len(texts) < min(count, 20) for texts in seeds):
                continue
            cut = [[true(text, column) for text in texts[:count]] for texts in seeds]
            most, mean = fmean(map(max, cut)), fmean(map(fmean, cut))
            row[f"{name}, {count}"] = f"{most:.2f} / {mean:.2f}"
    border = sorted(map(true, bench()[1].rows))[-len(bench()[1].rows) // 10]
    shares = [fmean(true(text) >= border for text in texts) for texts in seeds]
    return row | {"good": f"{100 * fmean(shares):.0f} %"}


def _words(kept: Kept) -> str:
    missing = [key(way, seed) for way, seed in UNITS if key(way, seed) not in kept.known]
    return f"Not measured yet: {'; '.join(missing)}." if missing else "All units were measured."


if __name__ == "__main__":
    main()
