"""Networks as they are deployed, against the network as written, for every space that ships.

`python -m tests.verify_deploy [NAME ...] [COUNT]` runs COUNT (200) sampled architectures, as many
of each space, in three forms: `-O 2`, what a `.pt2` file holds once it is read back, and what an
`.onnx` file holds, in onnxruntime; at batches of 1 and 7. Prints what fails, and how far outputs
were apart of the largest of them; it exits with 1 if any differ by more than 1e-4.
"""

from __future__ import annotations

import io
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from archdsl.ir.graph import Program
from archdsl.load import load_network
from archdsl.passes.driver import optimise
from archdsl.run.export import BATCHES, distance, exported, optimised_network
from archdsl.run.exporters import Outputs, outputs_of
from archdsl.syntax.errors import ArchError
from archdsl.verify.equal import randomise
from tests.verify_spaces import names, tiny

COUNT = 200
FORMS = ("-O 2", "torch.export", "ONNX")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One form of one network at one size of the batch."""

    architecture: str
    form: str
    batch: int
    apart: float
    allowed: float

    @property
    def ok(self) -> bool:
        return self.apart <= self.allowed

    def __str__(self) -> str:
        return (
            f"{self.form}, batch {self.batch}: apart by {self.apart:.2e}, "
            f"allowed {self.allowed:.2e}: {self.architecture}"
        )


def compared(program: Program, level: int = 2) -> Iterator[Row]:
    """A network with random weights in every form, at every size of the batch.

    Raises ArchError where one cannot be made.
    """
    plain = load_network(program)
    randomise(plain, torch.Generator().manual_seed(0))
    state = optimise(program, level).weights.agree(plain.state_dict())
    plain.load_state_dict(state)
    network = optimised_network(program, state, level)
    made = exported(program, network, (".pt2", ".onnx"))
    read = torch.export.load(io.BytesIO(made[".pt2"].content)).module()
    forms: dict[str, Callable[..., Outputs]] = {
        FORMS[0]: lambda *inputs: outputs_of(network(*inputs)),
        FORMS[1]: lambda *inputs: outputs_of(read(*inputs)),
        FORMS[2]: made[".onnx"].run,
    }
    for form, run in forms.items():
        for batch in BATCHES:
            apart, allowed = distance(program, plain, run, batch)
            yield Row(
                architecture=program.genotype, form=form, batch=batch, apart=apart, allowed=allowed
            )


def sampled(name: str, count: int) -> Iterator[Program]:
    """Random architectures of a space at test size."""
    space, rng = tiny(name), random.Random(0)
    return (space.resolve(space.sample(rng)) for _ in range(count))


def main(arguments: Sequence[str]) -> int:
    torch.set_num_threads(1)
    total = next((int(word) for word in arguments if word.isdigit()), COUNT)
    chosen = [word for word in arguments if not word.isdigit()] or list(names())
    made = wrong = 0
    for number, name in enumerate(chosen):
        started, worst, count = time.perf_counter(), 0.0, len(range(number, total, len(chosen)))
        before = wrong
        for program in sampled(name, count):
            try:
                rows = list(compared(program))
            except ArchError as error:
                wrong += 1
                print(f"  {error}: {program.genotype}")
                continue
            bad = [row for row in rows if not row.ok]
            wrong += bool(bad)
            print("".join(f"  {row}\n" for row in bad), end="")
            worst = max(worst, *(row.apart / row.allowed for row in rows))
        made += count
        seconds = time.perf_counter() - started
        print(
            f"{name}: {count} architectures, {wrong - before} failures, at most {worst:.2g} of "
            f"what is allowed, {seconds:.0f} s",
            flush=True,
        )
    print(f"{made} architectures in {len(FORMS)} forms at batches of 1 and 7, {wrong} failures")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
