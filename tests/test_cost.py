"""Costs of small graphs, checked by hand."""

from __future__ import annotations

from archdsl.ir.cost import cost
from archdsl.ir.types import Cost
from tests.shipped import written


def price(body: str, definitions: str = "") -> Cost:
    text = f"archdsl 1\nspace s {{ {definitions}\nnet network(image: 3 x 8 x 8) {{ {body} }} }}"
    return cost(written(text).program)


MAP = 8 * 8 * 4  # bytes of one channel of an 8 x 8 map in float32


def test_one_convolution() -> None:
    found = price("return image -> conv(16, k=3)")
    assert found.params == 16 * 3 * 9 + 16
    assert found.macs == 16 * 3 * 9 * 64
    assert found.activation_bytes == 16 * MAP
    assert found.peak_bytes == 3 * MAP + 16 * MAP  # the input lives until it is read


def test_a_chain_frees_what_is_read() -> None:
    found = price("return image -> conv(16) -> conv(4) -> conv(16)")
    assert found.activation_bytes == (16 + 4 + 16) * MAP
    assert found.peak_bytes == (16 + 4) * MAP  # never all three


def test_a_shortcut_lives_until_it_is_added() -> None:
    found = price("y = image -> conv(4)\nreturn y + (y -> conv(16) -> conv(4))")
    assert found.activation_bytes == (4 + 16 + 4 + 4) * MAP
    assert found.peak_bytes == (4 + 16 + 4) * MAP


def test_a_value_that_nobody_reads_dies_at_once() -> None:
    found = price("y = image -> conv(64)\nreturn image -> conv(4)")
    assert found.peak_bytes == (3 + 64) * MAP
    assert found.macs == (64 + 4) * 3 * 64  # as written: the dead branch counts


def test_inside_a_module() -> None:
    cell = "cell f(x) = x -> conv(32) -> conv(4)"
    found = price("return image -> conv(4) -> f -> f", cell)
    assert found.activation_bytes == (4 + 2 * (32 + 4)) * MAP
    # The module's own input counts inside, its input and result outside as well.
    assert found.peak_bytes == (4 + 4) * MAP + (32 + 4) * MAP
    assert found.params == (3 * 4 + 4) + 2 * ((4 * 32 + 32) + (32 * 4 + 4))


def test_several_results_live_as_long_as_their_parts() -> None:
    cell = "cell two(x) { return x -> conv(4), x -> conv(4) }"
    found = price("y = image -> two\nz = y[0] -> conv(32) -> conv(4)\nreturn z + y[1]", cell)
    assert found.peak_bytes >= (8 + 32 + 4) * MAP


def test_ties_count_once() -> None:
    own = price("return image -> conv(3) -> conv(3)")
    tied = price("return image -> conv(3)@w -> conv(3)@w")
    assert (own.params, tied.params) == (24, 12)
    assert own.macs == tied.macs


def test_a_tied_module_counts_once() -> None:
    cell = "cell f(x) = x -> conv(3, k=3) -> bn"
    assert price("return image -> f@w^4", cell).params == price("return image -> f", cell).params


def test_buffers_are_no_parameters() -> None:
    assert price("return image -> bn").params == 6


def test_only_what_is_live() -> None:
    text = (
        "archdsl 1\nspace s { net network(image: 3 x 8 x 8) {"
        " y = image -> conv(64)\nreturn image -> conv(4) } }"
    )
    program = written(text).program
    live = {program.root: frozenset({0, 2})}
    assert cost(program, live).params == 16
    assert cost(program, live).macs == 4 * 3 * 64
