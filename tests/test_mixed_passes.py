"""Passes of mixtures: what they make of small spaces, and that it is the same mixture.

A case is a space, and behind it the IR before and after its pass.
`ACCEPT=1 python -m pytest tests/test_mixed_passes.py` writes what passes make now.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from difflib import unified_diff
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from archdsl.codegen.source import relaxed_source
from archdsl.ir.graph import Graph, Program
from archdsl.ir.printer import print_program
from archdsl.ir.relax import relax
from archdsl.ir.verifier import verify_program
from archdsl.load import Mixture, imported, root
from archdsl.passes.dedupe import dedupe
from archdsl.passes.driver import used
from archdsl.passes.hoist import hoist
from archdsl.passes.mix_kernels import mix_kernels
from archdsl.passes.partial_channels import partial_channels
from archdsl.passes.partial_tokens import partial_tokens
from archdsl.passes.scale_norms import nest_gates, scale_norms
from archdsl.passes.set_apart import set_apart
from archdsl.space.view import SearchSpace
from archdsl.verify.compare import still
from archdsl.verify.equal import EXACT, randomise
from archdsl.verify.mixtures import outcome, softmax_gates
from tests.shipped import written

CASES = Path(__file__).parent / "cases" / "mixed"
BEFORE, AFTER = "# ---- before\n", "# ---- after\n"
Modules = Mapping[str, Graph]
Pass = Callable[[Graph, Modules], tuple[Graph, Modules]]
PASSES: dict[str, Pass] = {
    "hoist": hoist,
    "mix_kernels": lambda graph, modules: (mix_kernels(graph), {}),
    "scale_norms": lambda graph, modules: scale_norms(nest_gates(graph), modules),
    "set_apart": lambda graph, modules: (set_apart(graph), {}),
}
FIRST: dict[str, Pass] = {
    "set_apart": lambda graph, modules: (dedupe(graph, modules).graph, {}),
}
"""What a pass builds on."""


SPACES: dict[str, Callable[[Program], Program]] = {
    "partial_channels": lambda program: partial_channels(program, Fraction(1, 4)),
    "partial_tokens": lambda program: partial_tokens(program, Fraction(1, 2)),
}
"""Passes over a space with its holes, which change what it computes (`test_partial*.py`)."""


def cases(names: Iterable[str] = (*PASSES, *SPACES)) -> list[str]:
    found = (path for name in names for path in (CASES / name).glob("*.txt"))
    return sorted(str(path.relative_to(CASES)) for path in found)


def space_of(case: str) -> SearchSpace:
    return written((CASES / case).read_text(encoding="utf-8").split(BEFORE)[0].rstrip() + "\n")


def rewritten(program: Program, step: Pass) -> Program:
    """A program after one pass over all its graphs."""
    modules: dict[str, Graph] = {}
    for key, graph in program.modules.items():
        after, made = step(graph, modules)
        modules |= made
        modules[key] = after
    return verify_program(used(replace(program, modules=modules)), "case")


def both(program: Program, name: str) -> tuple[Program, Program]:
    if name in SPACES:
        return program, SPACES[name](program)
    before = relax(program)
    if name in FIRST:
        before = rewritten(before, FIRST[name])
    return before, rewritten(before, PASSES[name])


def test_every_pass_has_cases() -> None:
    folders = {path.name for path in CASES.iterdir()}
    assert {case.split("/")[0] for case in cases()} == folders == {*PASSES, *SPACES}


@pytest.mark.parametrize("case", cases())
def test_case(case: str) -> None:
    path = CASES / case
    text = path.read_text(encoding="utf-8")
    before, after = both(space_of(case).program, path.parent.name)
    parts = (
        text.split(BEFORE)[0].rstrip() + "\n",
        BEFORE + print_program(before),
        AFTER + print_program(after),
    )
    made = "\n".join(parts)
    if os.environ.get("ACCEPT"):
        path.write_text(made, encoding="utf-8")
        return
    difference = "\n".join(unified_diff(text.splitlines(), made.splitlines(), lineterm=""))
    assert not difference, (
        f"{difference}\nACCEPT=1 python -m pytest tests/test_mixed_passes.py accepts it"
    )


@pytest.mark.parametrize("case", cases(PASSES))
def test_before_and_after_are_the_same_mixture(case: str) -> None:
    space = SearchSpace(still(space_of(case).program))
    before, after = (loaded(space, p) for p in both(space.program, case.split("/")[0]))
    randomise(before.module.double(), torch.Generator().manual_seed(1))
    after.module.double().load_state_dict(before.module.state_dict())
    gates = softmax_gates(before, torch.Generator().manual_seed(2))
    shape = space.program.net.nodes[space.program.net.inputs[0]].type.shape
    inputs = (torch.randn(3, *shape, dtype=torch.float64),)
    for train in (False, True):
        one, other = (
            outcome(m.module, lambda x, g, m=m: m(*x, m.gates(g)), inputs, gates, train)
            for m in (before, after)
        )
        size = max(float(value.abs().max()) for value in one.values())
        for key, value in one.items():
            assert (other[key] - value).abs().max() <= EXACT * size, key
    statistics = dict(after.module.named_buffers())
    for name, buffer in before.module.named_buffers():
        torch.testing.assert_close(statistics[name], buffer, rtol=EXACT, atol=EXACT)


def loaded(space: SearchSpace, program: Program) -> Mixture:
    """A relaxed program, as it is, as a live mixture."""
    with imported(relaxed_source(program)) as names:
        return Mixture(space, root(names), names)
