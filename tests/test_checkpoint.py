"""Cells and blocks that run again in the backward pass: the same step, with less to keep."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from archdsl.codegen import network_source, supernet_source
from archdsl.ir.graph import Invoke, Program
from archdsl.library import Library
from archdsl.load import load_mixture, load_network, load_supernet
from archdsl.passes.driver import optimised
from archdsl.syntax.errors import ArchError
from archdsl.verify.equal import EXACT, randomise
from archdsl.verify.mixtures import softmax_gates
from tests.operation_module import values
from tests.test_mixture import REFUSED
from tests.verify_spaces import names, tiny

Step = dict[str, Tensor]
Call = Callable[..., object]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def checkable(name: str) -> bool:
    """Whether a space's net uses a cell or a block."""
    return any(isinstance(node.kind, Invoke) for node in tiny(name).program.net.nodes)


OPEN = [name for name in names() if tiny(name).decisions]
SPACES = [name for name in OPEN if checkable(name)]
PLAIN = ["resnet18", "mobilenet_v2", "shufflenet_v2_x1_0", "vit_b_16", "poolformer_s12"]


def step(module: nn.Module, call: Call, program: Program, train: bool = True) -> Step:
    """Outputs, all gradients and all buffers of one step in float64, with the same chance."""
    torch.manual_seed(7)
    module.train(train)
    types = tuple(program.net.nodes[i].type for i in program.net.inputs)
    inputs = [
        x.double().requires_grad_() if x.is_floating_point() else x
        for x in values(types, 0, batch=3)
    ]
    result = call(*inputs)
    parts = result if isinstance(result, tuple) else (result,)
    outputs = torch.cat([part.flatten() for part in parts])
    torch.sin(outputs * torch.arange(1, outputs.numel() + 1)).sum().backward()
    found = {"outputs": outputs.detach()}
    found |= {f"input {i}": x.grad for i, x in enumerate(inputs) if x.grad is not None}
    found |= {f"grad {n}": p.grad for n, p in module.named_parameters() if p.grad is not None}
    return found | {f"buffer {n}": b.clone() for n, b in module.named_buffers()}


def same(one: Step, other: Step) -> None:
    assert one.keys() == other.keys()
    size = max(value.abs().max() for name, value in one.items() if "buffer" not in name)
    for name, value in one.items():
        assert (value - other[name]).abs().max() <= EXACT * size, name


def alike(plain: nn.Module, again: nn.Module) -> None:
    """The same random weights in both."""
    randomise(plain.double(), torch.Generator().manual_seed(1))
    again.double().load_state_dict(plain.state_dict())


@pytest.mark.parametrize("name", [n for n in SPACES if n not in REFUSED])
def test_mixtures_make_the_same_step(name: str) -> None:
    program = tiny(name).program
    plain, again = (load_mixture(program, checkpoint=on) for on in (False, True))
    alike(plain.module, again.module)
    gates = softmax_gates(plain, torch.Generator().manual_seed(2))
    found = []
    for mixture in (plain, again):
        own = {key: gate.clone().requires_grad_() for key, gate in gates.items()}
        call = lambda *x, m=mixture, g=own: m(*x, m.gates(g))  # noqa: E731
        result = step(mixture.module, call, program)
        found.append(result | {f"gate {k}": g.grad for k, g in own.items() if g.grad is not None})
    same(*found)


@pytest.mark.parametrize("name", SPACES)
def test_paths_and_networks_make_the_same_step(name: str) -> None:
    space = tiny(name)
    plain, again = (load_supernet(space, checkpoint=on) for on in (False, True))
    alike(plain.module, again.module)
    one = space.sample(random.Random(4))
    calls = [lambda *x, s=side: s(*x, one) for side in (plain, again)]
    for train in (True, False):
        results = [
            step(s.module, c, space.program, train)
            for s, c in zip((plain, again), calls, strict=True)
        ]
        same(*results)
    for level in (0, 1):
        network(optimised(space.resolve(one), level))


@pytest.mark.parametrize("name", [name for name in OPEN if name not in SPACES])
def test_a_net_without_modules_is_refused(name: str) -> None:
    with pytest.raises(ArchError) as caught:
        supernet_source(tiny(name).program, format=False, checkpoint=True)
    assert [d.code for d in caught.value.diagnostics] == ["E0907"]


@pytest.mark.parametrize("name", PLAIN)
def test_plain_networks_make_the_same_step(name: str) -> None:
    space = tiny(name) if name in names() else Library().find(name).space
    for level in (0, 1):
        network(optimised(space.resolve(space.unrank(0)), level))


def network(program: Program) -> None:
    plain, again = (load_network(program, checkpoint=on) for on in (False, True))
    alike(plain, again)
    same(step(plain, plain, program), step(again, again, program))


# --- what is kept --------------------------------------------------------------------------------


def kept(module: nn.Module, *inputs: object) -> int:
    """Bytes that a forward pass keeps for backward, besides weights."""
    weights = {p.data_ptr() for p in module.parameters()}
    found: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        found[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = module(*inputs)
    assert result.requires_grad
    return sum(t.untyped_storage().nbytes() for at, t in found.items() if at not in weights)


def test_less_is_kept() -> None:
    space = Library().find("nas_bench_201(cells=2, width=4, size=16)").space
    sizes = []
    for on in (False, True):
        mixture = load_mixture(space, checkpoint=on)
        gates = {key: torch.ones(size) for key, size in mixture.sizes.items()}
        sizes.append(kept(mixture.module, torch.randn(2, 3, 16, 16), mixture.gates(gates)))
    plain, again = sizes
    assert again < 0.25 * plain


def test_backward_twice_counts_a_batch_once() -> None:
    program = optimised(tiny("resnet18").resolve(tiny("resnet18").unrank(0)), 1)
    module = load_network(program, checkpoint=True)
    loss = module(torch.randn(2, *program.net.nodes[0].type.shape)).square().sum()
    loss.backward(retain_graph=True)
    first = [p.grad.clone() for p in module.parameters()]
    loss.backward()
    for parameter, gradient in zip(module.parameters(), first, strict=True):
        torch.testing.assert_close(parameter.grad, 2 * gradient)
    counts = [b for n, b in module.named_buffers() if n.endswith("num_batches_tracked")]
    assert counts and all(count == 1 for count in counts)


def test_a_net_without_cells_and_blocks_is_refused() -> None:
    space = tiny("vgg11_bn") if "vgg11_bn" in names() else Library().find("vgg11_bn").space
    with pytest.raises(ArchError) as caught:
        network_source(space.resolve(space.unrank(0)), checkpoint=True)
    assert [d.code for d in caught.value.diagnostics] == ["E0907"]


def test_without_the_option_files_are_as_they_were() -> None:
    program = tiny("resnet18").resolve(tiny("resnet18").unrank(0))
    plain, again = (network_source(program, checkpoint=on) for on in (False, True))
    assert "checkpoint" not in plain
    assert "class BasicBlock(Checkpointed):" in again
    assert "class ResNet18(nn.Module):" in again


DROPS = """
archdsl 1

space drops() {
  block layer(x) { return x -> linear(8) -> dropout(0.5) -> gelu -> linear(4) }
  net network(words: 4) { return words -> layer^2 }
}
"""


def test_dropout_has_the_same_mask_in_both_runs(tmp_path: Path) -> None:
    path = tmp_path / "drops.arch"
    path.write_text(DROPS.lstrip(), encoding="utf-8")
    network(Library([path]).find("drops").network())
