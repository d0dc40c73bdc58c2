"""Mixtures on a part of the tokens: against the cell by hand, and against all tokens."""

from __future__ import annotations

import warnings
from fractions import Fraction

import pytest
import torch

import archdsl
from archdsl.codegen import mixture_source
from archdsl.load import load_mixture
from archdsl.passes.partial_tokens import partial_tokens
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.verify.equal import EXACT
from archdsl.verify.mixtures import verify_mixture
from benchmarks.partial_tokens import apart
from tests.shipped import written
from tests.verify_spaces import tiny

HALF = Fraction(1, 2)
TEXT = """
archdsl 1

space part() {{
{blocks}
  net network(x: 6 x 4) {{
    y = x -> {choice}
    return y -> layer_norm -> linear(4)
  }}
}}
"""


def part(choice: str, blocks: str = "") -> SearchSpace:
    return written(TEXT.format(choice=choice, blocks=blocks).lstrip())


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("share", [None, Fraction(1, 4), Fraction(2, 3)])
def test_the_cell_by_hand(share: Fraction | None) -> None:
    outputs, gradients = apart(share, width=24)
    assert outputs <= EXACT
    assert gradients <= EXACT


NESTED = "{ a = mlp(2) | b = layer_norm -> {c = msa(2) | d = linear(4)} | id }"
BLOCKS = """
  block deep(x) { y = x -> msa(2)  return x + (y -> dropout(0.1) -> mlp(2)) }
  block pair(x) { return x -> deep -> deep }
"""
SOME = {
    "one choice": part("{mlp(2) | msa(2) | none}"),
    "nested": part(NESTED),
    "blocks": part("{deep | pair | id}", BLOCKS),
    "two": part("{mlp(2) | id} -> {one = msa(1) | two = msa(2)}"),
    "behind a norm": part("layer_norm -> {mlp(2) | msa(2)}"),
    "order": part("{token_conv(4, k=3) | mlp(2)}"),
    "dasvit": tiny("dasvit"),
    "glit_tiny": tiny("glit_tiny"),
}


@pytest.mark.parametrize("name", SOME)
def test_the_mixture_is_the_sum_that_the_space_says(name: str) -> None:
    program = partial_tokens(SOME[name].program, HALF)
    for seed in range(2):
        verdict = verify_mixture(SearchSpace(program), seed=seed, batch=3)
        assert verdict.ok, str(verdict)


def test_the_whole_share_is_the_plain_mixture() -> None:
    for space in SOME.values():
        assert partial_tokens(space.program, Fraction(1)) is space.program


def test_with_all_gates_on_the_identity_every_token_passes() -> None:
    """So what is put back stands where it was taken."""
    space = part("{mlp(2) | msa(2) | id}")
    plain, partial = load_mixture(space), load_mixture(partial_tokens(space.program, HALF))
    plain.module.load_state_dict(
        {k: v for k, v in partial.module.state_dict().items() if "selection" not in k}
    )
    (key,) = plain.sizes
    x, gates = torch.randn(2, 6, 4), {key: torch.tensor([0.0, 0.0, 1.0])}
    assert torch.equal(plain(x, plain.gates(gates)), partial(x, partial.gates(gates)))


def test_what_runs_on_fewer_tokens() -> None:
    text = mixture_source(partial_tokens(SOME["two"].program, HALF))
    assert text.count("put_back(") == 3  # its definition, and one for each choice
    text = mixture_source(partial_tokens(SOME["nested"].program, HALF))
    assert text.count("put_back(") == 2  # the inner choice runs on what the outer one took
    text = mixture_source(partial_tokens(SOME["one choice"].program, HALF))
    assert "TokenSelection(4, count=3)" in text
    text = mixture_source(partial_tokens(tiny("dasvit").program, HALF))
    assert "always=1" in text  # the class token


def test_a_score_learns_and_the_class_token_has_none() -> None:
    mixture = load_mixture(partial_tokens(tiny("dasvit").program, HALF))
    selection = next(
        part for part in mixture.module.modules() if type(part).__name__ == "TokenSelection"
    )
    x = torch.randn(5, 9, selection.query.in_features)
    x[:, 0] = 0  # nobody attends to it more than to others
    best, index, scores = selection(x)
    assert (index[:, 0] == 0).all()
    assert (index.diff() > 0).all()
    torch.testing.assert_close(best, torch.stack([a[i] for a, i in zip(x, index, strict=True)]))
    (none,) = torch.autograd.grad(
        scores[:, 0].sum(), selection.key.weight, retain_graph=True, allow_unused=True
    )
    assert none is None or not none.any()
    (some,) = torch.autograd.grad(scores[:, 1:].square().sum(), selection.key.weight)
    assert some.any()


REFUSED = {
    "maps": (tiny("nas_bench_201"), "can run on a part"),
    "positions": (part("{positions | id}"), "can run on a part"),
    "another width": (
        part("{linear(8) | wide = mlp(2) -> linear(8)} -> linear(4)"),
        "can run on a part",
    ),
    "nothing to run": (part("mlp(2)"), "can run on a part"),
    "causal": (part("{msa(2, causal=yes) | mlp(2)}"), "is causal"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_is_refused(name: str) -> None:
    space, why = REFUSED[name]
    with pytest.raises(ArchError) as caught:
        partial_tokens(space.program, HALF)
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0908"
    assert why in finding.message


def test_from_python() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module = archdsl.load(
            "dasvit(width=24, depth=1, size=32, classes=3)",
            supernet=True,
            mode="mixture",
            partial_tokens=0.25,
        )
    assert any("selection" in name for name, _ in module.named_parameters())
