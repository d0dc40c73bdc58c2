"""Passes: what they make of small networks (golden cases), and that it is the same network.

A case is a text, and behind it what its pass makes of it: the IR before and after, and where
the weights went; names that end in `_gpu` are for one. `ACCEPT=1 python -m pytest
tests/test_passes.py` writes what passes make now.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path

import pytest
import torch

from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Apply, Graph, Invoke, Node, Program
from archdsl.ir.printer import print_program
from archdsl.ir.verifier import verify_program
from archdsl.ops.convolution import Conv
from archdsl.passes.device import CPU, GPU
from archdsl.passes.driver import DEPLOYMENT, PIPELINE, optimise
from archdsl.passes.names import network_weights
from archdsl.passes.weights import UnequalBuffers
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from archdsl.verify.compare import verify_optimised
from archdsl.verify.plain import plain_network
from tests.at_any_size import at_any_size
from tests.shipped import shipped

CASES = Path(__file__).parent / "cases" / "passes"
BEFORE, AFTER, WEIGHTS = "# ---- before\n", "# ---- after\n", "# ---- weights\n"
PASSES = {step.name: step for step in PIPELINE}


def cases() -> list[str]:
    return sorted(str(path.relative_to(CASES)) for path in CASES.glob("*/*.txt"))


def program_of(text: str) -> Program:
    return elaborate(parse(text, "case").spaces[0])


def network(body: str) -> Program:
    return program_of(f"archdsl 1\nspace example {{ {body} }}")


def test_every_pass_has_cases() -> None:
    assert {case.split("/")[0] for case in cases()} == set(PASSES)


@pytest.mark.parametrize("case", cases())
def test_case(case: str) -> None:
    path = CASES / case
    written = path.read_text()
    text = written.split(BEFORE)[0].rstrip() + "\n"
    program = program_of(text)
    verify_program(program)
    step = PASSES[path.parent.name]
    device = GPU if path.stem.endswith("_gpu") else CPU
    optimised = optimise(program, step.level, device=device, passes=(step,))
    verdict = verify_optimised(program, optimised, build=at_any_size)
    assert verdict.ok, str(verdict)
    weights = str(optimised.weights)
    made = "\n".join(
        (
            text,
            BEFORE + print_program(program),
            AFTER + print_program(optimised.program),
            WEIGHTS + (weights + "\n" if weights else ""),
        )
    )
    if os.environ.get("ACCEPT"):
        path.write_text(made)
        return
    difference = "\n".join(unified_diff(written.splitlines(), made.splitlines(), lineterm=""))
    assert not difference, (
        f"{difference}\nACCEPT=1 python -m pytest tests/test_passes.py accepts it"
    )


@pytest.mark.parametrize("case", cases())
def test_whole_pipeline_for_deployment(case: str) -> None:
    program = program_of((CASES / case).read_text().split(BEFORE)[0])
    optimised = optimise(program, DEPLOYMENT)
    verdict = verify_optimised(program, optimised)
    assert verdict.ok, str(verdict)


@pytest.mark.parametrize("case", cases())
def test_whole_pipeline(case: str) -> None:
    """Passes in a row, on every case of every pass."""
    program = program_of((CASES / case).read_text().split(BEFORE)[0])
    optimised = optimise(program)
    verdict = verify_optimised(program, optimised, steps=False)
    assert verdict.ok, str(verdict)
    again = optimise(optimised.program, device=None)
    assert again.program.modules == optimised.program.modules, "nothing is left to simplify"
    assert {n: w.shape for n, w in network_weights(optimised.program).items()} == {
        n: tuple(t.shape) for n, t in plain_network(optimised.program).state_dict().items()
    }


# ---- weight maps ---------------------------------------------------------------------------------

SIBLINGS = """cell two(x) = (x -> conv(4, k=3, bias=no) -> bn) * (x -> conv(4, k=3, bias=no) -> bn)
    net network(image: 4 x 4 x 4) {
      a = image -> two^2
      b = a -> conv(3) -> none
      return (a -> tokens_mlp(0.5) -> tanh) * (a -> tokens_mlp(0.5))
    }"""


def test_weight_map_goes_both_ways() -> None:
    program = network(SIBLINGS)
    weights = optimise(program).weights
    state = plain_network(program).state_dict()
    back = weights.backward(weights.forward(state))
    assert back.keys() == state.keys() - set(weights.dropped)
    assert all(back[name].equal(state[name]) for name in back)
    assert set(weights.dropped) == {"b.0.weight", "b.0.bias"}


def test_weight_map_carries_optimiser_state() -> None:
    program = network(SIBLINGS)
    optimised = optimise(program)
    module = plain_network(program)
    optimiser = torch.optim.AdamW(module.parameters())
    module(torch.randn(2, 4, 4, 4)).sum().backward()
    optimiser.step()
    names = {parameter: name for name, parameter in module.named_parameters()}
    for slot in ("exp_avg", "exp_avg_sq", "step"):
        state = {names[p]: values[slot] for p, values in optimiser.state.items()}
        moved = optimised.weights.forward(state)
        back = optimised.weights.backward(moved)
        assert all(back[name].equal(state[name]) for name in back)
        assert back.keys() == state.keys() - set(optimised.weights.dropped)


def test_merged_buffers_must_be_equal() -> None:
    body = """net network(image: 3 x 4 x 4) {
      a = image -> conv(4)
      return (a -> bn(affine=no) -> relu) + (a -> bn(affine=no) -> tanh)
    }"""
    program = network(body)
    weights = optimise(program).weights
    state = plain_network(program).state_dict()
    assert weights.forward(state)
    norm = next(name for name in state if name.endswith("running_mean"))
    with pytest.raises(UnequalBuffers):
        weights.forward({**state, norm: state[norm] + 1})


def test_dropped_and_kept_names_cover_all() -> None:
    space = shipped("nas_bench_201", cells=1, width=4, size=8)
    rng = random.Random(5)
    for _ in range(20):
        program = space.resolve(space.sample(rng))
        optimised = optimise(program)
        state = plain_network(program).state_dict()
        moved = optimised.weights.forward(state)
        assert moved.keys() == network_weights(optimised.program).keys()
        back = optimised.weights.backward(moved)
        assert back.keys() | set(optimised.weights.dropped) == state.keys()


def test_fused_weights_start_like_the_parts() -> None:
    """Freshly constructed, part by part: the same bounds as before, over many elements."""
    body = """net network(image: 64 x 8 x 8) {
      a = (image -> conv(64, k=3) -> relu) * (image -> conv(64, k=3) -> relu)
      b = (a -> tokens_mlp(0.5)) * (a -> tokens_mlp(0.5))
      c = (b -> tokens_mlp(0.5)) + (b -> tokens_mlp(0.5))
      return (c -> tokens_linear(bias=yes)) * (c -> tokens_linear(bias=yes))
    }"""
    program = network(body)
    optimised = optimise(program)
    torch.manual_seed(0)
    before = plain_network(program).state_dict()
    after = optimised.weights.backward(plain_network(optimised.program).state_dict())
    for name, tensor in before.items():
        assert after[name].std().item() == pytest.approx(tensor.std().item(), rel=0.35), name
        if tensor.numel() > 1000:
            bound = tensor.abs().max().item()
            assert after[name].abs().max().item() == pytest.approx(bound, rel=0.05), name


# ---- the driver ----------------------------------------------------------------------------------


def test_a_space_is_returned_as_it_is() -> None:
    program = shipped("nas_bench_201", cells=1, width=4).program
    assert optimise(program).program is program


def test_fusion_is_a_flag() -> None:
    program = network(SIBLINGS)
    fused, plain = optimise(program), optimise(program, device=None)
    assert len(network_weights(fused.program)) < len(network_weights(plain.program))
    assert verify_optimised(program, plain, steps=False).ok


def test_uses_of_one_path_keep_their_layout() -> None:
    """Two graphs used under one path share weights by name, so neither is laid out anew."""
    body = """cell two(x) = (x -> conv(4, k=3)) * (x -> conv(4, k=3))
    net network(image: 4 x 8 x 8) {
      a = image -> two
      return (a -> global_pool) + (a -> avg_pool(2, s=2, p=0) -> two -> global_pool)
    }"""
    program = network(body)
    path = next(node.path for node in program.net.nodes if isinstance(node.kind, Invoke))
    nodes = tuple(
        replace(node, path=path) if isinstance(node.kind, Invoke) else node
        for node in program.net.nodes
    )
    tied = replace(
        program, modules={**program.modules, program.root: replace_nodes(program, nodes)}
    )
    assert len(network_weights(tied)) < len(network_weights(program))
    assert network_weights(optimise(tied).program).keys() == network_weights(tied).keys()
    assert network_weights(optimise(program).program).keys() != network_weights(program).keys()


def replace_nodes(program: Program, nodes: tuple[Node, ...]) -> Graph:
    return replace(program.net, nodes=nodes)


def test_verifier_names_the_pass() -> None:
    program = network("net network(image: 4 x 4 x 4) = image -> conv(4) -> relu")
    net = program.net
    wider = tuple(
        replace(node, kind=Apply(Conv(channels=5)))
        if isinstance(node.kind, Apply) and isinstance(node.kind.operation, Conv)
        else node
        for node in net.nodes
    )
    broken = replace(program, modules={program.root: replace(net, nodes=wider)})
    with pytest.raises(ArchError, match=r"wider left a broken program.*conv gives 5 x 4 x 4"):
        verify_program(broken, "wider")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: replace(g, nodes=tuple(reversed(g.nodes))), "not before it"),
        (lambda g: replace(g, outputs=(99,)), "an output is no node"),
        (lambda g: replace(g, outputs=()), "an output is no node"),
        (
            lambda g: replace(g, nodes=tuple(replace(node, path=()) for node in g.nodes)),
            "has no path",
        ),
        (
            lambda g: replace(
                g,
                nodes=tuple(replace(n, path=n.path + ("x",) * i) for i, n in enumerate(g.nodes)),
                frames={("nowhere",): next(iter(g.frames.values()))},
            ),
            "nothing is in the frame nowhere",
        ),
    ],
)
def test_verifier_finds(change: object, message: str) -> None:
    body = "net network(image: 4 x 4 x 4) { stem = image -> conv(4) -> relu return stem }"
    program = network(body)
    assert callable(change)
    graph = change(program.net)
    assert isinstance(graph, Graph)
    with pytest.raises(ArchError, match=message):
        verify_program(replace(program, modules={program.root: graph}))
