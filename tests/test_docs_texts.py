"""Pages that are written or run: the reference is fresh, the tutorial does what it says.

When the tutorial's output is right and the page is not: ACCEPT=1 python -m pytest
tests/test_docs_texts.py
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from archdsl.cli.main import app
from archdsl.methods import whole_method
from archdsl.ops import OPERATIONS
from archdsl.recipes import whole_recipe
from archdsl.syntax.codes import CODES
from archdsl.syntax.parse import parse
from tests.reference import PAGE, page

TUTORIAL = PAGE.parent / "tutorial.md"
RUNS = PAGE.parent / "runs.md"
BLOCK = re.compile(r"```(console|arch FILE=(\S+)|python)\n(.*?)```", re.DOTALL)


def test_the_reference_is_fresh() -> None:
    text = page()
    assert text == PAGE.read_text(encoding="utf-8"), "run `make regen`, and read the difference"
    assert all(f"| `{operation.keyword}" in text for operation in OPERATIONS)
    assert all(f"| {code} |" in text for code in CODES)


def test_texts_of_recipes_and_methods_mean_something() -> None:
    blocks = re.findall(r"```\n(archdsl 1\n.*?)```", RUNS.read_text(encoding="utf-8"), re.DOTALL)
    written = [parse(block) for block in blocks]
    methods = [whole_method(one) for document in written for one in document.methods]
    recipes = [whole_recipe(one) for document in written for one in document.recipes]
    assert len(methods) >= 1 and len(recipes) >= 1


def shown(block: str) -> str:
    """The commands of a block, each followed by what it prints now."""
    lines = []
    for line in block.splitlines():
        if line.startswith("$ archdsl "):
            result = CliRunner().invoke(app, shlex.split(line)[2:])
            assert "Traceback" not in result.output
            lines += [line, *result.output.rstrip("\n").splitlines()]
        elif line.startswith("$ python "):
            given = [sys.executable, *shlex.split(line)[2:]]
            ran = subprocess.run(given, capture_output=True, text=True, check=True)
            lines += [line, *ran.stdout.rstrip("\n").splitlines()]
    return "\n".join(lines)


def run(match: re.Match[str]) -> str:
    kind, file, text = match.groups()
    if file:
        Path(file).write_text(text, encoding="utf-8")
    elif kind == "console":
        return f"```console\n{shown(text)}\n```"
    else:
        exec(compile(text, "tutorial.md", "exec"), {})
    return match.group(0)


def test_the_tutorial_does_what_it_says(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "96")
    before = TUTORIAL.read_text(encoding="utf-8")
    after = BLOCK.sub(run, before)
    if os.environ.get("ACCEPT"):
        TUTORIAL.write_text(after, encoding="utf-8")
    else:
        assert after == before
