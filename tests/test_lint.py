"""`archdsl lint`: a golden case for each finding; the spaces that ship are clean or say why.

To accept a change: ACCEPT=1 python -m pytest tests/test_lint.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archdsl.cli.main import app
from archdsl.library import open_space
from archdsl.lint import lint
from archdsl.syntax.codes_lint import LINT_ROWS
from archdsl.syntax.parse import parse
from archdsl.syntax.render import render
from tests.shipped import shipped
from tests.verify_spaces import names, tiny

CASES = sorted((Path(__file__).parent / "cases" / "lint").glob("*.arch"))


def answer(path: Path) -> str:
    (space,) = parse(path.read_text(encoding="utf-8"), path.name).spaces
    return "".join(f"{render(found, kind='warning')}\n" for found in lint(open_space(space)))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_findings(path: Path) -> None:
    golden, text = path.with_suffix(".out"), answer(path)
    if os.environ.get("ACCEPT"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8"), "ACCEPT=1 accepts the new answer"


def test_every_finding_has_a_case() -> None:
    told = "".join(path.with_suffix(".out").read_text(encoding="utf-8") for path in CASES)
    assert [row.code for row in LINT_ROWS if row.code not in told] == []
    silent = {path.stem for path in CASES if not path.with_suffix(".out").read_text()}
    assert silent == {"allowed", "nothing"}


@pytest.mark.parametrize("name", names())
def test_shipped_spaces_are_clean_or_say_why(name: str) -> None:
    found = lint(tiny(name))
    if found:  # at test size some differences vanish
        found = lint(shipped(name))
    assert [f"{one.code} {one.message}: {one.found}" for one in found] == []


def test_the_command(tmp_path: Path) -> None:
    fine, bad = (str(path) for path in CASES if path.stem in ("nothing", "unused_names"))
    result = CliRunner().invoke(app, ["lint", fine])
    assert (result.exit_code, result.output) == (0, f"{fine}: nothing found\n")
    result = CliRunner().invoke(app, ["lint", fine, bad, "--json"])
    first, second = map(json.loads, result.output.splitlines())
    assert result.exit_code == 1
    assert first == {"name": fine, "ok": True, "errors": [], "allowed": []}
    assert {found["code"] for found in second["errors"]} == {"E0551", "E0552", "E0553"}
    assert all(found["line"] and found["hint"] for found in second["errors"])
    (allowed,) = (str(path) for path in CASES if path.stem == "allowed")
    told = CliRunner().invoke(app, ["lint", allowed])
    assert told.exit_code == 0 and "nothing found, but for what its text allows: E05" in told.output
    wrong = tmp_path / "wrong.arch"
    wrong.write_text("archdsl 1\nspace s { net n(x: 3 x 8 x 8) = x -> conv }\n")
    assert CliRunner().invoke(app, ["lint", str(wrong)]).exit_code == 1
