"""Runs that are refused before their first step: the folder is as it was, for the corrected one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from archdsl.controllers import gates_method
from archdsl.recipes import Recipe
from archdsl.run.explore import explore
from archdsl.run.gates import search_gates
from archdsl.run.ledger import open_ledger
from archdsl.run.retrain import retrain
from archdsl.run.search import search
from archdsl.run.settings import ExploreSettings, RetrainSettings, SearchSettings
from archdsl.syntax.errors import ArchError
from tests.finished_runs import EVERY, space

SMALL = SearchSettings(epochs=1, controller_steps=1, derive_samples=1, measure_samples=2, threads=1)
RETRAIN = RetrainSettings(epochs=1, checkpoint_every=1, threads=1)


def gates(out: Path, method: str) -> None:
    found = gates_method(method)
    assert found is not None
    search_gates(space(), found, out=out, settings=SMALL, quiet=True)


def network():
    return space().resolve(space().parse(EVERY[2]))


REFUSED = {
    "cost": lambda out: gates(out, 'darts(cost="maccs")'),
    "channels": lambda out: gates(out, 'darts(channels="1/3")'),
    "tokens": lambda out: gates(out, 'darts(tokens="1/3")'),
    "stages": lambda out: gates(out, 'darts(grow="layers=1, 2")'),
    "order": lambda out: gates(out, 'darts(order=2, relaxation="one_hot")'),
    "paths": lambda out: search(
        space(), out=out, settings=replace(SMALL, paths='sandwich(shrink="nobody")'), quiet=True
    ),
    "controller": lambda out: search(
        space(), out=out, settings=replace(SMALL, controller="ddpg(start=0)"), quiet=True
    ),
    "evaluator": lambda out: explore(
        space(), out=out, settings=ExploreSettings(evaluator='table(file="nowhere")'), quiet=True
    ),
    "drop paths": lambda out: retrain(
        network(), out=out, settings=RETRAIN, recipe=Recipe(epochs=1, drop_path=0.2), quiet=True
    ),
    "inherit": lambda out: retrain(
        network(), out=out, settings=RETRAIN, inherit=Path("nowhere"), quiet=True
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("there", [False, True])
def test_what_is_refused_leaves_no_trace(kind, there, tmp_path):
    out = tmp_path / "run"
    if there:
        out.mkdir()
        (out / "notes.txt").write_text("mine")
    with pytest.raises(ArchError):
        REFUSED[kind](out)
    assert out.exists() == there
    assert not there or [one.name for one in out.iterdir()] == ["notes.txt"]


def test_settings_may_change_until_the_first_step(tmp_path):
    """As a process leaves them that was killed while it began."""
    out = tmp_path / "run"
    retrain(network(), out=out, settings=replace(RETRAIN, seed=1), quiet=True)
    with pytest.raises(ArchError, match="other settings: seed"):
        retrain(network(), out=out, settings=RETRAIN, quiet=True)
    for name in ("checkpoint.safetensors", "ledger.sqlite"):
        (out / name).unlink()
    with open_ledger(out / "ledger.sqlite"):
        pass
    assert retrain(network(), out=out, settings=RETRAIN, quiet=True).seed == RETRAIN.seed


def test_what_was_begun_stays_when_a_later_command_is_refused(tmp_path):
    out = tmp_path / "run"
    retrain(network(), out=out, settings=RETRAIN, quiet=True)
    before = {one.name: one.read_bytes() for one in out.iterdir()}
    with pytest.raises(ArchError, match="other settings"):
        retrain(network(), out=out, settings=replace(RETRAIN, seed=1), quiet=True)
    assert {one.name: one.read_bytes() for one in out.iterdir()} == before


@pytest.mark.parametrize(("cost", "hint"), [("maccs", "did you mean macs?"), ("tables/x", "")])
def test_a_cost_that_means_nothing_says_what_does(cost, hint, tmp_path):
    with pytest.raises(ArchError) as caught:
        gates(tmp_path / "run", f'darts(cost="{cost}")')
    (one,) = caught.value.diagnostics
    assert (one.code, one.found, one.hint) == ("E0708", cost, hint)
    assert "macs, params or" in one.expected and "tune --operations" in one.expected
