"""Normalised inputs: worked out from what is trained on, and told to whoever deploys."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from archdsl.evaluate.data import Data, open_data
from archdsl.evaluate.images import FileImages, MemoryImages
from archdsl.evaluate.normal import Normal, normal_of
from archdsl.evaluate.supernet import Inherited, SupernetSettings
from archdsl.library import Library
from archdsl.load import load_network
from archdsl.recipes import Recipe
from archdsl.recipes.augment import Crop, Cutout, Erase, Flip, zeroed_last
from archdsl.recipes.optimizers import SGD
from archdsl.run.retrain import retrain
from archdsl.run.search import search
from archdsl.run.settings import RetrainSettings, SearchSettings
from archdsl.run.tables import as_text, retrain_table
from tests.shipped import written

NETWORK = """archdsl 1

space plain {
  net network(image: 1 x 8 x 8) {
    return image -> conv(8, k=3) -> relu -> global_pool -> linear(10)
  }
}
"""
SPACE = NETWORK.replace("relu", "{some = relu | none = id}")


@pytest.fixture(scope="module")
def digits() -> Data:
    return open_data("digits", shape=(1, 8, 8), classes=10, batch_size=64)


def test_the_training_part_has_mean_zero_and_deviation_one(digits):
    data = digits.prepared(Recipe(normalise=True))
    whole = data.train.plain(range(len(data.train)))[0]
    assert abs(float(whole.mean())) < 1e-5 and abs(float(whole.std(correction=0)) - 1) < 1e-5
    held = data.validation.plain(range(len(data.validation)))[0]
    assert abs(float(held.mean())) > 1e-4  # nothing was worked out from these
    batch, _ = data.training_batch(0, 0, 0)
    raw, _ = digits.training_batch(0, 0, 0)
    assert data.normal is not None and torch.equal(batch, data.normal(raw))
    for part in ("validation_batches", "reward_batches"):
        assert torch.equal(getattr(data, part)[0][0], data.normal(getattr(digits, part)[0][0]))
    assert torch.equal(next(data.test_batches())[0], data.normal(next(digits.test_batches())[0]))
    assert torch.equal(data.held_batch(0, 3)[0], data.normal(digits.held_batch(0, 3)[0]))
    assert torch.equal(
        data.calibration_batches(1)[0][0], data.normal(digits.calibration_batches(1)[0][0])
    )


def test_without_it_images_are_as_they_were(digits):
    assert digits.prepared(Recipe()) is digits and digits.inputs == {}
    parts = (Flip(), Cutout(side=4))
    found = digits.prepared(Recipe(augment=parts)).training_batch(1, 2, 3)[0]
    assert torch.equal(found, digits.augmented_by(parts).training_batch(1, 2, 3)[0])


def test_channels_are_apart_and_one_that_never_changes_is_shifted():
    images = torch.rand(20, 3, 4, 4)
    images[:, 1] = 0.5
    images[:, 2] = 0.25 * images[:, 0]
    normal = normal_of(MemoryImages(images, torch.zeros(20)))
    shown = normal(images)
    assert normal.deviation[1] == 1 and not shown[:, 1].any()
    torch.testing.assert_close(shown[:, 0], shown[:, 2], atol=1e-4, rtol=1e-4)
    assert Normal.of(normal.inputs) == normal


def test_many_images_are_drawn(monkeypatch):
    images = torch.rand(50, 1, 2, 2)
    monkeypatch.setattr("archdsl.evaluate.normal.MOST", 30)
    found = normal_of(MemoryImages(images, torch.zeros(50)))
    assert found == normal_of(MemoryImages(images, torch.zeros(50)))
    assert abs(found.mean[0] - float(images.mean())) < 0.1


def test_zeros_that_are_written_last_are_means(digits):
    """Those of a border are black, as where images are normalised after they were cropped."""
    parts = (Crop(border=2), Flip(), Cutout(side=4))
    whole, holed = (
        digits.prepared(Recipe(normalise=True, augment=chain)).training_batch(0, 0, 0)[0]
        for chain in (parts[:2], parts)
    )
    assert whole.shape == holed.shape and not torch.equal(whole, holed)
    normal = digits.prepared(Recipe(normalise=True)).normal
    assert normal is not None and (whole == normal(torch.zeros(1, 1, 1, 1))).any()
    assert not (whole == 0).any() and ((holed == 0).flatten(1).sum(1) >= 4).all()
    assert zeroed_last((Cutout(), Flip(), Erase(), Cutout())) == (
        (Cutout(), Flip()),
        (Erase(), Cutout()),
    )
    assert zeroed_last((Cutout(),)) == ((), (Cutout(),))


def test_images_of_files(tmp_path):
    from PIL import Image

    for label, grey in (("dark", 50), ("light", 200)):
        for part in ("train", "val", "test"):
            (tmp_path / part / label).mkdir(parents=True)
            for number in range(3):
                image = Image.new("RGB", (16, 16), (grey, grey + number, 10))
                image.save(tmp_path / part / label / f"{number}.png")
    data = open_data(f"folder:{tmp_path}", shape=(3, 8, 8), classes=2, batch_size=4)
    changed = data.prepared(Recipe(normalise=True, augment=(Flip(), Cutout(side=4))))
    assert isinstance(changed.train, FileImages) and isinstance(data.train, FileImages)
    whole = changed.train.plain(range(6))[0]
    assert whole.mean((0, 2, 3)).abs().max() < 1e-4
    assert (changed.train.augmented(range(6), 0)[0] == 0).any()
    assert data.train.plain([0])[0].min() > 0  # the images before are what they were


def test_what_is_saved_says_what_images_a_network_takes(digits, tmp_path):
    """The network on images that were normalised by hand is as good as the summary says."""
    program = written(NETWORK).program
    found = retrain(
        program,
        out=tmp_path,
        settings=RetrainSettings(threads=1),
        recipe=Recipe(epochs=8, judge_every=4, normalise=True, optimizer=SGD(learning_rate=0.2)),
        quiet=True,
    )
    with safe_open(tmp_path / "best.safetensors", framework="pt") as file:
        inputs = json.loads(file.metadata()["values"])["inputs"]
    assert inputs == found.inputs == json.loads((tmp_path / "summary.json").read_text())["inputs"]
    assert "less 0.30" in as_text(retrain_table(found))
    network = load_network(program).eval()
    network.load_state_dict(load_file(tmp_path / "best.safetensors"))
    mean, deviation = (torch.tensor(inputs[k])[:, None, None] for k in ("mean", "deviation"))
    hits = apart = 0
    for images, labels in digits.test_batches():
        shown = (images - mean) / deviation
        hits += int((network(shown).argmax(1) == labels).sum())
        apart += int((network(shown).argmax(1) != network(images).argmax(1)).sum())
    assert hits / 450 == found.test > 0.15 and apart > 45


def test_shared_weights_are_judged_on_images_like_those_they_were_trained_on(tmp_path):
    space = written(SPACE)
    settings = SearchSettings(controller="random", controller_steps=1, measure_samples=2, threads=1)
    search(space, out=tmp_path, settings=settings, recipe=Recipe(epochs=1, normalise=True))
    judge = Inherited(space, SupernetSettings(run=str(tmp_path), threads=1))
    assert judge.data.normal == normal_of(open_data("digits", shape=(1, 8, 8), classes=10).train)


@pytest.mark.parametrize("name", ["darts", "darts_search"])
def test_recipes_of_darts_normalise(name):
    assert Library().recipe(name).normalise
