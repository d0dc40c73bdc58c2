"""Architecture strings against their space: reading, canonical spelling, errors, next tokens."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random
from time import perf_counter

import pytest

from archdsl.ir.graph import Program
from archdsl.ir.scopes import decisions
from archdsl.space.parameters import parameters_of
from archdsl.space.reader import read
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse_genotype
from archdsl.syntax.printer import print_genotype
from archdsl.syntax.render import render
from tests.space_programs import NET, Draft, edges, mixer, program, random_program, rich

CASES = Path(__file__).parent / "cases" / "errors" / "strings"
SPACES = {"toy_mixer": mixer, "toy_edges": edges, "toy_rich": rich}


def random_spaces(count: int, largest: int) -> list[SearchSpace]:
    found: list[SearchSpace] = []
    seed = 1000
    while len(found) < count:
        seed += 1
        text = random_program(Random(seed))
        try:
            decisions(text)
        except ArchError:
            continue
        space = SearchSpace(text)
        if 1 < space.size <= largest:
            found.append(space)
    return found


RANDOM = random_spaces(60, 250)


def slowly(space: SearchSpace, text: str) -> str:
    """The canonical string by way of the parser alone."""
    return space.parse(parse_genotype(text)).text


# --- reading and printing -------------------------------------------------------------------


def test_every_string_reads_back() -> None:
    for space in RANDOM:
        for number in range(space.size):
            a = space.unrank(number)
            assert space.parse(a.text) == a
            assert space.parse(parse_genotype(a.text)) == a
            assert print_genotype(parse_genotype(a.text)) == a.text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (mixer(), "toy_mixer / mixer[ id ;1 id;  2 pool; 3 pool ]"),
        (mixer(7), "toy_mixer(nodes = 7)/mixer[id;1 id;2 pool;3 pool;1 id;1 id;1 id]"),
        (mixer(7), "toy_mixer(nodes=7)/mixer[id; 01 id; 2 pool; 3 pool; 1 id; 1 id; 1 id]"),
        (rich(), "toy_rich(depth=3)/layer[local(3) 4; mixed.1(2) 6]"
                 "/motif.2[0.50 id]/network[1(skip)+0(sep) 1+0 2 none]"),
    ],
)  # fmt: skip
def test_spellings_that_are_not_canonical_are_put_right(text: Program, written: str) -> None:
    space = SearchSpace(text)
    if "motif" in written:
        written = written.replace("0(sep) 1+0 2 none", "0(sep); 1+0; 2; none")
        written = written.replace("0.50 id", "0.50; id")
    a = space.parse(written)
    assert a.text != written
    assert space.parse(a.text) == a
    assert slowly(space, written) == a.text


def test_the_canonical_string_of_a_rich_space() -> None:
    space = SearchSpace(rich())
    text = (
        "toy_rich(depth=3)/network[0(sep)+1(skip); 0+1; 3; reduce]"
        "/layer[local(3) 4; mixed.1(2) 6; mixed.2(4) 8]/reduce[max]"
    )
    a = space.parse(text)
    assert a.text == text
    assert a.assignment["network:inputs"] == (0, 1)
    assert a.assignment["network/u2:heads"] == (1,)
    assert "network/u2:kernel" not in a.assignment


def test_parameters_left_at_their_default_may_be_written() -> None:
    text = rich()
    object.__setattr__(text, "parameters", {"depth": 3, "size": 32})
    space = SearchSpace(text)
    a = space.sample(Random(0))
    assert space.parse(a.text.replace("(depth=3)", "(size=32, depth=3)")) == a


def test_parameters_of_a_string() -> None:
    genotype = parse_genotype('s(n=7, f=0.5, b=yes, w=paper, t="x y")/g[a]')
    assert parameters_of(genotype) == {"n": 7, "f": 0.5, "b": True, "w": "paper", "t": "x y"}


def test_heads_spell_every_kind_of_value() -> None:
    changed = {"n": 7, "f": 0.5, "b": False, "w": "paper", "big": 12_000_000_000}
    space = SearchSpace(program(Draft("network", NET).hole("h", "a b"), changed=changed))
    a = space.unrank(1)
    assert space.parse(a.text) == a
    assert parameters_of(parse_genotype(a.text)) == changed


# --- the fast reader ------------------------------------------------------------------------

FRAGMENTS = [*"    [];/()+- .12ax", "; ", "]/", " a", "(1)", "+1", "network", "-; ", "[[", "a b"]


def damaged(text: str, rng: Random) -> str:
    for _ in range(rng.randint(1, 3)):
        i = rng.randrange(len(text) + 1)
        j = min(len(text), i + rng.choice((0, 0, 1, 1, 2, 5)))
        text = text[:i] + rng.choice(["", *FRAGMENTS]) + text[j:]
    return text


def outcome(space: SearchSpace, text: str, *, quick: bool) -> object:
    try:
        return space.parse(text) if quick else space.parse(parse_genotype(text))
    except ArchError as error:
        return [(d.code, d.message) for d in error.diagnostics]


def test_the_fast_reader_agrees_with_the_parser_on_broken_input() -> None:
    rng, read_well, spaces = Random(2), 0, [*RANDOM, *map(SearchSpace, (mixer(), rich()))]
    for _ in range(4000):
        space = rng.choice(spaces)
        text = damaged(space.sample(rng).text, rng)
        fast = outcome(space, text, quick=True)
        assert fast == outcome(space, text, quick=False), text
        read_well += not isinstance(fast, list)
    assert 50 < read_well < 3900


def test_the_fast_reader_takes_canonical_strings_only() -> None:
    for space in [*RANDOM, *map(SearchSpace, (mixer(), edges(), rich()))]:
        quick, rng = space._quick, Random(3)
        for _ in range(40):
            a = space.sample(rng)
            assert quick.read(a.text) == a.choices
            assert quick.read(a.text + " ") is None
            assert quick.read(a.text.replace("; ", ";")) in (None, a.choices)
            other = damaged(a.text, rng)
            choices = quick.read(other)
            assert choices is None or space.build(choices).text == other


def test_reading_is_fast_enough() -> None:
    space, rng = SearchSpace(edges()), Random(0)
    texts = [space.sample(rng).text for _ in range(10_000)]
    start = perf_counter()
    for text in texts:
        space.parse(text)
    assert perf_counter() - start < 10  # 0.06 s on an idle machine
    genotypes = [parse_genotype(text) for text in texts[:500]]
    start = perf_counter()
    for genotype in genotypes:
        read(space._layout, genotype)
    assert perf_counter() - start < 5  # 100 microseconds each on an idle machine


# --- the next tokens ------------------------------------------------------------------------


def follow(space: SearchSpace, prefix: str = "") -> list[str]:
    """Every string that legal tokens lead to."""
    done, waiting = [], [prefix]
    while waiting:
        text = waiting.pop()
        for token in space.legal(text):
            if token == "":
                done.append(text)
            else:
                waiting.append(space.extend(text, token))
    return done


def test_legal_tokens_reach_exactly_the_strings_of_the_space() -> None:
    for space in [*RANDOM[:40], SearchSpace(mixer())]:
        expected = sorted(space.unrank(i).text for i in range(space.size))
        assert sorted(follow(space)) == expected


def test_legal_tokens_in_words() -> None:
    space = SearchSpace(rich())
    head = "toy_rich(depth=3)"
    assert space.legal("") == (head,)
    assert space.legal(head) == ("/network[",)
    assert space.legal(f"{head}/network[") == ("0", "1")
    assert space.legal(f"{head}/network[0") == ("(",)
    assert space.legal(f"{head}/network[0(sep)") == ("+",)
    assert space.legal(f"{head}/network[0(sep)+") == ("1", "2")
    assert space.legal(f"{head}/network[0(sep)+2") == (";",)
    assert space.legal(f"{head}/network[0(sep)+2;") == ("-", "0", "1")
    assert space.legal(f"{head}/network[0(sep)+2; 0") == ("+", ";")
    assert space.legal(f"{head}/network[0(sep)+2; -; 2; none]/layer[local(3)") == ("4", "6", "8")
    tail = "/layer[local(3) 4; local(3) 4]"
    assert space.legal(f"{head}/network[0(sep)+2; -; 2; reduce]{tail}") == ("/reduce[",)
    assert space.legal(f"{head}/network[0(sep)+2; -; 2; reduce]{tail}/reduce[max]") == ("",)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("other", "expected toy_mixer, found other"),
        ("toy_mixers", "expected toy_mixer, found toy_mixers"),
        ("toy_mixer/mixer[pol", "expected id or pool, found pol"),
        ("toy_mixer/mixer[id; 2", "expected 1, found 2"),
        ("toy_mixer/mixer[id]", "expected ;, found ]"),
        ("toy_mixer/mixer[id; 1 id; 1 id; 1 id] id", "expected the end, found id"),
        ("toy_mixer/mixer[id; ?", "found ?"),
        ("toy_mixer/other[", r"expected /mixer\[, found /other\["),
    ],
)
def test_prefixes_that_lead_out_of_the_space(prefix: str, message: str) -> None:
    with pytest.raises(ArchError, match=message) as error:
        SearchSpace(mixer()).legal(prefix)
    (finding,) = error.value.diagnostics
    assert finding.code == "E0622" and finding.span is not None


# --- wrong strings --------------------------------------------------------------------------


def rendered(text: str) -> str:
    """What a person sees: every finding with its place."""
    space = SearchSpace(SPACES[re.split(r"[^a-z_]", text.strip())[0]]())
    with pytest.raises(ArchError) as error:
        space.parse(text)
    assert all(finding.span is not None for finding in error.value.diagnostics)
    return "\n\n".join(render(finding) for finding in error.value.diagnostics) + "\n"


@pytest.mark.parametrize("case", sorted(CASES.glob("*.txt")), ids=lambda path: path.stem)
def test_wrong_strings(case: Path) -> None:
    found = rendered(case.read_text().rstrip("\n"))
    golden = case.with_suffix(".out")
    if os.environ.get("ACCEPT"):
        golden.write_text(found)
    expected = golden.read_text()
    if found != expected:
        lines = (expected.splitlines(), found.splitlines())
        diff = "\n".join(difflib.unified_diff(*lines, "expected", "found", lineterm=""))
        pytest.fail(f"{diff}\naccept with: ACCEPT=1 pytest {Path(__file__).name}")


def test_there_are_enough_wrong_strings() -> None:
    assert len(list(CASES.glob("*.txt"))) >= 20


def test_nothing_but_arch_errors_leaves() -> None:
    rng, spaces = Random(4), [SearchSpace(make()) for make in SPACES.values()]
    for _ in range(3000):
        space = rng.choice(spaces)
        text = damaged(space.sample(rng).text, rng)
        for read_it in (space.parse, space.legal):
            try:
                read_it(text)
            except ArchError as error:
                assert error.diagnostics
                assert all(d.span is not None and d.message for d in error.diagnostics)


def test_the_view_needs_no_torch() -> None:
    code = (
        "import sys, archdsl.space.view\n"
        "assert not {'torch', 'numpy', 'safetensors'} & set(sys.modules), 'heavy import'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=CASES.parents[3])
