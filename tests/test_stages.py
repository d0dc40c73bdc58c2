"""Searches in stages: what is left, how deep, what goes on, dropout behind skips, few skips."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import archdsl
from archdsl.controllers import gates_method
from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.gates import Gates
from archdsl.controllers.stages import heaviest
from archdsl.evaluate.data import open_data
from archdsl.evaluate.relaxed import RelaxedWeights
from archdsl.load import load_mixture
from archdsl.passes.skip_dropout import skip_dropout
from archdsl.recipes import Recipe
from archdsl.run.gates import search_gates
from archdsl.run.ledger import read_ledger
from archdsl.run.settings import SearchSettings
from archdsl.run.stages import StageSpaces, left_of
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from tests.killed import killed_at
from tests.shipped import shipped, written

SMALL = {"width": 4, "cells": 1, "size": 8, "channels": 1}
SETTINGS = SearchSettings(epochs=1, batch_size=256, threads=1)
VIT = {"width": 24, "depth": 3, "size": 8, "patch": 4, "channels": 1}
VIT |= {"heads1": 1, "heads2": 2, "heads3": 3}


def run(space, out, settings=SETTINGS, **method):
    return search_gates(
        space, DartsSettings(**method), out=out, settings=settings, quiet=True
    ), read_ledger(out / "ledger.sqlite")


def test_every_stage_has_the_heaviest_of_the_one_before(tmp_path):
    space = shipped("nas_bench_201", **SMALL)
    summary, (*rows, final) = run(space, tmp_path, keep="5, 3, 2", learning_rate=0.3)
    assert [one.detail["stage"] for one in rows] == [0, 1, 2]
    for one, following, most in zip(rows, rows[1:], (3, 2), strict=False):
        pointed = space.parse(one.text).assignment
        for decision in space.decisions:
            before, after = (row.detail["left"][decision.key] for row in (one, following))
            weights = dict(zip(before, one.detail["gates"][decision.key], strict=True))
            assert len(after) == most
            taken = decision.hole.labels[pointed[decision.key][0]]
            assert taken in after
            rest = sorted(after, key=lambda label: weights[label], reverse=True)
            lost = [weights[label] for label in before if label not in after]
            assert max(lost) <= min(weights[label] for label in rest if label != taken)
    assert space.parse(final.text).text == summary.best
    assert sum(p.numel() for p in archdsl.load(summary.best).parameters()) == summary.params
    state = load_file(tmp_path / "checkpoint.safetensors")
    kept = {name.removeprefix("shared.weights.") for name in state if "shared.weights." in name}
    whole = set(load_mixture(space).module.state_dict())
    assert kept < whole
    assert json.loads((tmp_path / "summary.json").read_text())["epochs"] == 3


def test_depth_grows_and_the_string_is_one_of_the_space(tmp_path):
    space = shipped("dasvit", **VIT)
    stages = StageSpaces(space, DartsSettings(keep="8, 4", grow="depth=1, 2"))
    depths = [stages.space(i, left_of(space)).program.parameters["depth"] for i in range(2)]
    assert depths == [1, 2]
    summary, (*rows, _) = run(space, tmp_path, keep="8, 4", grow="depth=1, 2", tokens="1/2")
    assert space.parse(summary.best).text == summary.best
    assert "depth=3" in summary.best
    assert all(space.parse(one.text) for one in rows)
    assert {len(labels) for labels in rows[1].detail["left"].values()} == {4}


def test_parameters_alone_may_grow(tmp_path):
    space = shipped("nas_bench_201", **(SMALL | {"cells": 2}))
    summary, (*rows, _) = run(space, tmp_path, grow="cells=1, 2")
    assert len(rows) == 2 and rows[0].detail["left"] == rows[1].detail["left"]
    assert space.parse(summary.best)


BLOCKS = """archdsl 1

space blocks(depth=2) {
  block layer(x) = x -> {a = id | b = conv(4, k=3) | c = relu}
  net network(image: 1 x 8 x 8) = image -> conv(4) -> layer^depth -> global_pool -> linear(10)
}
"""


def test_decisions_that_come_with_depth_have_all_alternatives(tmp_path):
    space = written(BLOCKS)
    summary, (*rows, _) = run(space, tmp_path, keep="3, 2", grow="depth=1, 2")
    assert rows[0].text.startswith("blocks(depth=1)/")
    assert sorted(map(len, rows[1].detail["left"].values())) == [2, 3]
    assert space.parse(summary.best).text == summary.best


# ---- what goes on ----------------------------------------------------------------------------


def relaxed(space, method, seed):
    data = open_data("digits", shape=(1, 8, 8), classes=10, batch_size=64)
    gates = Gates(space, method, seed=seed)
    return gates, RelaxedWeights(space, data, gates, recipe=Recipe(epochs=4), seed=seed)


def test_weights_and_gates_go_on_where_they_agree():
    space = shipped("nas_bench_201", **SMALL)
    method = DartsSettings(keep="5, 3", grow="cells=1, 2")
    stages = StageSpaces(space_of_two := shipped("nas_bench_201", **(SMALL | {"cells": 2})), method)
    assert space_of_two.size == space.size
    first = stages.space(0, left_of(space_of_two))
    gates, weights = relaxed(first, method, 0)
    with torch.no_grad():
        for number, logits in enumerate(gates.logits.values()):
            logits.copy_(torch.arange(5.0).roll(number))
    left = gates.left(3)
    second = stages.space(1, left)
    more_gates, more = relaxed(second, method, 1)
    before = {name: one.clone() for name, one in more.model.state_dict().items()}
    more_gates.follow(gates)
    more.follow(weights)
    ours, theirs = more.model.state_dict(), weights.model.state_dict()
    both = [n for n in ours if n in theirs and ours[n].shape == theirs[n].shape]
    assert both and len(both) < len(ours)
    assert all(torch.equal(ours[n], theirs[n]) for n in both)
    assert all(torch.equal(ours[n], before[n]) for n in ours if n not in both)
    labels = {one.key: one.hole.labels for one in first.decisions}
    for key, logits in more_gates.logits.items():
        numbers = [labels[key].index(label) for label in left[key]]
        assert logits.tolist() == [gates.logits[key][i].item() for i in numbers]


def test_fresh_stages_forget(tmp_path):
    space = shipped("nas_bench_201", **SMALL)
    method = {"keep": "5, 2", "warmup": 1, "learning_rate": 0.0, "weight_decay": 0.0}
    _, one = run(space, tmp_path / "on", **method)
    _, two = run(space, tmp_path / "fresh", fresh=True, **method)
    weights = [{k: max(v) for k, v in rows[1].detail["gates"].items()} for rows in (one, two)]
    assert one[0].detail["gates"] == two[0].detail["gates"]
    assert weights[0] != weights[1]


@pytest.mark.parametrize("save", [1, 2, 3])
def test_a_search_goes_on_between_its_stages(save, tmp_path, monkeypatch):
    space = shipped("nas_bench_201", **SMALL)
    method = {"keep": "5, 3, 2", "skip_dropout": "0.2"}
    _, expected = run(space, tmp_path / "whole", **method)

    killed_at(monkeypatch, save, lambda: run(space, tmp_path / "broken", **method), saved=False)
    _, found = run(space, tmp_path / "broken", **method)
    assert found == expected
    for name in ("network.py", "supernet.py"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_the_space_of_darts_is_searched_saved_and_gone_on_with(tmp_path, monkeypatch):
    """Its mixture has statistics that are one under several names, and fused norms."""
    space, method = shipped("darts_search", layers=1, width=4, size=8), {"sources": True}
    settings = replace(SETTINGS, epochs=2, batch_size=450)
    summary, expected = run(space, tmp_path / "whole", settings, **method)
    assert space.parse(summary.best) and 0 < summary.accuracy < 1
    again = lambda: run(space, tmp_path / "broken", settings, **method)  # noqa: E731
    killed_at(monkeypatch, 2, again, saved=False)
    assert again()[1] == expected
    one, other = (load_file(tmp_path / n / "checkpoint.safetensors") for n in ("whole", "broken"))
    assert one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


# ---- skips -----------------------------------------------------------------------------------


def test_dropout_stands_behind_skips_and_falls():
    space = shipped("dasvit", **VIT)
    mixed = SearchSpace(skip_dropout(space.program, 0.5))
    method = DartsSettings(skip_dropout="0.5")
    _, weights = relaxed(mixed, method, 0)
    drops = [m for m in weights.model.modules() if isinstance(m, nn.Dropout)]
    plain = load_mixture(space)
    assert len(drops) == len(
        [m for m in weights.model.modules() if type(m).__name__ == "Encoder"]
    ) * len(space.decisions)
    rates = []
    for epoch in range(4):
        weights.begin_epoch(epoch, 0.5)
        rates.append({m.p for m in drops})
    assert rates == [{0.5}, {0.375}, {0.25}, {0.125}]
    assert set(weights.model.state_dict()) == set(plain.module.state_dict())
    images, _ = weights.data.training_batch(0, 0, 0)
    found = {}
    for name, net in (("dropped", weights.supernet.net), ("plain", plain)):
        net.module.load_state_dict(plain.module.state_dict())
        net.module.eval()
        values = {one.key: torch.zeros(8) for one in space.decisions}
        for one in values.values():
            one[1] = 1.0
        with torch.no_grad():
            found[name] = net(images, net.gates(values))
            if name == "dropped":
                net.module.train()
                assert not torch.equal(found[name], net(images, net.gates(values)))
    assert torch.equal(found["dropped"], found["plain"])


def test_of_a_definition_few_skips_are_taken():
    space = shipped("nas_bench_201", **SMALL)
    skip = space.decisions[0].hole.labels.index("skip_connect")
    for limit, expected in ((0, 6), (2, 2), (5, 5)):
        gates = Gates(space, DartsSettings(skip_limit=limit), seed=0)
        with torch.no_grad():
            for number, logits in enumerate(gates.logits.values()):
                logits.zero_()
                logits[skip] = 2.0 + number  # the last decisions have the heaviest
        taken = [one[0] for one in gates.architecture().assignment.values()]
        assert taken.count(skip) == expected
        assert all(number == skip for number in taken[6 - expected :])


def test_what_the_gates_point_to_is_always_left():
    space = shipped("dasvit", depth=1)
    weights = {one.key: [0.9, 0.0, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05] for one in space.decisions}
    gates = Gates(space, DartsSettings(), seed=0)
    left = heaviest(space, weights, gates.architecture(), 1)
    pointed = gates.architecture().assignment
    for one in space.decisions:
        assert left[one.key] == (one.hole.labels[pointed[one.key][0]],)


# ---- what does not fit -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        'keep="3, 5"',
        'keep="5"',
        'keep="x, 1"',
        'keep="5, 0"',
        'keep="5, 3", grow="cells=1, 2, 3"',
        'grow="cells"',
        'grow="cells="',
        'grow="=1, 2"',
        'skip_dropout="1"',
        'skip_dropout="x"',
        'skip_dropout="0.1", relaxation="one_hot"',
        "skip_limit=-1",
    ],
)
def test_settings_that_say_no_stages_are_refused(wrong):
    with pytest.raises(ArchError) as caught:
        gates_method(f"darts({wrong})")
    assert caught.value.diagnostics[0].code == "E0818"


@pytest.mark.parametrize(
    "wrong",
    [
        {"keep": "4, 3"},  # five are there to begin with
        {"keep": "5, 5"},  # nothing is ever left out
        {"grow": "layers=1, 2"},
    ],
)
def test_stages_that_do_not_fit_the_space_are_refused(wrong, tmp_path):
    with pytest.raises(ArchError) as caught:
        run(shipped("nas_bench_201", **SMALL), tmp_path / "run", **wrong)
    assert caught.value.diagnostics[0].code == "E0850"
    assert not (tmp_path / "run").exists()


def test_the_last_stage_decides_all_that_the_space_decides(tmp_path):
    with pytest.raises(ArchError) as caught:
        run(written(BLOCKS), tmp_path / "run", grow="depth=1, 1")
    assert caught.value.diagnostics[0].code == "E0850"
