"""The formatter: one layout that is stable, keeps every comment and never changes a meaning."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse, parse_genotype
from archdsl.syntax.printer import (
    canonical,
    format_text,
    formatted,
    print_document,
    print_expression,
    print_genotype,
)
from archdsl.syntax.tree import Module, Text, Title
from tests.programs import NOWHERE, genotype, program, scattered

CASES = Path(__file__).parent / "cases" / "fmt"
SEEDS = st.integers(min_value=0, max_value=2**32)


@settings(max_examples=1_000, derandomize=True, deadline=None, database=None)
@given(seed=SEEDS)
def test_programs_keep_their_meaning(seed: int) -> None:
    tree = program(seed)
    assert parse(canonical(tree)) == tree
    text, comments = scattered(tree, seed)
    read = parse(text)
    assert read == tree
    assert len(read.comments) == comments
    # It asserts inside that the tree, the comments and, printed again, the text are the same.
    printed = formatted(read)
    assert not any(line != line.rstrip() for line in printed.split("\n"))


@settings(max_examples=500, derandomize=True, deadline=None, database=None)
@given(seed=SEEDS)
def test_strings_are_read_back(seed: int) -> None:
    tree = genotype(seed)
    text = print_genotype(tree)
    assert parse_genotype(text) == tree
    assert print_genotype(parse_genotype(text.replace(";", " ; "))) == text


@pytest.mark.parametrize("path", sorted(CASES.glob("*.arch")), ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    """`NAME.arch` is formatted to `NAME.out`, or to itself where there is none."""
    text = path.read_text(encoding="utf-8")
    expected = path.with_suffix(".out")
    printed = format_text(text)
    if os.environ.get("ACCEPT"):
        expected.write_text(printed, encoding="utf-8")
    assert format_text(printed) == printed
    assert printed == (expected.read_text(encoding="utf-8") if expected.exists() else text)
    assert all(len(line) <= 100 for line in printed.splitlines())


def expression(text: str) -> str:
    [space] = parse(f"archdsl 1 space s {{ op f = {text} }}").spaces
    [item] = space.items
    assert not isinstance(item, Title | Module)
    return print_expression(item.value)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("x+(x->f)", "x + (x -> f)"),
        ("x+ x->f", "x + (x -> f)"),
        ("(a->b)->c", "a -> b -> c"),
        ("a->(b->c)", "a -> (b -> c)"),
        ("(a)", "a"),
        ("((a+b))*c", "(a + b) * c"),
        ("a-(b-c)", "a - (b - c)"),
        ("n[i - 1]", "n[i-1]"),
        ("n[1 .. i-1]", "n[1..i-1]"),
        ("f ^ 2", "f^2"),
        ("f^-2", "f^-2"),
        ("-(a^2)", "-a^2"),
        ("(-a)^2", "(-a)^2"),
        ("(a^b)^c", "(a^b)^c"),
        ("f@w^3", "f@w^3"),
        ("(f^3)@w", "(f^3)@w"),
        ("x->(if a then b else c)", "x -> (if a then b else c)"),
        ("2 of{a|b=c}", "2 of {a | b = c}"),
        ("any  of { a }", "any of {a}"),
        ("sum( n[j]->{id|pool}for j in 0..i-1 )", "sum(n[j] -> {id | pool} for j in 0..i-1)"),
        ("a or b and c == d", "a or b and c == d"),
        ("(a or b) and c", "(a or b) and c"),
        ("12M", "12M"),
    ],
)
def test_expressions(text: str, printed: str) -> None:
    assert expression(text) == printed


def test_canonical_forgets_layout_only() -> None:
    first = parse("archdsl 1 space s { where a <= 12M # why\n cell f(x) { return x } }")
    second = parse("archdsl 1\nspace s {\n where a<=12000000 cell f(x)=x\n}")
    assert first == second
    assert canonical(first) == canonical(second)
    assert canonical(first) != canonical(parse("archdsl 1 space s { where a <= 13M }"))
    assert "#" not in canonical(first)


def test_large_numbers_read_back() -> None:
    for text in ("12345678.901G", "999999999.999999999G", "0.000123456789012345678", "1.5e9"):
        tree = parse(f"archdsl 1 space s {{ a = {text} b = 123456789.987654321 }}")
        assert parse(canonical(tree)) == tree


def test_labels_have_one_spelling() -> None:
    tree = parse_genotype("s(kind = word, n=1.50)/g.01[ 007  0.50 - ; a.01+1K(b  c) ]")
    assert print_genotype(tree) == 's(kind="word", n=1.5)/g.1[7 0.5 -; a.1+1000(b c)]'
    assert tree.groups[0].entries[0].choices[0].picks[0].label == "7"


def test_texts_that_cannot_be_written_are_refused() -> None:
    tree = parse("archdsl 1 space s { a = b }")
    [space] = tree.spaces
    text = Text(value='"', span=NOWHERE)
    bad = replace(space.items[0], value=text)  # type: ignore[type-var, call-arg]
    with pytest.raises(ArchError, match="cannot be written"):
        print_document(replace(tree, spaces=(replace(space, items=(bad,)),)))


@pytest.mark.parametrize(
    ("opening", "inside", "closing"),
    [
        ("return (a + b * ", "", ")"),
        ("return {a | b = x -> ", "", "}"),
        ("return f(a, k=-", "", ")"),
        ("return n[1 + ", "", "]"),
        ("return if a then b else ", "", ""),
        ("return -", "", ""),
        ("return f -> ", "", ""),
        ("for i in 1..2 {", " y = ", "}"),
        ("if a { y = 1 } else {", " y = ", "}"),
    ],
)
def test_the_deepest_texts_are_formatted_or_refused(
    opening: str, inside: str, closing: str
) -> None:
    """However deep: either a limit speaks, or everything that recurses has room to."""
    head, repeated = ("return ", opening[7:]) if opening.startswith("return ") else ("", opening)
    formatted = 0
    for depth in (10, 30, 41, 55, 61, 62, 63, 64, 100, 120, 121, 5_000):
        body = f"{head}{repeated * depth}{inside}x{closing * depth}"
        try:
            format_text(f"archdsl 1 space s {{ cell c(x) {{ {body} }} }}")
            formatted += 1
        except ArchError as error:
            assert {finding.code for finding in error.diagnostics} <= {"E0105", "E0109"}
    assert formatted >= 3
