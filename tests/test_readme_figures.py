"""README's table of spaces says what `Space.size` says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from math import factorial
from pathlib import Path

import pytest

from archdsl.ir.graph import Static
from archdsl.resources import shipped_spaces
from tests.shipped import shipped

README = Path(__file__).parents[1] / "README.md"

ROW = re.compile(r"^\| (?P<names>`.*?) \|.*\| (?P<figures>[^|]*) \|$", re.MULTILINE)
FACTOR = re.compile(
    r"(?P<base>\d[\d,]*)(?P<digits>\.\d+)?(e(?P<e>\d+))?(\^(?P<power>\d+))?(?P<f>!)?"
)
WHOLE = re.compile(r"\((?P<inner>[^)]*)\)\^(?P<power>\d+)")

OTHERS: dict[str, dict[str, dict[str, Static]]] = {
    "nasnet": {"PNAS": {"operations": "pnas"}, "ENAS": {"operations": "enas"}},
    "metaformer_nas": {"92,160 with 7": {"nodes": 7}},
}
"""Figures of a space under other parameters, by what they begin with."""
NO_SIZES = {"nas_bench_101"}
"""Different graphs, which `test_identity` counts."""


def rows() -> Iterator[tuple[list[str], str]]:
    """The spaces of each row, and its figures."""
    for row in ROW.finditer(README.read_text(encoding="utf-8")):
        names = re.findall(r"`([^`]*)`", row["names"])
        full = [f"{names[0].rpartition('_')[0]}{n}" if n.startswith("_") else n for n in names]
        yield full, row["figures"]


def figures() -> Iterator[tuple[str, str, dict[str, Static]]]:
    """Every figure of the table: its space, what is written, the parameters it is for."""
    for names, cell in rows():
        parts = re.split(r"; |, (?=\d)", cell)
        for name in names:
            if name in NO_SIZES:
                continue
            own = [parts[names.index(name)]] if len(parts) == len(names) > 1 else parts
            for part in own:
                other = OTHERS.get(name, {})
                given = next((p for start, p in other.items() if part.startswith(start)), {})
                for figure in part.split(" = "):
                    yield name, figure, dict(given)


def claimed(figure: str) -> tuple[Fraction, Fraction]:
    """What a figure stands for: the least and the most, where it is rounded."""
    whole = WHOLE.search(figure)
    if whole is not None:
        low, high = claimed(whole["inner"])
        return low ** int(whole["power"]), high ** int(whole["power"])
    low = high = Fraction(1)
    for factor in FACTOR.finditer(figure.partition(" with ")[0]):
        number = Fraction(factor["base"].replace(",", "") + (factor["digits"] or ""))
        half = Fraction(1, 2 * 10 ** (len(factor["digits"]) - 1)) if factor["digits"] else 0
        power, scale = int(factor["power"] or 1), 10 ** int(factor["e"] or 0)
        if factor["f"]:
            number = Fraction(factorial(int(number)))
        low *= ((number - half) * scale) ** power
        high *= ((number + half) * scale) ** power
    return low, high


def test_every_space_has_a_row() -> None:
    named = {name for names, _ in rows() for name in names}
    assert set(shipped_spaces()) == named


@pytest.mark.parametrize(("name", "figure", "given"), list(figures()))
def test_figure_is_the_size(name: str, figure: str, given: dict[str, Static]) -> None:
    low, high = claimed(figure)
    size = shipped(name, **given).size
    assert low <= size <= high, f"README says {figure}, {name} has {size:.3e}"
