"""Supernet path = network = optimised network, at full counts: `python -m tests.verify_full`.

Every architecture of the small MetaFormer-NAS space and samples of the large one, under both
semantics and both edges, and of NAS-Bench-201: at an eighth of the width and 32 pixels, then a
few at full size; and the costs of samples of both against torch's own counts. Prints every
mismatch; the exit status is 1 if there is one.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from multiprocessing import get_context

import torch

from archdsl.ir.graph import Static
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.verify.networks import Verifier
from archdsl.verify.verdict import Verdict
from tests.shipped import shipped
from tests.torch_counts import differing

Parameters = Mapping[str, Static]

# An eighth of every width, 32 pixels, and as many positions in every stage as at full size; one
# encoder or cell a stage (two in one stage), since all of a stage are the same class.
EIGHTH: Parameters = {
    "size": 32, "patch": 2, "stem_width": 4,
    "width1": 8, "width2": 16, "width3": 40, "width4": 64,
    "depth1": 1, "depth2": 1, "depth3": 2, "depth4": 1,
}  # fmt: skip
EIGHTH_201: Parameters = {"width": 2, "size": 32, "cells": 1}
WORKERS = 2
CHUNK = 50


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
    first: int = 0
    """Where a chunk begins; chunks run side by side."""

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
        torch.set_num_threads(1)
        space = self.open()
        verifier = Verifier(space, batch=self.batch)
        chosen = islice(enumerate(self.architectures(space)), self.first, self.first + CHUNK)
        for number, architecture in chosen:
            verifier.steps = number < self.steps
            yield verifier(architecture)

    def chunks(self) -> Iterator[Job]:
        return (replace(self, first=first) for first in range(0, self.count, CHUNK))


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


def counted(job: Job) -> list[str]:
    """The sampled architectures whose parameters or MACs are not what torch counts."""
    return differing(job.open(), job.count, random.Random(job.count))


COUNTED = (
    Job(name="counts", space="nas_bench_201", parameters=EIGHTH_201, count=500),
    Job(name="counts", space="metaformer_nas", parameters={**EIGHTH, "nodes": 7}, count=500),
)


def failures(job: Job) -> tuple[int, list[str]]:
    """How many architectures a chunk compared, and what was wrong with those that failed."""
    verdicts = list(job.run())
    wrong = [verdict for verdict in verdicts if not verdict.ok]
    rows = [[verdict.architecture, *map(str, verdict.mismatches)] for verdict in wrong]
    return len(verdicts), ["\n  ".join(lines) for lines in rows]


def main() -> int:
    compared = wrong = 0
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        for job in full():
            started, before = time.perf_counter(), wrong
            print(job, flush=True)
            for count, messages in pool.map(failures, job.chunks()):
                compared += count
                wrong += len(messages)
                print("".join(f"{message}\n" for message in messages), end="", flush=True)
            seconds = time.perf_counter() - started
            print(f"  {wrong - before} mismatches, {seconds:.0f} s", flush=True)
        for job, differ in zip(COUNTED, pool.map(counted, COUNTED), strict=True):
            print(job, f"  {len(differ)} differ from torch", *differ, sep="\n", flush=True)
            wrong += len(differ)
    print(f"{compared} architectures, {wrong} mismatches")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
