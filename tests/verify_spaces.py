"""Supernet path = network = optimised network, for every space that ships, at test size.

`python -m tests.verify_spaces [NAME ...] [COUNT]` verifies COUNT (200) random architectures of
each, or all where there are no more, and prints every mismatch; it exits with 1 if there is one.
`tests/cases/tiny/NAME.txt` holds the parameters that make a space small.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import torch

from archdsl.library import Library
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.verify.networks import Verifier

TINY = Path(__file__).resolve().parent / "cases" / "tiny"
COUNT = 200
STEPS = 5
"""For how many architectures weights after optimiser steps are compared too."""


@cache
def tiny(name: str) -> SearchSpace:
    """A shipped space at test size; opened once a process."""
    return Library().find((TINY / f"{name}.txt").read_text(encoding="utf-8").strip()).space


def names() -> tuple[str, ...]:
    """The spaces that have a tiny form."""
    return tuple(sorted(path.stem for path in TINY.glob("*.txt")))


def drawn(space: SearchSpace, count: int, seed: int) -> Iterator[Architecture]:
    """All architectures of a space, or `count` random ones where there are more."""
    if count >= space.size:
        yield from map(space.unrank, range(space.size))
        return
    rng = random.Random(seed)
    yield from (space.sample(rng) for _ in range(count))


def mismatches(
    name: str, count: int, *, seed: int = 0, batch: int = 4, steps: int = STEPS
) -> Iterator[str]:
    """One line for every sampled architecture: empty, or what is wrong with it."""
    space = tiny(name)
    verifier = Verifier(space, batch=batch)
    for number, architecture in enumerate(drawn(space, count, seed)):
        verifier.steps = number < steps
        verdict = verifier(architecture)
        yield "" if verdict.ok else str(verdict)


def main(arguments: Sequence[str]) -> int:
    torch.set_num_threads(1)
    count = next((int(word) for word in arguments if word.isdigit()), COUNT)
    chosen = [word for word in arguments if not word.isdigit()] or names()
    wrong = 0
    for name in chosen:
        started = time.perf_counter()
        found = list(mismatches(name, count))
        messages = [message for message in found if message]
        wrong += len(messages)
        seconds = time.perf_counter() - started
        print(f"{name}: {len(found)} architectures, {len(messages)} mismatches, {seconds:.0f} s")
        print("".join(f"{message}\n" for message in messages), end="", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
