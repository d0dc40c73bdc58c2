"""Edits that preserve the function, the text of what comes out, and inherited weights."""

from __future__ import annotations

from random import Random

import pytest
import torch

from archdsl.grow.draw import KINDS, Kind
from archdsl.grow.edits import Deepen, Insert, Skip, Widen, changed, edited
from archdsl.grow.flat import flat, unnamed
from archdsl.grow.heir import heir
from archdsl.grow.written import read_back
from archdsl.ir.cost import cost
from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.load import batch_of, load_network
from archdsl.ops.activation import GELU, ReLU
from archdsl.ops.convolution import Conv
from archdsl.ops.linear import Linear
from archdsl.ops.normalisation import BatchNorm
from archdsl.syntax.errors import ArchError
from tests.preserved import ALLOWED, apart, disturbed, edits, executed, strings
from tests.verify_spaces import names, tiny

TEXT = """
archdsl 1
space small {
  block unit(x) {
    return x + (x -> conv(8, k=3) -> bn -> relu -> conv(8, k=3) -> bn)
  }
  net network(image: 3 x 8 x 8) {
    stem = image -> conv(8, k=3) -> bn -> relu
    body = stem -> unit^2
    y = body -> relu -> dwconv(3) -> bn -> gelu
    return y -> global_pool -> mlp_head
  }
  op mlp_head = linear(6) -> relu -> linear(4)
}
"""


def small() -> Program:
    return read_back(Library().text(TEXT).network())


def sampled(name: str) -> Program:
    space = tiny(name)
    return space.resolve(space.sample(Random(1)))


@pytest.mark.parametrize("name", names())
def test_a_network_as_text_computes_the_same(name: str) -> None:
    before = sampled(name)
    after = read_back(before)
    assert unnamed(flat(before)) == unnamed(flat(after))
    assert cost(before) == cost(after)
    assert read_back(after).text == after.text
    assert heir(before, after).preserved
    assert set(heir(before, after).plan.choices) == {
        value.owner for value in flat(after).values if flat(after).weighted(value)
    }


@pytest.mark.parametrize("kind", KINDS)
def test_random_edits_preserve_the_function(kind: Kind) -> None:
    found = list(edits(kind, 5, seed=3))
    assert len(found) == 5
    assert max(one.apart for one in found) <= ALLOWED


def test_strings_that_are_said_to_be_preserved_are() -> None:
    found = list(strings(6, seed=2))
    assert len(found) == 6
    assert max(one.apart for one in found) <= ALLOWED


EXACT = (
    Deepen(at="network.stem", operations=(Conv(channels=8, k=3), BatchNorm(), ReLU())),
    Deepen(at="unit.conv1", operations=(Conv(channels=8, k=5, groups=8),)),
    Deepen(at="network.mlp_head_relu", operations=(Linear(features=6), ReLU())),
    Widen(at="unit.conv1", channels=11),
    Widen(at="network.stem", channels=16),
    Widen(at="network.mlp_head_relu", channels=13),
    Skip(source="unit.x", at="unit.norm1"),
    Skip(source="unit.x", at="unit.relu_", join="concat"),
    Insert(
        source="unit.x", at="unit.norm2", operations=(ReLU(), Conv(channels=8, k=3), BatchNorm())
    ),
)


@pytest.mark.parametrize("edit", EXACT, ids=lambda edit: f"{type(edit).__name__}-{edit.at}")
def test_an_edit_preserves_the_function(edit: Deepen | Widen | Skip | Insert) -> None:
    before = small()
    after = edited(before, edit)
    assert cost(after).params > cost(before).params
    in_evaluation, _ = executed(before, after, seed=1)
    assert in_evaluation <= ALLOWED


def test_what_is_carried_over_is_not_by_chance() -> None:
    before = small()
    after = edited(before, EXACT[0])
    torch.manual_seed(0)
    parent, child = load_network(before), load_network(after)
    disturbed(parent, torch.Generator().manual_seed(0))
    inputs = batch_of(before, 2, torch.Generator().manual_seed(1))
    assert apart(parent.eval(), child.eval(), inputs) > 0.01
    weights = heir(before, after).weights(parent.state_dict(), child.state_dict())
    new = next(name for name in weights if name.startswith("conv_"))
    child.load_state_dict({**weights, new: torch.randn(8, 8, 3, 3)})
    assert apart(parent, child, inputs) > 0.01


def test_copies_learn_apart() -> None:
    before = small()
    after = edited(before, Widen(at="unit.conv1", channels=16))
    parent, child = load_network(before), load_network(after)
    child.load_state_dict(heir(before, after).weights(parent.state_dict(), child.state_dict()))
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    child(images).square().sum().backward()
    gradient = dict(child.named_parameters())["unit1.conv1.weight"].grad
    assert gradient is not None
    rows = gradient.flatten(1)
    assert all(not torch.allclose(a, b) for i, a in enumerate(rows) for b in rows[:i])


def test_a_new_branch_learns() -> None:
    before = small()
    after = edited(before, EXACT[-1])
    parent, child = load_network(before), load_network(after)
    child.load_state_dict(heir(before, after).weights(parent.state_dict(), child.state_dict()))
    child(torch.randn(4, 3, 8, 8)).square().sum().backward()
    new = [p.grad for name, p in child.named_parameters() if name.endswith("norm.weight")]
    assert new and all(gradient is not None and gradient.abs().sum() > 0 for gradient in new)


REFUSED = (
    ("E0840", Deepen(at="network.y", operations=(Conv(channels=8, k=3), GELU()))),
    ("E0840", Deepen(at="unit.conv1", operations=(ReLU(),))),
    ("E0840", Deepen(at="unit.relu_", operations=(Conv(channels=8, k=3, s=1, p=1, groups=2),))),
    ("E0840", Widen(at="network.mlp_head_linear2", channels=9)),
    ("E0840", Widen(at="network.image", channels=9)),
    ("E0840", Widen(at="unit.conv1", channels=8)),
    ("E0840", Widen(at="unit.conv1", units=9)),
    ("E0840", Insert(source="unit.x", at="unit.norm2", operations=(ReLU(),))),
    ("E0841", Skip(source="unit.norm2", at="unit.norm1")),
    ("E0841", Skip(source="network.stem", at="unit.norm1")),
    ("E0841", Deepen(at="unit.nobody", operations=(ReLU(),))),
    ("E0841", Deepen(at="unit", operations=(ReLU(),))),
    ("E0841", Deepen(at="unit.conv1", operations=(Linear(features=4),))),
    ("E0841", Skip(source="network.image", at="network.stem")),
)


@pytest.mark.parametrize(("code", "edit"), REFUSED, ids=lambda one: str(one)[:60])
def test_an_edit_is_refused(code: str, edit: Deepen | Widen | Skip | Insert) -> None:
    with pytest.raises(ArchError) as caught:
        edited(small(), edit)
    assert caught.value.diagnostics[0].code == code


def test_what_an_edit_changes_is_inherited_otherwise() -> None:
    before = small()
    found = heir(before, changed(before, Deepen(at="unit.conv1", operations=(ReLU(),))))
    assert not found.preserved
    assert len(found.plan.choices) == 14


def resolved(text: str) -> Program:
    return Library().find(text).network()


NB201 = "nas_bench_201(cells=1, width=2)/infer[{}; skip_connect none; none none {}]"


@pytest.mark.parametrize(
    ("before", "after", "preserved"),
    [
        (("nor_conv_3x3", "nor_conv_1x1"), ("nor_conv_3x3", "nor_conv_1x1"), True),
        (("skip_connect", "none"), ("skip_connect", "nor_conv_3x3"), True),
        (("nor_conv_3x3", "none"), ("nor_conv_3x3", "nor_conv_3x3"), True),
        (("nor_conv_1x1", "nor_conv_1x1"), ("nor_conv_3x3", "nor_conv_1x1"), True),
        (("nor_conv_1x1", "nor_conv_3x3"), ("nor_conv_1x1", "nor_conv_1x1"), False),
        (("skip_connect", "none"), ("skip_connect", "skip_connect"), False),
        (("skip_connect", "nor_conv_3x3"), ("skip_connect", "none"), False),
    ],
)
def test_decisions_are_inherited(
    before: tuple[str, str], after: tuple[str, str], preserved: bool
) -> None:
    parent, child = resolved(NB201.format(*before)), resolved(NB201.format(*after))
    found = heir(parent, child)
    assert found.preserved is preserved
    in_evaluation, _ = executed(parent, child, seed=0)
    assert (in_evaluation <= ALLOWED) is preserved


@pytest.mark.parametrize(
    ("before", "after", "preserved"),
    [
        ("conv(4, k=3, s=2)", "conv(4, k=7, s=2)", True),
        ("conv(4, k=1, kw=3)", "conv(6, k=5, kw=3)", True),
        ("dwconv(3, d=2)", "dwconv(5, d=2)", True),
        ("dwconv(5)", "dwconv(3)", False),
        ("conv(4, k=3, s=3, p=1)", "conv(4, k=5, s=3, p=1)", False),
        ("conv(4, k=3, d=1)", "conv(4, k=3, d=2)", False),
    ],
)
def test_kernels_grow_around_their_centre(before: str, after: str, preserved: bool) -> None:
    text = "archdsl 1\nspace s {{ net n(x: 4 x 9 x 9) {{ return x -> {} -> conv(3) }} }}"
    parent, child = (Library().text(text.format(one)).network() for one in (before, after))
    assert heir(parent, child).preserved is preserved
    in_evaluation, _ = executed(parent, child, seed=0)
    assert (in_evaluation <= ALLOWED) is preserved


@pytest.mark.parametrize(
    ("before", "after", "preserved"), [(2, 3, True), (2, 2.5, True), (3, 2, False)]
)
def test_hidden_units_grow(before: float, after: float, preserved: bool) -> None:
    text = "archdsl 1 space s {{ net n(x: 4 x 4 x 4) {{ return x -> mlp({}) -> tokens_mlp({}) }} }}"
    parent, child = (
        Library().text(text.format(ratio, ratio / 4)).network() for ratio in (before, after)
    )
    assert heir(parent, child).preserved is preserved
    in_evaluation, _ = executed(parent, child, seed=0)
    assert (in_evaluation <= ALLOWED) is preserved
