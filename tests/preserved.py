"""Edits that preserve the function, at random places of networks of every space, executed.

    python -m tests.preserved [EDITS] [SEED]

So many edits of each kind, and so many pairs of strings of one space of which `heir` says that the
one preserves the other. Parent and child run on the same inputs in evaluation, in float32, with
weights and batch statistics of the parent drawn at random; results may differ by 1e-5 of the
largest. In training mode norms measure their batch, so only edits without new norms give the same
there: the last column says how many did.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from random import Random

import torch
from torch import Tensor, nn

from archdsl.grow.draw import KINDS, Kind, drawn
from archdsl.grow.edits import Edit
from archdsl.grow.heir import heir
from archdsl.ir.graph import Program
from archdsl.load import batch_of, load_network
from tests.verify_spaces import names, tiny

ALLOWED = 1e-5
"""Of the largest result, in float32."""


@dataclass(frozen=True, slots=True)
class Found:
    """An edit that was made, and how far apart the results are: in evaluation and in training."""

    space: str
    edit: Edit | str
    apart: float
    training: float


def disturbed(network: nn.Module, generator: torch.Generator) -> None:
    """Random numbers in every parameter and statistic, so that nothing is equal by chance."""
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            spread = tensor.abs().mean().clamp(0.1, 1)
            tensor += 0.3 * spread * (noise.abs() if name.endswith("running_var") else noise)


def apart(one: nn.Module, other: nn.Module, inputs: tuple[Tensor, ...]) -> float:
    """The largest difference of results, as a share of the largest result."""
    with torch.no_grad():
        torch.manual_seed(0)
        ours = _several(one(*inputs))
        torch.manual_seed(0)
        theirs = _several(other(*inputs))
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape and a.isfinite().all() and b.isfinite().all()
        worst = max(worst, float((a - b).abs().max() / a.abs().max().clamp_min(1e-30)))
    return worst


def _several(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return result if isinstance(result, tuple) else (result,)


def executed(before: Program, after: Program, seed: int) -> tuple[float, float]:
    """Run parent and child; how far apart they are in evaluation and in training."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    parent, child = load_network(before), load_network(after)
    disturbed(parent, generator)
    weights = heir(before, after, seed=seed).weights(parent.state_dict(), child.state_dict())
    child.load_state_dict(weights)
    inputs = batch_of(before, 3, generator)
    result = apart(parent.eval(), child.eval(), inputs)
    return result, apart(parent.train(), child.train(), inputs)


def networks(rng: Random) -> Iterator[Program]:
    """Networks of all spaces in turn, at test size."""
    spaces = [tiny(name) for name in names()]
    while True:
        for space in spaces:
            yield space.resolve(space.sample(rng))


def edits(kind: Kind, count: int, seed: int) -> Iterator[Found]:
    """So many edits of a kind, over all spaces in turn; where none is possible, the next one."""
    rng = Random(seed)
    made = tried = 0
    for program in networks(rng):
        if made == count or tried > 20 * count + 200:
            return
        tried += 1
        found = drawn(program, kind, rng, seed=seed)
        if found is None:
            continue
        edit, child = found
        made += 1
        yield Found(program.space, edit, *executed(program, child, rng.randrange(2**31)))


def strings(count: int, seed: int) -> Iterator[Found]:
    """Pairs of strings of one space, near and far, whose function is said to be preserved."""
    rng, made = Random(seed), 0
    spaces = [tiny(name) for name in names()]
    spaces = [space for space in spaces if space.decisions]
    for number in range(100 * count):
        space = spaces[number % len(spaces)]
        one = space.sample(rng)
        other = space.mutate(one, rng) if rng.random() < 0.7 else space.sample(rng)
        before, after = space.resolve(one), space.resolve(other)
        if one.text == other.text or not heir(before, after).preserved:
            continue
        made += 1
        edit = f"{one} -> {other}"
        yield Found(before.space, edit, *executed(before, after, rng.randrange(2**31)))
        if made == count:
            return


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    torch.set_num_threads(1)
    wrong = 0
    ways = {kind: partial(edits, kind) for kind in KINDS} | {"strings": strings}
    for kind, made in ways.items():
        found = list(made(count, seed))
        bad = [one for one in found if not one.apart <= ALLOWED]
        for one in bad:
            print(f"{kind}: {one.space}: {one.edit}: {one.apart:.1e}")
        same = sum(one.training <= ALLOWED for one in found)
        spaces = Counter(one.space for one in found)
        print(
            f"{kind}: {len(found)} of {len(spaces)} spaces, at most "
            f"{max((one.apart for one in found), default=0):.1e} apart, {len(bad)} wrong; "
            f"in training {same} the same",
            flush=True,
        )
        wrong += len(bad) + (len(found) < count)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
