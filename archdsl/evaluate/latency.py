"""How long an architecture takes: measured here, or summed up from a table of operations.

A table is of another machine, where nobody can measure during a search: the times of operations
there, each on inputs of the shapes that the space has (Cai, Zhu and Han 2019, "ProxylessNAS",
section 3.3 and appendix; Wu et al. 2019, "FBNet", section 3.2). `archdsl tune --operations`
writes one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar, Protocol

from archdsl.controllers.settings import within
from archdsl.evaluate.candidate import Candidate
from archdsl.evaluate.evaluator import Failed
from archdsl.files import read_text
from archdsl.ir.graph import Apply, Invoke, Program
from archdsl.ir.printer import print_operation
from archdsl.ops.base import Operation, Types
from archdsl.ops.binding import Bound
from archdsl.ops.constants import Identity
from archdsl.passes.live import live_nodes
from archdsl.space.architecture import Architecture
from archdsl.space.named import named
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import fault

Latency = Callable[[Architecture], float]
"""Milliseconds of one forward pass. Raises Failed where they are not known."""


class Clock(Bound, Protocol):
    """The settings of a way to tell latencies."""

    def over(self, space: SearchSpace) -> Latency:
        """The way for a space. Raises ArchError where a file does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredSettings:
    """The generated network runs here, in evaluation, on `batch` inputs and so many threads."""

    keyword: ClassVar[str] = "measured"

    batch: int = 1
    threads: int = 1

    def __post_init__(self) -> None:
        within(self, 1, "batch", "threads")

    def over(self, space: SearchSpace) -> Latency:
        return lambda architecture: self._milliseconds(space, architecture)

    def _milliseconds(self, space: SearchSpace, architecture: Architecture) -> float:
        import torch

        from archdsl.evaluate.timing import seconds
        from archdsl.evaluate.training import torch_settings
        from archdsl.load import batch_of

        one = Candidate(space, architecture, 0, 0)
        given = batch_of(one.program, self.batch, torch.Generator().manual_seed(0))
        network = one.network().eval()
        with torch_settings(self.threads), torch.inference_mode():
            return 1e3 * seconds(lambda: network(*given), torch.device("cpu"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsSettings:
    """The sum over the operations that the result needs, as the `file` has them."""

    keyword: ClassVar[str] = "operations"

    file: str

    def over(self, space: SearchSpace) -> Latency:
        """Raises ArchError E0708 for a file that cannot be read, E0828 for one of another kind."""
        known = read_latencies(Path(self.file))
        try:  # a table of another space is told before anything is trained
            _sum(known, space.resolve(space.sample(Random(0))), self.file)
        except Failed as problem:
            raise no_table(Path(self.file), f"of {space.program.genotype}: {problem}") from None
        return lambda architecture: _sum(known, space.resolve(architecture), self.file)


CLOCKS: tuple[type[Clock], ...] = (MeasuredSettings, OperationsSettings)


def clock_of(text: str) -> Clock:
    """The way to tell latencies that a text names. Raises ArchError E0829 for an unknown name."""
    return named(text, CLOCKS, "latency", "E0829")


def _sum(known: Mapping[str, float], program: Program, file: str) -> float:
    total = 0.0
    for operation, inputs, times in calls(program):
        name = row_of(operation, inputs)
        if name not in known:
            raise Failed("missing", f"{file} has no {name!r}")
        total += times * known[name]
    return total


def calls(program: Program) -> Iterator[tuple[Operation, Types, int]]:
    """The operations that the results need, what they take, and how often they run."""
    live = live_nodes(program)
    times = Counter({program.root: 1})
    for key, graph in reversed(tuple(program.modules.items())):
        for position in sorted(live[key]) if times[key] else ():
            node = graph.nodes[position]
            match node.kind:
                case Invoke(module, steps):
                    times[module] += times[key] * (steps or 1)
                case Apply(operation) if not isinstance(operation, Identity):
                    yield operation, graph.types_in(node), times[key]
                case _:
                    pass


def row_of(operation: Operation, inputs: Types) -> str:
    """What an operation on inputs of these types is called in a table."""
    return f"{print_operation(operation)} of {', '.join(map(str, inputs)) or 'nothing'}"


def read_latencies(path: Path) -> Mapping[str, float]:
    """The milliseconds of a table, by rows. Raises ArchError E0708, E0828."""
    text = read_text(path)
    try:
        known = json.loads(text)["milliseconds"]
        found = {str(name): float(value) for name, value in known.items()}
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise no_table(path, f"{type(error).__name__}: {error}") from None
    wrong = next((name for name, value in found.items() if not 0 <= value < float("inf")), None)
    if wrong is not None:
        raise no_table(path, f"{wrong} takes {found[wrong]}")
    return found


def no_table(path: Path, why: str) -> Exception:
    """What a table that does not fit is answered with."""
    return fault(
        "E0828",
        f"{path} is no table of latencies: {why}",
        found=str(path),
        expected='{"milliseconds": {"relu of 16 x 32 x 32": 0.02, ...}}',
        hint="archdsl tune --operations SPACE -o FILE writes one for this machine",
    )
