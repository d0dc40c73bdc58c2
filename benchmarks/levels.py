"""`-O1` against `-O0` on every space that ships: a training step and inference, in turn.

python -m benchmarks.levels [PAIRS] [SPACE ...] [--compile]

`--compile` writes the table `levels_compile` instead: fewer pairs, and all columns of speed tables.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.load import load_network
from archdsl.passes.driver import optimise
from archdsl.passes.explain import Account
from benchmarks.columns import BOUND, COMPILED, OURS, PLAIN, Columns, runs_and_names
from benchmarks.pairs import (
    Form,
    Ratio,
    Work,
    in_turn,
    inference,
    inputs,
    pairs_within,
    ratio,
    timed,
    training_step,
)
from benchmarks.table import Row, write

TINY = Path(__file__).resolve().parents[1] / "tests" / "cases" / "tiny"
PAIRS = 60
BATCH = 8
LONG = 2.0
"""Seconds for the pairs of one row."""
WIDTH, AGAIN = 0.03, 5
"""An interval is wide above this; then pairs are taken anew, up to so many times."""
FEWER, SHORT = 10, 1.0
"""Pairs, and seconds for them, in the table that compiles."""
SAVING = "predicted saving, ms"
PREDICTED = (
    "The predicted saving is that of `compile --explain`: forward and slow gradients, 16 inputs, "
    "by the shipped rates of a CPU."
)
FORMS: dict[str, Form] = {"step": training_step, "inference": inference}


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """One architecture of a space at both levels, with the same weights and a batch."""

    program: Program
    optimised: Program
    plain: nn.Module
    better: nn.Module
    batch: tuple[Tensor, ...]
    predicted: float
    """Milliseconds that the passes are predicted to save, forward, for a batch of 16."""


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("given", nargs="*", metavar="PAIRS or SPACE")
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args(arguments)
    pairs, chosen = runs_and_names(given.given, FEWER if given.compile else PAIRS)
    names = chosen or sorted(path.stem for path in TINY.glob("*.txt"))
    torch.set_num_threads(2)
    if given.compile:
        write_compiled(names, pairs)
    else:
        write_levels(names, pairs)


def write_levels(names: Sequence[str], pairs: int) -> None:
    """The table `levels`."""
    rows = [row for name in names for row in measure(name, pairs)]
    slow = [f"{row['space']} ({row['what']})" for row in rows if row["upper bound"] > BOUND]  # type: ignore[operator]
    write(
        "levels",
        "-O1 against -O0 on every space: time of one sampled architecture",
        "python -m benchmarks.levels",
        rows,
        [
            f"Forms at test size (tests/cases/tiny), {BATCH} inputs, 2 threads, CPU. Steps of both "
            f"in turn, at least {pairs} pairs and as many as {LONG:g} s take, up to {AGAIN} times "
            f"as many while the interval is wider than {WIDTH}; the ratio is the median of "
            "-O1 / -O0, with its 95 % interval (bootstrap). `nodes`: of all graphs, "
            f"before and after the passes. {PREDICTED}",
            f"Upper bound above {BOUND}: {', '.join(slow) or 'none'}.",
            "With torch.compile: `levels_compile`.",
        ],
    )


def write_compiled(names: Sequence[str], pairs: int) -> None:
    """The table `levels_compile`; a space that torch.compile refuses says so in its row."""
    kept = Columns(compiled=True, unit="ms")
    rows: list[Row] = []
    for number, name in enumerate(names, 1):
        start = time.perf_counter()
        rows += compiled(name, pairs, kept)
        seconds = time.perf_counter() - start
        print(f"{number}/{len(names)} {name}: {seconds:.0f} s", file=sys.stderr, flush=True)
        write(  # an hour's work: what there is stands there if it is stopped
            "levels_compile",
            "-O1 and -O0 on every space, under torch.compile: time of one sampled architecture",
            "python -m benchmarks.levels --compile",
            rows,
            [
                f"{number} of {len(names)} spaces at test size (tests/cases/tiny), {BATCH} inputs, "
                f"2 threads, CPU, at least {pairs} rounds and as many as {SHORT:g} s take. `ours` "
                f"is -O1. {PREDICTED}",
                *kept.notes(),
            ],
        )


def load(name: str) -> Levels:
    """One architecture of a space of tests/cases/tiny, drawn with a fixed seed."""
    space = Library().find((TINY / f"{name}.txt").read_text(encoding="utf-8").strip()).space
    program = space.resolve(space.sample(random.Random(0)))
    account = Account()
    optimised = optimise(program, watch=account)
    torch.manual_seed(0)
    plain, better = load_network(program), load_network(optimised.program)
    better.load_state_dict(optimised.weights.forward(optimised.weights.agree(plain.state_dict())))
    return Levels(
        program=program,
        optimised=optimised.program,
        plain=plain,
        better=better,
        batch=inputs(program, BATCH),
        predicted=1e3 * sum(firing.saved for firing in account.firings if firing.fired),
    )


def measure(name: str, pairs: int) -> list[Row]:
    """Two rows: a training step and inference of one architecture of a space."""
    levels = load(name)
    rows: list[Row] = []
    for what, work in FORMS.items():
        works = [work(levels.plain, levels.batch), work(levels.better, levels.batch)]
        count, found = narrow(works, pairs_within(works, LONG, pairs))
        rows.append(
            {
                "space": name,
                "what": what,
                "nodes -O0": nodes(levels.program),
                "nodes -O1": nodes(levels.optimised),
                SAVING: levels.predicted,
                "pairs": count,
                "ms -O0": 1e3 * found.seconds[0],
                "ms -O1": 1e3 * found.seconds[1],
                "ratio": found.ratio,
                "lower bound": found.low,
                "upper bound": found.high,
            }
        )
    return rows


def narrow(works: Sequence[Work], pairs: int) -> tuple[int, Ratio]:
    """So many pairs, and as many again while the interval is wide, whatever it holds."""
    plain, better = in_turn(works, pairs)
    while (found := ratio(plain, better)).high - found.low > WIDTH and len(plain) < AGAIN * pairs:
        for times, more in zip((plain, better), in_turn(works, pairs), strict=True):
            times += more
    return len(plain), found


def nodes(program: Program) -> int:
    """How many nodes all graphs of a program have."""
    return sum(len(graph.nodes) for graph in program.modules.values())


def compiled(name: str, pairs: int, kept: Columns) -> list[Row]:
    """The same rows with the columns of speed tables."""
    levels = load(name)
    kept.start()
    return [compiled_row(name, levels, what, pairs, kept) for what in FORMS]


def compiled_row(name: str, levels: Levels, what: str, pairs: int, kept: Columns) -> Row:
    """One row; where torch.compile fails, without its columns, and with what it said."""
    works: dict[str, Work] = {}
    for way, network in ((PLAIN, levels.plain), (OURS, levels.better)):
        works |= kept.ways(way, network, levels.batch, FORMS[what])
    failed = failure(works) if kept.compiled else ""
    if failed:
        works = {way: work for way, work in works.items() if COMPILED not in way}
    count = pairs_within(list(works.values()), SHORT, pairs)
    return {
        "space": name,
        "what": what,
        "rounds": count,
        SAVING: levels.predicted,
        **kept.cells(f"{name} {what}", timed(works, count)),
        **({"failed": failed} if failed else {}),
    }


def failure(works: Mapping[str, Work]) -> str:
    """What torch.compile says against any of the ways that it makes; nothing where all run."""
    for way, work in works.items():
        if COMPILED in way:
            try:
                work()
            except Exception as problem:  # whatever its backend raises
                first = next(iter(str(problem).splitlines()), "")
                return f"{way}: {type(problem).__name__}: {first}".replace("|", "/")
    return ""


if __name__ == "__main__":
    main(sys.argv[1:])
