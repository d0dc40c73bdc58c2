"""Supernet path = network = optimised network, at full counts: `python -m tests.verify_full`.

Every architecture of the small MetaFormer-NAS space and samples of the large one, under both
semantics and both edges, and of NAS-Bench-201: at an eighth of the width and 32 pixels, then a
few at full size. Prints every mismatch; the exit status is 1 if there is one.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch

from archdsl.ir.graph import Static
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.verify.networks import Verifier
from archdsl.verify.verdict import Verdict
from tests.shipped import shipped

Parameters = Mapping[str, Static]

# An eighth of every width, 32 pixels, and as many positions in every stage as at full size.
EIGHTH: Parameters = {
    "size": 32, "patch": 2, "stem_width": 4,
    "width1": 8, "width2": 16, "width3": 40, "width4": 64,
}  # fmt: skip
EIGHTH_201: Parameters = {"width": 2, "size": 32}
SHALLOW: Parameters = {"depth1": 1, "depth2": 1, "depth3": 1, "depth4": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Some architectures of one space: `count` sampled, or all where there are no more.

    `steps`: for how many of them weights after optimiser steps are compared too.
    """

    name: str
    space: str
    parameters: Parameters = field(default_factory=dict)
    count: int
    batch: int = 2
    steps: int = 0

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.name}: {self.count} of {self.space}({shown})"

    def open(self) -> SearchSpace:
        return shipped(self.space, **self.parameters)

    def architectures(self, space: SearchSpace) -> Iterator[Architecture]:
        if self.count >= space.size:
            yield from (space.unrank(number) for number in range(space.size))
            return
        rng = random.Random(self.count)
        yield from (space.sample(rng) for _ in range(self.count))

    def run(self) -> Iterator[Verdict]:
        space = self.open()
        verifier = Verifier(space, batch=self.batch)
        for number, architecture in enumerate(self.architectures(space)):
            verifier.steps = number < self.steps
            yield verifier(architecture)


def jobs(
    small: int,
    large: int,
    benchmark: int,
    size: Parameters,
    benchmark_size: Parameters,
    batch: int,
    steps: int,
    name: str,
) -> Iterator[Job]:
    """The same architectures at one size: of 4 nodes, of 7 nodes, and of NAS-Bench-201."""
    for nodes, count in ((4, small), (7, large)):
        for semantics in ("paper", "as_intended"):
            for edge in ("mlp", "linear"):
                yield Job(
                    name=name,
                    space="metaformer_nas",
                    parameters={"nodes": nodes, "semantics": semantics, "edge": edge, **size},
                    count=count,
                    steps=steps,
                )  # fmt: skip
    yield Job(
        name=name,
        space="nas_bench_201",
        parameters=benchmark_size,
        count=benchmark,
        batch=batch,
        steps=steps,
    )


def full() -> tuple[Job, ...]:
    return (
        *jobs(96, 500, 500, EIGHTH, EIGHTH_201, 4, 20, "an eighth"),
        *jobs(5, 5, 5, {}, {}, 2, 0, "full size"),
    )


def main() -> int:
    torch.set_num_threads(1)
    compared = wrong = 0
    for job in full():
        started, before = time.perf_counter(), wrong
        print(job, flush=True)
        for verdict in job.run():
            compared += 1
            if not verdict.ok:
                wrong += 1
                print(verdict.architecture)
                print("\n".join(f"  {row}" for row in verdict.mismatches), flush=True)
        seconds = time.perf_counter() - started
        print(f"  {wrong - before} mismatches, {seconds:.0f} s", flush=True)
    print(f"{compared} architectures, {wrong} mismatches")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
