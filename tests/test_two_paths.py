"""Supernets of two paths: the sums that spaces say, computed from what runs alone."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from archdsl.codegen import paths_source
from archdsl.evaluate.two_paths import keep_rest, two_paths
from archdsl.load import Paths, load_paths, load_supernet
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.syntax.tree import Quantity
from archdsl.verify.compare import still
from archdsl.verify.equal import EXACT, randomise
from archdsl.verify.mixtures import share
from archdsl.verify.plain import plain_gates, plain_network
from tests.operation_module import values
from tests.random_mixtures import space as random_space
from tests.shipped import written
from tests.verify_spaces import tiny

SPACES = (
    "dasvit",
    "enas_macro",
    "glit_tiny",
    "hierarchical",
    "mbconv",
    "nas_bench_101",
    "nas_bench_201",
    "randwire",
    "rnn_darts",
    "spos_shufflenet",
)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


def logits_of(paths: Paths, generator: torch.Generator) -> dict[str, Tensor]:
    return {
        key: torch.randn(size, generator=generator, dtype=torch.float64).requires_grad_()
        for key, size in paths.sizes.items()
    }


def several(paths: Paths, chance: random.Random) -> dict[str, tuple[int, ...]]:
    """What decisions for several take, each for itself."""
    return {
        key: tuple(
            sorted(
                chance.sample(
                    range(len(hole.labels)),
                    hole.count
                    if hole.quantity is Quantity.SOME
                    else chance.randint(0, len(hole.labels)),
                )
            )
        )
        for key, hole in paths.rest.items()
    }


@pytest.mark.parametrize("name", SPACES)
def test_two_paths_are_the_sum_that_the_space_says(name: str) -> None:
    compare(SearchSpace(still(tiny(name).program)))


SAME_NAMES = """archdsl 1
space names() {
  cell one(x) = {a = x -> conv(4, k=3) | b = x -> relu | c = x -> avg_pool(3)}
  cell some(x, y) = sum(x, any of {a = y -> conv(4, k=3) | b = y -> relu | c = y -> avg_pool(3)})
  net network(image: 4 x 6 x 6) {
    x = image -> one -> bn
    y = {
        first = some(image, x)
      | other = sum(x -> conv(4), 2 of {d = x -> relu | e = image -> conv(4) | f = image -> tanh})
      | third = mean(image, any of {g = x -> tanh | h = x})
    }
    return y -> conv(3)
  }
}
"""
"""Holes alike but for their gates, and such for several inside of one that has gates."""


def test_a_hole_with_gates_is_not_mistaken_for_one_of_any() -> None:
    compare(written(SAME_NAMES))


def test_a_decision_without_gates_is_an_error() -> None:
    paths = load_paths(tiny("nas_bench_201"))
    gates = {key: {1: torch.ones(())} for key in paths.sizes}
    type_ = paths.space.program.net.nodes[paths.space.program.net.inputs[0]].type
    images = torch.zeros(2, *type_.shape)
    paths(images, paths.gates(gates))
    nothing = paths.gates({**gates, next(iter(gates)): {}})
    with pytest.raises(IndexError):
        paths(images, nothing)


@pytest.mark.parametrize("number", range(12))
def test_random_spaces_are_the_sums_that_they_say(number: int) -> None:
    compare(random_space(number))


def test_what_an_architecture_leaves_out_takes_as_little_as_it_may() -> None:
    paths = load_paths(written(SAME_NAMES))
    gates = {key: {0: torch.ones(()), 1: torch.ones(())} for key in paths.sizes}
    for rest in (None, "names/network[third(-)]/one[a]"):
        assert paths.gates(gates, rest) == paths.gates(gates, {"network:sources1": (0, 1)})


def compare(space: SearchSpace) -> None:
    """Outputs, and gradients of weights and logits, against the plain reading of all paths."""
    generator = torch.Generator().manual_seed(0)
    paths, reference = load_paths(space), plain_network(space.program).double()
    randomise(reference, generator)
    share(reference, paths.module.double())
    logits = logits_of(paths, generator)
    program = space.program
    x = values(tuple(program.net.nodes[i].type for i in program.net.inputs), 0, 4)
    x = [one.double() if one.is_floating_point() else one for one in x]
    for train in (False, True):
        rest = several(paths, random.Random(train))
        drawn = two_paths(logits, generator)
        reference.train(train), paths.module.train(train)
        whole = {
            d.key: torch.zeros(len(d.hole.labels), dtype=torch.float64) for d in space.decisions
        }
        for key, whole_gate in whole.items():
            if key in drawn:
                for number, gate in drawn[key].items():
                    whole_gate = whole_gate.index_put((torch.tensor(number),), gate)
                whole[key] = whole_gate
            else:
                whole[key][list(rest.get(key, (0,)))] = 1  # where nothing is to decide, the first
        wanted = reference(*x, gates=plain_gates(program, whole))
        found = paths(*x, paths.gates(drawn, rest))
        named = dict(paths.module.named_parameters())
        by_hand = dict(reference.named_parameters())
        outputs = [
            torch.cat([y.flatten() for y in (one if isinstance(one, tuple) else (one,))])
            for one in (wanted, found)
        ]
        assert (outputs[1] - outputs[0]).abs().max() <= EXACT * outputs[0].abs().max()
        gradients = [
            torch.autograd.grad(
                (y * torch.arange(1.0, y.numel() + 1).sin()).sum(),
                [*logits.values(), *tensors.values()],
                retain_graph=True,
                materialize_grads=True,
            )
            for y, tensors in zip(outputs, (by_hand, named), strict=True)
        ]
        largest = max(float(one.abs().max()) for one in gradients[0])
        assert len(gradients[0]) == len(gradients[1])
        for a, b in zip(*gradients, strict=True):
            assert (a - b).abs().max() <= EXACT * largest


@pytest.mark.parametrize("name", ["nas_bench_201", "spos_shufflenet", "dasvit"])
def test_nothing_else_is_computed(name: str) -> None:
    """What runs is what the two path supernets of single paths run, and no more."""
    space = tiny(name)
    paths, single = load_paths(space), load_supernet(space)
    assert paths.module.state_dict().keys() == single.module.state_dict().keys()
    ran: set[str] = set()
    for module in (paths.module.double(), single.module.double()):
        for part, inner in module.named_modules():
            inner.register_forward_hook(lambda *_, part=part: ran.add(part))
    x = values(tuple(space.program.net.nodes[i].type for i in space.program.net.inputs), 0, 4)
    one = space.sample(random.Random(1))
    only = {key: {one.assignment[key][0]: torch.tensor(1.0)} for key in paths.sizes}
    paths(*x, paths.gates(only))
    once, together = set(ran), set()
    ran.clear()
    single(*x, one)
    assert once == ran
    generator = torch.Generator().manual_seed(3)
    drawn = two_paths({k: torch.zeros(n) for k, n in paths.sizes.items()}, generator)
    ran.clear()
    paths(*x, paths.gates(drawn))
    together |= ran
    every = {key: dict.fromkeys(range(size), torch.ones(())) for key, size in paths.sizes.items()}
    ran.clear()
    paths(*x, paths.gates(every))
    assert together < ran


def test_a_draw_is_two_with_a_gate_of_one_and_a_gradient_to_both() -> None:
    logits = {"a": torch.tensor([0.3, -1.0, 2.0, 0.0], dtype=torch.float64, requires_grad=True)}
    seen, taken = torch.zeros(4), 0
    for seed in range(400):
        gates = two_paths(logits, torch.Generator().manual_seed(seed))["a"]
        assert len(gates) == 2
        assert sorted(float(gate.detach()) for gate in gates.values()) == pytest.approx([0.0, 1.0])
        seen[list(gates)] += 1
        taken += 2 in gates and float(gates[2].detach()) > 0.5
    assert seen.argsort().tolist() == [1, 3, 0, 2]
    assert taken > 200
    again = [two_paths(logits, torch.Generator().manual_seed(7))["a"] for _ in range(2)]
    assert again[0].keys() == again[1].keys()
    pair = list(gates)
    upstream = torch.tensor([0.7, -0.2], dtype=torch.float64)
    loss = sum(u * gate for u, gate in zip(upstream, gates.values(), strict=True))
    (found,) = torch.autograd.grad(loss, logits["a"])
    p = logits["a"].detach()[pair].softmax(0)
    # Equation 4 of the paper, over the two: sum over j of dL/dg_j p_j (1[i = j] - p_i).
    wanted = [sum(upstream[j] * p[j] * (float(i == j) - p[i]) for j in range(2)) for i in range(2)]
    assert torch.allclose(found[pair], torch.stack(wanted))
    assert found.count_nonzero() == 2


def test_the_others_keep_their_probabilities() -> None:
    logits = {"a": torch.randn(5, generator=torch.Generator().manual_seed(0), requires_grad=True)}
    drawn = two_paths(logits, torch.Generator().manual_seed(0))
    before = {"a": logits["a"].detach().clone()}
    with torch.no_grad():
        logits["a"][list(drawn["a"])] += torch.tensor([0.5, -2.0])
    keep_rest(logits, before, drawn)
    others = [i for i in range(5) if i not in drawn["a"]]
    old, new = before["a"].softmax(0), logits["a"].detach().softmax(0)
    assert torch.allclose(old[others], new[others])
    assert not torch.allclose(old, new)


REFUSED = {
    "amc": "it decides a size of shared weights",
    "auto_deeplab": "which alternatives it has depends on",
    "metaformer_nas": "a join depends on what it takes",
    "nas_rl": "it decides a size of shared weights",
    "nasnet": "a join depends on what it takes",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_sum_is_refused_by_name(name: str) -> None:
    with pytest.raises(ArchError) as caught:
        paths_source(tiny(name).program)
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0906"
    assert REFUSED[name] in finding.message
    assert finding.span is not None
