"""Compositions are worked out once and written again: the same program as working out each use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archdsl.ir.elaborate import elaborate
from archdsl.ir.expansion import Expansion, Expansions
from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.resources import shipped_space, shipped_spaces
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from archdsl.syntax.use import joined

OWN = sorted((Path(__file__).parent / "cases" / "spaces").glob("*.arch"))

BODIES = {
    "holes": (
        "op e(c) = {a = conv(c) | b = relu -> conv(c, k={3 | 5}) | id}",
        "y = sum(2 of {x -> e(8) for j in 1..4}) return y -> e(8)",
    ),
    "depth": (
        "op e = (conv(8) -> relu)^{1..3}",
        "n[1] = x -> e n[2] = n[1] -> e return n[2]",
    ),
    "ties": (
        "op e = conv(8)@w -> relu -> conv(8)@w",
        "n = x -> e return n -> e -> conv(8)@w",
    ),
    "labels": ("op e(c) = conv(c) -> bn", "a = x -> e(8) b = x -> e(8) return a + b"),
    "governed": (
        "op e = {a = conv(8) | b = conv(8)^{1..2} -> relu} -> conv(8, k={1 | 3})",
        "return x -> e -> e",
    ),
    "sets": (
        "op e = id + sum(id, 1 of {conv(8) | relu})",
        "n[1] = x -> e n[2] = n[1] -> e return n[2]",
    ),
    "varying": (
        "op e(c) = {a = conv(c) | b = conv(c, k=1)}",
        "n[1] = x -> conv({8 | 16}) -> e(8) n[2] = n[1] -> e(8) n[3] = n[2] -> e(8) return n[3]",
    ),
    "terms": (
        "op e = conv(8) -> bn",
        "return sum(x, sum(j -> e for j in 2 of {x -> e for i in 1..3})) -> e",
    ),
    "rules": (
        "vary conv(k={1 | 3}) in e\nop e = conv(8) -> relu",
        "n[1] = x -> e n[2] = n[1] -> e return n[2] -> conv(8)",
    ),
    "nested": (
        "op f(c, k) = {p = conv(c, k=k) | q = conv(c, k=1) -> bn}\nop e(c) = f(c, 3) -> f(c, 5)",
        "n[1] = x -> e(8) n[2] = n[1] -> e(8) -> f(8, 3) return n[2]",
    ),
    "places": (
        "op e = conv(8)^{0..2}",
        "a[1] = x -> e a[2] = x -> tanh -> e return a[1] + a[2]",
    ),
    "zeros": (
        "op e(p) = dropout(p) -> relu",
        "a = x -> e(0.0) b = a -> e(0.0) return b -> e(-0.0)",
    ),
    "constants": (
        "f = if {yes | no} then relu else tanh\nop e = f -> conv(8)",
        "a[1] = x -> e a[2] = a[1] -> e return a[2] -> e",
    ),
    "defaults": (
        "op f(k={1 | 3}) = conv(8, k=k)\nop e = f -> relu",
        "a[1] = x -> e b = a[1] -> e a[2] = b -> e return a[2]",
    ),
    "blocks": (
        "block b(x; c) = x -> {p = conv(c) | q = conv(c, k=1)}\nop e(c) = relu -> b(c=c) -> bn",
        "n = x -> e(8) return n -> e(8) -> b(c=8)",
    ),
}


@pytest.fixture
def uses(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Expansion]]:
    """The expansions that were written again."""
    found: list[Expansion] = []
    write = Expansion.write

    def counted(self: Expansion, *given: object) -> object:
        found.append(self)
        return write(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Expansion, "write", counted)
    yield found


def worked_out(text: str, monkeypatch: pytest.MonkeyPatch) -> list[Program]:
    """The spaces of a text, every application worked out anew."""
    with monkeypatch.context() as patched:
        patched.setattr(Expansions, "key", lambda *_: None)
        return programs(text)


def programs(text: str) -> list[Program]:
    document = parse(text, "own.arch")
    return [elaborate(joined(space, {})) for space in document.spaces]


def same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for known, anew in zip(programs(text), worked_out(text, monkeypatch), strict=True):
        assert known == anew
        for key, graph in known.modules.items():
            spans = [node.span for node in graph.nodes]
            assert spans == [node.span for node in anew.modules[key].nodes]


@pytest.mark.parametrize("name", BODIES)
def test_an_expansion_is_what_working_it_out_gives(
    name: str, monkeypatch: pytest.MonkeyPatch, uses: list[Expansion]
) -> None:
    definitions, body = BODIES[name]
    same(text_of(definitions, body), monkeypatch)
    assert uses


TIED = (
    "f = {a = relu^0 | b = tanh^0}@w\nop e = f",
    "a = x -> e b = a -> e return b",
)
CYCLE = (
    "op e(k) = if k == 1 then f(2) else relu\nop f(k) = if k == 1 then e(1) else relu",
    "a = x -> e(1) b = a -> f(1) return b",
)
DEEP = (
    "\n".join(
        [f"op d{i} = d{i + 1}" for i in range(25)]
        + ["op d25 = relu"]
        + [f"op q{i} = q{i + 1}" for i in range(20)]
        + ["op q20 = d0"]
    ),
    "a = x -> d0 b = a -> q0 return b",
)
TURNS = (
    "op e = relu^150",
    "y = x -> e for i in 1..150 { if i < 3 { z[i] = x -> e } } return y",
)


def text_of(definitions: str, body: str) -> str:
    return f"archdsl 1\nspace s {{\n{definitions}\nnet n(x: 8 x 8 x 8) {{ {body} }}\n}}"


def test_a_hole_that_is_tied_from_outside_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(*TIED)
    same(text, monkeypatch)
    (program,) = programs(text)
    assert len(program.net.holes) == 1


@pytest.mark.parametrize("case", [CYCLE, DEEP, TURNS], ids=["cycle", "deep", "turns"])
def test_what_is_refused_does_not_depend_on_what_stands_before(
    case: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = []
    for run in (programs, lambda text: worked_out(text, monkeypatch)):
        with pytest.raises(ArchError) as caught:
            run(text_of(*case))
        codes.append([found.code for found in caught.value.diagnostics])
    assert codes[0] == codes[1]


@pytest.mark.parametrize("name", shipped_spaces())
def test_every_shipped_space_is_as_worked_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = shipped_space(name)
    assert text is not None
    known = Library().space(name).program
    with monkeypatch.context() as patched:
        patched.setattr(Expansions, "key", lambda *_: None)
        anew = Library().space(name).program
    assert known == anew


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_every_space_of_the_tests_is_as_worked_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same(path.read_text(encoding="utf-8"), monkeypatch)
