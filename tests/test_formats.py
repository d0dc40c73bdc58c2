"""Foreign strings: theirs to ours and back, for every architecture there is."""

from __future__ import annotations

import csv
import gzip
import itertools
from pathlib import Path

import pytest

from archdsl.formats import FORMATS
from archdsl.formats.nas_bench_201 import OPERATIONS
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse_genotype

NB201 = FORMATS["nb201"]
TABLE = Path(__file__).parents[2] / "shared" / "data" / "nb201.csv.gz"
BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"


def every_string() -> list[str]:
    """All 5^6 strings, by the format's own definition."""
    form = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    return [form.format(*edges) for edges in itertools.product(OPERATIONS, repeat=6)]


def test_a_known_string() -> None:
    ours = (
        "nas_bench_201/infer[nor_conv_3x3; nor_conv_3x3 avg_pool_3x3; "
        "skip_connect nor_conv_3x3 none]"
    )
    assert NB201.read(BEST) == ours
    assert NB201.read(f"  {BEST}\n") == ours
    assert NB201.write(ours) == BEST


def test_every_string_comes_back() -> None:
    strings = every_string()
    ours = [NB201.read(text) for text in strings]
    assert len(set(ours)) == 15_625
    assert [NB201.write(text) for text in ours] == strings
    assert parse_genotype(ours[-1]).groups[0].name == "infer"


@pytest.mark.skipif(not TABLE.exists(), reason="the benchmark's table is not beside the project")
def test_the_benchmark_names_the_same_strings() -> None:
    with gzip.open(TABLE, "rt", encoding="utf-8") as file:
        published = [row["arch"] for row in csv.DictReader(file)]
    assert len(published) == 15_625
    assert set(published) == set(every_string())


@pytest.mark.parametrize(
    ("text", "code", "place", "expected"),
    [
        ("", "E0640", 0, "'|' before the edges into node 1"),
        ("nor_conv_3x3~0", "E0640", 0, "'|'"),
        ("|nor_conv_3x3~0", "E0640", 15, "'|'"),
        ("|nor_conv_3x3|", "E0640", 13, "'~0'"),
        ("|nor_conv_5x5~0|", "E0641", 1, "none, skip_connect"),
        ("|none~0|", "E0640", 8, "'+' and the edges into node 2"),
        ("|none~0|+|none~1|", "E0642", 15, "0"),
        ("|none~0|+|none~0|none~0|", "E0642", 22, "1"),
        ("|none~0|+|none~0|none~1|none~2|", "E0640", 24, "'+'"),
        (BEST + "+|none~0|", "E0640", len(BEST), "the end"),
        ("|none~99999999999|", "E0642", 6, "0"),
        ("|\uff4eone~0|", "E0640", 1, "the operation"),
    ],
)
def test_a_broken_string_is_answered_with_its_place(
    text: str, code: str, place: int, expected: str
) -> None:
    with pytest.raises(ArchError) as caught:
        NB201.read(text)
    (finding,) = caught.value.diagnostics
    assert finding.code == code
    assert finding.span is not None
    assert finding.span.start == place
    assert expected in finding.expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("other/infer[none; none none; none none none]", "other"),
        ("nas_bench_201", "other groups"),
        ("nas_bench_201/reduce[none; none none; none none none]", "other groups"),
        ("nas_bench_201/infer[none; none none]", "1; 2 choices"),
        ("nas_bench_201/infer[none; none sep; none none none]", "sep"),
        ("nas_bench_201/infer[none; none none; none none none+none]", "none+none"),
        ("nas_bench_201/infer[none; none none; none none -]", "-"),
    ],
)
def test_what_is_not_theirs_cannot_be_written(text: str, found: str) -> None:
    with pytest.raises(ArchError) as caught:
        NB201.write(text)
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0643"
    assert finding.found == found
    assert finding.span is not None
