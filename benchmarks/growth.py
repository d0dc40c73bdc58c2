"""How compile time grows: chains and lattices of 10 to 10,000 operations, text to written file.

python -m benchmarks.growth [MOST]
"""

from __future__ import annotations

import gc
import math
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from archdsl.cli.main import RARELY
from archdsl.compiler import Options, compile_to
from archdsl.ir.limits import Limits
from archdsl.library import Library
from archdsl.passes.driver import optimise
from benchmarks.table import Row, write

SIZES = (10, 30, 100, 300, 1000, 3000, 10000)
PASSES = {"passes alone": 1, "passes alone, -O2": 2}
FITTED_FROM = 100
"""Smaller texts are compiled in the time that any text takes."""
LIMITS = Limits(uses=10**7, steps=10**7)


def chain(operations: int) -> str:
    """One value, repeated."""
    return f"net network(x: 4 x 8 x 8) = x -> (conv(4, k=3) -> relu)^{operations // 2}"


def statements(operations: int) -> str:
    """One named value after another."""
    return f"""net network(x: 4 x 8 x 8) {{
      n[0] = x
      for i in 1..{operations // 2} {{ n[i] = n[i-1] -> conv(4, k=3) -> relu }}
      return n[{operations // 2}]
    }}"""


def lattice(operations: int) -> str:
    """A square of values, each read by two others."""
    side = max(1, round(math.sqrt(operations / 3)))
    return f"""net network(x: 4 x 8 x 8) {{
      for i in 0..{side} {{ n[i, 0] = x }}
      for j in 1..{side} {{ n[0, j] = x }}
      for i in 1..{side} {{
        for j in 1..{side} {{ n[i, j] = (n[i-1, j] + n[i, j-1]) -> conv(4) -> relu }}
      }}
      return n[{side}, {side}]
    }}"""


def blocks(operations: int) -> str:
    """Uses of one definition, each decided on its own."""
    return f"""block layer(x) = x + (x -> {{conv(4, k=3) | dwconv(3)}} -> relu)
    net network(x: 4 x 8 x 8) = x -> layer^{max(1, operations // 3)}"""


def choices(operations: int) -> str:
    """One named value after another, an operation chosen for each."""
    return f"""net network(x: 4 x 8 x 8) {{
      n[0] = x
      for i in 1..{operations // 3} {{ n[i] = n[i-1] -> {{conv(4, k=3) | dwconv(3)}} -> relu }}
      return n[{operations // 3}]
    }}"""


def siblings(operations: int) -> str:
    """Pairs of convolutions of one value, which become one."""
    return f"""net network(x: 4 x 8 x 8) {{
      n[0] = x
      for i in 1..{max(1, operations // 6)} {{
        n[i] = ((n[i-1] -> conv(4, k=3) -> relu) + (n[i-1] -> conv(4, k=3) -> relu)) -> tanh
      }}
      return n[{max(1, operations // 6)}]
    }}"""


def foldable(operations: int) -> str:
    """Convolutions with what deployment folds into them."""
    layer = "conv(4, k=3, bias=no) -> bn -> scale -> dropout(0.1) -> relu"
    return f"net network(x: 4 x 8 x 8) = x -> ({layer})^{max(1, operations // 5)}"


def linear(operations: int) -> str:
    """Linear maps with skips, which deployment multiplies and adds."""
    return f"""net network(x: 4 x 8 x 8) {{
      n[0] = x
      for i in 1..{max(1, operations // 4)} {{ n[i] = n[i-1] + (n[i-1] -> conv(4) -> scale) }}
      return n[{max(1, operations // 4)}]
    }}"""


TEXTS: dict[str, Callable[[int], str]] = {
    "chain": chain,
    "statements": statements,
    "lattice": lattice,
    "blocks with holes": blocks,
    "chain with holes": choices,
}


def wide(operations: int) -> str:
    """One value into many terms of one sum."""
    terms = f"x -> conv(4, k=3) -> bn for i in 1..{max(1, operations // 2)}"
    return f"net network(x: 4 x 4 x 4) = sum({terms})"


FIRING: dict[str, Callable[[int], str]] = {
    "siblings": siblings,
    "foldable": foldable,
    "linear": linear,
    "wide": wide,
}
"""Texts on which passes find work at every step."""


def main(most: int = SIZES[-1]) -> None:
    gc.set_threshold(*RARELY)  # as the command line does
    sizes = [size for size in SIZES if size <= most]
    rows: list[Row] = []
    per_operation: list[Row] = []
    for name, text in {**TEXTS, **FIRING}.items():
        whole = () if name in FIRING else ("-O0", "-O1")
        for what in (*whole, *PASSES, *(("supernet",) if name.endswith("holes") else ())):
            seconds = [measure(text(size), what, 5 if size <= 1000 else 1) for size in sizes]
            found = {f"{size:,}": spent for size, spent in zip(sizes, seconds, strict=True)}
            if what in PASSES:
                each = [1e6 * spent / size for size, spent in zip(sizes, seconds, strict=True)]
                label = f"{name} at -O{PASSES[what]}"
                per_operation.append({"text": label, **dict(zip(found, each, strict=True))})
            rows.append({"text": name, "what": what, **found, "exponent": slope(sizes, seconds)})
    write(
        "growth",
        "Compile time by number of operations: seconds of CPU, text to written file",
        "python -m benchmarks.growth",
        rows,
        [
            f"Not formatted; up to 1,000 the least of 5 runs. `exponent` is the slope of "
            f"log(time) over log(operations) from {FITTED_FROM} operations on: 1 is linear. "
            f"With holes: -O0 and -O1 compile one architecture, `supernet` the whole space; "
            f"`passes alone` is the optimiser at -O1 (on {', '.join(FIRING)} it finds work "
            f"everywhere), of which an operation takes (microseconds): "
            + "; ".join(_listed(row) for row in per_operation)
            + ".",
        ],
    )


def _listed(row: Row) -> str:
    """One text's microseconds an operation, for each number of operations."""
    found = ", ".join(f"{v:.0f} at {k}" for k, v in row.items() if isinstance(v, float))
    return f"{row['text']}: {found}"


def measure(body: str, what: str, runs: int) -> float:
    """Seconds of CPU from text to file, the least of some runs."""
    text = f"archdsl 1\nspace grown {{\n{body}\n}}\n"
    return min(_once(text, what) for _ in range(runs))


def _once(text: str, what: str) -> float:
    gc.collect()
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        found = Library(limits=LIMITS).text(text)
        if what != "supernet" and found.architecture is None:
            least = found.space.unrank(0)
            found = type(found)(space=found.space, architecture=least)
        if what in PASSES:
            assert found.architecture is not None
            network = found.space.resolve(found.architecture)
            start = time.process_time()
            optimise(network, PASSES[what])
            return time.process_time() - start
        level = 1 if what == "-O1" else 0
        options = Options(level=level, supernet=what == "supernet", format=False)
        compile_to(found, Path(folder), options)
        return time.process_time() - start


def slope(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The exponent that fits best: least squares on logarithms."""
    points = [
        (math.log(size), math.log(spent))
        for size, spent in zip(sizes, seconds, strict=True)
        if size >= FITTED_FROM
    ]
    x_mean = sum(x for x, _ in points) / len(points)
    y_mean = sum(y for _, y in points) / len(points)
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / spread if spread else 0.0


if __name__ == "__main__":
    main(*(int(given) for given in sys.argv[1:]))
