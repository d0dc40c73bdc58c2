"""What does not make sense is answered with a place and a remedy: golden cases.

A case is a text under `tests/cases/errors/elaborate/` with the rendered diagnostics beside it.
`ACCEPT=1` writes the answers anew.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from archdsl.ir.elaborate import elaborate
from archdsl.ir.scopes import decisions
from archdsl.ops import OPERATIONS
from archdsl.ops.synonyms import ELSEWHERE, written_here
from archdsl.syntax.codes import CODES
from archdsl.syntax.codes_ir import IR_ROWS
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from archdsl.syntax.render import render

CASES = Path(__file__).parent / "cases" / "errors" / "elaborate"
INPUTS = sorted(CASES.glob("*.arch"))
BOMBS = [path for path in INPUTS if path.stem.startswith("bomb")]


def answer(path: Path) -> ArchError:
    (space,) = parse(path.read_text(encoding="utf-8"), path.name).spaces
    with pytest.raises(ArchError) as caught:
        decisions(elaborate(space))
    return caught.value


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    findings = answer(path).diagnostics
    text = "\n\n".join(render(finding) for finding in findings) + "\n"
    golden = path.with_suffix(".out")
    if os.environ.get("ACCEPT"):
        golden.write_text(text, encoding="utf-8")
    assert golden.is_file(), f"no {golden.name}: ACCEPT=1 pytest {__file__}"
    assert text == golden.read_text(encoding="utf-8"), "ACCEPT=1 accepts the new answer"
    for finding in findings:
        assert finding.span is not None
        assert finding.found or finding.expected or finding.hint
        assert finding.code in CODES
        assert not re.search(r"[A-Z][a-z]+\(|None|Error|tuple", text), "Python shows through"


def test_there_are_enough_cases() -> None:
    assert len(INPUTS) >= 100


@pytest.mark.parametrize("path", BOMBS, ids=lambda path: path.stem)
def test_bombs_are_refused_quickly(path: Path) -> None:
    (space,) = parse(path.read_text(encoding="utf-8"), path.name).spaces
    best = 9.0
    for _ in range(3):  # the machine may be busy: the best of three
        begin = time.process_time()
        with pytest.raises(ArchError):
            elaborate(space)
        best = min(best, time.process_time() - begin)
        if best < 0.1:
            break
    assert best < 2  # below 0.1 s on an idle machine; expanding a bomb would take minutes


def test_every_code_has_a_case() -> None:
    shown = {code for path in INPUTS for code in re.findall(r"E\d{4}", _golden(path))}
    assert {row.code for row in IR_ROWS} <= shown


def _golden(path: Path) -> str:
    return path.with_suffix(".out").read_text(encoding="utf-8")


NAMES = [(name, written) for written, names in ELSEWHERE.items() for name in names.split()]


def test_names_of_other_tools_are_written_as_something_that_is_there() -> None:
    """What a hint says for another tool's name is read; the name itself is none of ours."""
    known = {operation.keyword for operation in OPERATIONS}
    assert len({name for name, _ in NAMES}) == len(NAMES)
    for name, written in NAMES:
        assert name not in known and written_here(name) == written
        assert set(re.findall(r"[a-z]\w*(?=\(|$| )", written)) <= known
        parse(f"archdsl 1 space s {{ op f = {written} }}")
    for keyword in known:
        assert written_here(keyword.title().replace("_", "")) == keyword
    assert written_here("MaxPool2d") == "max_pool" and written_here("BatchNorm2d") == "bn"
    assert written_here("tofu") == ""
