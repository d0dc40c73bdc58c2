"""Several objectives, and rewards that are made of several values."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from archdsl.controllers import Told, make_controller
from archdsl.evaluate.evaluator import Failed
from archdsl.evaluate.objectives import objectives_of, rule_of
from archdsl.front import crowding, front
from archdsl.ir.cost import cost
from archdsl.run.explore import explore
from archdsl.run.ledger import read_ledger
from archdsl.run.settings import ExploreSettings
from archdsl.syntax.errors import ArchError
from tests.shipped import written
from tests.test_explore import EVERY, TEXT


def measured(path: Path) -> str:
    """An accuracy and a latency that are at odds; a second file has the latter."""
    accuracy = ["number,architecture,accuracy"]
    latency = ["number,latency"]
    for number, text in enumerate(EVERY):
        accuracy.append(f"{number:02},{text},{(number * 7) % 18}")
        latency.append(f"{number:02},{1 + (number * 5) % 18}")
    (path / "a.csv").write_text("\n".join(accuracy))
    (path / "b.csv.gz").write_bytes(gzip.compress("\n".join(latency).encode()))
    joined = f'join="{path / "b.csv.gz"}", on="number"'
    return f'table(file="{path / "a.csv"}", reward="accuracy", {joined})'


def expected() -> set[str]:
    """The front, by comparing all with all."""
    points = {text: ((i * 7) % 18, -(1 + (i * 5) % 18)) for i, text in enumerate(EVERY)}
    return {
        text
        for text, point in points.items()
        if not any(
            other != point and other[0] >= point[0] and other[1] >= point[1]
            for other in points.values()
        )
    }


@pytest.mark.parametrize(
    "controller", ["random", "pareto(start=5)", "nsga2(population=6, objectives=2)"]
)
def test_the_front_is_found(tmp_path: Path, controller: str) -> None:
    settings = ExploreSettings(
        controller=controller,
        evaluator=measured(tmp_path),
        objectives="accuracy, -latency",
        budget=200,
    )
    summary = explore(written(TEXT), out=tmp_path / "run", settings=settings, quiet=True)
    assert {one["architecture"] for one in summary.front} == expected()
    told = json.loads((tmp_path / "run/summary.json").read_text())
    rows = [(row["values"]["accuracy"], row["values"]["latency"]) for row in told["front"]]
    assert rows == sorted(rows), "in the order of the first objective"
    assert "not dominated" in (tmp_path / "run/summary.txt").read_text()


@pytest.mark.parametrize("controller", ["pareto(start=5)", "nsga2(population=6, objectives=2)"])
def test_a_search_that_goes_on_asks_the_same(tmp_path: Path, controller: str) -> None:
    space = written(TEXT)
    points = {text: ((i * 7) % 18 / 18, -(i * 5) % 18) for i, text in enumerate(EVERY)}

    def step(controller: object, count: int) -> list[str]:
        asked = []
        for _ in range(count):
            (text,) = controller.ask(1)  # type: ignore[attr-defined]
            controller.tell([Told(text, points[text][0], points[text])])  # type: ignore[attr-defined]
            asked.append(text)
        return asked

    first = make_controller(controller, space, seed=3)
    step(first, 20)
    state = json.loads(json.dumps(first.state().values))
    after = step(first, 15)
    again = make_controller(controller, space, seed=3)
    again.restore(type(first.state())(values=state))
    assert step(again, 15) == after


def test_a_reward_of_two_values(tmp_path: Path) -> None:
    settings = ExploreSettings(
        controller="random",
        evaluator=measured(tmp_path),
        reward='mnasnet(value="accuracy", cost="latency", target=4.0, exponent=-0.5)',
        budget=9,
    )
    explore(written(TEXT), out=tmp_path / "run", settings=settings, quiet=True)
    for row in read_ledger(tmp_path / "run/ledger.sqlite"):
        number = EVERY.index(row.text)
        latency = 1 + (number * 5) % 18
        assert row.reward == pytest.approx((number * 7) % 18 * (latency / 4) ** -0.5)


def test_costs_of_the_text_are_values(tmp_path: Path) -> None:
    settings = ExploreSettings(
        controller="pareto", evaluator=measured(tmp_path), objectives="accuracy, -macs", budget=5
    )
    explore(written(TEXT), out=tmp_path / "run", settings=settings, quiet=True)
    space = written(TEXT)
    for row in read_ledger(tmp_path / "run/ledger.sqlite"):
        assert row.detail is not None
        assert row.detail["values"]["macs"] == cost(space.resolve(space.parse(row.text))).macs


def test_a_value_that_is_not_there_fails_by_name(tmp_path: Path) -> None:
    settings = ExploreSettings(
        controller="random",
        evaluator=measured(tmp_path),
        objectives="accuracy, -latencies",
        budget=3,
    )
    with pytest.raises(ArchError, match="did you mean latency"):
        explore(written(TEXT), out=tmp_path / "run", settings=settings, quiet=True)
    (row,) = read_ledger(tmp_path / "run/ledger.sqlite")
    assert row.detail is not None and row.detail["failed"] == "missing"
    assert row.detail["message"].startswith("nothing called latencies was measured, only ")


@pytest.mark.parametrize("text", ["a", "a,", "a, a", "a, -a", "a, +b", "a, b c", ",", "a; -b"])
def test_objectives_that_are_none(text: str) -> None:
    with pytest.raises(ArchError) as caught:
        objectives_of(text)
    assert caught.value.diagnostics[0].code == "E0823"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("mnas(value=1)", "E0822"),
        ('mnasnet(value="a", cost="b")', "E0818"),
        ('mnasnet(value="a", cost="b", target=0.0)', "E0818"),
    ],
)
def test_rewards_that_are_none(text: str, code: str) -> None:
    with pytest.raises(ArchError) as caught:
        rule_of(text)
    assert caught.value.diagnostics[0].code == code


def test_a_cost_of_nothing_has_no_power() -> None:
    rule = rule_of('mnasnet(value="a", cost="b", target=1.0)')
    with pytest.raises(Failed, match="b is 0"):
        rule({"a": 1.0, "b": 0.0})


def test_the_front_is_a_librarys() -> None:
    moocore = pytest.importorskip("moocore")
    rng = np.random.default_rng(0)
    for number in range(1000):
        points = rng.integers(0, rng.integers(2, 30), (rng.integers(1, 40), rng.integers(2, 5)))
        kept = moocore.is_nondominated(points, maximise=True, keep_weakly=True)
        assert front(points.tolist()) == np.flatnonzero(kept).tolist(), number


def test_crowding() -> None:
    far = crowding([(0.0, 4.0), (1.0, 3.0), (4.0, 0.0), (1.0, 3.0)])
    assert far[0] == far[2] == np.inf
    assert (far[1], far[3]) == (1.0, 1.0)
    assert front([]) == []
