"""The LALR tables of a grammar, read from JSON.

Lark builds them from `grammar/*.lark` (`make_tables.py`). That takes 0.2 s and an import of lark,
too much for a command that reads one line, so the finished tables are kept as JSON beside this
file. They carry the hash of their grammar: after an edit of the grammar they are built anew, in
memory, until `python -m archdsl.syntax.make_tables` has written them.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from archdsl import resources

FOLDER = Path(__file__).resolve().parent / "tables"
END = "$END"

DROP, KEEP, SPLICE = 0, 1, 2
"""What a reduction does with a child: punctuation goes, a repetition's list is spliced in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One production. `action` names the function that builds its node."""

    origin: str
    action: str
    length: int
    children: tuple[int, ...]
    inline: bool
    repeats: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """A parser: a shift to state s is s, a reduction by rule r is -1 - r."""

    terminals: re.Pattern[str]
    keywords: dict[str, str]
    spellings: dict[str, str]
    rules: tuple[Rule, ...]
    states: tuple[dict[str, int], ...]
    start: int
    end: int


def fingerprint(grammar: str) -> str:
    return hashlib.sha256(grammar.encode()).hexdigest()


@cache
def load(name: str) -> Tables:
    """The tables of `grammar/NAME.lark`."""
    grammar = resources.grammar(name)
    try:
        data = json.loads((FOLDER / f"{name}.json").read_text(encoding="ascii"))
    except FileNotFoundError:
        data = {}
    if data.get("grammar") != fingerprint(grammar):
        from archdsl.syntax.make_tables import make

        data = make(grammar)
    return decode(data)


def decode(data: dict[str, Any]) -> Tables:
    """Tables from what `make` returns, or from the JSON of it."""
    symbols: list[str] = data["symbols"]
    return Tables(
        terminals=re.compile("|".join(f"(?P<{kind}>{regex})" for kind, regex in data["terminals"])),
        keywords=data["keywords"],
        spellings=data["spellings"],
        rules=tuple(
            Rule(
                origin=origin,
                action=action,
                length=len(children),
                children=tuple(children),
                inline=inline,
                repeats=origin.startswith("_"),
            )
            for origin, action, children, inline in data["rules"]
        ),
        states=tuple(
            {symbols[row[i]]: row[i + 1] for i in range(0, len(row), 2)} for row in data["states"]
        ),
        start=data["start"],
        end=data["end"],
    )
