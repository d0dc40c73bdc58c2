"""Lark builds the LALR tables; this turns them into JSON. Not imported when a text is parsed.

`python -m archdsl.syntax.make_tables` writes `tables/*.json`; a test keeps them fresh.
"""

from __future__ import annotations

import json
import re
from typing import Any

from lark import Lark
from lark.grammar import NonTerminal
from lark.parsers.lalr_analysis import Shift

from archdsl import resources
from archdsl.syntax.tables import DROP, FOLDER, KEEP, SPLICE, fingerprint

GRAMMARS = ("arch", "strings")


def make(grammar: str) -> dict[str, Any]:
    """The tables of a grammar, in the form of the JSON files."""
    # `basic`: a word is a keyword everywhere or nowhere, so that one scan finds all tokens, and
    # limits and brackets are checked before parsing.
    lark = Lark(grammar, parser="lalr", lexer="basic", maybe_placeholders=False)
    table: Any = lark.parser.parser._parse_table
    productions: list[Any] = sorted(lark.rules, key=str)
    number = {rule: i for i, rule in enumerate(productions)}
    symbols = sorted({name for row in table.states.values() for name in row})
    position = {name: i for i, name in enumerate(symbols)}
    order = _in_order(table)
    place = {state: i for i, state in enumerate(order)}
    state_rows = []
    for state in order:
        row: list[int] = []
        for name, (action, target) in sorted(table.states[state].items(), key=lambda item: item[0]):
            row += [position[name], place[target] if action is Shift else -1 - number[target]]
        state_rows.append(row)
    return {
        "grammar": fingerprint(grammar),
        "symbols": symbols,
        **_terminals(lark),
        "rules": [_rule(rule) for rule in productions],
        "states": state_rows,
        "start": place[table.start_states["start"]],
        "end": place[table.end_states["start"]],
    }


def _in_order(table: Any) -> list[int]:
    """The states as they are reached: Lark's own numbers change with the hash seed."""
    order = [table.start_states["start"]]
    seen = set(order)
    for state in order:
        for _, (action, target) in sorted(table.states[state].items(), key=lambda item: item[0]):
            if action is Shift and target not in seen:
                seen.add(target)
                order.append(target)
    return order


def _terminals(lark: Lark) -> dict[str, Any]:
    lexer: Any = lark.parser.lexer
    name = re.compile(next(t.pattern.value for t in lexer.terminals if t.name == "NAME"))
    keywords, expressions, spellings = {}, [], {}
    for terminal in lexer.terminals:
        spelling = terminal.pattern.value
        fixed = terminal.pattern.type == "str"
        if fixed:
            spellings[terminal.name] = spelling
        if fixed and name.fullmatch(spelling):
            keywords[spelling] = terminal.name
        else:
            expressions.append([terminal.name, terminal.pattern.to_regexp()])
    return {"terminals": expressions, "keywords": keywords, "spellings": spellings}


def _rule(rule: Any) -> list[Any]:
    children = []
    for symbol in rule.expansion:
        if isinstance(symbol, NonTerminal):
            children.append(SPLICE if symbol.name.startswith("_") else KEEP)
        else:
            children.append(DROP if symbol.filter_out else KEEP)
    inline = (
        bool(rule.options.expand1)
        and rule.alias is None
        and children.count(DROP) == (len(children) - 1)
    )
    origin = str(rule.origin.name)
    return [origin, str(rule.alias or origin), children, inline]


def encode(tables: dict[str, Any]) -> str:
    """The JSON of tables, one state or rule a line, so that a change reads well in a diff."""
    lines = []
    for key, value in tables.items():
        if isinstance(value, list) and value and isinstance(value[0], list):
            rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value, sort_keys=True)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in GRAMMARS:
        text = encode(make(resources.grammar(name)))
        (FOLDER / f"{name}.json").write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
