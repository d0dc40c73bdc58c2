"""Sequences: scans against their meaning, and the recurrent spaces' published figures."""

from dataclasses import replace
from random import Random

import pytest
import torch

import archdsl
from archdsl.diff.codec import decode_kind, decode_types, encode_kind, encode_types
from archdsl.evaluate.data import classifies
from archdsl.ir.cost import cost
from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Invoke, Program
from archdsl.ir.printer import print_program
from archdsl.library import Library
from archdsl.load import load_network
from archdsl.passes.driver import optimise
from archdsl.passes.identity import identity
from archdsl.passes.live import live_nodes
from archdsl.passes.many import many
from archdsl.space.view import SearchSpace
from archdsl.verify.networks import verify
from tests.torch_counts import differing
from tests.verify_spaces import tiny


def program(text: str, name: str = "s") -> Program:
    return elaborate(archdsl.parse(f"archdsl 1\nspace {name} {{ {text} }}").spaces[0])


def test_published_sizes_and_counts() -> None:
    """DARTS: 23M parameters (Liu et al., table 2); as released, 22,960,000 for every cell.

    ENAS: 24M (Pham et al., table 1); as released, 748 wide, 22,027,104.
    """
    darts = Library().find("rnn_darts").space
    assert darts.size == 4**8 * 40_320  # 8! sources
    figures = cost(darts.resolve(darts.sample(Random(0))))
    table, scores = 10_000 * 850, 10_000
    assert figures.params == table + scores + 1700 * 1700 + 8 * 850 * 1700 == 22_960_000
    assert figures.macs == 35 * (1700 * 1700 + 8 * 850 * 1700 + table) == 803_250_000
    enas = Library().find("rnn_enas").space
    assert enas.size == 4**12 * 39_916_800  # 11! sources; the paper says 4^N N!, 12! of them
    figures = cost(enas.resolve(enas.sample(Random(0))))
    assert figures.params == 10_000 * 748 + 1496 * 1496 + 11 * 748 * 1496 == 22_027_104


@pytest.mark.parametrize("name", ["rnn_darts", "rnn_enas"])
def test_torch_counts_the_same(name: str) -> None:
    assert differing(tiny(name), 5, Random(1)) == []


def test_a_scan_is_the_loop_that_it_says() -> None:
    space = SearchSpace(
        program(
            "cell step(x, h) = concat(x, h) -> linear(4, bias=no) -> tanh\n"
            "net network(x: 5 x 3, h: 4) { y = scan(step, x, h)\n return y[0], y[1] }"
        )
    )
    network = load_network(space.resolve(space.sample(Random(0)))).double()
    x, h = torch.randn(2, 5, 3).double(), torch.randn(2, 4).double()
    outputs, last = network(x, h)
    (weight,) = network.parameters()
    for t in range(5):
        h = torch.tanh(torch.cat((x[:, t], h), 1) @ weight.T)
        torch.testing.assert_close(outputs[:, t], h, rtol=0, atol=1e-12)
    torch.testing.assert_close(last, h, rtol=0, atol=1e-12)


def as_it_says(text: str) -> bool:
    """Whether generated files compute what the plainest reading does."""
    space = SearchSpace(program(text))
    return verify(space, space.sample(Random(0)), steps=False).ok


# A sequence that is an expression of the state's first value; one scan of another's outputs.
AFTER_ANOTHER = (
    "cell step(x, c) { g = x + (c -> global_pool) -> linear(8)\n return g, c -> tanh }\n"
    "net network(c: 6 x 8, h: 6 x 8) { y = scan(step, c -> relu, h)\n return y[0], h -> relu }",
    "cell step(x, h) { g = x + h -> linear(8) -> tanh\n return g, g }\n"
    "net network(x: 6 x 8, h: 8) { y = scan(step, x, h)\n z = scan(step, y[0], h)\n"
    " return z[0] }",
)


@pytest.mark.parametrize("text", AFTER_ANOTHER)
def test_scans_keep_what_is_read_later(text: str) -> None:
    assert as_it_says(text)


STEP = """cell step(x, h) { g = x + h -> linear(4)
 return g -> tanh, h + g -> sigmoid }
cell last(x, h) { g = h -> linear(4) -> tanh
 return x * g, g }
"""


def sequences(rng: Random) -> str:
    """A net of scans over each other's outputs and states, and over expressions of them."""
    lines, sequence, state = [], ["x"], ["h"]

    def some(known: list[str]) -> str:
        form = rng.choice(("{0}", "({0} -> relu)", "({0} + {1})"))
        return form.format(rng.choice(known), rng.choice(known))

    for i in range(rng.randint(2, 5)):
        cell = rng.choice(("step", "last"))
        lines.append(f"y{i} = scan({cell}, {some(sequence)}, {some(state)})")
        sequence.append(f"y{i}[0]")
        state.append(f"y{i}[1]")
    net = "\n".join([*lines, f"return {some(sequence)}, {some(state)}"])
    return f"{STEP}net network(x: 3 x 4, h: 4) {{{net}}}"


@pytest.mark.parametrize("number", [*range(12), 173])  # 173: a state beside a list
def test_random_scans(number: int) -> None:
    assert as_it_says(sequences(Random(number)))


def test_a_scan_without_state_maps_every_element() -> None:
    made = program(
        "cell each(x) = x -> linear(4)\nnet network(x: 5 x 3) = scan(each, x) -> linear(2)"
    )
    assert made.net.result_types[0].shape == (5, 2)
    assert cost(made).macs == 5 * (3 * 4 + 4 * 2)


def test_length_tells_networks_apart_and_parts_keep_their_meaning() -> None:
    text = (
        "cell step(x, h) = concat(x, h) -> linear(4) -> tanh\n"
        "net network(x: {} x 3, h: 4) {{ y = scan(step, x, h)\n return y[1] }}"
    )
    five, six = program(text.format(5)), program(text.format(6))
    assert identity(five) != identity(six)
    assert "scan(step#0, 5) %0, %1" in print_program(five)
    kind = next(n.kind for n in five.net.nodes if isinstance(n.kind, Invoke))
    assert decode_kind(encode_kind(kind)) == kind
    assert decode_kind(encode_kind(replace(kind, steps=0))) == Invoke(kind.module)


def test_a_step_that_returns_its_state_is_not_passed_by() -> None:
    """The last state is the first one, but the outputs are a sequence of it."""
    made = program(
        "cell keep(x, h) = h\n"
        "net network(x: 5 x 3, h: 4) { y = scan(keep, x, h)\n return y[0], y[1] }"
    )
    assert optimise(made).program.net.result_types == made.net.result_types
    assert live_nodes(made)[made.root]


def test_many_strings_cost_what_one_does() -> None:
    space = tiny("rnn_enas")
    chance = Random(3)
    architectures = [space.sample(chance) for _ in range(5)]
    together = many(space)
    for architecture, figures in zip(architectures, together.costs(architectures), strict=True):
        network = space.resolve(architecture)
        assert figures["macs"] == cost(network).macs
        assert together.identity(architecture) == identity(network)


def test_indices_survive_a_diff_and_are_refused_by_what_takes_none() -> None:
    net = program("net network(words: 5 of 10) = words -> embedding(4)").net
    assert decode_types(encode_types(net.nodes[0].types)) == net.nodes[0].types
    assert str(net.nodes[0].type) == "5 of 10"
    for operation in ("relu", "linear(4)", "id", "conv(3)"):
        with pytest.raises(archdsl.ArchError) as caught:
            program(f"net network(words: 5 of 10) = words -> {operation}")
        assert caught.value.diagnostics[0].code == "E0401"


def test_only_networks_of_images_are_trained() -> None:
    with pytest.raises(archdsl.ArchError) as caught:
        classifies(tiny("rnn_darts").program.net)
    assert caught.value.diagnostics[0].code == "E0804"
