"""What wrong text is answered with: golden cases, and properties of every answer.

A case is an input under `tests/cases/errors/syntax/`, a file (`.arch`) or an architecture string
(`.txt`), and the rendered diagnostics beside it (`.out`). `ACCEPT=1` writes the answers anew.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from archdsl.syntax.codes import CODES
from archdsl.syntax.errors import ArchError, Diagnostic, hints
from archdsl.syntax.parse import parse, parse_genotype
from archdsl.syntax.render import as_json, position, render
from archdsl.syntax.tree import Source, Span
from tests import fuzz_text

CASES = Path(__file__).parent / "cases" / "errors" / "syntax"
PACKAGE = Path(__file__).parents[1] / "archdsl"
INPUTS = sorted(path for path in CASES.iterdir() if path.suffix in (".arch", ".txt"))


def answer(path: Path) -> ArchError:
    """The error for a case; some cases hold bytes that no decoder would let pass."""
    text = path.read_bytes().decode("utf-8", "surrogatepass")
    read = parse if path.suffix == ".arch" else parse_genotype
    with pytest.raises(ArchError) as caught:
        read(text, path.name)
    return caught.value


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    text = "\n\n".join(render(finding) for finding in answer(path).diagnostics) + "\n"
    golden = path.with_suffix(".out")
    if os.environ.get("ACCEPT"):
        golden.write_text(text, encoding="utf-8")
    assert golden.is_file(), f"no {golden.name}: ACCEPT=1 pytest {__file__}"
    assert text == golden.read_text(encoding="utf-8"), "ACCEPT=1 accepts the new answer"


def test_there_are_enough_cases() -> None:
    assert len(INPUTS) >= 80


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_every_answer_is_complete(path: Path) -> None:
    findings = answer(path).diagnostics
    for finding in findings:
        assert finding.span is not None
        assert finding.found or finding.hint
        assert 0 <= finding.span.start <= finding.span.end <= len(finding.span.source.text) + 1
        assert re.fullmatch(r"[^\n\x00-\x1f]+", render(finding).replace("\n", " "))
        assert "%" not in finding.expected.replace("`%`", "")
        assert not re.search(r"\b[A-Z]{3,}\b", finding.expected.replace("ASCII", ""))
    starts = [finding.span.start for finding in findings if finding.span]
    assert starts == sorted(starts)
    assert len(findings) <= 20


@pytest.mark.parametrize("path", [p for p in INPUTS if "bomb" in p.stem or "large" in p.stem])
def test_bombs_are_refused_quickly(path: Path) -> None:
    parse("archdsl 1 space s { }")  # the tables are loaded once
    begin = time.process_time()
    answer(path)
    assert time.process_time() - begin < 3  # 0.05 s on an idle machine


def test_every_code_is_explained() -> None:
    used = {
        code
        for path in PACKAGE.rglob("*.py")
        if not path.name.startswith("codes")
        for code in re.findall(r'"(E\d{4})"', path.read_text(encoding="utf-8"))
    }
    assert not used - set(CODES), "add these to archdsl/syntax/codes.py"
    ours = {code for code in CODES if code.startswith(("E01", "E02"))}
    assert not ours - used, "nothing raises these any more"


@pytest.mark.parametrize("code", [c for c in CODES if c.startswith(("E01", "E02"))])
def test_right_examples_parse(code: str) -> None:
    if CODES[code].right.startswith("archdsl"):
        parse(CODES[code].right)


def test_positions_and_json() -> None:
    source = Source(name="a.arch", text="one\n\ttwo\nthree")
    assert position(Span(source=source, start=0, end=1)) == (1, 1)
    assert position(Span(source=source, start=5, end=6)) == (2, 2)
    assert position(Span(source=source, start=14, end=14)) == (3, 6)
    finding = Diagnostic(code="E0201", message="m", span=Span(source=source, start=5, end=8))
    assert as_json(finding) == {
        "code": "E0201", "message": "m", "file": "a.arch", "line": 2, "column": 2,
        "end_line": 2, "end_column": 5,
    }  # fmt: skip
    assert render(finding).splitlines()[3] == "2 |   two"
    assert render(finding).splitlines()[4] == "  |   ^^^"


def test_colour_only_adds_escapes() -> None:
    for finding in answer(CASES / "several_errors.arch").diagnostics:
        plain = re.sub("\x1b\\[[0-9;]*m", "", render(finding, color=True))
        assert plain == render(finding)


def test_mutated_texts_are_answered_not_crashed() -> None:
    fuzz_text.run(3_000, seed=1)


def test_an_error_as_text_says_all_that_a_traceback_should() -> None:
    with pytest.raises(ArchError) as caught:
        parse("archdsl 1\nspace s {\n  net n(x: 3) = x && x\n}\n", "a.arch")
    other = Diagnostic(code="E0708", message="no file\n", hint="make one")
    error = ArchError([*caught.value.diagnostics, other])
    first, *rest = str(error).split("\n")
    assert first.startswith("a.arch:3:") and ": error[E0108]: " in first
    assert [line.split(":")[0] for line in rest[-2:]] == ["error[E0708]", "  hint"]
    assert any(line.startswith("  found: ") for line in rest)


def test_hints_follow_each_other() -> None:
    assert hints("", "a") == "a" and hints("a", "", "b") == "a; b" and hints() == ""
    assert hints("did you mean b?", "c") == "did you mean b? c"
