"""How fast text is: strings parsed and checked, priced and identified; text to file and module.

python -m benchmarks.text
"""

from __future__ import annotations

import gc
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from archdsl.cli.main import RARELY
from archdsl.compiler import Found, Library, Options, compile_to, figures
from archdsl.load import load_network
from archdsl.passes.identity import identity
from archdsl.space.reader import read
from archdsl.syntax.parse import parse_genotype
from benchmarks.table import Row, median_seconds, write

GENERATED = Path(__file__).parent.parent / "generated"
SPACES = ("nas_bench_201", "metaformer_nas(nodes=7)")
SAMPLES = ("darts_cifar",)
"""Spaces whose committed sample is compiled from nothing; DARTS_V2 is that of `darts_cifar`."""
STRINGS = 1000


def cpu_seconds(work: Callable[[], object]) -> float:
    """The median of some runs, in seconds of CPU: what else the machine does is not counted."""
    return median_seconds(work, clock=time.process_time)


def main() -> None:
    gc.set_threshold(*RARELY)
    files = [row for name in SAMPLES for row in written(name)]  # first, as in a new process
    rows: list[Row] = [row for name in SPACES for row in measure(name)] + files
    write(
        "text",
        "Text: strings per second, and text to code",
        "python -m benchmarks.text",
        rows,
        [
            f"{STRINGS} strings with a fixed seed (200 for the grammar, 100 for costs and ids); "
            "medians of 5 runs, seconds of CPU on one thread, garbage collected as "
            "rarely as by the command line. 'parsed by the grammar' has Lark "
            "read every string; "
            "'parsed and checked' is `SearchSpace.parse`, where canonical strings take a reader "
            "made for the space and all others take Lark. Costs and ids resolve the architecture.",
        ],
    )


PLAIN = Options(format=False)


def written(name: str) -> list[Row]:
    """From the text of a space and a string to a written file, with nothing open before."""
    text = (GENERATED / name / "architecture.txt").read_text(encoding="utf-8").strip()
    found = Library().find(text)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        works = {
            "text of the space to written file, formatted": lambda: compile_to(
                Library().find(text), path
            ),
            "text of the space to written file, not formatted": lambda: compile_to(
                Library().find(text), path, PLAIN
            ),
            "string to written file, not formatted": lambda: compile_to(found, path, PLAIN),
        }
        return [
            {
                "space": name,
                "what": what,
                "figure": 1000 * cpu_seconds(work),
                "unit": "ms",
            }
            for what, work in works.items()
        ]


def measure(name: str) -> list[Row]:
    """The rows of one space."""
    space = Library().find(name).space
    rng = random.Random(0)
    drawn = [space.sample(rng) for _ in range(STRINGS)]
    texts = [one.text for one in drawn]
    some = drawn[:100]
    found = Found(space=space, architecture=drawn[0])
    rates = {
        "parsed by the grammar": lambda: [
            read(space._layout, parse_genotype(text)) for text in texts[:200]
        ],
        "parsed and checked": lambda: [space.parse(text) for text in texts],
        "costs": lambda: [figures(space.resolve(one)) for one in some],
        "ids": lambda: [identity(space.resolve(one)) for one in some],
    }
    counts = {"parsed by the grammar": 200, "parsed and checked": STRINGS, "costs": 100, "ids": 100}
    rows: list[Row] = [
        {
            "space": name,
            "what": what,
            "figure": counts[what] / cpu_seconds(work),
            "unit": "per s",
        }
        for what, work in rates.items()
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        milliseconds = {
            "text to tree and IR": lambda: Library().find(name),
            "string to file, formatted": lambda: compile_to(found, path),
            "string to file, not formatted": lambda: compile_to(found, path, PLAIN),
            "string to live module": lambda: load_network(found.network()),
        }
        for what, work in milliseconds.items():
            figure = 1000 * cpu_seconds(work)
            rows.append({"space": name, "what": what, "figure": figure, "unit": "ms"})
    return rows


if __name__ == "__main__":
    main()
