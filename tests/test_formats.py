"""Foreign strings: theirs to ours and back, for every architecture there is."""

from __future__ import annotations

import csv
import gzip
import itertools
from pathlib import Path
from random import Random

import pytest

from archdsl.formats import FORMATS, Format
from archdsl.formats.nas_bench_201 import OPERATIONS
from archdsl.library import Library
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse_genotype

SAMPLES = 200  # 1,000 of each in `make fuzz`
BROKEN = 100
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
    assert NB201.ours(BEST) == ours
    assert NB201.ours(f"  {BEST}\n") == ours
    assert NB201.theirs(ours) == BEST


def test_every_string_comes_back() -> None:
    strings = every_string()
    ours = [NB201.ours(text) for text in strings]
    assert len(set(ours)) == 15_625
    assert [NB201.theirs(text) for text in ours] == strings
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
        NB201.ours(text)
    (finding,) = caught.value.diagnostics
    assert finding.code == code
    assert finding.span is not None
    assert finding.span.start == place
    assert expected in finding.expected


def test_naslib_counts_operations_in_its_own_order() -> None:
    ours = FORMATS["naslib201"].ours("(4, 0, 3, 1, 4, 3)")
    edges = (
        "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
    )
    assert NB201.theirs(ours) == edges
    assert FORMATS["naslib201"].theirs(ours) == "(4, 0, 3, 1, 4, 3)"


def test_the_found_glit() -> None:
    """What GLiT released, and what the same lists are in our spelling."""
    lists = "[3, 0, 1, 3, 0, 1, 3, 1, 0, 3, 0, 3], [1, 4, 8, 4, 8, 8, 3, 6, 8, 4, 5, 8]"
    ours = FORMATS["glit"].ours(lists)
    assert ours.startswith("glit_tiny/layer[global(0.5 4); local(31 2); mixed.1(4 6); global(1 4);")
    assert FORMATS["glit"].theirs(ours) == lists


# --- every format ----------------------------------------------------------------------------

LIBRARY = Library()
FORMS = [
    (name, space)
    for name, form in FORMATS.items()
    for space in form.spaces
    if space in LIBRARY.names()
]


@pytest.mark.parametrize(("name", "space"), FORMS)
def test_samples_come_back(name: str, space: str) -> None:
    """What the format can say of random architectures comes back; most of them it can say."""
    form, rng, said = FORMATS[name], Random(0), 0
    view = LIBRARY.find(form.example_space(space)).space
    for _ in range(SAMPLES):
        ours = view.sample(rng).text
        try:
            theirs = form.theirs(ours)
        except ArchError as refused:
            assert refused.diagnostics[0].code == "E0643"
            continue
        said += 1
        assert view.parse(form.ours(theirs, view.program.genotype)).text == ours
    assert said >= SAMPLES // 2


@pytest.mark.parametrize(("name", "space"), FORMS)
def test_broken_texts_are_answered_with_a_place(name: str, space: str) -> None:
    """A text with a character lost, doubled or changed is read, or refused at a place in it."""
    form, rng = FORMATS[name], Random(1)
    view = LIBRARY.find(form.example_space(space)).space
    for _ in range(BROKEN):
        theirs = broken(form, view, rng)
        try:
            view.parse(form.ours(theirs, view.program.genotype))
        except ArchError as refused:
            finding = refused.diagnostics[0]
            assert finding.span is not None, theirs
            assert finding.found or finding.expected, theirs


def broken(form: Format, view: SearchSpace, rng: Random) -> str:
    """Their text for some architecture, with one character wrong."""
    while True:
        try:
            text = form.theirs(view.sample(rng).text)
        except ArchError:
            continue
        at = rng.randrange(len(text))
        other = rng.choice(["", text[at] * 2, rng.choice("0123456789(),[]'|~+ x\u00e9\x00")])
        return text[:at] + other + text[at + 1 :]


def test_a_format_has_its_spaces() -> None:
    with pytest.raises(ArchError) as caught:
        NB201.ours(BEST, "metaformer_nas")
    assert caught.value.diagnostics[0].code == "E0645"
    with pytest.raises(ArchError) as caught:
        NB201.theirs("metaformer_nas/mixer[id; 1 id; 1 id; 1 id]")
    assert caught.value.diagnostics[0].code == "E0643"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "(",
        "[" * 500,
        "a" * 100_000,
        "f(x)",
        "[1, 2",
        "lambda: 0",
        "(1,) * 3",
        "[*x]",
        "{**x}",
        "'",
    ],
)
@pytest.mark.parametrize("name", FORMATS)
def test_hostile_texts_are_refused(name: str, text: str) -> None:
    with pytest.raises(ArchError):
        FORMATS[name].ours(text)
