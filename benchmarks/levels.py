"""`-O1` against `-O0` on every space that ships: a training step and inference, in turn.

python -m benchmarks.levels [PAIRS] [SPACE ...]
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import torch

from archdsl.library import Library
from archdsl.load import load_network
from archdsl.passes.driver import optimise
from benchmarks.pairs import in_turn, inference, inputs, pairs_within, ratio, training_step
from benchmarks.table import Row, write

TINY = Path(__file__).resolve().parents[1] / "tests" / "cases" / "tiny"
PAIRS = 60
BATCH = 8
LONG = 2.0
"""Seconds for the pairs of one row."""
BOUND = 1.03
"""How much slower `-O1` may be, at the upper end of the interval."""


def main() -> None:
    given = sys.argv[1:]
    pairs = int(given[0]) if given and given[0].isdigit() else PAIRS
    chosen = [name for name in given if not name.isdigit()]
    names = chosen or sorted(path.stem for path in TINY.glob("*.txt"))
    torch.set_num_threads(2)
    rows = [row for name in names for row in measure(name, pairs)]
    slow = [f"{row['space']} ({row['what']})" for row in rows if row["upper bound"] > BOUND]  # type: ignore[operator]
    write(
        "levels",
        "-O1 against -O0 on every space: time of one sampled architecture",
        "python -m benchmarks.levels",
        rows,
        [
            f"Forms at test size (tests/cases/tiny), {BATCH} inputs, 2 threads, CPU. Steps of both "
            f"in turn, at least {pairs} pairs and as many as {LONG:g} s take; the ratio is the "
            "median of -O1 / -O0, with its 95 % interval (bootstrap). `nodes`: of all graphs, "
            "before and after the passes.",
            f"Upper bound above {BOUND}: {', '.join(slow) or 'none'}.",
        ],
    )


def measure(name: str, pairs: int) -> list[Row]:
    """Two rows: a training step and inference of one architecture of a space."""
    space = Library().find((TINY / f"{name}.txt").read_text(encoding="utf-8").strip()).space
    program = space.resolve(space.sample(random.Random(0)))
    optimised = optimise(program)
    torch.manual_seed(0)
    plain, better = load_network(program), load_network(optimised.program)
    better.load_state_dict(optimised.weights.forward(optimised.weights.agree(plain.state_dict())))
    batch = inputs(program, BATCH)
    rows: list[Row] = []
    for what, work in (("step", training_step), ("inference", inference)):
        works = [work(plain, batch), work(better, batch)]
        count = pairs_within(works, LONG, pairs)
        found = ratio(*in_turn(works, count))
        rows.append(
            {
                "space": name,
                "what": what,
                "nodes -O0": sum(len(graph.nodes) for graph in program.modules.values()),
                "nodes -O1": sum(len(graph.nodes) for graph in optimised.program.modules.values()),
                "pairs": count,
                "ms -O0": 1e3 * found.seconds[0],
                "ms -O1": 1e3 * found.seconds[1],
                "ratio": found.ratio,
                "lower bound": found.low,
                "upper bound": found.high,
            }
        )
    return rows


if __name__ == "__main__":
    main()
