"""Random networks before and after all passes, run: the same outputs, gradients and weights.

`python -m tests.fuzz_rewrites [COUNT]` compares COUNT (10,000) networks by the rule of
`archdsl.verify.equal`: small random programs, and now and then an architecture of a shipped
space at test size. It counts what every pass did, law by law, and ends with 1 where two networks
differ, or where a law was tried too seldom to be proven.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from itertools import product
from multiprocessing import get_context
from random import Random

import torch
from torch import nn

from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Apply, Graph, Program
from archdsl.ops import OPERATIONS
from archdsl.passes.device import CPU, GPU, Device
from archdsl.passes.draft import Rewrite
from archdsl.passes.driver import DEPLOYMENT, PIPELINE, Optimised, Pass, optimise
from archdsl.syntax.parse import parse
from archdsl.verify.compare import OPTIMISED, still, verdict, verify_optimised
from archdsl.verify.equal import EXACT, FACTOR, Subject, Tensors
from archdsl.verify.plain import plain_network
from archdsl.verify.verdict import Row, Verdict
from tests.at_any_size import at_any_size
from tests.fixed_masks import FixedMask, masked
from tests.random_programs import network
from tests.rewrite_laws import LAWS
from tests.verify_spaces import names, tiny

COUNT = 10_000
CHUNK = 250
"""So many networks are one task of a process."""
BATCH = 4
SPACES = 25
"""One network in so many is an architecture of a shipped space."""
LEAST = 0.02
"""The share of networks in which every law has to fire."""
RARE = 0.002
"""The share of applications, by number of networks, that every operation has to have."""
HARD = 0.02
"""The share of networks that may be too ill-conditioned for a bound on rounding errors."""


def program(number: int) -> Program:
    """The network of that number."""
    if number % SPACES:
        return masked(elaborate(parse(network(number), "random").spaces[0]))
    known = names()
    space = tiny(known[number // SPACES % len(known)])
    return space.resolve(space.sample(Random(number)))


def device(number: int) -> Device:
    """What that network is to be fast on: one after another, for other fusions pay on each."""
    return (CPU, GPU, GPU, FREE)[number % 4]


FREE = replace(CPU, name="free", call=1e-9)
"""On which calls cost nothing: what pays there pays for what it computes."""


@dataclass(slots=True)
class Found:
    """What a run of many networks found."""

    networks: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    hard: int = 0
    wrong: list[str] = field(default_factory=list)

    def merge(self, other: Found) -> None:
        self.networks += other.networks
        self.fired += other.fired
        self.operations += other.operations
        self.hard += other.hard
        self.wrong += other.wrong

    def seldom(self) -> dict[str, int]:
        """The passes and laws that fired too seldom."""
        least = LEAST * self.networks
        seldom = {name: self.fired[name] for name in laws() if self.fired[name] < least}
        for operation in OPERATIONS:
            if self.operations[operation.keyword] < RARE * self.networks:
                seldom[operation.keyword] = self.operations[operation.keyword]
        return seldom


def laws() -> tuple[str, ...]:
    """Every pass, and every law of one, by name."""
    return tuple(
        name
        for step in PIPELINE
        for name in (step.name, *(f"{step.name}: {law}" for law in LAWS.get(step.name, {})))
    )


def counted(fired: set[str]) -> tuple[Pass, ...]:
    """The pipeline, writing down what fires."""

    def watched(step: Pass) -> Pass:
        @wraps(step.run)
        def run(graph: Graph, *given: object) -> Rewrite:
            rewrite = step.run(graph, *given)
            if rewrite.graph is not graph:
                fired.add(step.name)
                for law, applies in LAWS.get(step.name, {}).items():
                    if applies(graph, rewrite):
                        fired.add(f"{step.name}: {law}")
            return rewrite

        return replace(step, run=run)

    return tuple(watched(step) for step in PIPELINE)


def compare(given: Program, optimised: Optimised) -> tuple[Verdict, bool]:
    """The verdict on a rewritten network, and whether rounding errors alone were too large."""
    result = verify_optimised(given, optimised, batch=BATCH, build=at_any_size)
    if result.ok:
        return result, False
    noise = _noise(given)
    rows = tuple(
        replace(row, allowed=max(row.allowed, FACTOR * noise.get(row.check, 0.0)))
        for row in result.rows
    )
    return replace(result, rows=rows), True


def _noise(given: Program) -> dict[str, float]:
    """How far a network is from itself when every weight and value is off by a rounding error or
    two.

    The norm of a constant, for one, makes a thousand errors of one.
    """
    noise: dict[str, float] = {}
    for seed, (dtype, precision) in product(range(8), PRECISIONS.items()):
        nudge = partial(_nudged, torch.Generator().manual_seed(seed), torch.finfo(dtype).eps)
        network = plain_network(still(given))
        for module in network.modules():
            if not any(module.children()):
                module.register_forward_hook(partial(_off, nudge))
        subject = Subject(OPTIMISED, network, carry=nudge)
        for row in verdict(given, "noise", [subject], 0, BATCH, True).rows:
            of_this = ("float32" in row.check) == (precision == "float32")
            if of_this and row.difference < NOISE[precision]:
                noise[row.check] = max(noise.get(row.check, EXACT), row.difference)
    return noise


PRECISIONS = {torch.float32: "float32", torch.float64: "float64"}
NOISE = {"float32": 0.1, "float64": 1e-3}
"""Larger differences are none of rounding."""


def _nudged(generator: torch.Generator, error: float, tensors: Tensors) -> dict[str, torch.Tensor]:
    """Tensors off by up to two rounding errors."""
    return {
        name: tensor.double() * (1 + error * _whole(tensor, generator))
        if tensor.is_floating_point()
        else tensor
        for name, tensor in tensors.items()
    }


def _off(nudge: Callable[[Tensors], Tensors], _: nn.Module, __: object, result: object) -> object:
    """A module's result and the gradient that comes back to it, with rounding errors.

    The norm of a constant sees nothing else of a value, and makes 300 of each in a gradient.
    """
    if not isinstance(result, torch.Tensor):
        return result

    def rounded(tensor: torch.Tensor) -> torch.Tensor:
        return nudge({"": tensor})[""].to(tensor.dtype)

    if result.requires_grad:
        result.register_hook(rounded)
    return rounded(result)


def _whole(tensor: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.randint(-2, 3, tensor.shape, generator=generator, dtype=torch.float64)


def check(number: int, found: Found) -> None:
    """One network: what fired, and whether it is still the same."""
    found.networks += 1
    given = program(number)
    found.operations.update(_keywords(given))
    fired: set[str] = set()
    passes = counted(fired)
    hard = False
    for level in (1, DEPLOYMENT):
        result, noisy = compare(given, optimise(given, level, device=device(number), passes=passes))
        if not result.ok:
            found.wrong.append(describe(number, given, result.mismatches))
        hard = hard or noisy
    found.fired.update(fired)
    found.hard += hard


def describe(number: int, given: Program, rows: tuple[Row, ...]) -> str:
    text = network(number) if number % SPACES else given.genotype
    return "\n".join((f"network {number}", text, *map(str, rows)))


def _keywords(given: Program) -> Iterator[str]:
    for graph in given.modules.values():
        for node in graph.nodes:
            match node.kind:
                case Apply(FixedMask(drop=drop)):
                    yield drop.keyword
                case Apply(operation):
                    yield operation.keyword
                case _:
                    pass


def run(first: int, last: int) -> Found:
    """The networks from one number to another."""
    torch.set_num_threads(1)
    found = Found()
    for number in range(first, last):
        try:
            check(number, found)
        except Exception as error:
            raise AssertionError(f"network {number}:\n{network(number)}") from error
    return found


def main(count: int = COUNT) -> int:
    """Compare many networks, print what was found; 1 where something is wrong."""
    begin = time.perf_counter()
    found = Found()
    firsts = range(0, count, CHUNK)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as workers:
        for part in workers.map(run, firsts, (min(n + CHUNK, count) for n in firsts)):
            found.merge(part)
    print(f"{count:,} networks in {time.perf_counter() - begin:.0f} s")
    for name in laws():
        print(f"{found.fired[name]:8,}  {name}")
    print(f"{found.hard:8,}  ill-conditioned, compared with their own rounding errors")
    print("\n\n".join(found.wrong))
    for name, times in found.seldom().items():
        print(f"too seldom: {name}, {times} times")
    return 1 if found.wrong or found.seldom() or found.hard > HARD * count else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))
