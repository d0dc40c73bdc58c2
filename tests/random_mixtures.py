"""Random spaces of bare layers, as `mix_kernels` looks for, and near misses.

`python -m tests.random_mixtures [COUNT]` compares COUNT (2,000) mixtures with their spaces.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from random import Random

import torch

from archdsl.ir.relax import relax
from archdsl.ops.kernels import GivenWeights
from archdsl.passes.mix_kernels import mix_kernels
from archdsl.space.view import SearchSpace
from archdsl.verify.mixtures import verify_mixture
from tests.shipped import written

COUNT = 2_000
BEHIND = ("", "", "", " -> bn", " -> relu", " -> bn(affine=no)", " -> scale(0.5)")


def layer(chance: Random, maps: bool, width: int) -> str:
    """A layer that gives `width` channels, mostly one that can be mixed with others."""
    bias = chance.choice(("yes", "no"))
    if not maps:
        return f"linear({width}, bias={bias})"
    kernel = chance.choice((1, 3, 3, 5))
    kind = chance.randrange(6)
    if kind < 2:
        return f"dwconv({kernel}, bias={bias}, d={chance.choice((1, 1, 1, 2))})"
    if kind == 2:
        return f"conv({width}, k=3, kw={chance.choice((1, 3))}, bias={bias})"
    if kind == 3:
        return f"conv({width}, k=3, groups={chance.choice((1, 2, width))}, bias={bias})"
    return f"conv({width}, k={kernel}, bias={bias})"


def space(number: int) -> SearchSpace:
    """The space of that number: two or three mixtures in a row."""
    chance = Random(f"mixture {number}")
    maps = chance.random() < 0.75
    side = chance.choice((4, 5))
    lines, value = [], "image"
    for step in range(chance.choice((2, 3))):
        other = chance.choice((value, value, value, "image"))
        terms = []
        for index in range(chance.choice((2, 3, 4))):
            source = value if chance.random() < 0.85 else other
            made = (
                f"{source} -> {layer(chance, maps, 4)}{chance.choice(BEHIND[: 7 if maps else 3])}"
            )
            terms.append(f"a{index} = {made}")
        if chance.random() < 0.4:
            terms.append(f"skip = {value}")
        hole = f"{{{' | '.join(terms)}}}"
        if chance.random() < 0.25:
            hole = f"sum({value}, any of {hole})"
        lines.append(f"y{step} = {hole}")
        value = f"y{step}"
    image = f"4 x {side} x {side}" if maps else "4"
    body = "\n    ".join(lines)
    return written(
        f"archdsl 1\nspace s() {{\n  net network(image: {image}) {{\n    {body}\n"
        f"    return {value} -> tanh\n  }}\n}}\n"
    )


def fires(given: SearchSpace) -> Iterator[str]:
    """What layers of the space are mixed: their kinds, by how many are one."""
    for graph in relax(given.program).modules.values():
        for node in mix_kernels(graph).nodes:
            operation = getattr(node.kind, "operation", None)
            if isinstance(operation, GivenWeights):
                yield operation.layer.keyword


def main(count: int = COUNT) -> int:
    torch.set_num_threads(1)
    fired: Counter[str] = Counter()
    wrong = 0
    for number in range(count):
        given = space(number)
        fired.update(set(fires(given)))
        verdict = verify_mixture(given, batch=3)
        if not verdict.ok:
            wrong += 1
            print(f"mixture {number}\n{given.program.text}\n{verdict}")
    print(f"{count:,} mixtures, {wrong} wrong; layers mixed: {dict(fired)}")
    return 1 if wrong or min(fired.values()) < 0.02 * count else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT))
