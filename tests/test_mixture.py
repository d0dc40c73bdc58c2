"""The mixture supernet: all alternatives at once, weighed by gates, equal to the plain sums."""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from typing import Any

import pytest
import torch

from archdsl.codegen import mixture_source
from archdsl.evaluate.norms import calibrated
from archdsl.ir.graph import Apply, Program
from archdsl.load import Mixture, load_mixture, load_supernet
from archdsl.ops.pooling import MaxPool
from archdsl.passes.mixed import mixture
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.verify.compare import still
from archdsl.verify.equal import EXACT, randomise
from archdsl.verify.mixtures import verify_mixture
from benchmarks.darts_step import values as values_of_gates
from benchmarks.pairs import inputs
from benchmarks.references.darts_search import SearchNetwork, own_name
from tests.codegen_spaces import SPACES
from tests.operation_module import values
from tests.shipped import shipped, written
from tests.verify_spaces import names, tiny

ELASTIC = "it decides a size of shared weights (elastic)"
REFUSED = {
    "amc": ELASTIC,
    "auto_deeplab": "which alternatives it has depends on level_2",
    "autoformer_base": ELASTIC,
    "autoformer_small": ELASTIC,
    "autoformer_tiny": ELASTIC,
    "nas_rl": ELASTIC,
    "ofa_mobilenet_v3": ELASTIC,
}
RESERVED = {"names", "python_words"}
"""Their modules have names that torch reserves, which the plain reading does not change."""
MIXED = [name for name in names() if name not in REFUSED and tiny(name).decisions]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


# --- what it computes ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", MIXED)
def test_shipped_spaces_are_the_sums_that_they_say(name: str) -> None:
    verdict = verify_mixture(tiny(name), batch=4)
    assert verdict.ok, str(verdict)


@pytest.mark.parametrize("name", sorted(SPACES.keys() - RESERVED - {"zeros"}))
def test_other_spaces_are_the_sums_that_they_say(name: str) -> None:
    for seed in range(2):
        verdict = verify_mixture(SPACES[name](), seed=seed, batch=3)
        assert verdict.ok, str(verdict)


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_sum_is_refused_by_name(name: str) -> None:
    with pytest.raises(ArchError) as caught:
        mixture_source(tiny(name).program)
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0906"
    assert REFUSED[name] in finding.message
    assert finding.span is not None
    holes = {h.name for graph in tiny(name).program.modules.values() for h in graph.holes}
    assert re.search(r"alternatives of (\w+) cannot", finding.message)[1] in holes


def run(module: torch.nn.Module, call, inputs) -> dict[str, torch.Tensor]:
    given = [x.detach().requires_grad_(x.is_floating_point()) for x in inputs]
    result = call(*given)
    parts = result if isinstance(result, tuple) else (result,)
    outputs = torch.cat([part.flatten() for part in parts])
    named = dict(module.named_parameters())
    named |= {f"input {i}": x for i, x in enumerate(given) if x.requires_grad}
    loss = (outputs * torch.arange(1.0, outputs.numel() + 1).sin()).sum()
    found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    pairs = zip(named, found, strict=True)
    return {"outputs": outputs.detach()} | {n: g for n, g in pairs if g is not None}


@pytest.mark.parametrize("name", MIXED)
def test_one_hot_gates_are_the_path(name: str) -> None:
    space = SearchSpace(still(tiny(name).program))
    path, mixed = load_supernet(space), load_mixture(space)
    randomise(mixed.module.double(), torch.Generator().manual_seed(1))
    path.module.double().load_state_dict(mixed.module.state_dict())  # strict: all the same names
    inputs = values(tuple(space.program.net.nodes[i].type for i in space.program.net.inputs), 0, 4)
    inputs = [x.double() if x.is_floating_point() else x for x in inputs]
    rng = random.Random(3)
    for train in (False, True):
        for _ in range(3):
            one = space.sample(rng)
            path.module.train(train), mixed.module.train(train)
            wanted = run(path.module, lambda *x, one=one: path(*x, one), inputs)
            gates = mixed.one_hot(one)
            found = run(mixed.module, lambda *x, gates=gates: mixed(*x, gates), inputs)
            size = max(g.abs().max() for n, g in wanted.items() if n != "outputs")
            for key, value in found.items():
                expected = wanted.get(key, torch.zeros_like(value))
                scale = wanted["outputs"].abs().max() if key == "outputs" else size
                assert (value - expected).abs().max() <= EXACT * scale, (one.text, key)


def test_weights_go_both_ways() -> None:
    space = tiny("darts_search")
    path, mixed = load_supernet(space).module, load_mixture(space).module
    mixed.load_state_dict(path.state_dict())
    path.load_state_dict(mixed.state_dict())
    assert [n for n, _ in path.named_parameters()] == [n for n, _ in mixed.named_parameters()]


def test_the_network_by_hand_is_the_mixture() -> None:
    """The benchmark's other side, in the structure of the authors' code: same names, same sums."""
    mixed = load_mixture(shipped("darts_search", width=4, layers=6, size=16))
    network = SearchNetwork(width=4, layers=6).double()
    state = {own_name(n, network.reductions): t for n, t in network.state_dict().items()}
    mixed.module.double().load_state_dict(state)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(4, 3, 16, 16, generator=generator, dtype=torch.float64)
    weights = [torch.rand(14, 8, generator=generator).double().requires_grad_() for _ in range(2)]
    wanted = network(images, *weights)
    found = mixed(images, mixed.gates(dict(values_of_gates(mixed, weights))))
    assert (found - wanted).abs().max() <= EXACT * wanted.abs().max()
    by_hand = [(own_name(n, network.reductions), p) for n, p in network.named_parameters()]
    parameters = dict(mixed.module.named_parameters())
    assert parameters.keys() == {n for n, _ in by_hand}
    tensors = [*weights, *(p for _, p in by_hand)]
    expected = torch.autograd.grad(wanted.sin().sum(), tensors)
    tensors = [*weights, *(parameters[n] for n, _ in by_hand)]
    given = torch.autograd.grad(found.sin().sum(), tensors)
    largest = max(g.abs().max() for g in expected)
    assert max((a - b).abs().max() for a, b in zip(expected, given, strict=True)) <= EXACT * largest


@pytest.mark.parametrize("name", ["nas_bench_201", "enas_macro"])
def test_torch_compile_takes_it_as_one_graph(name: str) -> None:
    mixed = load_mixture(tiny(name))
    gates = mixed.gates({key: torch.rand(size) for key, size in mixed.sizes.items()})
    (source,) = mixed.space.program.net.inputs
    x = torch.randn(4, *mixed.space.program.net.nodes[source].type.shape)
    torch._dynamo.reset()
    whole = torch.compile(mixed.module.eval(), fullgraph=True, backend="aot_eager")
    assert torch.allclose(whole(x, gates), mixed(x, gates), atol=1e-5)


def test_autocast_leaves_statistics_and_gates_in_float32() -> None:
    mixed = load_mixture(tiny("darts_search"))
    gates = {key: torch.ones(n) / n for key, n in mixed.sizes.items()}
    gates = {key: gate.requires_grad_() for key, gate in gates.items()}
    x = torch.randn(8, 3, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = mixed(x, mixed.gates(gates))
    result.float().sum().backward()
    assert all(gate.grad is not None and gate.grad.isfinite().all() for gate in gates.values())


# --- what it leaves out --------------------------------------------------------------------------


def count(program: Program, kind: type) -> int:
    nodes = (node for graph in program.modules.values() for node in graph.nodes)
    return sum(isinstance(n.kind, Apply) and isinstance(n.kind.operation, kind) for n in nodes)


def test_what_edges_share_is_computed_once() -> None:
    program = tiny("darts_search").program
    cells = Counter(graph.definition for graph in program.modules.values())
    edges, sources = 14, 5
    assert count(program, MaxPool) == edges * (cells["normal"] + cells["reduce"])
    once = count(mixture(program), MaxPool)
    # Edges of a reduction cell that leave its inputs have a stride of two, the others one.
    assert once == sources * (cells["normal"] + cells["reduce"])
    cell = mixture_source(program).split("class Normal")[2]
    forward = cell.partition("def forward")[2].partition("class ")[0]
    assert "none" not in forward
    assert forward.count("F.relu(") == sources  # those of compositions and of blocks alike
    assert forward.count("mix(") == edges - 1  # gates of the last pools are in their norms


def test_a_first_operation_stays_where_nothing_shares_it() -> None:
    space = written("""archdsl 1
      space s() {
        block one(x) = x -> relu -> conv(4) -> bn(affine=no)
        block two(x) = x -> sigmoid -> conv(4) -> bn
        net network(image: 4 x 4 x 4) {
          a = image -> {one | two}
          b = a -> {one | id}
          return sum(a -> relu, b) -> flatten -> linear(3)
        }
      }""")
    text = mixture_source(space.program)
    assert text.count("F.relu(") == 2  # before and in `one`; before it where `a` is read so twice
    assert text.count("torch.sigmoid(") == 1
    assert "return self.norm(self.conv(x), scale)" in text
    assert verify_mixture(space, batch=4).ok


def test_gates_of_edges_and_operations_become_one() -> None:
    space = written("""archdsl 1
      space s() {
        net network(image: 4 x 4 x 4) {
          a = image -> conv(4)
          y = sum(2 of {j = image -> {id | p = pool | q = conv(4) -> bn(affine=no)}
                        | k = a -> {id | p = pool | q = conv(4) -> bn(affine=no)}
                        | t = a -> tanh})
          return y -> flatten -> linear(3)
        }
      }""")
    text = mixture_source(space.program)
    assert len(re.findall(r"= gates\.\w+\[[01]\] \* gates\.\w+\n", text)) == 2
    assert verify_mixture(space, batch=4).ok


def test_statistics_of_what_is_one_are_known_under_all_names() -> None:
    mixed = load_mixture(tiny("darts_search")).module
    state = mixed.state_dict()
    same = [n for n in state if re.match(r"normal\.max_pool_3x3_\d_0\.1\.running_mean", n)]
    assert len(same) == 4
    assert len({state[name].data_ptr() for name in same}) == 1


NORMED = [name for name in MIXED if "BatchNorm2d" in mixture_source(tiny(name).program)]


@pytest.mark.parametrize("name", NORMED)
def test_statistics_are_measured_alike_at_both_levels(name: str) -> None:
    """Averages over batches, also by norms that are fused and read each other's."""
    space = SearchSpace(still(tiny(name).program))
    plain, better = (load_mixture(space, level=level) for level in (0, 1))
    randomise(plain.module, torch.Generator().manual_seed(0))
    better.module.load_state_dict(plain.module.state_dict(), strict=False)
    for mixture_ in (plain, better):
        mixture_.module.double()
    batches = [tuple(one.double() for one in inputs(space.program, 4, seed)) for seed in range(3)]
    found = []
    for mixture_ in (plain, better):
        module = mixture_.module
        gates = mixture_.gates(even(mixture_))
        forward = lambda given, m=module, g=gates: m(*given, g)  # noqa: E731
        with calibrated(module, forward, batches[:2]), torch.no_grad():  # type: ignore[arg-type]
            found.append(forward(batches[2]))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-9)


def even(mixture_: Mixture) -> dict[str, torch.Tensor]:
    return {key: torch.full((n,), 1 / max(n, 1)).double() for key, n in mixture_.sizes.items()}


# --- what is no sum ------------------------------------------------------------------------------


def refused(body: str) -> str:
    space = written(
        f"""archdsl 1
        space s() {{
          net network(image: 4 x 4 x 4) {{ {body} return y -> flatten -> linear(3) }}
        }}"""
    )
    with pytest.raises(ArchError) as caught:
        mixture_source(space.program)
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0906" and finding.span is not None
    return finding.message


def test_a_case_with_such_a_product_is_refused() -> None:
    with pytest.raises(ArchError, match="terms of a product"):
        mixture_source(SPACES["zeros"]().program)


def test_a_product_of_what_may_be_there_is_refused() -> None:
    message = refused("y = product(image, any of {a = image -> relu | b = image -> sigmoid})")
    assert "terms of a product, which is no sum" in message


# --- the check itself ----------------------------------------------------------------------------

WRONG = (
    ("gates.sources_3[1] * gates.op_3_1", "gates.sources_3[1] * gates.op_3_0"),
    ("op_2_1[1:4]", "op_2_1[:3]"),  # every weight at the next alternative
    ("op_2_1[6]", "op_2_1[7]"),
    ("*statistics, weight,", "*statistics, None,"),  # a norm without its gate
    ("n2 = x + y", "n2 = x + x"),
    ("relu_n1 = F.relu(n1)", "relu_n1 = n1"),
    ("gates.sources_3[0] * ", ""),
    ("gates.sources_2[1] * ", ""),  # the first node takes all it has, by their gates too
    ("self.dil_conv_3x3_4_2(", "self.dil_conv_3x3_5_2("),
)


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change[0])
def test_wrong_mixtures_are_found(change: tuple[str, str], monkeypatch) -> None:
    def wrong(program: Program, **how: Any) -> str:
        text = mixture_source(program, **{**how, "format": True})
        assert change[0] in text
        return text.replace(*change)

    monkeypatch.setattr(sys.modules["archdsl.load"], "mixture_source", wrong)
    assert not verify_mixture(tiny("darts_search"), batch=4).ok


def test_two_updates_of_one_norm_are_found(monkeypatch) -> None:
    def wrong(program: Program, **how: Any) -> str:
        text = mixture_source(program, **{**how, "format": True})
        line = "        max_pool_3x3_n1 = self.max_pool_3x3_2_1(n1)\n"
        assert line in text
        return text.replace(line, line * 2)

    monkeypatch.setattr(sys.modules["archdsl.load"], "mixture_source", wrong)
    assert {row.check for row in verify_mixture(tiny("darts_search"), batch=4).mismatches} == {
        "statistics after training, float64"
    }


def test_gates_are_named_tuples_of_the_file() -> None:
    mixed = load_mixture(tiny("darts_search"))
    assert isinstance(mixed, Mixture)
    gates = mixed.gates({key: torch.ones(size) / size for key, size in mixed.sizes.items()})
    assert type(gates).__name__ == "NetworkGates"
    assert gates.normal.op_2_0.shape == (8,) and gates.reduce.sources_5.shape == (5,)
    assert len(mixed.sizes) == 2 * (14 + 4)
