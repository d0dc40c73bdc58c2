"""A grammar as Lark reads it: the parser, its lexer, and the spelling of its terminals.

Building a parser from `grammar/*.lark` takes Lark 0.2 s, too much for a command that reads one
line. So what Lark built is kept beside this file, in Lark's own serialisation and as JSON (its
`save` would pickle). The JSON names the grammar and the release of Lark that it is for: with any
other, the parser is built anew, in memory, until `python -m archdsl.syntax.make_tables` has
written it.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import lark
from lark.grammar import Rule
from lark.lexer import BasicLexer, PatternStr, TerminalDef

from archdsl import resources

FOLDER = Path(__file__).resolve().parent / "tables"
GRAMMARS = ("arch", "strings")
END = "$END"
COMMENT = "COMMENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A grammar that is ready to read. `lexer` is Lark's, and yields comments as well."""

    parser: lark.Lark
    lexer: BasicLexer
    keywords: dict[str, str]
    spellings: dict[str, str]


@cache
def load(name: str) -> Language:
    """The language of `grammar/NAME.lark`."""
    record = saved(name)
    return language(lark.Lark.load(record) if record else build(resources.grammar(name)))


def build(grammar: str) -> lark.Lark:
    """A parser from the text of a grammar."""
    # `basic`: a word is a keyword everywhere or nowhere, so that one scan finds all tokens, and
    # limits and brackets are checked before parsing.
    return lark.Lark(grammar, parser="lalr", lexer="basic", maybe_placeholders=False)


def language(parser: lark.Lark) -> Language:
    """What a parser reads; a word that could be a name is a keyword."""
    names = next(t.pattern.to_regexp() for t in parser.terminals if t.name == "NAME")
    fixed = {t.name: t.pattern.value for t in parser.terminals if isinstance(t.pattern, PatternStr)}
    conf = copy.copy(parser.lexer_conf)
    conf.ignore = tuple(kind for kind in conf.ignore if kind != COMMENT)
    return Language(
        parser=parser,
        lexer=BasicLexer(conf),
        keywords={text: kind for kind, text in fixed.items() if re.fullmatch(names, text)},
        spellings=fixed,
    )


def save(name: str) -> bool:
    """Write the parser of a grammar, unless it is there already; says whether it wrote.

    Lark numbers its states anew on every run: writing the same parser twice gives two files.
    """
    if saved(name):
        return False
    grammar = resources.grammar(name)
    data, memo = build(grammar).memo_serialize([TerminalDef, Rule])
    text = json.dumps({**made_from(grammar), "data": data, "memo": memo}, separators=(",", ":"))
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="ascii")
    return True


def saved(name: str) -> dict[str, Any] | None:
    """The saved parser as `Lark.load` takes it; None unless it is for this grammar and Lark."""
    try:
        record: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    if any(record[key] != value for key, value in made_from(resources.grammar(name)).items()):
        return None
    # JSON turned the numbers that are keys into text.
    table = record["data"]["parser"]["parser"]
    table["tokens"] = _numbered(table["tokens"])
    table["states"] = {int(state): _numbered(row) for state, row in table["states"].items()}
    record["memo"] = _numbered(record["memo"])
    return record


def made_from(grammar: str) -> dict[str, str]:
    """What a saved parser depends on."""
    return {"lark": lark.__version__, "grammar": hashlib.sha256(grammar.encode()).hexdigest()}


def _numbered(record: dict[str, Any]) -> dict[int, Any]:
    return {int(key): value for key, value in record.items()}
