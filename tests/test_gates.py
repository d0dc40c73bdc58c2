"""Gates learned by gradients: weights of alternatives, both orders, what they point to, runs."""

from __future__ import annotations

import json
from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import archdsl
from archdsl.controllers import gates_method, make_controller
from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.derive import derive
from archdsl.controllers.gates import Gates
from archdsl.evaluate.bilevel import first_order, second_order
from archdsl.evaluate.data import open_data
from archdsl.evaluate.relaxed import RelaxedWeights
from archdsl.load import load_supernet
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import SGD
from archdsl.run.gates import search_gates
from archdsl.run.ledger import read_ledger
from archdsl.run.settings import SearchSettings
from archdsl.space.alternatives import kind_of, skips, zeros
from archdsl.syntax.errors import ArchError
from tests.shipped import shipped, written

PLAIN = """archdsl 1

space plain {
  net network(image: 1 x 8 x 8) {
    a = image -> conv(8, k=3, s=2) -> bn -> relu
    b = a -> {nothing = none | work = conv(8, k=3) -> bn -> relu | pass = id}
    return b -> global_pool -> linear(10)
  }
}
"""
SETS = """archdsl 1

space sets {
  net network(image: 1 x 8 x 8) {
    n[0] = image -> conv(4)
    n[1] = n[0] -> {zero = none | one = conv(4, k=3) | two = id}
    n[2] = sum(2 of {n[j] -> {zero = none | one = conv(4, k=3) | two = id} for j in 0..1})
    n[3] = sum(n[0], any of {n[j] -> conv(4) for j in 1..2})
    return n[3] -> global_pool -> linear(10)
  }
}
"""
THREE = """archdsl 1

space three {
  net network(image: 1 x 8 x 8) {
    n[0] = image -> conv(4)
    n[1] = n[0] -> relu
    n[2] = n[1] -> tanh
    n[3] = sum(2 of {n[j] -> {zero = none | one = conv(4, k=3) | two = id} for j in 0..2})
    return n[3] -> global_pool -> linear(10)
  }
}
"""


def even(space):
    return {one.key: [1.0] * len(one.hole.labels) for one in space.decisions}


# ---- what gates point to -------------------------------------------------------------------------


def test_none_is_known_in_every_space_that_has_it():
    space = shipped("darts_search", layers=1)
    named = {d.key: d.hole.labels for d in space.decisions}
    found = zeros(space)
    for key, labels in named.items():
        expected = {labels.index("none")} if "none" in labels else set()
        assert found[key] == expected, key


def test_the_heaviest_wins_but_for_none():
    space = written(PLAIN)
    (key,) = (one.key for one in space.decisions)
    weights = {key: [0.6, 0.1, 0.3]}
    assert derive(space, weights).text == "plain/network[pass]"
    assert derive(space, weights, none=True).text == "plain/network[nothing]"


def test_sources_are_ranked_by_their_gate_times_the_best_inside():
    space = written(THREE)
    keys = [one.key for one in space.decisions]
    weights = even(space)
    inner = [key for key in keys if len(weights[key]) == 3 and key != keys[0]]
    (outer,) = set(keys) - set(inner)
    weights |= dict(zip(inner, ([0.9, 0.1, 0.0], [0.1, 0.2, 0.3], [0.1, 0.4, 0.0]), strict=True))
    assert derive(space, weights).text == "three/network[1(two)+2(one)]"
    weights[outer] = [9.0, 1.0, 1.0]
    assert derive(space, weights).text == "three/network[0(one)+2(one)]"


def test_constraints_choose_the_likeliest_that_they_let_through():
    space = written(PLAIN.replace("  net", "  where params <= 300\n\n  net"))
    (key,) = (one.key for one in space.decisions)
    found = derive(space, {key: [0.1, 0.8, 0.3]})
    assert found.text == "plain/network[pass]"  # a second convolution has 600 parameters more


# ---- weights of alternatives ---------------------------------------------------------------------


@pytest.mark.parametrize("relaxation", ["softmax", "gumbel", "one_hot"])
def test_weights_sum_to_one_and_teach_all_logits(relaxation):
    space = written(SETS)
    gates = Gates(space, DartsSettings(relaxation=relaxation, sources=True), seed=3)
    weights = gates.weights(0.5, draw=1)
    again = gates.weights(0.5, draw=1)
    for one in space.decisions:
        found = weights[one.key]
        assert torch.equal(found, again[one.key])
        if one.key in gates.logits and one.hole.quantity.name != "ANY":
            assert float(found.detach().sum()) == pytest.approx(1)
        if relaxation == "one_hot" and one.hole.quantity.name == "ONE":
            assert sorted(found.detach().round(decimals=5).tolist()) == [0, 0, 1]
    sum((w * torch.arange(len(w))).sum() for w in weights.values()).backward()
    for key, logits in gates.logits.items():
        assert logits.grad.abs().max() > 0, key


def test_gumbel_gets_colder():
    space = written(PLAIN)
    gates = Gates(space, DartsSettings(relaxation="gumbel", hot=10, cold=0.01), seed=0)
    (key,) = gates.logits
    hot, cold = (gates.weights(share, draw=0)[key].max() for share in (0.0, 1.0))
    assert hot < 0.6 < 0.99 < cold


def test_sources_have_gates_where_asked():
    space = shipped("darts_search")
    without, with_ = (Gates(space, DartsSettings(sources=on), seed=0) for on in (False, True))
    of_sources = {one.key for one in space.decisions if one.hole.quantity.name == "SOME"}
    assert {*with_.logits} - {*without.logits} == of_sources and len(of_sources) == 8


def test_gates_of_other_decisions_are_not_gone_on_with():
    """A run of before sources that are all taken had gates: Adam remembers by their order."""
    space = shipped("darts_search")
    before, now = (Gates(space, DartsSettings(sources=on), seed=0) for on in (False, True))
    with pytest.raises(ValueError, match="other decisions"):
        now.restore(before.state())


def test_sources_that_are_all_taken_are_weighed_too():
    """The first node of PC-DARTS: two gates that sum to one, and still nothing to decide."""
    space = shipped("darts_search")
    gates = Gates(space, DartsSettings(sources=True), seed=0)
    first = gates.weights(0.0, draw=0)["normal:sources_2"]
    assert first.requires_grad and float(first.detach().sum()) == pytest.approx(1)
    with torch.no_grad():
        gates.logits["normal:sources_2"][0] = -50.0
    assert gates.architecture().assignment["normal:sources_2"] == (0, 1)


# ---- gradients of gates --------------------------------------------------------------------------


class Toy(nn.Module):
    """Losses that are quadratic in weights, so that differences of their gradients are exact."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64))
        self.register_buffer("seen", torch.zeros(1))

    def loss(self, gates, target):
        self.seen += 1
        return ((self.weight * gates - target) ** 2).sum()


def toy():
    model = Toy()
    gates = torch.tensor([0.3, 0.7, 1.1], dtype=torch.float64, requires_grad=True)
    train, valid = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([-1.0, 0.5, 2.0])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
    model.loss(gates, train).backward()  # one step, so that there is momentum
    optimizer.step()
    gates.grad = None
    optimizer.zero_grad()
    return model, gates, train, valid, optimizer


def test_second_order_is_the_gradient_through_one_step():
    model, gates, train, valid, optimizer = toy()
    velocity = optimizer.state[model.weight]["momentum_buffer"].clone()
    weight = model.weight.detach().clone().requires_grad_()
    loss = ((weight * gates - train) ** 2).sum()
    (gradient,) = torch.autograd.grad(loss, weight, create_graph=True)
    ahead = weight - 0.05 * (0.9 * velocity + gradient + 0.01 * weight)
    (expected,) = torch.autograd.grad(((ahead * gates - valid) ** 2).sum(), gates)
    before = {name: one.clone() for name, one in model.state_dict().items()}
    second_order(
        lambda: model.loss(gates, valid),
        lambda: model.loss(gates, train),
        model,
        optimizer,
        [gates],
    )
    assert torch.allclose(gates.grad, expected, rtol=1e-10, atol=1e-12)
    after = model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert model.weight.grad is None


def test_first_order_leaves_the_weights_alone():
    model, gates, _, valid, _ = toy()
    first_order(lambda: model.loss(gates, valid), [gates])
    expected = 2 * (model.weight * gates - valid) * model.weight
    assert torch.allclose(gates.grad, expected.detach())
    assert model.weight.grad is None


# ---- supernets under gates -----------------------------------------------------------------------


@pytest.mark.parametrize("relaxation", ["softmax", "one_hot"])
def test_an_architecture_runs_as_in_the_path_supernet(relaxation):
    space = shipped("nas_bench_201", width=4, cells=1, size=8, channels=1)
    data = open_data("digits", shape=(1, 8, 8), classes=10, batch_size=64)
    gates = Gates(space, DartsSettings(relaxation=relaxation), seed=0)
    weights = RelaxedWeights(space, data, gates, recipe=Recipe(), seed=0)
    supernet = load_supernet(space)
    supernet.module.load_state_dict(weights.model.state_dict())
    supernet.module.eval()
    weights.model.eval()
    architecture = space.unrank(4_321)
    images, _ = data.training_batch(0, 0, 0)
    with torch.no_grad():
        found = weights.supernet.along(architecture)(images)
        assert torch.allclose(found, supernet(images, architecture), atol=1e-5)


def test_one_hot_runs_and_trains_the_heaviest_alone():
    space = shipped("nas_bench_201", width=4, cells=1, size=8, channels=1)
    data = open_data("digits", shape=(1, 8, 8), classes=10, batch_size=64)
    gates = Gates(space, DartsSettings(relaxation="one_hot"), seed=0)
    weights = RelaxedWeights(space, data, gates, recipe=Recipe(), seed=0)
    before = {name: one.clone() for name, one in weights.model.named_parameters()}
    weights.train_step(0, 0)
    moved = {n for n, one in weights.model.named_parameters() if not torch.equal(one, before[n])}
    assert moved and moved != set(before)
    weights.learn_gates(0, 0)
    assert any(one.grad.abs().max() > 0 for one in gates.logits.values())


# ---- runs ----------------------------------------------------------------------------------------

SETTINGS = SearchSettings(epochs=8, batch_size=64, threads=1)


@pytest.mark.parametrize(
    "method",
    [
        DartsSettings(learning_rate=0.05, weight_decay=0, none=True),
        DartsSettings(learning_rate=0.05, weight_decay=0, none=True, order=2),
        DartsSettings(learning_rate=0.05, weight_decay=0, none=True, relaxation="one_hot"),
        DartsSettings(learning_rate=0.1, weight_decay=0, none=True, relaxation="two_paths"),
    ],
    ids=["first", "second", "one_hot", "two_paths"],
)
def test_what_works_gets_heavier_than_nothing(method, tmp_path):
    space = written(PLAIN)
    recipe = Recipe(epochs=8, batch_size=64, optimizer=SGD(learning_rate=0.1), clip=5)
    summary = search_gates(
        space, method, out=tmp_path / "run", settings=SETTINGS, recipe=recipe, quiet=True
    )
    assert summary.best != "plain/network[nothing]"
    assert summary.moved is not None and summary.moved.made
    assert summary.moved.sharpness > summary.moved.even + 0.05
    *learned, final = read_ledger(tmp_path / "run" / "ledger.sqlite")
    assert [one.kind for one in learned] == ["derive"] * 8
    assert final.kind == "final" and final.text == summary.best
    (gates,) = learned[-1].detail["gates"].values()
    assert gates[0] < max(gates[1:])
    kept = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert kept["best"] == summary.best


def test_gates_rest_while_weights_warm_up(tmp_path):
    space = written(PLAIN)
    method = DartsSettings(learning_rate=0.1, warmup=2)
    settings = SearchSettings(epochs=3, batch_size=128, threads=1)
    search_gates(space, method, out=tmp_path / "run", settings=settings, quiet=True)
    first, second, third, _ = read_ledger(tmp_path / "run" / "ledger.sqlite")
    assert first.detail["gates"] == second.detail["gates"] != third.detail["gates"]


def test_methods_that_learn_gates_are_told_apart():
    assert gates_method("evolution(population=3)") is None
    assert gates_method('darts(relaxation="gumbel")') == DartsSettings(relaxation="gumbel")
    with pytest.raises(ArchError) as caught:
        make_controller("darts", written(PLAIN), seed=0)
    assert caught.value.diagnostics[0].code == "E0801"
    for wrong in ("darts(order=3)", 'darts(order=2, relaxation="one_hot")', "darts(rate=1)"):
        with pytest.raises(ArchError) as caught:
            gates_method(wrong)
        assert caught.value.diagnostics[0].code == "E0818"


def test_spaces_without_a_mixture_are_refused(tmp_path):
    space = shipped("ofa_mobilenet_v3")
    with pytest.raises(ArchError) as caught:
        search_gates(
            space,
            DartsSettings(),
            out=tmp_path / "run",
            settings=SearchSettings(data="folder:nowhere"),
            quiet=True,
        )
    assert caught.value.diagnostics[0].code in {"E0803", "E0906"}


def test_documentation_names_every_setting():
    text = (Path(__file__).resolve().parents[1] / "docs" / "runs.md").read_text(encoding="utf-8")
    names = [one.name for one in fields(DartsSettings)]
    assert [name for name in names if f"`{name}=" not in text] == []


PARTS = {
    "channels": ("nas_bench_201", {"width": 8, "cells": 1, "size": 8}),
    "tokens": ("dasvit", {"width": 24, "depth": 2, "size": 16, "patch": 4}),
}


@pytest.mark.parametrize("what", PARTS)
def test_mixtures_may_run_on_a_part(what, tmp_path):
    name, parameters = PARTS[what]
    space = shipped(name, **parameters)
    method = DartsSettings(**{what: "1/4"})
    settings = SearchSettings(epochs=2, batch_size=256, threads=1)
    summary = search_gates(space, method, out=tmp_path / "run", settings=settings, quiet=True)
    assert space.parse(summary.best).text == summary.best
    whole = archdsl.load(summary.best)  # the found network has all of them
    assert sum(p.numel() for p in whole.parameters()) == summary.params
    shares = {f"partial_{what}": Fraction(1, 4)}
    mixture = archdsl.load(space.program.genotype, supernet=True, mode="mixture", **shares)
    state = load_file(tmp_path / "run" / "checkpoint.safetensors")
    kept = {n.removeprefix("shared.weights."): t.shape for n, t in state.items()}
    assert all(kept[n] == t.shape for n, t in mixture.state_dict().items())


@pytest.mark.parametrize("wrong", ["0", "5/4", "x", "1/0"])
def test_shares_that_are_none_are_refused(wrong):
    with pytest.raises(ArchError) as caught:
        gates_method(f'darts(channels="{wrong}")')
    assert caught.value.diagnostics[0].code == "E0818"


# ---- fairness and skips --------------------------------------------------------------------------


def test_skips_and_kinds_are_told_from_the_space():
    space = shipped("dasvit", depth=2)
    for one in space.decisions:
        assert skips(space)[one.key] == {one.hole.labels.index("skip")}
        assert {kind_of(label) for label in one.hole.labels} == {"none", "skip", "msa", "mlp"}
    sources = shipped("metaformer_nas")  # which node is read is no skip
    named = {one.key: one.hole.labels for one in sources.decisions}
    for key, some in skips(sources).items():
        assert [named[key][i] for i in some] == (["id"] if "id" in named[key] else [])


def test_penalties_are_those_of_the_text():
    space = shipped("dasvit", depth=2)
    gates = Gates(space, DartsSettings(fair_skip=4.0, fair_kind=3.0, least=0.2, most=0.5), seed=0)
    with torch.no_grad():
        for logits in gates.logits.values():  # none, skip, three attentions, three perceptrons
            logits.copy_(torch.tensor([0.05, 0.25, 0.03, 0.03, 0.04, 0.2, 0.2, 0.2]).log())
    penalty = gates.penalty()
    assert float(penalty.detach()) == pytest.approx(
        4 * 0.25 + 3 * ((0.2 - 0.1) + (0.6 - 0.5)), abs=1e-6
    )
    penalty.backward()
    key = next(iter(gates.logits))
    assert gates.logits[key].grad[1] > 0  # less of skips
    assert gates.logits[key].grad[5] > 0 > gates.logits[key].grad[2]
    assert Gates(space, DartsSettings(), seed=0).penalty() == 0


def test_a_search_ends_when_it_points_to_many_skips(tmp_path):
    space = written(PLAIN)
    method = DartsSettings(learning_rate=0.0, weight_decay=0.0, skips=1)
    settings = SearchSettings(epochs=3, batch_size=256, threads=1)
    summary = search_gates(space, method, out=tmp_path / "run", settings=settings, quiet=True)
    pointed = Gates(space, method, seed=settings.seed).derived()
    assert summary.epochs == (1 if pointed == "plain/network[pass]" else 3)
    assert search_gates(
        space, method, out=tmp_path / "run", settings=settings, quiet=True
    ) == summary  # fmt: skip


@pytest.mark.parametrize("decay", [0.0, 1e-3])
def test_two_paths_move_two_logits_of_a_decision(decay):
    space = shipped("nas_bench_201", width=4, cells=1, size=8, channels=1)
    data = open_data("digits", shape=(1, 8, 8), classes=10, batch_size=64)
    method = DartsSettings(relaxation="two_paths", weight_decay=decay, learning_rate=0.1)
    gates = Gates(space, method, seed=0)
    weights = RelaxedWeights(space, data, gates, recipe=Recipe(), seed=0)
    for step in range(4):  # what an optimizer remembers of the steps before moves nothing else
        before = {key: one.detach().clone() for key, one in gates.logits.items()}
        weights.learn_gates(0, step)
        moved = {key: int((one.detach() != before[key]).sum()) for key, one in gates.logits.items()}
        assert any(moved.values()) and all(count in (0, 2) for count in moved.values())
        for key, one in gates.logits.items():
            same = one.detach() == before[key]
            chances = one.detach().softmax(0), before[key].softmax(0)
            assert torch.allclose(chances[0][same], chances[1][same], atol=1e-6)
