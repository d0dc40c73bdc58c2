"""Different graphs of the NAS-Bench-101 space, told apart by `archdsl id`.

python -m benchmarks.graphs [VERTICES]

Ying and others count 1, 6, 84, 2,441, 62,010 and 359,082 graphs of 2 to 7 vertices with at most
nine edges, where graphs are one if a renumbering of vertices maps them to each other. Every
architecture that uses all its vertices is identified; 7 vertices take about half an hour.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import combinations, product

from archdsl.library import Library
from archdsl.passes.many import many
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from benchmarks.table import Row, write

PUBLISHED = {2: 1, 3: 6, 4: 84, 5: 2_441, 6: 62_010, 7: 359_082}
EDGES = 9
OPERATIONS = ("conv3x3", "conv1x1", "maxpool3x3")


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 and sys.argv[1].isdigit() else 7
    write(
        "graphs",
        "Different graphs of NAS-Bench-101",
        "python -m benchmarks.graphs",
        [measure(vertices) for vertices in PUBLISHED if vertices <= most],
        [
            "Cells with at most nine edges that use all their vertices; 'different' are their ids, "
            "with a 5x5 convolution for the pooling: two poolings of one value are one for an id, "
            "and two vertices for the paper."
        ],
    )


def measure(vertices: int) -> Row:
    """Counted and published graphs of so many vertices."""
    started = time.perf_counter()
    cells, different = count(vertices, pool=False)
    seconds = time.perf_counter() - started
    return {
        "vertices": vertices,
        "cells": cells,
        "different": different,
        "published": PUBLISHED[vertices],
        "ids a second": cells / seconds,
    }


def count(vertices: int, *, pool: bool) -> tuple[int, int]:
    """How many cells use all their vertices, and how many ids these have."""
    space = small(vertices, pool=pool)
    known = many(space)
    cells, ids = 0, set()
    for architecture in used(space, vertices):
        cells += 1
        ids.add(known.identity(architecture))
    return cells, len(ids)


def small(vertices: int, *, pool: bool) -> SearchSpace:
    """The space of one narrow cell a stage; its ids are those of the space at full size."""
    word = "yes" if pool else "no"
    given = f"vertices={vertices}, modules=1, width=2, size=8, pool={word}"
    return Library().find(f"nas_bench_101({given})").space


def used(space: SearchSpace, vertices: int) -> Iterator[Architecture]:
    """The architectures that use all their vertices, with at most nine edges."""
    head = space.program.genotype
    for sources in wired(vertices):
        taken = [f"{first}({'+'.join(map(str, more)) or '-'})" for first, *more in sources]
        for operations in product(OPERATIONS, repeat=vertices - 2):
            entries = [f"{t} {o}" for t, o in zip(taken, operations, strict=False)]
            yield space.parse(f"{head}/module[{'; '.join((*entries, taken[-1]))}]")


def wired(vertices: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """The sources of every vertex behind the first, in all ways that use all vertices."""

    def further(before: tuple[tuple[int, ...], ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
        if len(before) == vertices - 1:
            if len({source for sources in before for source in sources}) == len(before):
                yield before
            return
        number = len(before) + 1
        left = EDGES - sum(map(len, before)) - (vertices - 1 - number)  # one for each that follows
        for count in range(1, min(number, left) + 1):
            for sources in combinations(range(number), count):
                yield from further((*before, sources))

    return further(())


if __name__ == "__main__":
    main()
