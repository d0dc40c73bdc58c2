"""The page on the command line shows what the commands print.

Every `$ archdsl` line in a `console` block is run, in order, in one folder. When the output is
right and the page is not: ACCEPT=1 python -m pytest tests/test_docs_cli.py
"""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from archdsl.cli.main import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def rerun(block: str) -> str:
    """The block with each command followed by what it prints now."""
    shown = []
    for line in block.splitlines():
        if line.startswith("$ archdsl "):
            result = CliRunner().invoke(app, shlex.split(line)[2:])
            assert "Traceback" not in result.output
            shown += [line, *result.output.rstrip("\n").splitlines()]
    return "\n".join(shown)


def test_the_page_is_true(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "96")
    before = PAGE.read_text(encoding="utf-8")
    after = BLOCK.sub(lambda match: f"```console\n{rerun(match.group(1))}\n```", before)
    if os.environ.get("ACCEPT"):
        PAGE.write_text(after, encoding="utf-8")
    else:
        assert after == before


def test_every_command_is_on_the_page():
    text = PAGE.read_text(encoding="utf-8")
    for command in app.registered_commands:
        assert re.search(rf"^###.*\b{command.name}\b", text, re.MULTILINE), command.name
