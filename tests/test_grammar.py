"""The grammars are unambiguous, and the tables that are shipped are theirs."""

from __future__ import annotations

import pytest
from lark import Lark
from lark.exceptions import LarkError

from archdsl import resources
from archdsl.syntax import make_tables, tables
from archdsl.syntax.build import Builder
from archdsl.syntax.build_string import StringBuilder
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from tests import fuzz_text


@pytest.mark.parametrize("name", make_tables.GRAMMARS)
def test_no_conflicts(name: str) -> None:
    # `strict` also refuses terminals that could match the same text; plain Lark does not look.
    Lark(resources.grammar(name), parser="lalr", lexer="basic", strict=True)


@pytest.mark.parametrize("name", make_tables.GRAMMARS)
def test_tables_are_fresh(name: str) -> None:
    made = make_tables.encode(make_tables.make(resources.grammar(name)))
    kept = (tables.FOLDER / f"{name}.json").read_text(encoding="ascii")
    assert kept == made, "run `python -m archdsl.syntax.make_tables`"


def test_every_rule_is_built() -> None:
    parts = {"family", "header", "inputs", "index", "arguments", "alternatives", "block", "use"}
    for name, builder in (("arch", Builder), ("strings", StringBuilder)):
        actions = {
            rule.action for rule in tables.load(name).rules if not rule.repeats and not rule.inline
        }
        unbuilt = {action for action in actions if not hasattr(builder, action)}
        assert unbuilt <= parts | {"parameters", "parameter_list"}, unbuilt


def test_our_machine_accepts_what_lark_accepts() -> None:
    """The tables are Lark's; this is the check on the machine that runs them."""
    lark = Lark(resources.grammar("arch"), parser="lalr", lexer="basic")
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


def test_resources_are_found() -> None:
    assert (resources.folder("grammar") / "arch.lark").is_file()
    with pytest.raises(FileNotFoundError):
        resources.folder("no_such_folder")
