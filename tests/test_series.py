"""Lists of members as comprehensions: read back, they are the members."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archdsl.codegen.series import runs


def spelled_out(written: list[tuple[str, int, str]]) -> list[str]:
    """What the comprehensions make, with numbers in place of what is computed."""

    def made(text: str, i: int) -> str:
        called = eval(text, {"A": lambda *args, **named: (args, named), "i": i, "dim": "dim"})
        return repr(called)

    return [made(text, i) for text, count, _ in written for i in range(count)]


def direct(members: list[str]) -> list[str]:
    return spelled_out([(text, 1, "_") for text in members])


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["A(8)"] * 3, [("A(8)", 3, "_")]),
        ([f"A({64 + 32 * i})" for i in range(4)], [("A(64 + 32 * i)", 4, "i")]),
        (["A(6)", "A(9)", "A(12)"], [("A(6)", 1, "_"), ("A(9)", 1, "_"), ("A(12)", 1, "_")]),
        ([f"A({i}, k=3)" for i in range(5)], [("A(i, k=3)", 5, "i")]),
        ([f"A(9, k={9 - 2 * i})" for i in range(4)], [("A(9, k=9 - 2 * i)", 4, "i")]),
        ([f"A({i} * dim)" for i in range(1, 5)], [(f"A({i} * dim)", 1, "_") for i in range(1, 5)]),
        ([f"A({n})" for n in (1, 2, 4, 8)], [(f"A({n})", 1, "_") for n in (1, 2, 4, 8)]),
        (["A(7)", *(f"A({i})" for i in range(8, 12)), "A(5)", "A(5)"],
         [("A(7 + i)", 5, "i"), ("A(5)", 2, "_")]),
    ],
)  # fmt: skip
def test_runs(members: list[str], expected: list[tuple[str, int, str]]) -> None:
    assert runs(members) == expected


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=12))
def test_comprehensions_make_the_members(numbers: list[tuple[int, int]]) -> None:
    members = [f"A({a}, dim, k={b})" for a, b in numbers]
    assert spelled_out(runs(members)) == direct(members)
