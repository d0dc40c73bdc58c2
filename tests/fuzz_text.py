"""Mutated texts: whatever the input, the answer is a tree or diagnostics with a place.

`python -m tests.fuzz_text 20000` runs more than the test does.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse, parse_genotype
from archdsl.syntax.printer import format_text, print_genotype
from archdsl.syntax.render import as_json, render

HERE = Path(__file__).parent
CASES = HERE / "cases" / "errors" / "syntax"
WORDS = """
{ } ( ) [ ] | ; , = == -> ^ @ .. + - * / // % < <= != : # ## " ' 0 1 3 12M 1e9 0.5 x n i space op
cell block net use where title return for in if then else of any and or yes no elastic archdsl
conv relu ! $ . ~ true
"""
PIECES = (*WORDS.split(), "\\", "\n", "\t", "\r", "\0", "\u00e9", "\u202e", "\U0001f600")
STRINGS = (
    "metaformer_nas(nodes=7)/mixer[pool; 1 pool; 2 pool; 3 pool]",
    "glit_tiny/layer[global(0.5 4); local(31 2); mixed.1(4 6)]",
    'enas(kind="a", c=1.5)/network[conv3 -; sep5 0; avg -; conv3 0+2]/motif.1.2[-; a+b(1 2)]',
)


def texts() -> list[str]:
    """The texts that are mutated: formatted programs, and the smaller broken cases."""
    good = sorted((HERE / "cases" / "fmt").glob("*.arch"))
    broken = [path for path in sorted(CASES.glob("*.arch")) if path.stat().st_size < 1_000]
    return [path.read_bytes().decode("utf-8", "replace") for path in (*good, *good, *broken)]


def mutate(text: str, other: str, chance: random.Random) -> str:
    """Some small damage: deleted, doubled, swapped, inserted or grafted pieces."""
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice((1, 1, 2, 5, 30, 200)))
        kind = chance.randrange(6)
        if kind == 0:
            text = text[:at] + text[end:]
        elif kind == 1:
            text = text[:end] + text[at:]
        elif kind in (2, 3):
            text = text[:at] + chance.choice((" ", "")) + chance.choice(PIECES) + text[at:]
        elif kind == 4:
            text = text[:at] + chance.choice(PIECES) + text[end:]
        else:
            begin = chance.randrange(len(other) + 1)
            text = text[:at] + other[begin : begin + 60] + text[end:]
    return text


def mutants(count: int, seed: int) -> Iterator[str]:
    chance = random.Random(seed)
    originals = texts()
    for _ in range(count):
        yield mutate(chance.choice(originals), chance.choice(originals), chance)


def string_mutants(count: int, seed: int) -> Iterator[str]:
    chance = random.Random(seed)
    for _ in range(count):
        yield mutate(chance.choice(STRINGS), chance.choice(STRINGS), chance)


def check(text: str, genotype: bool) -> bool:
    """Whether the text is right; a wrong one must be answered in full."""
    try:
        if genotype:
            tree = parse_genotype(text)
            assert parse_genotype(print_genotype(tree)) == tree
        else:
            parse(text)
            format_text(text)
        return True
    except ArchError as error:
        assert error.diagnostics
        for finding in error.diagnostics:
            assert finding.code != "E0901", text
            assert finding.span is not None, (text, finding)
            assert render(finding).startswith(f"error[{finding.code}]")
            assert as_json(finding)["line"] >= 1
        return False


def run(count: int, seed: int) -> tuple[int, float]:
    """Check `count` mutants, a sixth of them strings: how many were right, the slowest second."""
    right, slowest = 0, 0.0
    strings = count // 6
    for genotype, inputs in (
        (False, mutants(count - strings, seed)),
        (True, string_mutants(strings, seed)),
    ):
        for text in inputs:
            begin = time.perf_counter()
            try:
                right += check(text, genotype)
            except Exception as error:
                raise AssertionError(f"{error!r} for the text\n{text!r}") from error
            slowest = max(slowest, time.perf_counter() - begin)
    return right, slowest


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**6)
    right, slowest = run(count, seed)
    print(f"{count} mutants (seed {seed}): {right} right, slowest {slowest * 1e3:.0f} ms")


if __name__ == "__main__":
    main()
