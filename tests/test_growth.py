"""Long and entangled texts: time grows with them, not with their square; what is too much is told.

Counts of calls stand for time, so that a busy machine changes nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from archdsl.codegen import supernet_source
from archdsl.compiler import Options, network_code
from archdsl.syntax.errors import ArchError
from benchmarks.growth import FIRING, TEXTS
from tests.shipped import written

MOST_GROWTH = 1.1


def space_of(body: str) -> str:
    return f"archdsl 1\nspace grown {{\n{body}\n}}\n"


def calls(body: str, level: int) -> int:
    """How many Python functions are called from text to code."""
    count = 0

    def seen(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    space = written(space_of(body))
    network = space.resolve(space.unrank(0))
    sys.setprofile(seen)
    try:
        network_code(network, Options(level=level, format=False))
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    ("name", "level"),
    [*((name, 1) for name in TEXTS), *((name, lv) for name in FIRING for lv in (1, 2))],
)
def test_optimising_and_writing_are_linear(name: str, level: int) -> None:
    text = {**TEXTS, **FIRING}[name]
    calls(text(30), level)  # what is imported and remembered once is not counted
    small, large = (calls(text(size), level) for size in (150, 600))
    assert large < small * 4**MOST_GROWTH


def chain_of_one_weight(nodes: int) -> str:
    return f"""net network(x: 4 x 8 x 8) {{
      n[0] = x
      for i in 1..{nodes} {{ n[i] = n[i-1] -> conv(4)@w -> relu }}
      return n[{nodes}]
    }}"""


def nested(depth: int) -> str:
    """Cells that use the one before twice: uses double, what is written does not."""
    cells = [
        f"cell c{i}(x) = (x -> c{i - 1}@a) + (x -> tanh -> c{i - 1}@a)" for i in range(1, depth)
    ]
    first = "cell c0(x) = x -> conv(4) -> relu"
    return "\n".join([first, *cells, f"net network(image: 4 x 6 x 6) = image -> c{depth - 1}"])


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize(
    ("text", "few", "many"), [(chain_of_one_weight, 100, 400), (nested, 4, 16)]
)
def test_sharing_is_linear(text: Callable[[int], str], few: int, many: int, level: int) -> None:
    calls(text(few), level)
    small, large = calls(text(few), level), calls(text(many), level)
    assert large < small * (many / few) ** MOST_GROWTH


def dense(nodes: int) -> str:
    return f"""net network(x: 4 x 8 x 8) {{
      n[0] = x
      for i in 1..{nodes} {{ n[i] = {{n[j] -> relu for j in 0..i-1}} }}
      return n[{nodes}]
    }}"""


def test_sources_among_all_earlier_nodes_are_written() -> None:
    """Which node is needed depends on all later ones: a million diagrams in the order of text."""
    code = supernet_source(written(space_of(dense(20))).program, format=False)
    assert "def forward" in code


def test_conditions_that_are_too_entangled_have_a_place() -> None:
    program = written(space_of(dense(80))).program
    with pytest.raises(ArchError) as caught:
        supernet_source(program, format=False)
    (found,) = caught.value.diagnostics
    assert found.code == "E0904"
    assert found.span is not None
    assert found.span.source.text[found.span.start :].startswith("net network")
