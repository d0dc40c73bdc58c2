"""Strings by the thousand: read, identified, priced; beside NAS-Bench-201's own way of doing it.

python -m benchmarks.strings

The references are written here after the format's description: its strings are split at `+`, `|`
and `~`, and its rule for equal cells writes each node as an expression of its inputs.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections import deque
from collections.abc import Callable

import numpy  # noqa: F401  # imported once in a process: not a cost of any string

from archdsl.library import Library
from archdsl.passes.many import Many
from archdsl.space.view import SearchSpace
from benchmarks.table import Row, write

RUNS = 7
STRINGS = 4_000
REPEATS = 40_000
OPERATIONS = frozenset(("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"))
SPACES = ("nas_bench_201", "metaformer_nas(nodes=7)")

Cell = tuple[tuple[tuple[str, int], ...], ...]


# --- NAS-Bench-201's way ------------------------------------------------------------------------


def split_cell(text: str) -> Cell:
    """`|conv~0|+|none~0|skip~1|+...` as pairs of operation and source for every node."""
    nodes = []
    for number, node in enumerate(text.split("+")):
        edges = []
        for part in filter(None, node.split("|")):
            operation, source = part.split("~")
            if operation not in OPERATIONS or not 0 <= int(source) <= number:
                raise ValueError(part)
            edges.append((operation, int(source)))
        nodes.append(tuple(edges))
    return tuple(nodes)


def their_text(text: str) -> str:
    """A string of ours in the benchmark's spelling."""
    nodes = text[text.index("[") + 1 : -1].split("; ")
    return "+".join(
        "|" + "".join(f"{operation}~{i}|" for i, operation in enumerate(node.split(" ")))
        for node in nodes
    )


def unique(cell: Cell) -> str:
    """One expression for all cells that compute the same, by its rule: zeros count as zero."""
    values = ["0"]
    for node in cell:
        terms = []
        for operation, source in node:
            value = values[source]
            if operation == "none" or value == "#":
                terms.append("#")
            elif operation == "skip_connect":
                terms.append(value)
            else:
                terms.append(f"({value})@{operation}")
        values.append("+".join(sorted(terms)))
    return values[-1]


# --- the rates -----------------------------------------------------------------------------------


def rates(works: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Strings per second of CPU, the works in turn: medians of some runs."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for run in range(RUNS + 1):
        for name, work in works.items():
            gc.collect()
            start = time.process_time()
            count = work()
            if run:
                found[name].append(count / (time.process_time() - start))
    return {name: statistics.median(each) for name, each in found.items()}


def each(work: Callable[[str], object], texts: list[str]) -> int:
    """Do the work for each, keep no result, and count."""
    deque(map(work, texts), maxlen=0)
    return len(texts)


class Fresh:
    """A space that has seen no string yet, opened outside what is timed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting = [self._open() for _ in range(3 * (RUNS + 1))]

    def _open(self) -> tuple[SearchSpace, Many]:
        space = Library().find(self.name).space
        many = Many(space)
        many.prepare()
        return space, many

    def take(self) -> tuple[SearchSpace, Many]:
        return self.waiting.pop()


def new(name: str, texts: list[str]) -> dict[str, Callable[[], int]]:
    """By a space that has seen no string yet."""
    fresh = Fresh(name)

    def parse() -> int:
        space, _ = fresh.take()
        return each(space.parse, texts)

    def ids() -> int:
        space, many = fresh.take()
        return each(lambda text: many.identity(space.parse(text)), texts)

    def costs() -> int:
        space, many = fresh.take()
        return len(many.costs([space.parse(text) for text in texts]))

    return {"parsed and checked, new": parse, "ids, new": ids, "costs, new": costs}


def repeated(name: str, texts: list[str]) -> dict[str, Callable[[], int]]:
    """By a space that knows them all."""
    space, many = Fresh(name).take()

    def parse() -> int:
        return each(space.parse, texts)

    def ids() -> int:
        return each(lambda text: many.identity(space.parse(text)), texts)

    ids()
    return {"parsed and checked, repeated": parse, "ids, repeated": ids}


def theirs(texts: list[str]) -> dict[str, Callable[[], int]]:
    """By the benchmark's own way, from its own strings."""
    return {
        "split": lambda: each(split_cell, texts),
        "its rule": lambda: each(lambda text: unique(split_cell(text)), texts),
    }


def main() -> None:
    rows: list[Row] = []
    for name in SPACES:
        rng = random.Random(0)
        space = Library().find(name).space
        drawn = dict.fromkeys(space.sample(rng).text for _ in range(2 * STRINGS))
        texts = list(drawn)[:STRINGS]
        again = [rng.choice(texts) for _ in range(REPEATS)]
        works = new(name, texts) | repeated(name, again)
        native = name == "nas_bench_201"
        if native:
            works |= theirs([their_text(text) for text in again])
        found = rates(works)
        for what in ours_only(found):
            reference = ("its rule" if what.startswith("ids") else "split") if native else ""
            beside = found.get(reference, 0.0) if not what.startswith("costs") else 0.0
            rows.append(
                {
                    "space": name,
                    "what": what,
                    "per s": found[what],
                    "reference": f"NAS-Bench-201, {reference}" if beside else "",
                    "reference per s": beside or "",
                    "ratio": found[what] / beside if beside else "",
                }
            )
    write(
        "strings",
        "Strings per second, and beside them NAS-Bench-201's own way",
        "python -m benchmarks.strings",
        rows,
        [
            f"{STRINGS:,} distinct strings with a fixed seed ('new': by a space that has seen none "
            f"and was opened before), and {REPEATS:,} drawn from them ('repeated'); medians of "
            f"{RUNS} runs, all in turn, seconds of CPU on one thread. Ids and costs start from the "
            "string: parsing is in them. Costs are all seven figures, peak memory too.",
            "The references only split the benchmark's own strings and write a cell as one "
            "expression; its library, which makes an object of each cell, is slower.",
        ],
    )


def ours_only(found: dict[str, float]) -> list[str]:
    return [what for what in found if what not in ("split", "its rule")]


if __name__ == "__main__":
    main()
