"""The evaluator `inherited`: children begin with the weights of what was measured before them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from archdsl.evaluate.evaluator import Failed
from archdsl.evaluate.evaluators import evaluator_of
from archdsl.evaluate.inherited import Lineage
from archdsl.run.explore import HERE, How, explore
from archdsl.run.ledger import Entry, read_ledger
from archdsl.run.settings import ExploreSettings
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from tests.shipped import written

TEXT = """archdsl 1

space small() {
  net network(image: 1 x 8 x 8) {
    a = image -> conv(8, k=3) -> bn -> relu
    b = sum(a, a -> {none | deep = conv(8, k=3) -> bn | wide = conv(8, k=5) -> bn})
    c = sum(b, b -> {none | deep = conv(8, k=3) -> bn | wide = conv(8, k=5) -> bn})
    return c -> {sees = flatten | blind = global_pool} -> linear(10)
  }
}
"""
GIVEN = "inherited(first=2, keep=4, learning_rate=0.01)"


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return written(TEXT)


def settings(budget: int = 8, **others: Any) -> ExploreSettings:
    return ExploreSettings(
        controller="evolution(population=4, sample=2)",
        evaluator=GIVEN,
        budget=budget,
        batch=2,
        **others,
    )


def searched(space: SearchSpace, out: Path, budget: int = 8, how: How = HERE) -> tuple[Entry, ...]:
    explore(space, out=out, settings=settings(budget), how=how, quiet=True)
    return tuple(read_ledger(out / "ledger.sqlite"))


def values(row: Entry) -> dict[str, float]:
    assert row.detail is not None
    return dict(row.detail["values"])


@pytest.fixture(scope="module")
def whole(space: SearchSpace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    searched(space, out)
    return out


def test_children_inherit_from_earlier_rounds(whole: Path) -> None:
    rows = read_ledger(whole / "ledger.sqlite")
    assert all(row.reward is not None for row in rows), [row.detail for row in rows]
    parents = [int(values(row)["parent"]) for row in rows]
    assert parents[:2] == [-1, -1] and max(parents) >= 2
    for row, parent in zip(rows, parents, strict=True):
        assert parent < row.step - row.step % 2
        known = values(row)
        assert known["epochs"] == (1.0 if parent >= 0 else 2.0)
        if parent >= 0:
            before = values(rows[parent])
            assert known["epochs_inherited"] == before["epochs"] + before["epochs_inherited"]
            assert 0.5 <= known["inherited"] <= 1
    assert {int(path.stem) for path in (whole / "weights").iterdir()} == set(range(2, 8))


def test_a_search_goes_on_with_the_same_rows(
    space: SearchSpace, whole: Path, tmp_path: Path
) -> None:
    searched(space, tmp_path / "run", budget=4)
    assert searched(space, tmp_path / "run", budget=8) == tuple(
        read_ledger(whole / "ledger.sqlite")
    )


def test_workers_find_the_same(space: SearchSpace, whole: Path, tmp_path: Path) -> None:
    rows = searched(space, tmp_path / "run", how=How(workers=2))
    assert rows == tuple(read_ledger(whole / "ledger.sqlite"))


def lineage(space: SearchSpace, text: str = GIVEN) -> Lineage:
    made = evaluator_of(text).over(space)
    assert isinstance(made, Lineage)
    return made


def of(space: SearchSpace, text: str) -> Any:
    return space.parse(f"small/network[{text}]")


def test_a_child_begins_where_its_parent_ended(space: SearchSpace, tmp_path: Path) -> None:
    """With a rate of nothing, a child that preserves the function is as good as its parent."""
    first = lineage(space, "inherited(first=6, learning_rate=0.01)")
    first.keep_in(tmp_path, lambda step: ())
    before = first(of(space, "none; deep; sees"), 0, 0)
    second = lineage(space, "inherited(learning_rate=0.0)")
    second.keep_in(tmp_path, lambda step: [(0, "small/network[none; deep; sees]")])
    torch.manual_seed(9)
    after = second(of(space, "wide; deep; sees"), 1, 0)
    assert before["accuracy"] > 0.5
    assert after["preserved"] == 1.0 and after["parent"] == 0.0
    assert abs(after["accuracy"] - before["accuracy"]) < 0.1  # statistics of batches moved
    other = second(of(space, "none; deep; blind"), 2, 0)
    assert other["parent"] == -1.0 or other["preserved"] == 0.0


def test_the_nearest_is_taken(space: SearchSpace, tmp_path: Path) -> None:
    made = lineage(space)
    made.keep_in(tmp_path, lambda step: ())
    texts = ["wide; deep; sees", "none; deep; sees", "none; none; blind"]
    for step, text in enumerate(texts):
        made(of(space, text), step, 0)
    known = [(step, f"small/network[{text}]") for step, text in enumerate(texts)]
    made.keep_in(tmp_path, lambda step: known)
    assert made(of(space, "none; deep; sees"), 3, 1)["parent"] == 1.0
    assert made(of(space, "deep; deep; sees"), 4, 0)["preserved"] == 1.0


def test_weights_that_are_gone_fail_the_row(space: SearchSpace, tmp_path: Path) -> None:
    made = lineage(space)
    made.keep_in(tmp_path, lambda step: [(0, "small/network[none; deep; sees]")])
    with pytest.raises(Failed, match="does not hold the weights"):
        made(of(space, "none; deep; sees"), 1, 0)
    (tmp_path / "0.safetensors").write_bytes(b"nothing")
    with pytest.raises(ArchError) as caught:
        made(of(space, "none; deep; sees"), 1, 0)
    assert caught.value.diagnostics[0].code == "E0807"


@pytest.mark.parametrize("wrong", ["epochs=0", "least=2", "near=0", "keep=0", "rate=1"])
def test_settings_that_mean_nothing_are_refused(space: SearchSpace, wrong: str) -> None:
    with pytest.raises(ArchError) as caught:
        evaluator_of(f"inherited({wrong})")
    assert caught.value.diagnostics[0].code == "E0818"
