"""Controllers and evaluators that users bring along, and the page that shows how."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archdsl.cli.main import app
from archdsl.run.explore import explore
from archdsl.run.ledger import read_ledger
from archdsl.run.settings import ExploreSettings
from archdsl.syntax.errors import ArchError
from tests.shipped import written
from tests.test_explore import TEXT, rewards, table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "yours.md"
BLOCK = re.compile(r"```(console|python FILE=(\S+))\n(.*?)```", re.DOTALL)


def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{Path('/usr/bin')}")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {}
    for kind, file, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind != "console":
            Path(file).write_text(text, encoding="utf-8")
            assert text.count("\n") <= 22, "about twenty lines"
            continue
        for line in text.splitlines():
            words = shlex.split(line)[2:]
            result = CliRunner().invoke(app, words)
            assert result.exit_code == 0, result.output
            out = words[words.index("-o") + 1]
            found[out] = json.loads((Path(out) / "summary.json").read_text())
    assert set(found) == {"program", "function", "climber", "climber2"}
    assert found["climber"]["reward"] == found["climber2"]["reward"] == 1.0
    assert found["program"]["values"]["threes"] == 6 * found["program"]["reward"]
    assert found["function"]["values"]["size"] == found["function"]["params"]


def asked(folder: Path, controller: str, evaluator: str, budget: int = 12) -> list[str]:
    given = ExploreSettings(controller=controller, evaluator=evaluator, budget=budget)
    explore(written(TEXT), out=folder, settings=given, quiet=True)
    return [row.text for row in read_ledger(folder / "ledger.sqlite")]


@pytest.mark.parametrize("way", ["exec", "call"])
def test_a_search_that_goes_on_asks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    from archdsl.run import explore as explorer

    controller = {
        "exec": f"exec:{sys.executable} -m tests.somebodys draw",
        "call": "call:tests.somebodys:Drawer",
    }[way]
    evaluator = table(tmp_path / "t.csv", rewards())
    whole = asked(tmp_path / "whole", controller, evaluator)
    assert len(set(whole)) > 3
    right, calls = explorer.Judge.__call__, 0

    def failing(self: explorer.Judge, *given: object) -> object:
        nonlocal calls
        calls += 1
        if calls in (3, 7):
            raise KeyboardInterrupt
        return right(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(explorer.Judge, "__call__", failing)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            asked(tmp_path / "broken", controller, evaluator)
    assert asked(tmp_path / "broken", controller, evaluator) == whole


@pytest.mark.parametrize(
    ("controller", "said"),
    [
        ("exec:{} -m tests.somebodys garble", "no JSON object"),
        ("exec:{} -m tests.somebodys end", "ended with 0"),
        ("exec:{} -m tests.somebodys refuse", "it proposed None"),
        ("exec:no-such-program", "does not start"),
        ('exec(command="{} -m tests.somebodys sleep", timeout=0.5)', "no answer"),
        ("call:tests.somebodys:Nonsense", "it proposed nothing of this space"),
    ],
)
def test_controllers_that_fail(tmp_path: Path, controller: str, said: str) -> None:
    evaluator = table(tmp_path / "t.csv", rewards())
    with pytest.raises(ArchError) as caught:
        asked(tmp_path / "run", controller.format(sys.executable), evaluator)
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0826" and said in (finding.found or "")


# --- looking longer --------------------------------------------------------------------------


def test_halving_asks_the_best_again(tmp_path: Path) -> None:
    evaluator = table(tmp_path / "t.csv", rewards())
    texts = asked(tmp_path / "run", "halving(keep=3, rungs=3)", evaluator, 23)
    known = rewards()
    rungs: list[list[object]] = [[], [], []]
    for number, text in enumerate(texts):
        rung = texts[:number].count(text)
        if rung:
            best = sorted(rungs[rung - 1], reverse=True)  # type: ignore[type-var]
            assert known[text] in best[: len(best) // 3], "the best third, when it is asked again"
        rungs[rung].append(known[text])
    assert all(rungs)


def test_brackets_begin_higher(tmp_path: Path) -> None:
    evaluator = table(tmp_path / "t.csv", rewards())
    texts = asked(tmp_path / "run", "halving(rungs=2, brackets=2)", evaluator, 9)
    first, second, third = list(dict.fromkeys(texts))[:3]
    assert texts[:4] == [first, second, second, third]


def test_hurdles_are_means(tmp_path: Path) -> None:
    evaluator = table(tmp_path / "t.csv", rewards())
    texts = asked(tmp_path / "run", "evolution(population=6, sample=2, hurdles=1)", evaluator, 30)
    known, told, expected = rewards(), [], []
    asked_again: set[str] = set()
    for text in texts:
        if expected and text == expected[0]:
            asked_again.add(expected.pop(0))
            continue
        told.append(known[text])
        if text not in asked_again and known[text] >= sum(told) / len(told):  # type: ignore[arg-type, operator]
            expected.append(text)
    assert asked_again
