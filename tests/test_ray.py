"""Searches whose proposals a Ray cluster measures: two nodes on the loopback."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archdsl.run.explore import How, explore
from archdsl.run.ledger import Entry, read_ledger
from archdsl.run.settings import ExploreSettings
from archdsl.syntax.errors import ArchError
from tests.faults import two_nodes as cluster_of_two
from tests.shipped import written
from tests.test_explore import TEXT, rewards, table

ray = pytest.importorskip("ray", reason="Ray has no build for this Python")


@pytest.fixture(scope="module")
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster, and a folder that its workers know."""
    folder = tmp_path_factory.mktemp("deaths")
    os.environ["DEATHS"] = str(folder)
    with cluster_of_two():
        assert len([node for node in ray.nodes() if node["Alive"]]) == 2
        yield folder


def searched(folder: Path, evaluator: str, how: How, **given: Any) -> list[Entry]:
    defaults: dict[str, Any] = {"controller": "evolution(population=8, sample=3)", "batch": 8}
    settings = ExploreSettings(evaluator=evaluator, **(defaults | given))
    explore(written(TEXT), out=folder, settings=settings, how=how, quiet=True)
    return list(read_ledger(folder / "ledger.sqlite"))


def test_a_cluster_finds_what_one_process_finds(tmp_path: Path, two_nodes: Path) -> None:
    evaluator = table(tmp_path / "t.csv", rewards())
    alone = searched(tmp_path / "alone", evaluator, How(), budget=24)
    assert searched(tmp_path / "ray", evaluator, How(ray="auto"), budget=24) == alone


def test_faults_are_told_and_paid_for(tmp_path: Path, two_nodes: Path) -> None:
    told = searched(
        tmp_path / "run",
        "call:tests.somebodys:faulty",
        How(ray="auto", timeout=5.0),
        controller="random",
        budget=48,
        batch=16,
    )
    assert [row.step for row in told] == list(range(48))
    kinds = Counter((row.detail or {}).get("failed", "told") for row in told)
    assert kinds["not a number"] and kinds["error"] and kinds["timeout"]
    died = {int(path.name) for path in two_nodes.iterdir()}
    assert died, "some workers died"
    assert all(told[step].reward is not None for step in died), "and others did their work"


def test_no_cluster(tmp_path: Path) -> None:
    if ray.is_initialized():
        ray.shutdown()
    evaluator = table(tmp_path / "t.csv", rewards())
    with pytest.raises(ArchError) as caught:
        searched(tmp_path / "run", evaluator, How(ray="127.0.0.1:1"), budget=2)
    assert caught.value.diagnostics[0].code == "E0827"
