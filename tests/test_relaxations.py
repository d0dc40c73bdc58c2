"""Costs in the loss of gates, scales that are pulled to zero, paths that drop out."""

from __future__ import annotations

import json
from random import Random
from statistics import fmean

import pytest
import torch

from archdsl.controllers import gates_method
from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.gates import Gates
from archdsl.controllers.relaxations import Proximal, dropped, shares
from archdsl.evaluate.data import open_data
from archdsl.evaluate.expected import Expected
from archdsl.evaluate.latency import OperationsSettings
from archdsl.evaluate.relaxed import RelaxedWeights
from archdsl.evaluate.supernet import SupernetSettings
from archdsl.ir.cost import cost
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import SGD
from archdsl.run.gates import search_gates
from archdsl.run.latencies import operations
from archdsl.run.ledger import read_ledger
from archdsl.run.settings import SearchSettings
from archdsl.syntax.errors import ArchError
from tests.killed import killed_at
from tests.shipped import shipped, written
from tests.test_gates import PLAIN
from tests.verify_spaces import drawn, tiny

SMALL = {"width": 4, "cells": 1, "size": 8, "channels": 1}
NESTED = """archdsl 1

space nested {
  op inner = {wide = conv(4, k=3) | narrow = conv(4) | id}
  block layer(x) = x -> {a = conv(4, k=5) -> {relu | conv(4) | tanh} | b = inner | c = id}
  net network(image: 1 x 6 x 6) = image -> conv(4) -> layer^2 -> global_pool -> linear(10)
}
"""


def weights_of(architecture):
    """1 for what an architecture takes, 0 for the rest."""
    found = {}
    for one in architecture.space.decisions:
        row = torch.zeros(len(one.hole.labels))
        row[list(architecture.assignment.get(one.key, ()))] = 1.0
        found[one.key] = row
    return found


# ---- expected costs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["nas_bench_201", "darts_search", "dasvit", "mbconv", "hierarchical", "spos_shufflenet"]
)
def test_the_cost_of_one_architecture_is_what_its_text_costs(name):
    space = tiny(name)
    macs, params = Expected(space, "macs"), Expected(space, "params")
    for one in drawn(space, 5, seed=0):
        costs = cost(space.resolve(one))
        assert float(macs(weights_of(one))) == pytest.approx(costs.macs, rel=1e-5)
        assert float(params(weights_of(one))) == pytest.approx(costs.params, rel=1e-5)


@pytest.mark.parametrize("what", ["macs", "params"])
def test_the_expected_cost_is_the_mean_over_all_architectures(what):
    space = written(NESTED)
    generator = torch.Generator().manual_seed(0)
    weights = {
        one.key: torch.rand(len(one.hole.labels), generator=generator, dtype=torch.float64)
        .softmax(0)
        .requires_grad_()
        for one in space.decisions
    }
    mean = 0.0
    for one in map(space.unrank, range(space.size)):
        chance = 1.0
        for key, (taken,) in one.assignment.items():
            chance = chance * weights[key][taken]
        mean = mean + chance * getattr(cost(space.resolve(one)), what)
    expected = Expected(space, what)
    found = expected(weights)
    assert found.item() == pytest.approx(mean.item(), rel=1e-6)
    grown, hand = (torch.autograd.grad(v, list(weights.values())) for v in (found, mean))
    assert space.size == 49
    for key, ours, theirs in zip(weights, grown, hand, strict=True):
        ours, theirs = ours - ours.mean(), theirs - theirs.mean()  # weights sum to one
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1.0), key


SOURCES = """archdsl 1

space sources {
  net network(image: 1 x 6 x 6) {
    n[0] = image -> conv(4)
    n[1] = n[0] -> conv(4, k=3)
    n[2] = sum(2 of {n[j] -> conv(4) for j in 0..1})
    n[3] = sum(2 of {n[j] -> conv(4, k=3) for j in 0..2})
    return n[3] -> global_pool -> linear(10)
  }
}
"""


@pytest.mark.parametrize("what", ["macs", "params"])
def test_of_several_sources_each_is_there_as_often_as_it_weighs(what):
    """Of two that are both taken always; of two of three, which weigh alike, twice in three."""
    space = written(SOURCES)
    even = {one.key: torch.full((len(one.hole.labels),), 1.0) for one in space.decisions}
    even = {key: row / len(row) for key, row in even.items()}
    mean = fmean(getattr(cost(space.resolve(space.unrank(i))), what) for i in range(space.size))
    assert space.size == 3
    assert float(Expected(space, what)(even)) == pytest.approx(mean)
    (forced,) = (key for key, row in even.items() if len(row) == 2)
    even[forced] = torch.tensor([0.9, 0.1], requires_grad=True)
    found = Expected(space, what)(even)
    assert float(found) == pytest.approx(mean)
    assert not found.requires_grad  # nothing can be saved there


def table(space, path):
    """Made-up milliseconds, each operation's own."""
    rows = {name: 0.1 + (len(name) * 7919 % 101) / 100 for name in operations(space.program)}
    path.write_text(json.dumps({"milliseconds": rows}), encoding="utf-8")
    return path


def test_latencies_are_those_of_the_table_in_microseconds(tmp_path):
    space = tiny("mbconv")
    file = str(table(space, tmp_path / "table.json"))
    expected, latency = Expected(space, file), OperationsSettings(file=file).over(space)
    for one in drawn(space, 5, seed=1):
        assert float(expected(weights_of(one))) == pytest.approx(1e3 * latency(one), rel=1e-5)


def test_tables_that_do_not_fit_are_refused(tmp_path):
    space = shipped("nas_bench_201", **SMALL)
    other = str(table(written(PLAIN), tmp_path / "table.json"))
    for file, code in ((other, "E0828"), (str(tmp_path / "none.json"), "E0708")):
        with pytest.raises(ArchError) as caught:
            run(space, tmp_path / "run", cost=file)
        assert caught.value.diagnostics[0].code == code


def run(space, out, epochs=2, settings=None, recipe=None, **method):
    settings = settings or SearchSettings(epochs=epochs, batch_size=256, threads=1)
    summary = search_gates(
        space, DartsSettings(**method), out=out, settings=settings, recipe=recipe, quiet=True
    )
    return summary, read_ledger(out / "ledger.sqlite")


def relaxed(space, **method):
    data = open_data("digits", shape=(1, 8, 8), classes=10, batch_size=64)
    gates = Gates(space, DartsSettings(**method), seed=0)
    return gates, RelaxedWeights(space, data, gates, recipe=Recipe(epochs=4), seed=0)


def test_the_loss_of_the_gates_is_times_the_cost():
    """FBNet, equation 2: the gradient is that of the product."""
    space = shipped("nas_bench_201", **SMALL)
    found = {}
    for name, method in (
        ("plain", {}),
        ("flat", {"cost": "macs", "cost_alpha": 3.0, "cost_beta": 0.0}),
        ("cost", {"cost": "macs", "cost_alpha": 0.5, "cost_beta": 2.0}),
    ):
        gates, weights = relaxed(space, **method)
        start = {key: one.detach().clone().requires_grad_() for key, one in gates.logits.items()}
        weights.learn_gates(0, 0)
        found[name] = {key: one.grad.clone() for key, one in gates.logits.items()}
    for key in found["plain"]:
        assert torch.allclose(3 * found["plain"][key], found["flat"][key], rtol=1e-4, atol=1e-7)
    held = weights.data.held_batch(0, 0)
    with torch.no_grad():
        _, fresh = relaxed(space)
        fresh.model.train()
        loss = fresh._loss(held, 0, 0, "gates").item()
    costs = Expected(space, "macs")({key: one.softmax(0) for key, one in start.items()})
    factor = 0.5 * costs.log1p() ** 2
    factor.backward()
    for key, one in start.items():
        by_hand = factor.item() * found["plain"][key] + loss * one.grad
        assert torch.allclose(found["cost"][key], by_hand, rtol=1e-3, atol=1e-6), key


@pytest.mark.parametrize("relaxation", ["softmax", "gumbel", "one_hot", "two_paths", "scale"])
def test_what_costs_gets_lighter(relaxation, tmp_path):
    space = written(PLAIN)
    method = {"relaxation": relaxation, "learning_rate": 0.05, "weight_decay": 0.0, "none": True}
    if relaxation == "scale":
        method |= {"learning_rate": 1e-3}
    _, rows = run(space, tmp_path / "run", 2, cost="macs", cost_beta=8.0, **method)
    first, last = rows[0].detail, rows[1].detail
    assert last["cost"] < first["cost"]
    (gates,) = last["gates"].values()
    assert gates[1] < min(gates[0], gates[2])


# ---- scales ----------------------------------------------------------------------------------


def test_proximal_steps_are_those_of_the_text():
    weight = torch.tensor([1.0, -0.5, 0.02, 0.3], requires_grad=True)
    optimizer = Proximal([weight], lr=0.1, sparsity=0.5)
    by_hand, velocity = weight.detach().clone(), torch.zeros(4)
    for step in range(3):
        gradient = torch.tensor([0.4, -0.1, 0.0, 2.0]) * (step + 1)
        weight.grad = gradient
        optimizer.step()
        z = by_hand - 0.1 * gradient
        near = torch.sign(z) * torch.clamp(z.abs() - 0.05, min=0)
        velocity = near - by_hand + 0.9 * velocity
        by_hand = torch.where(near == 0, near, near + 0.9 * velocity)
        assert torch.allclose(weight.detach(), by_hand)
    assert weight[2] == 0


def test_scales_begin_at_one_and_useless_ones_end_at_zero(tmp_path):
    space = written(PLAIN)
    gates = Gates(space, DartsSettings(relaxation="scale"), seed=0)
    (weights,) = gates.weights(0.0, 0).values()
    assert weights.tolist() == [1.0, 1.0, 1.0]
    recipe = Recipe(epochs=6, batch_size=64, optimizer=SGD(learning_rate=0.1), clip=5)
    summary, rows = run(
        space,
        tmp_path / "run",
        recipe=recipe,
        relaxation="scale",
        sparsity=0.05,
        learning_rate=0.05,
    )
    (gates_,) = rows[-2].detail["gates"].values()
    assert gates_[0] == 0.0  # `none` has no gradient, only the pull
    assert sum(gates_) == pytest.approx(1)
    assert summary.best != "plain/network[nothing]"


def test_shares_of_scales():
    assert shares(torch.tensor([3.0, -1.0, 0.0])).tolist() == [0.75, 0.25, 0.0]
    assert shares(torch.zeros(4)).tolist() == [0.25] * 4


SETS = """archdsl 1

space sets {
  net network(image: 1 x 8 x 8) {
    a = image -> conv(4)
    b = sum(a, any of {one = a -> conv(4) | two = a -> relu | three = a -> tanh})
    return b -> global_pool -> linear(10)
  }
}
"""


def test_sets_keep_what_is_not_zero():
    gates = Gates(written(SETS), DartsSettings(relaxation="scale"), seed=0)
    (logits,) = gates.logits.values()
    with torch.no_grad():
        logits.copy_(torch.tensor([0.0, 0.01, -0.2]))
    assert gates.derived() == "sets/network[two+three]"


# ---- paths that drop out ---------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5])
def test_all_are_gone_with_the_chance_that_is_set(count):
    generator = torch.Generator().manual_seed(0)
    at_end = torch.stack([dropped(count, 1.0, 0.3, generator) for _ in range(4000)])
    assert float((at_end.sum(1) == 0).float().mean()) == pytest.approx(0.3, abs=0.03)
    half = torch.stack([dropped(count, 0.5, 0.3, generator) for _ in range(4000)])
    gone = 1 - float(half.mean())
    assert gone == pytest.approx(0.5 * 0.3 ** (1 / count), abs=0.03)
    assert dropped(count, 0.0, 0.3, generator).tolist() == [1.0] * count


def test_nothing_is_learned_and_the_best_of_some_is_named(tmp_path):
    space = shipped("nas_bench_201", **SMALL)
    settings = SearchSettings(epochs=2, batch_size=256, threads=1, derive_samples=4)
    summary, rows = run(space, tmp_path / "run", settings=settings, relaxation="dropout")
    assert [one.kind for one in rows] == ["derive"] * 2 + ["measure"] * 4 + ["final"]
    assert rows[0].detail["gates"] == rows[1].detail["gates"]
    best = max((one.reward, -one.step) for one in rows[2:6])
    assert rows[-1].reward == best[0] == summary.accuracy
    judge = SupernetSettings(run=str(tmp_path / "run"), calibration=2, batch_size=256).over(space)
    for one in rows[2:6]:
        found = judge(space.parse(one.text), 0, 0)
        assert found["accuracy"] == pytest.approx(one.reward, abs=0.005)
    other = space.sample(Random(5))
    assert 0 <= judge(other, 0, 0)["accuracy"] <= 1


def test_weights_of_a_part_judge_nothing_else(tmp_path):
    space = shipped("nas_bench_201", **SMALL)
    run(space, tmp_path / "run", epochs=1, keep="5, 2")
    with pytest.raises(ArchError) as caught:
        SupernetSettings(run=str(tmp_path / "run")).over(space)
    assert caught.value.diagnostics[0].code == "E0812"


@pytest.mark.parametrize("relaxation", ["scale", "dropout"])
def test_they_go_on_where_they_were_killed(relaxation, tmp_path, monkeypatch):
    space = shipped("nas_bench_201", **SMALL)
    method = {"relaxation": relaxation, "cost": "" if relaxation == "dropout" else "macs"}
    settings = SearchSettings(epochs=3, batch_size=256, threads=1, derive_samples=3)
    expected = run(space, tmp_path / "whole", settings=settings, **method)[1]

    killed_at(
        monkeypatch,
        2,
        lambda: run(space, tmp_path / "broken", settings=settings, **method),
        saved=True,
    )
    assert run(space, tmp_path / "broken", settings=settings, **method)[1] == expected


@pytest.mark.parametrize("wrong", ["drop=2", "sparsity=-1", "cost_beta=-1", 'relaxation="other"'])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ArchError) as caught:
        gates_method(f"darts({wrong})")
    assert caught.value.diagnostics[0].code == "E0818"


# ---- precision -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "bound"),
    [
        ("nas_bench_201", SMALL | {"width": 8}, 0.045),
        ("dasvit", {"width": 24, "depth": 2, "size": 8, "patch": 2, "channels": 1}, 2e-3),
    ],
)
def test_autocast_gives_the_same_gates_within_a_bound(name, parameters, bound, tmp_path):
    """Measured after one epoch: 0.03 and 3e-4 (`benchmarks.autocast_gates` has whole searches)."""
    heads = {"heads1": 2, "heads2": 4, "heads3": 6} if name == "dasvit" else {}
    space = shipped(name, **parameters, **heads)
    found = []
    for precision in ("float32", "bfloat16"):
        recipe = Recipe(epochs=1, batch_size=64, precision=precision)
        _, rows = run(
            space, tmp_path / precision, recipe=recipe, learning_rate=0.02, weight_decay=0.0
        )
        found.append(rows[0].detail["gates"])
    plain, low = found
    apart = [abs(a - b) for key in plain for a, b in zip(plain[key], low[key], strict=True)]
    learned = [abs(a - 1 / len(row)) for row in plain.values() for a in row]
    assert 0 < max(apart) <= bound < max(learned)
