"""TNAS-G: architectures of an autoencoder run, and teach their weights and their gates."""

from __future__ import annotations

from random import Random

import pytest
import torch

from archdsl.controllers import gates_method
from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.gates import Gates
from archdsl.controllers.sampler import Sampler
from archdsl.evaluate.data import open_data
from archdsl.evaluate.relaxed import RelaxedWeights
from archdsl.load import load_supernet
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import SGD
from archdsl.run.gates import search_gates
from archdsl.run.ledger import read_ledger
from archdsl.run.settings import SearchSettings
from archdsl.syntax.errors import ArchError
from tests.killed import killed_at
from tests.shipped import shipped, written
from tests.test_gates import PLAIN
from tests.test_levels import NESTED

SMALL = {"width": 4, "cells": 1, "size": 8, "channels": 1}
CONSTRAINED = NESTED.replace("space s {", 'space s {\n  where count("a") <= 1')


def relaxed(space, **method):
    data = open_data("digits", shape=(1, 8, 8), classes=10, batch_size=64)
    gates = Gates(space, DartsSettings(relaxation="vae", **method), seed=0)
    return gates, RelaxedWeights(space, data, gates, recipe=Recipe(epochs=2), seed=0)


# ---- what is drawn ---------------------------------------------------------------------------


def worth(architecture):
    """The more first alternatives, the better."""
    return sum(taken == (0,) for taken in architecture.assignment.values())


@pytest.mark.parametrize("text", [NESTED, CONSTRAINED])
def test_what_is_drawn_gets_better(text):
    space = written(text)
    sampler = Sampler(space, DartsSettings(refit=20, best=8, vae_steps=60), seed=0)
    uniform = [worth(space.sample(Random(i))) for i in range(60)]
    for number in range(60):
        one = sampler.draw(number)
        sampler.tell(one, worth(one))
    later = [sampler.draw(100 + number) for number in range(60)]
    assert sum(map(worth, later)) > sum(uniform) * 1.2
    assert space.accept is None or all(map(space.accept, later))


def test_a_sampler_goes_on_with_the_same_draws():
    space = written(NESTED)
    settings = DartsSettings(refit=5, best=4, vae_steps=5)
    whole = Sampler(space, settings, seed=3)
    for number in range(12):
        one = whole.draw(number)
        whole.tell(one, worth(one))
    other = Sampler(space, settings, seed=3)
    other.restore(whole.values())
    for number in range(12, 20):
        ours, theirs = other.draw(number), whole.draw(number)
        assert ours.text == theirs.text
        for sampler in (whole, other):
            sampler.tell(ours, worth(ours))
    assert other.values() == whole.values()


def test_what_is_no_number_teaches_nothing():
    space = written(NESTED)
    sampler = Sampler(space, DartsSettings(refit=1), seed=0)
    sampler.tell(sampler.draw(0), float("nan"))
    assert sampler.count == 0 and sampler.basis == (0, [])


def test_the_last_metric_of_an_architecture_counts():
    space = written(NESTED)
    sampler = Sampler(space, DartsSettings(refit=3, best=1), seed=0)
    one, two = space.unrank(0), space.unrank(1)
    for architecture, metric in ((one, 9.0), (two, 1.0), (one, 0.0)):
        sampler.tell(architecture, metric)
    assert sampler.basis == (3, [two.text])


# ---- what learns -----------------------------------------------------------------------------


def test_one_architecture_teaches_its_weights_and_its_gates():
    space = written(
        NESTED.replace("3 x 4 x 4", "1 x 8 x 8").replace(
            "layer^2", "conv(4) -> layer^2 -> conv(4, k=3) -> global_pool -> linear(10)"
        )
    )
    gates, weights = relaxed(space, learning_rate=0.1, weight_decay=0)
    before = {key: one.detach().clone() for key, one in gates.logits.items()}
    fixed = {name: one.clone() for name, one in weights.model.named_parameters()}
    one = gates.sampler.draw(0)
    weights.learn_gates(0, 0)
    assert gates.sampler.known.keys() == {one.text}
    for key, logits in gates.logits.items():
        moved = not torch.equal(logits.detach(), before[key])
        assert moved is (key in one.assignment), key
        if moved:
            assert float(logits.grad.sum()) == pytest.approx(0, abs=1e-5)
    assert all(torch.equal(p, fixed[n]) for n, p in weights.model.named_parameters())
    weights.train_step(0, 0)
    changed = {n for n, p in weights.model.named_parameters() if not torch.equal(p, fixed[n])}
    path = load_supernet(space)
    path(weights.data.training_batch(0, 0, 0)[0], one).square().sum().backward()
    assert changed <= {n for n, p in path.module.named_parameters() if p.grad is not None}
    assert changed


def run(space, out, recipe=None, epochs=2, **method):
    settings = SearchSettings(epochs=epochs, batch_size=128, threads=1)
    summary = search_gates(
        space,
        DartsSettings(relaxation="vae", refit=5, best=5, vae_steps=20, **method),
        out=out,
        settings=settings,
        recipe=recipe,
        quiet=True,
    )
    return summary, read_ledger(out / "ledger.sqlite")


def test_what_works_gets_heavier_than_nothing(tmp_path):
    recipe = Recipe(epochs=8, batch_size=64, optimizer=SGD(learning_rate=0.1), clip=5)
    space = written(PLAIN)
    summary, rows = run(space, tmp_path, recipe, learning_rate=0.1, weight_decay=0, none=True)
    (gates,) = rows[-2].detail["gates"].values()
    assert gates[0] < max(gates[1:])
    assert summary.best != "plain/network[nothing]"


def test_it_goes_on_where_it_was_killed(tmp_path, monkeypatch):
    space = shipped("nas_bench_201", **SMALL)
    _, expected = run(space, tmp_path / "whole", epochs=3)

    killed_at(monkeypatch, 2, lambda: run(space, tmp_path / "broken", epochs=3), saved=True)
    assert run(space, tmp_path / "broken", epochs=3)[1] == expected


@pytest.mark.parametrize(
    "wrong", ["vae_heads=5", "order=2", "refit=0", 'tokens="1/4"', "vae_width=100000"]
)
def test_settings_that_do_not_go_with_it_are_refused(wrong):
    with pytest.raises(ArchError) as caught:
        gates_method(f'darts(relaxation="vae", {wrong})')
    assert caught.value.diagnostics[0].code == "E0818"
