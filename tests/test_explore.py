"""Searches with an evaluator: what they find, what fails, and what a stopped one goes on with."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

import pytest

from archdsl.controllers import CONTROLLERS, RandomController, Told
from archdsl.evaluate.evaluators import evaluator_of
from archdsl.evaluate.table import Table
from archdsl.files import write_whole
from archdsl.run import explore as explorer
from archdsl.run.explore import explore
from archdsl.run.ledger import read_ledger
from archdsl.run.settings import ExploreSettings
from archdsl.space.architecture import Architecture
from archdsl.syntax.errors import ArchError
from tests.finished_runs import change
from tests.quick import quick, quickly
from tests.shipped import written
from tests.test_cli import CliRunner, app, run
from tests.verify_spaces import names, tiny

TEXT = """archdsl 1

space small() {
  net network(image: 3 x 8 x 8) {
    a = image -> {c1 = conv(4) | c3 = conv(4, k=3) | c5 = conv(4, k=5)}
    b = a -> {relu | tanh | id}
    return b -> global_pool -> {one = linear(2) | two = linear(4) -> relu -> linear(2)}
  }
}
"""
EVERY = [f"small/network[{'; '.join(one)}]" for one in product(
    ("c1", "c3", "c5"), ("relu", "tanh", "id"), ("one", "two"))]  # fmt: skip
BEST = EVERY[7]


def table(path: Path, rows: Mapping[str, object], columns: str = "architecture,accuracy") -> str:
    """The evaluator of a file with these rows."""
    lines = [columns, *(f"{text},{value}" for text, value in rows.items())]
    path.write_text("\n".join(lines) + "\n")
    return f'table(file="{path}", reward="accuracy")'


def rewards() -> dict[str, object]:
    return {text: 1 - abs(number - EVERY.index(BEST)) / 20 for number, text in enumerate(EVERY)}


def searched(out: Path, evaluator: str, **settings: object) -> list[str]:
    """What a search asked, in order."""
    given = ExploreSettings(evaluator=evaluator, **settings)  # type: ignore[arg-type]
    explore(written(TEXT), out=out, settings=given, quiet=True)
    return [entry.text for entry in read_ledger(out / "ledger.sqlite")]


# --- what it finds ---------------------------------------------------------------------------


@pytest.mark.parametrize("controller", ["local", "evolution(population=5, sample=3)", "predictor"])
def test_the_best_is_found_and_written(tmp_path: Path, controller: str) -> None:
    evaluator = table(tmp_path / "t.csv", rewards())
    settings = ExploreSettings(controller=controller, evaluator=evaluator, budget=40)
    summary = explore(written(TEXT), out=tmp_path / "run", settings=settings, quiet=True)
    assert (summary.best, summary.reward) == (BEST, 1.0)
    assert (summary.evaluations, summary.failed) == (40, 0)
    assert summary.values == {"accuracy": 1.0, "reward": 1.0}
    assert f'ARCHITECTURE = "{BEST}"' in (tmp_path / "run/network.py").read_text()
    told = json.loads((tmp_path / "run/summary.json").read_text())
    assert told["best"] == BEST and told["size"] == 18
    rows = read_ledger(tmp_path / "run/ledger.sqlite")
    assert [row.step for row in rows] == list(range(40))
    assert all(row.reward == rewards()[row.text] for row in rows)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(TEXT)
    evaluator = table(Path("t.csv"), rewards())
    told = run("search", "small.arch", "-o", "run", "--controller", "local", "--budget", 30,
               "--evaluator", evaluator)  # fmt: skip
    assert BEST in told.stdout and "30 of 18 architectures" in " ".join(told.stdout.split())
    assert run("cost", "run:best", "--space", "small.arch").stdout.startswith(BEST)


@pytest.mark.parametrize("packed", [False, True])
def test_foreign_strings(tmp_path: Path, packed: bool) -> None:
    cell = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_3x3~0|none~1|avg_pool_3x3~2|"
    text = f"index,arch,valid,note\n6,{cell},91.5,good\n"
    path = tmp_path / "t.csv"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    space = tiny("nas_bench_201")
    given = f'table(file="{path}", text="arch", format="nb201", reward="valid")'
    made = evaluator_of(given).over(space)
    assert isinstance(made, Table)
    ((ours, row),) = made.rows.items()
    assert row == {"index": 6, "valid": 91.5, "reward": 91.5}
    assert ours.endswith("[nor_conv_3x3; none skip_connect; nor_conv_3x3 none avg_pool_3x3]")
    assert made(space.parse(ours), 0, 0) == row


# --- what fails ------------------------------------------------------------------------------


def test_failures_are_paid_for_and_told_as_the_worst(tmp_path: Path) -> None:
    rows = {text: value for text, value in rewards().items() if "tanh" not in text}
    rows |= {text: "nan" for text in rows if "c5" in text}
    evaluator = table(tmp_path / "t.csv", rows)
    settings = ExploreSettings(controller="random", evaluator=evaluator, budget=40)
    summary = explore(written(TEXT), out=tmp_path / "run", settings=settings, quiet=True)
    rows_ = read_ledger(tmp_path / "run/ledger.sqlite")
    kinds = {(row.detail or {}).get("failed") for row in rows_ if row.reward is None}
    assert kinds == {"missing", "not a number"}
    failed = [row for row in rows_ if "tanh" in row.text or "c5" in row.text]
    assert summary.failed == len(failed) == sum(row.reward is None for row in rows_)
    assert summary.evaluations == len(rows_) == 40


def test_a_search_in_which_all_fails_says_so(tmp_path: Path) -> None:
    evaluator = table(tmp_path / "t.csv", {EVERY[0]: "nan"})
    settings = ExploreSettings(controller="local", evaluator=evaluator, budget=5)
    summary = explore(written(TEXT), out=tmp_path / "run", settings=settings, quiet=True)
    assert (summary.best, summary.reward, summary.failed) == ("", None, 5)
    assert sum(summary.failures.values()) == 5 and summary.first_failure
    assert "none: every evaluation failed" in (tmp_path / "run/summary.txt").read_text()
    assert not (tmp_path / "run/network.py").exists()


@pytest.mark.parametrize(
    ("content", "settings", "said"),
    [
        (None, "", "it cannot be read"),
        (b"\x1f\x8bbroken", "", "it cannot be read"),
        (b"\xff\xfe", "", "it cannot be read"),
        (b"", "", "there is no column architecture"),
        (b"architecture,acuracy\n", "", "there is no column accuracy"),
        (b"architecture,accuracy\nsmall/network[c1; relu; one],high\n", "", "line 2 has no number"),
        (b"architecture,accuracy\nsmall/network[c1; relu; one]\n", "", "line 2 has no number"),
        (b"architecture,accuracy\n\nsmall/network[c9; relu; one],1\n", "", "line 3 is of no arch"),
        (b"architecture,accuracy\nx,1\n", ', format="nb202"', "no format is called nb202"),
        (b"architecture,accuracy\nx,1\n", ', format="nb201"', "line 2 is of no architecture"),
    ],
)
def test_broken_tables(tmp_path: Path, content: bytes | None, settings: str, said: str) -> None:
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArchError) as caught:
        evaluator_of(f'table(file="{path}", reward="accuracy"{settings})').over(written(TEXT))
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0819" and said in finding.message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--evaluator", 'tabel(file="x")'), "E0820"),
        (("--evaluator", 'table(reward="x")'), "E0818"),
        (("--evaluator", "table:t.csv"), "E0818"),
        (("--evaluator", 'table(file="t.csv", reward="accuracy")', "--epochs", 3), "--epochs"),
        (("--budget", 10), "--budget"),
        (("--evaluator", 'table(file="t.csv", reward="accuracy")', "--budget", 0), "E0810"),
    ],
)
def test_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[object, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("small.arch").write_text(TEXT)
    table(Path("t.csv"), rewards())
    result = CliRunner().invoke(app, ["search", "small.arch", "-o", "run", *map(str, options)])
    assert result.exit_code in (1, 2)
    assert said in result.stderr and not Path("run").exists()


# --- stopped and gone on with ----------------------------------------------------------------


KILLS = 10


class Killed(BaseException):
    """Nothing catches it: as if the process had ended."""


@pytest.mark.parametrize("name", CONTROLLERS)
def test_a_killed_search_asks_what_it_would_have_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    evaluator = table(tmp_path / "t.csv", rewards())
    given = {"controller": quick(name), "budget": 36, "batch": 3}
    whole = searched(tmp_path / "whole", evaluator, **given)
    right, calls = Table.__call__, 0
    moments = set(random.Random(name).sample(range(1, 37), KILLS))

    def failing(
        self: Table, architecture: Architecture, step: int, again: int
    ) -> Mapping[str, float]:
        nonlocal calls
        calls += 1
        if calls in moments:
            raise Killed
        return right(self, architecture, step, again)

    monkeypatch.setattr(Table, "__call__", failing)
    for _ in range(KILLS):
        with pytest.raises(Killed):
            searched(tmp_path / "broken", evaluator, **given)
    assert searched(tmp_path / "broken", evaluator, **given) == whole
    assert calls == 36 + KILLS, "nothing is measured twice"


def test_other_settings_are_refused(tmp_path: Path) -> None:
    evaluator = table(tmp_path / "t.csv", rewards())
    searched(tmp_path / "run", evaluator, controller="random", budget=6, batch=4)
    for changed in ({"budget": 5}, {"budget": 8}, {"seed": 1}):
        given = {"controller": "random", "budget": 6, "batch": 4, **changed}
        with pytest.raises(ArchError, match=next(iter(changed))):
            searched(tmp_path / "run", evaluator, **given)


@pytest.mark.parametrize("name", CONTROLLERS)
def test_a_budget_grows_after_whole_rounds(tmp_path: Path, name: str) -> None:
    evaluator = table(tmp_path / "t.csv", rewards())
    given = {"controller": quick(name), "batch": 3}
    whole = searched(tmp_path / "whole", evaluator, budget=18, **given)
    searched(tmp_path / "run", evaluator, budget=9, **given)
    assert searched(tmp_path / "run", evaluator, budget=18, **given) == whole


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET detail = '[1]'",
        "UPDATE ledger SET detail = '{}'",
        "UPDATE ledger SET reward = NULL",
        "UPDATE ledger SET reward = 9e999",
        "UPDATE ledger SET detail = '{\"values\": {}}'",
        'UPDATE ledger SET detail = \'{"values": {"reward": "high"}}\'',
        "UPDATE sessions SET began = 9e999",
        "ALTER TABLE ledger DROP COLUMN told",
    ],
)
def test_rows_of_somebody_else_s_end_a_search_plainly(tmp_path: Path, statement: str) -> None:
    evaluator, given = table(tmp_path / "t.csv", rewards()), {"controller": "random", "budget": 2}
    searched(tmp_path / "run", evaluator, **given)
    change(tmp_path / "run", statement)
    with pytest.raises(ArchError) as caught:
        searched(tmp_path / "run", evaluator, **given)
    assert caught.value.diagnostics[0].code == "E0807"


def test_halves_of_letters_are_written_as_escapes(tmp_path: Path) -> None:
    """What an evaluator says of a failure is JSON, which can name them; UTF-8 cannot."""
    assert write_whole(tmp_path / "x", "\ud800").read_text() == "\\ud800"


def test_names_that_nothing_measures_end_a_search_at_once(tmp_path: Path) -> None:
    evaluator = table(tmp_path / "t.csv", rewards())
    with pytest.raises(ArchError) as caught:
        searched(tmp_path / "run", evaluator, controller="random", objectives="accuracy, -latency")
    finding = caught.value.diagnostics[0]
    assert (finding.code, finding.found) == ("E0823", "latency")
    assert len(read_ledger(tmp_path / "run/ledger.sqlite")) == 1


def test_failures_wait_until_something_was_measured(tmp_path: Path) -> None:
    """No reward is known to be worse than a failure, so nothing is told of the first ones."""
    heard: list[list[float]] = []
    rows = {text: -5.0 - number for number, text in enumerate(EVERY)}
    wrong = searched(tmp_path / "dry", table(tmp_path / "d.csv", rows), controller="random")[:3]
    rows = {text: value for text, value in rows.items() if text not in wrong}
    right = RandomController.tell

    def listening(self: RandomController, results: Sequence[Told]) -> None:
        heard.append([one.reward for one in results])
        right(self, results)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(RandomController, "tell", listening)
        searched(tmp_path / "run", table(tmp_path / "t.csv", rows), controller="random", budget=9)
    assert len(heard[0]) >= 4 and len(set(heard[0])) == 1
    assert max(map(max, heard)) <= -5.0


def test_a_stop_is_obeyed_between_evaluations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import contextmanager

    asked = iter([False, False, True])

    @contextmanager
    def stopping():
        yield lambda: next(asked)

    monkeypatch.setattr(explorer, "graceful", stopping)
    evaluator = table(tmp_path / "t.csv", rewards())
    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "run", evaluator, controller="random", budget=9)
    told = [row.reward is not None for row in read_ledger(tmp_path / "run/ledger.sqlite")]
    assert told == [True, True, False]


# --- every method over every space -----------------------------------------------------------


@pytest.mark.parametrize("space", names())
@pytest.mark.parametrize("name", CONTROLLERS)
def test_every_controller_works_on_every_space(name: str, space: str) -> None:
    view = tiny(space)
    controller = quickly(name, view, seed=1)
    for step in range(8):
        (text,) = controller.ask(1)
        assert view.parse(text).text == text
        controller.tell([Told(text, step % 4 / 4)])
