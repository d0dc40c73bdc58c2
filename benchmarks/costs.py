"""Whether fusions pay as the device's rates predict: siblings of each kind and size, on a CPU.

python -m benchmarks.costs
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from itertools import product

import torch

from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Program
from archdsl.load import load_network
from archdsl.passes.device import BATCH, CPU, Device
from archdsl.passes.driver import optimised
from archdsl.passes.explain import Account
from archdsl.run.tune import tune
from archdsl.syntax.parse import parse
from benchmarks.pairs import Ratio, Work, in_turn, inference, inputs, pairs_within, ratio
from benchmarks.pairs import training_step as step
from benchmarks.table import Row, write

SECONDS = 0.8
"""How long both networks of a row run in turn, for each of forward and step."""
ALWAYS = replace(CPU, name="always", call=1.0, multiplied=CPU.depthwise)
"""A device on which every fusion pays."""
MAPS = ((16, 8), (64, 8), (16, 32), (64, 14), (256, 14), (64, 28))
"""Channels and pixels of what siblings read."""


@dataclass(frozen=True, slots=True)
class Case:
    """Two siblings, and what stands behind each so that somebody reads its result."""

    what: str
    reads: str
    shape: str
    sibling: str

    def program(self) -> Program:
        behind = f"linear({SMALL})" if "linear" in self.sibling else f"conv({SMALL})"
        text = f"""archdsl 1
            space siblings {{
              net network(image: {self.shape}) {{
                a = image -> {self.sibling}
                b = image -> {self.sibling}
                return (a -> {behind}) + (b -> {behind})
              }}
            }}"""
        return elaborate(parse(text, "siblings").spaces[0])


SMALL = 8
VERDICTS = ("forward ok", "step ok", "cpu, step ok")


def cases() -> list[Case]:
    """Convolutions as wide as their input, and four times; depthwise ones; linear layers."""
    found = []
    for kind, (channels, size) in product(("1x1", "3x3", "wide", "depthwise"), MAPS):
        many = 4 * channels if kind == "wide" else channels
        sibling = {
            "3x3": f"conv({many}, k=3, bias=no) -> bn -> relu",
            "depthwise": "dwconv(k=3, bias=no)",
        }.get(kind, f"conv({many}, bias=no) -> bn -> relu")
        name = f"1x1, {many} channels" if kind == "wide" else kind
        shape = f"{channels} x {size} x {size}"
        found.append(Case(name, shape, shape, sibling))
    for width in (64, 256, 1024):
        found.append(Case("linear", str(width), str(width), f"linear({width})"))
    return found


def main() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(0)
    device = tune("cpu")
    rows = [measure(case, device) for case in cases()]
    right = {name: [row[name] for row in rows].count("yes") for name in VERDICTS}
    rates = ", ".join(
        f"{rate} {getattr(device, rate):.3g}"
        for rate in ("call", "bandwidth", "matrices", "convolutions", "depthwise", "multiplied")
    )
    write(
        "costs",
        "Fusions of siblings: predicted and measured savings of one operation for two",
        "python -m benchmarks.costs",
        rows,
        [
            f"Two siblings of one kind behind one value, each read by a 1x1 of {SMALL} channels; "
            f"batch {BATCH}, float32, 2 threads, CPU. Milliseconds saved by one operation for "
            "both, below 0 where it is slower: `predicted` by the rates that `archdsl tune` "
            f"measured just before ({rates}), forward; medians of pairs in turn, `forward` "
            "without gradients, `step` with them and SGD.",
            "`fused`: whether it is done by those rates, and by those of `--device cpu`. `ok`: "
            "whether what the measured rates decide is faster; `even` where the 95 % interval of "
            f"the ratio (bootstrap) holds 1. Wrong decisions: "
            f"{_wrong(rows, 'forward ok')} of {len(rows)} forward, {_wrong(rows, 'step ok')} for "
            f"steps, {_wrong(rows, 'cpu, step ok')} of `--device cpu` for steps; right beyond "
            f"noise: {right['forward ok']}, {right['step ok']} and {right['cpu, step ok']}.",
        ],
    )


def _wrong(rows: list[Row], name: str) -> int:
    return [row[name] for row in rows].count("no")


def measure(case: Case, device: Device) -> Row:
    """One row: predictions for two siblings, and both networks run."""
    program = case.program()
    account = Account(device)
    together = optimised(program, device=ALWAYS, watch=account)
    (predicted,) = (one.saved for one in account.firings if one.step == "fuse_siblings")
    apart = optimised(program, device=None)
    assert apart.modules != together.modules
    decided = {rates.name: fuses(program, rates) for rates in (replace(device, name="own"), CPU)}
    networks = [load_network(each) for each in (together, apart)]
    given = inputs(program, BATCH)
    forward, forward_ratio = timed([inference(network, given) for network in networks])
    steps, steps_ratio = timed([step(network, given) for network in networks])
    return {
        "siblings": case.what,
        "of": case.reads,
        "predicted": 1e3 * predicted,
        "forward": forward,
        "step": steps,
        "fused, own rates": "yes" if decided["own"] else "no",
        "cpu": "yes" if decided["cpu"] else "no",
        "forward ok": judged(forward_ratio, decided["own"]),
        "step ok": judged(steps_ratio, decided["own"]),
        "cpu, step ok": judged(steps_ratio, decided["cpu"]),
    }


def fuses(program: Program, device: Device) -> bool:
    """Whether the siblings of a network become one on a device."""
    account = Account(device)
    optimised(program, device=device, watch=account)
    return any(one.fired and one.step == "fuse_siblings" for one in account.firings)


def timed(works: list[Work]) -> tuple[float, Ratio]:
    """Milliseconds that the second takes longer, and how much longer that is."""
    first, second = in_turn(works, pairs_within(works, SECONDS, 20))
    longer = [after - before for before, after in zip(first, second, strict=True)]
    return 1e3 * statistics.median(longer), ratio(first, second)


def judged(found: Ratio, fused: bool) -> str:
    if found.low <= 1 <= found.high:
        return "even"
    return "yes" if (found.ratio > 1) == fused else "no"


if __name__ == "__main__":
    main()
