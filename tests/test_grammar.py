"""The grammars are unambiguous, and the saved parsers read what Lark reads by them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from lark import Lark, Tree
from lark.exceptions import LarkError

from archdsl import resources
from archdsl.syntax import language
from archdsl.syntax import parse as parsing
from archdsl.syntax.build import Builder
from archdsl.syntax.build_string import StringBuilder
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from archdsl.syntax.reductions import plans
from archdsl.syntax.tree import Node
from tests import fuzz_text


@pytest.mark.parametrize("name", language.GRAMMARS)
def test_no_conflicts(name: str) -> None:
    # `strict` also refuses terminals that could match the same text; plain Lark does not look.
    Lark(resources.grammar(name), parser="lalr", lexer="basic", strict=True)


@pytest.mark.parametrize("name", language.GRAMMARS)
def test_saved_parsers_are_fresh(name: str) -> None:
    record = json.loads((language.FOLDER / f"{name}.json").read_text(encoding="ascii"))
    made = language.made_from(resources.grammar(name))
    assert record["grammar"] == made["grammar"], "run `python -m archdsl.syntax.make_tables`"
    if record["lark"] != made["lark"]:
        pytest.skip(f"saved by Lark {record['lark']}: with {made['lark']} parsers are built anew")
    assert language.saved(name)


def shipped() -> Iterator[str]:
    for name in resources.shipped_spaces():
        text = resources.shipped_space(name)
        assert text
        yield text


def test_saved_and_built_parsers_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    built = language.language(language.build(resources.grammar("arch")))
    texts = [*shipped(), *fuzz_text.mutants(100, seed=5)]
    with_saved = [(answer(text)) for text in texts]
    monkeypatch.setattr(parsing, "load", {"arch": built}.get)
    assert [answer(text) for text in texts] == with_saved
    for text in shipped():
        assert language.load("arch").parser.parse(text) == built.parser.parse(text)


def answer(text: str) -> Any:
    try:
        return parse(text)
    except ArchError as error:
        return error.diagnostics


def test_places_are_those_of_lark() -> None:
    grammar = resources.grammar("arch")
    lark = Lark(grammar, parser="lalr", lexer="basic", propagate_positions=True)
    for text in shipped():
        theirs = {
            (tree.meta.start_pos, tree.meta.end_pos) for tree in lark.parse(text).iter_subtrees()
        }
        ours = {(node.span.start, node.span.end) for node in nodes(parse(text))}
        assert len(ours) > 5
        assert ours <= theirs


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for field in fields(node):
        if field.name == "comments":
            continue
        value = getattr(node, field.name)
        for child in value if isinstance(value, tuple) else (value,):
            if isinstance(child, Node):
                yield from nodes(child)


def test_an_old_parser_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(language, "FOLDER", tmp_path / "tables")
    load = language.load.__wrapped__
    assert language.saved("strings") is None
    tree = load("strings").parser.parse("s/g[1]")
    assert isinstance(tree, Tree)
    assert language.save("strings")
    assert not language.save("strings")
    assert load("strings").parser.parse("s/g[1]") == tree
    path = tmp_path / "tables" / "strings.json"
    for key in ("lark", "grammar"):
        record = json.loads(path.read_text(encoding="ascii"))
        path.write_text(json.dumps({**record, key: "another"}), encoding="ascii")
        assert language.saved("strings") is None
        assert load("strings").parser.parse("s/g[1]") == tree
        assert language.save("strings")


def test_every_rule_is_built() -> None:
    parts = {"family", "header", "inputs", "index", "arguments", "alternatives", "block", "use"}
    for name, builder in (("arch", Builder), ("strings", StringBuilder)):
        rules = plans(language.load(name).parser)
        actions = {plan.action for plan in rules if not plan.repeats and not plan.inline}
        unbuilt = {action for action in actions if not hasattr(builder, action)}
        assert unbuilt <= parts | {"parameters", "parameter_list", "below", "within"}, unbuilt


def test_repairs_accept_nothing_that_lark_refuses() -> None:
    lark = language.load("arch").parser
    syntax = ("E0201", "E0202", "E0203", "E0204", "E0205", "E0208", "E0209", "E0107", "E0108")
    for text in fuzz_text.mutants(400, seed=7):
        try:
            lark.parse(text)
            accepted = True
        except LarkError:
            accepted = False
        try:
            parse(text)
            codes = set()
        except ArchError as error:
            codes = {finding.code for finding in error.diagnostics}
        if accepted:
            assert not codes & set(syntax), text
        else:
            assert codes, text


@pytest.mark.parametrize(
    ("head", "turn", "tail"),
    [
        ("", " y{0} = x -> f(k={0}) + n[{0}]", "}"),
        (" cell c(x) { return f(x", ", a{0}", ") } }"),
        (" cell c(x) { return {{ x", " | a{0}", " } } }"),
    ],
)
def test_time_grows_with_the_length(head: str, turn: str, tail: str) -> None:
    def seconds(turns: int) -> float:
        body = "".join(turn.format(i) for i in range(10_000, 10_000 + turns))
        text = f"archdsl 1 space s {{{head.replace('{{', '{')}{body}{tail}"
        begin = time.process_time()
        parse(text)
        return time.process_time() - begin

    seconds(10)
    # Eight times the text; work that grew with the square would take 64 times as long.
    long, short = (min(seconds(turns) for _ in range(3)) for turns in (4_000, 500))
    assert long < 40 * short


def test_resources_are_found() -> None:
    assert (resources.folder("grammar") / "arch.lark").is_file()
    with pytest.raises(FileNotFoundError):
        resources.folder("no_such_folder")
