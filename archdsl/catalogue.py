"""What the spaces that ship are and how many architectures they have, without opening them.

Counting all of them takes seconds, so the figures are kept in `spaces/catalogue.json`, beside the
hash of the texts that they are of. `python -m archdsl.catalogue` writes it anew; where the texts
are others, it counts for nothing. A test holds it equal to what the spaces say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from archdsl.resources import PACKAGE, shipped_space, shipped_spaces

if TYPE_CHECKING:
    from archdsl.ir.graph import Program
    from archdsl.library import Library
    from archdsl.space.view import SearchSpace

FILE = PACKAGE / "spaces" / "catalogue.json"
SENTENCE = re.compile(r'.*?[.!?](?=\s+["A-Z(]|$)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A space with its parameters at their defaults."""

    size: int
    title: str
    about: str
    """The first sentence of its documentation."""

    @classmethod
    def of(cls, space: SearchSpace) -> Entry:
        """What is told of a space that is open."""
        program = space.program
        return cls(size=space.size, title=program.title, about=first_sentence(program))


def first_sentence(program: Program) -> str:
    """What a space is, in the first sentence of its documentation; empty without any."""
    lines = list(program.doc)
    paragraph = " ".join(lines[: lines.index("")] if "" in lines else lines)
    found = SENTENCE.match(paragraph)
    return found.group() if found else paragraph


def known(library: Library) -> Mapping[str, Entry]:
    """The spaces of a library's files, then those that ship."""
    shadowed = set(library.given) & set(shipped_spaces())  # others may use what it stands for
    kept = {} if shadowed else catalogue()
    names = library.names()
    return {name: kept.get(name) or Entry.of(library.space(name)) for name in names}


def catalogue() -> Mapping[str, Entry]:
    """The spaces that ship, by name; empty where the file is of other texts, or missing."""
    try:
        kept = json.loads(FILE.read_text(encoding="utf-8"))
        if kept["hash"] != _hash():
            return {}
        return {name: Entry(**entry) for name, entry in kept["spaces"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def made(opened: Callable[[str], SearchSpace]) -> str:
    """What belongs in the file, by the spaces themselves."""
    spaces = {name: asdict(Entry.of(opened(name))) for name in shipped_spaces()}
    kept = {"hash": _hash(), "spaces": spaces}
    return json.dumps(kept, indent=1, ensure_ascii=False) + "\n"


def _hash() -> str:
    texts = [(name, shipped_space(name)) for name in shipped_spaces()]
    return sha256(repr(texts).encode()).hexdigest()


if __name__ == "__main__":
    from archdsl.library import Library

    FILE.write_text(made(Library().space), encoding="utf-8")
