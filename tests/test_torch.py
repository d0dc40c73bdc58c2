"""What torch offers for training takes generated files: compile, autocast, DDP."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from archdsl.ir.elaborate import elaborate
from archdsl.library import Library
from archdsl.load import Supernet, load_mixture, load_network, load_supernet
from archdsl.passes.driver import optimised
from archdsl.passes.partial_tokens import partial_tokens
from archdsl.syntax.parse import parse
from archdsl.verify.equal import randomise
from archdsl.verify.mixtures import softmax_gates
from tests.data_parallel import IMAGES, SPACE, gradients, together
from tests.operation_module import values
from tests.test_mixed_passes import space_of
from tests.verify_spaces import tiny

NETWORKS = ["darts_cifar", "metaformer_nas", "dasvit", "resnet18", "rnn_darts"]
MIXTURES = ["darts_search", "nas_bench_201", "dasvit", "metaformer_nas"]


@pytest.fixture(autouse=True)
def fresh():
    torch.set_num_threads(1)
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def inputs_of(name: str) -> list[Tensor]:
    program = tiny(name).program
    types = tuple(program.net.nodes[i].type for i in program.net.inputs)
    return [x.float() if x.is_floating_point() else x for x in values(types, 0, batch=3)]


def close(module: nn.Module, compiled: nn.Module, *inputs: object) -> None:
    """The same results and gradients, in training."""
    found = []
    for one in (module, compiled):
        module.zero_grad()
        torch.manual_seed(0)
        result = one(*inputs)
        parts = result if isinstance(result, tuple) else (result,)
        sum(part.square().sum() for part in parts).backward()
        grads = [p.grad for p in module.parameters() if p.grad is not None]
        found.append([part.detach() for part in parts] + [g.clone() for g in grads])
    assert len(found[0]) > 1
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-4)


# --- compile -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "level"), [("resnet18", 0), *((n, 1) for n in NETWORKS)])
def test_a_network_is_one_graph(name: str, level: int) -> None:
    space = tiny(name)
    network = load_network(optimised(space.resolve(space.sample(random.Random(1))), level))
    compiled = torch.compile(network, fullgraph=True, backend="aot_eager")
    close(network, compiled, *inputs_of(name))


@pytest.mark.parametrize("name", ["nas_bench_201", "metaformer_nas"])
def test_a_mixture_is_one_graph(name: str) -> None:
    mixture = load_mixture(tiny(name))
    gates = softmax_gates(mixture, torch.Generator().manual_seed(0))
    given = mixture.gates({key: gate.float() for key, gate in gates.items()})
    compiled = torch.compile(mixture.module, fullgraph=True, backend="aot_eager")
    close(mixture.module, compiled, *inputs_of(name), given)


def test_a_mixture_with_gates_in_its_norms_is_one_graph() -> None:
    mixture = load_mixture(space_of("scale_norms/blocks.txt"))
    assert any(type(part).__name__ == "ScaledBatchNorm2d" for part in mixture.module.modules())
    gates = mixture.gates({key: torch.full((size,), 0.3) for key, size in mixture.sizes.items()})
    compiled = torch.compile(mixture.module, fullgraph=True, backend="aot_eager")
    close(mixture.module, compiled, torch.randn(3, 4, 6, 6), gates)


def test_a_path_supernet_is_compiled_block_by_block() -> None:
    """Every size of a block is a graph, whatever the architectures."""
    space = Library().find("nas_bench_201(cells=2, width=4, size=8)").space
    supernet, plain = load_supernet(space), load_supernet(space)
    plain.module.load_state_dict(supernet.module.state_dict())
    graphs: list[int] = []

    def counting(graph: torch.fx.GraphModule, example: list[Tensor]) -> object:
        graphs.append(len(graph.graph.nodes))
        return graph.forward

    blocks = [part for part in supernet.module.modules() if type(part).__name__ == "ReluConvBn"]
    sizes = {(part.conv.weight.shape, part.conv.stride) for part in blocks}
    for part in blocks:
        part.compile(fullgraph=True, dynamic=False, backend=counting)
    image, rng = torch.randn(2, 3, 8, 8), random.Random(0)
    with torch._dynamo.config.patch(recompile_limit=2 * len(sizes)):
        for _ in range(8):
            one = space.sample(rng)
            found = supernet(image, one)
            torch.testing.assert_close(found, plain(image, one))
    assert 0 < len(graphs) <= 2 * len(sizes)  # with and without a gradient for the input


# --- autocast ------------------------------------------------------------------------------------


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", MIXTURES)
def test_autocast(name: str, train: bool) -> None:
    """Paths, networks and mixtures run in bfloat16, and come near to what they are in float32."""
    space = tiny(name)
    one = space.sample(random.Random(2))
    mixture, path = load_mixture(space), load_supernet(space)
    gates = softmax_gates(mixture, torch.Generator().manual_seed(0))
    given = mixture.gates({key: gate.float() for key, gate in gates.items()})
    network = load_network(optimised(space.resolve(one), 1))
    calls = [
        (mixture.module, lambda *x: mixture(*x, given)),
        (path.module, lambda *x: path(*x, one)),
        (network, network),
    ]
    for module, call in calls:
        module.train(train)
        near(call, inputs_of(name), module)


def test_autocast_of_statistics_by_patches() -> None:
    """A batch norm that is part of one convolution with those around it keeps float32's."""
    text = """archdsl 1
    space s { net n(x: 3 x 28 x 28) = x -> conv(6, k=3, bias=no) -> bn -> conv(8, k=7, s=7, p=0) }
    """
    program = optimised(elaborate(parse(text, "s").spaces[0]), 1)
    network = load_network(program)
    assert "norm.running_mean" in "".join(network.state_dict())
    near(network, [torch.randn(4, 3, 28, 28)], network)
    assert all(value.dtype != torch.bfloat16 for value in network.state_dict().values())


@pytest.mark.parametrize(
    "body",
    [
        "r[0] = x  for i in 1..3 { r[i] = r[i-1] + (r[i-1] -> conv(4, k=3) -> bn) }  return r[3]",
        "return (x -> conv(4) -> bn) + (x -> sigmoid)",
        "return (x -> shortcut) + (x -> conv(4) -> bn)",
    ],
)
def test_autocast_keeps_what_is_long(body: str) -> None:
    """A sum in place has the kind of number that it writes over."""
    text = f"""archdsl 1
    space s {{ cell shortcut(y) = y -> tanh -> bn  net n(x: 4 x 6 x 6) {{ {body} }} }}
    """
    program = elaborate(parse(text, "s").spaces[0])
    kinds = []
    for level in (0, 1):
        network = load_network(optimised(program, level))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            kinds.append(network(torch.randn(2, 4, 6, 6)).dtype)
    assert kinds == [torch.float32, torch.float32]


def test_autocast_keeps_what_is_short() -> None:
    """Zeros have the kind of number of what they are joined with."""
    text = """archdsl 1
    space s { net n(x: 4 x 6 x 6) { y = x -> conv(4)
    return concat(y, y -> none -> conv(2, k=3, bias=no)) } }
    """
    program = elaborate(parse(text, "s").spaces[0])
    for level in (0, 1):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = load_network(optimised(program, level))(torch.randn(2, 4, 6, 6))
        assert found.dtype == torch.bfloat16


def near(call, inputs: list[Tensor], module: nn.Module) -> None:
    torch.manual_seed(0)
    wanted = call(*inputs)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.manual_seed(0)
        found = call(*inputs)
    assert found.dtype == torch.bfloat16
    assert (found.float() - wanted).abs().max() <= 0.2 * wanted.abs().max()
    found.float().square().sum().backward()
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    assert gradients and all(g.isfinite().all() for g in gradients)


def test_autocast_of_a_part_of_the_tokens() -> None:
    mixture = load_mixture(partial_tokens(tiny("dasvit").program, Fraction(1, 2)))
    gates = mixture.gates({key: torch.full((size,), 0.2) for key, size in mixture.sizes.items()})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = mixture(*inputs_of("dasvit"), gates)
    result.float().sum().backward()
    compiled = torch.compile(mixture.module, fullgraph=True, backend="aot_eager")
    close(mixture.module, compiled, *inputs_of("dasvit"), gates)


# --- data parallel -------------------------------------------------------------------------------


def test_two_processes_have_the_gradients_of_the_whole_batch(tmp_path: Path) -> None:
    """A path supernet under DDP: what the path leaves out has no gradient on any process."""
    space = Library().find(SPACE).space
    supernet: Supernet = load_supernet(space)
    randomise(supernet.module.double(), torch.Generator().manual_seed(1))
    one = space.sample(random.Random(5))
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    save_file(supernet.module.state_dict() | {IMAGES: images}, tmp_path / "given.safetensors")
    found = together(tmp_path, one.text)
    wanted = gradients(supernet.module.eval(), supernet.choice(one), images)
    assert 0 < len(wanted) < len(list(supernet.module.parameters()))
    for name, gradient in found.items():
        expected = wanted.get(name, torch.zeros_like(gradient))
        torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)
    assert wanted.keys() <= found.keys()
