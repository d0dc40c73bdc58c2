"""What the studies of `benchmarks/` stand on: kept work, supernets that go on, comparisons."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from archdsl.controllers.seeds import stream
from archdsl.evaluate.data import Data, open_data
from archdsl.evaluate.shared import SharedWeights
from archdsl.library import Library
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import AdamW
from archdsl.space.view import SearchSpace
from benchmarks import metaformer_cells
from benchmarks.cifar import HELD, TEST, subset
from benchmarks.frozen import best, scores, search
from benchmarks.trainings import Kept, supernet, train
from tests.test_data import SHARED, cifar_images

TEXT = """archdsl 1
space small() {
  net network(image: 1 x 8 x 8) {
    y = image -> conv(4, k=3) -> bn -> {a = conv(4, k=3) | b = conv(4, k=1) | c = id}
    return y -> relu -> global_pool -> linear(10)
  }
}
"""


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return Library().text(TEXT).space


@pytest.fixture(scope="module")
def data() -> Data:
    return open_data("digits", shape=(1, 8, 8), classes=10, batch_size=256)


def recipe(epochs: int, rate: float = 1e-2) -> Recipe:
    return Recipe(epochs=epochs, batch_size=256, optimizer=AdamW(learning_rate=rate))


def test_finished_work_is_not_done_again_and_half_a_line_is(tmp_path: Path) -> None:
    file, done = tmp_path / "work" / "units.jsonl", []

    def work() -> dict[str, float]:
        done.append(1)
        return {"held": 0.5}

    assert Kept(file).once("a", work) == Kept(file).once("a", work) == {"held": 0.5}
    assert len(done) == 1
    file.write_text(file.read_text() + '["b", {"he')  # killed while it wrote
    again = Kept(file)
    again.once("b", work)
    assert len(done) == 2
    assert set(Kept(file).known) == {"a", "b"}


def test_a_supernet_that_was_killed_ends_with_the_same_weights(
    tmp_path: Path, space: SearchSpace, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = supernet(space, data, recipe(2), 3, tmp_path / "whole")
    steps = data.steps

    def stop(*purpose: str | int) -> object:
        if purpose[1:] == ("path", 1, steps - 1):
            raise KeyboardInterrupt
        return stream(*purpose)  # type: ignore[arg-type]

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("benchmarks.trainings.stream", stop)
        supernet(space, data, recipe(2), 3, tmp_path / "broken")
    broken = supernet(space, data, recipe(2), 3, tmp_path / "broken")
    a, b = whole.model.state_dict(), broken.model.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    start = SharedWeights(space, data, recipe=recipe(1), seed=3).model.state_dict()
    assert not all(torch.equal(a[name], start[name]) for name in a)


def test_searches_see_kept_scores(tmp_path: Path, space: SearchSpace, data: Data) -> None:
    shared = supernet(space, data, recipe(1), 0, tmp_path / "weights")
    kept = Kept(tmp_path / "scores")
    score = scores(shared, kept)
    found = search("random", space, score, seed=1, budget=7, batch=3)
    assert len(found) == 7
    assert dict(found) == {text: score(text) for text, _ in found}
    assert len(kept.known) == len(dict(found)) <= 3
    assert best(found)[1] == max(value for _, value in found)
    assert found == search("random", space, score, seed=1, budget=7, batch=2)


def test_a_training_learns_and_depends_on_its_seed(space: SearchSpace, data: Data) -> None:
    program = space.resolve(space.unrank(0))
    first, again, other = (train(program, data, recipe(12, 0.03), seed) for seed in (1, 1, 2))
    assert first.held == again.held and first.loss == again.loss
    assert first.loss != other.loss
    assert first.loss < 0.9 * math.log(10)


def test_the_subset_is_the_images_of_the_packs() -> None:
    if not (SHARED / "cifar10_test1k.tar").exists():
        pytest.skip("the image packs beside the repository are not here")
    data = subset(32, 64, slice(0, 500))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [10_000, 500, 1000]
    for images, name in ((data.test, TEST), (data.validation, HELD)):
        pixels, labels = cifar_images(f"{name}.tar")
        shown, told = images.plain(range(len(images)))
        assert torch.equal(told, torch.from_numpy(labels[: len(images)].astype("int64")))
        expected = torch.from_numpy(pixels[: len(images)]).view(-1, 3, 32, 32).float() / 255
        assert torch.equal(shown, expected)


def test_words_follow_the_test() -> None:
    """Groups that differ are said to, groups of noise are not."""
    rng = stream(0, "noise")
    noise = [[rng.gauss(0, 1) for _ in range(3)] for _ in range(24)]
    apart = [[value + 10 * i for value in group] for i, group in enumerate(noise)]
    told, words = metaformer_cells.separated(noise)
    assert not told and "no winners" in words and "F(23, 48)" in words
    assert "F(23, 47)" in metaformer_cells.separated([noise[0][:2], *noise[1:]])[1]
    told, words = metaformer_cells.separated(apart)
    assert told and "p < 0.001" in words


def test_the_audit_is_kendalls_tau() -> None:
    """Scores in the order of accuracy are a tau of one, in the opposite order of minus one."""
    runs = [[float(i), i + 0.1, i + 0.2] for i in range(12)]
    assert "is 1.00" in metaformer_cells.audit(list(range(12)), runs)
    assert "is -1.00" in metaformer_cells.audit(list(range(12, 0, -1)), runs)
    assert "each other by 1.00" in metaformer_cells.audit(list(range(12)), runs)


def test_random_cells_are_different_networks() -> None:
    space = metaformer_cells.space_of(4)
    cells = metaformer_cells.drawn(space)
    assert len(set(cells)) == metaformer_cells.CELLS
    assert cells == metaformer_cells.drawn(space)
