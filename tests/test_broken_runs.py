"""What ends a run for a reason: training that diverges, too few images, files of another run."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace

import pytest
import torch
from PIL import Image

from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.gates import Gates
from archdsl.evaluate.data import open_data, opened_for
from archdsl.evaluate.relaxed import RelaxedWeights
from archdsl.evaluate.shared import SharedWeights
from archdsl.recipes import Recipe
from archdsl.run.gates import search_gates
from archdsl.run.ledger import open_ledger, read_ledger
from archdsl.run.retrain import retrain
from archdsl.run.search import search
from archdsl.run.settings import RetrainSettings, SearchSettings
from archdsl.syntax.errors import ArchError
from tests.shipped import written

SPACE = """archdsl 1

space two(width=4) {{
  net network(image: 1 x 8 x 8) {{
    a = image -> {{small = conv(width) | large = conv(width, k=3) | pool = avg_pool(3)}}
    return a -> bn -> relu -> conv(width, k=3){drop} -> global_pool -> linear(10)
  }}
}}
"""
SEARCH = SearchSettings(
    epochs=1, controller_steps=2, derive_samples=2, measure_samples=2, threads=1, batch_size=450
)
RETRAIN = RetrainSettings(epochs=2, checkpoint_every=1, threads=1, batch_size=450)
RELAXATIONS = ("softmax", "gumbel", "one_hot", "two_paths", "scale", "dropout", "vae")


def space(drop: str = ""):
    return written(SPACE.format(drop=drop))


def network():
    return space().resolve(space().parse("two/network[large]"))


def code_of(run) -> str:
    with pytest.raises(ArchError) as caught:
        run()
    return caught.value.diagnostics[0].code


def searched(out, **change):
    return search(space(), out=out, settings=replace(SEARCH, **change), quiet=True)


def gated(out, method=None, **change):
    settings = replace(SEARCH, **change)
    return search_gates(space(), method or DartsSettings(), out=out, settings=settings, quiet=True)


def retrained(out, **change):
    return retrain(network(), out=out, settings=replace(RETRAIN, **change), quiet=True)


WAYS = {"search": searched, "gates": gated, "retrain": retrained}


# ---- training that diverges ----------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_training_that_diverges_finds_nothing(way, tmp_path):
    assert code_of(lambda: WAYS[way](tmp_path, learning_rate=1e30, batch_size=64)) == "E0842"
    assert not (tmp_path / "summary.json").exists()


@pytest.mark.parametrize("relaxation", RELAXATIONS)
def test_gates_that_are_no_numbers_point_to_nothing(relaxation, tmp_path):
    method = DartsSettings(relaxation=relaxation, refit=1, best=1, vae_steps=1)
    run = lambda: gated(tmp_path, method, learning_rate=1e30, batch_size=64)  # noqa: E731
    assert code_of(run) == "E0842"


# ---- images --------------------------------------------------------------------------------------


def images(root, each: int, parts=("",)) -> str:
    for part in parts:
        for label in "ab":
            (root / part / label).mkdir(parents=True)
            for number in range(each):
                Image.new("RGB", (8, 8)).save(root / part / label / f"{number}.png")
    return f"folder:{root}"


@pytest.mark.parametrize(
    ("each", "parts"), [(1, ("",)), (2, ("",)), (4, ("train", "test")), (1, ("train", "test"))]
)
def test_too_few_images_for_a_part_are_refused(each, parts, tmp_path):
    named = images(tmp_path, each, parts)
    with pytest.raises(ArchError, match="too few images to validate") as caught:
        open_data(named, shape=(3, 8, 8), classes=2)
    assert caught.value.diagnostics[0].code == "E0803"


def test_few_images_are_enough(tmp_path):
    data = open_data(images(tmp_path, 4), shape=(3, 8, 8), classes=2)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [4, 2, 2]


def test_a_batch_of_one_image_has_no_statistics():
    assert code_of(lambda: opened_for(network().net, "digits", 1)) == "E0810"
    opened_for(network().net, "digits", 2)


# ---- files of another run ------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("other", WAYS)
def test_the_checkpoint_of_another_run_is_refused(way, other, tmp_path):
    WAYS[way](tmp_path / "run")
    if other == way:  # of the same kind, and wider
        wide = SPACE.replace("width=4", "width=5").format(drop="")
        if way == "retrain":
            program = written(wide).resolve(written(wide).parse("two/network[large]"))
            retrain(program, out=tmp_path / "other", settings=RETRAIN, quiet=True)
        elif way == "search":
            search(written(wide), out=tmp_path / "other", settings=SEARCH, quiet=True)
        else:
            search_gates(
                written(wide), DartsSettings(), out=tmp_path / "other", settings=SEARCH, quiet=True
            )
    else:
        WAYS[other](tmp_path / "other")
    name = "checkpoint.safetensors"
    shutil.copy(tmp_path / "other" / name, tmp_path / "run" / name)
    assert code_of(lambda: WAYS[way](tmp_path / "run")) == "E0807"


@pytest.mark.parametrize("way", WAYS)
def test_a_ledger_that_has_lost_rows_is_noticed(way, tmp_path):
    WAYS[way](tmp_path)
    before = read_ledger(tmp_path / "ledger.sqlite")
    assert len(before) >= 2
    (tmp_path / "ledger.sqlite").unlink()
    assert code_of(lambda: WAYS[way](tmp_path)) == "E0808"


def test_details_that_are_no_json_are_told(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with open_ledger(path) as ledger:
        ledger.ask(0, 0, "search", "a")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE ledger SET detail = '{'")
    with open_ledger(path) as ledger:
        assert code_of(lambda: ledger.ask(0, 0, "search", "a")) == "E0807"
        assert code_of(ledger.entries) == "E0807"


@pytest.mark.parametrize(("way", "name"), [("search", "hits"), ("gates", "gates")])
def test_details_that_somebody_took_away_are_told(way, name, tmp_path):
    WAYS[way](tmp_path)
    with sqlite3.connect(tmp_path / "ledger.sqlite") as connection:
        connection.execute(f"UPDATE ledger SET detail = json_remove(detail, '$.{name}')")
    assert code_of(lambda: WAYS[way](tmp_path)) == "E0807"


# ---- drop paths of supernets ---------------------------------------------------------------------


def test_drop_paths_of_supernets_follow_the_recipe():
    with_paths = space(drop=" -> drop_path(0.5)")
    data = open_data("digits", shape=(1, 8, 8), classes=10, batch_size=450)
    recipe = Recipe(epochs=4, drop_path=0.2)
    shared = SharedWeights(with_paths, data, recipe=recipe, seed=0)
    shared.train_step(["two/network[large]"], 2, 0)
    gates = Gates(with_paths, DartsSettings(), seed=0)
    relaxed = RelaxedWeights(with_paths, data, gates, recipe=recipe, seed=0)
    relaxed.begin_epoch(2, 0.0)
    for weights in (shared, relaxed):
        rates = {m.p for m in weights.model.modules() if type(m).__name__ == "DropPath"}
        assert rates == {0.1}
    assert code_of(lambda: SharedWeights(space(), data, recipe=recipe, seed=0)) == "E0810"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    torch.set_num_threads(1)
