"""Latencies: measured here, and summed up from a table of operations."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

from archdsl.evaluate.evaluator import Failed
from archdsl.evaluate.latency import calls, clock_of, row_of
from archdsl.run.explore import explore
from archdsl.run.latencies import alone, latencies, operations
from archdsl.run.ledger import read_ledger
from archdsl.run.settings import ExploreSettings
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from tests.shipped import written
from tests.test_cli import CliRunner, app
from tests.test_explore import EVERY, TEXT, rewards, table
from tests.verify_spaces import names, tiny


@pytest.fixture(scope="module")
def small() -> SearchSpace:
    return written(TEXT)


def filled(path: Path, space: SearchSpace, value: float = 1.0) -> str:
    """A table in which every operation takes so long."""
    known = dict.fromkeys(operations(space.program), value)
    path.write_text(json.dumps({"milliseconds": known}))
    return f'operations(file="{path}")'


@pytest.mark.parametrize("name", names())
def test_a_table_has_all_operations_of_all_architectures(name: str) -> None:
    space = tiny(name)
    known = operations(space.program)
    rng = random.Random(0)
    for _ in range(20):
        for operation, inputs, times in calls(space.resolve(space.sample(rng))):
            assert row_of(operation, inputs) in known
            assert times > 0


def test_every_operation_of_a_space_runs_alone(small: SearchSpace) -> None:
    found = latencies(small.program, device=torch.device("cpu"), advance=lambda done, note="": None)
    assert set(found) == set(operations(small.program))
    assert all(0 < value < 1000 for value in found.values())


def test_operations_with_several_results_stand_alone() -> None:
    for name in names():
        for operation, inputs in operations(tiny(name).program).values():
            assert len(alone(operation, inputs).net.result_types) == len(operation.results(inputs))


def test_a_sum_counts_what_the_result_needs(small: SearchSpace, tmp_path: Path) -> None:
    latency = clock_of(filled(tmp_path / "t.json", small, 2.0)).over(small)
    short = latency(small.parse("small/network[c1; id; one]"))
    long = latency(small.parse("small/network[c1; relu; two]"))
    assert short == 2.0 * 3  # conv, pool, linear: the identity takes no time
    assert long == 2.0 * 6


def test_a_use_counts_as_often_as_it_runs(tmp_path: Path) -> None:
    space = tiny("nas_bench_201")
    program = space.resolve(space.sample(random.Random(1)))
    counted: dict[str, int] = {}
    for operation, inputs, times in calls(program):
        counted[row_of(operation, inputs)] = counted.get(row_of(operation, inputs), 0) + times
    from archdsl.load import load_network

    convolutions = sum(n for name, n in counted.items() if name.startswith("conv"))
    network = load_network(program).eval()
    ran: list[str] = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda *_: ran.append("conv"))
    network(torch.zeros(1, *program.net.nodes[0].type.shape))
    assert 0 < convolutions <= len(ran)


def test_what_a_table_lacks_fails_that_architecture(small: SearchSpace, tmp_path: Path) -> None:
    one = small.sample(random.Random(0))
    known = {row_of(operation, inputs): 1.0 for operation, inputs, _ in calls(small.resolve(one))}
    (tmp_path / "t.json").write_text(json.dumps({"milliseconds": known}))
    latency = clock_of(f'operations(file="{tmp_path / "t.json"}")').over(small)
    assert latency(one) > 0
    failed = 0
    for text in EVERY:
        try:
            latency(small.parse(text))
        except Failed as problem:
            assert problem.kind == "missing" and "has no '" in str(problem)
            failed += 1
    assert failed > len(EVERY) / 2


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"milliseconds": {}}', '{"milliseconds": {"relu": 1' + "0" * 400 + "}}",
     '{"milliseconds": [1]}', '{"milliseconds": {"relu": -1}}', "\x00",
     '{"milliseconds": {"relu": "NaN"}}', '{"milliseconds": {"relu": null}}', "[" * 100_000],
)  # fmt: skip
def test_broken_tables(small: SearchSpace, tmp_path: Path, content: str) -> None:
    (tmp_path / "t.json").write_text(content)
    with pytest.raises(ArchError) as caught:
        clock_of(f'operations(file="{tmp_path / "t.json"}")').over(small)
    assert caught.value.diagnostics[0].code == "E0828"


def test_measured_here(small: SearchSpace) -> None:
    assert 0 < clock_of("measured").over(small)(small.parse(EVERY[0])) < 1000


def test_unknown_ways() -> None:
    with pytest.raises(ArchError) as caught:
        clock_of("guessed")
    assert caught.value.diagnostics[0].code == "E0829"


def test_a_search_for_two_things(small: SearchSpace, tmp_path: Path) -> None:
    settings = ExploreSettings(
        controller="pareto",
        evaluator=table(tmp_path / "t.csv", rewards()),
        latency=filled(tmp_path / "t.json", small),
        objectives="accuracy, -latency",
        budget=30,
    )
    explore(small, out=tmp_path / "run", settings=settings, quiet=True)
    told = [(row.detail or {})["values"] for row in read_ledger(tmp_path / "run/ledger.sqlite")]
    assert {values["latency"] for values in told} == {3.0, 4.0, 5.0, 6.0}


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(TEXT)
    result = CliRunner().invoke(app, ["tune", "--operations", "small.arch", "-o", "here.json"])
    assert result.exit_code == 0, result.stderr
    known = json.loads(Path("here.json").read_text())
    assert known["space"] == "small" and set(known["milliseconds"]) == set(
        operations(written(TEXT).program)
    )
    refused = CliRunner().invoke(app, ["tune", "--operations", "small.arch"])
    assert refused.exit_code == 2 and "-o FILE" in refused.stderr
