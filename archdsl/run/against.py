"""What a found network is compared with: other architectures, made for the same images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.space.parameters import parameters_of
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import fault
from archdsl.syntax.parse import parse_genotype

TITLE = re.compile(r"([A-Za-z0-9][\w .+-]*)=(?=[^=])")

LONGEST = 100
"""Characters of a title; names of folders end at 255 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A network to compare with, by its title in tables and the folder of its training."""

    title: str
    folder: str
    program: Program


def others(library: Library, named: Sequence[str], space: SearchSpace) -> list[Other]:
    """The networks that texts name, each `X` or `TITLE=X`; X is whatever commands take.

    A string leaves to the searched space which parameters both have: what it does not say itself
    is as there. Raises ArchError for what is no architecture, E0863 for titles that cannot be.
    """
    found: list[Other] = []
    for text in named:
        match = TITLE.match(text)
        program = _network(library, text[match.end() :] if match else text, space)
        title = match.group(1).strip() if match else program.space
        folder = folder_of_title(title)
        if len(folder) > LONGEST:
            raise fault(
                "E0863",
                "the title of a network to compare with is too long for a folder",
                found=f"{len(folder)} characters",
                expected=f"at most {LONGEST}",
                hint="write TITLE=X, with a short title",
            )
        if folder in [one.folder for one in found]:
            raise fault(
                "E0863",
                f"two networks to compare with are called {title}",
                found=text,
                expected="TITLE=X, with a title of its own",
            )
        found.append(Other(title=title, folder=folder, program=program))
    return found


def folder_of_title(title: str) -> str:
    """The name of the folder in which a network is retrained."""
    return re.sub(r"\W+", "_", title).strip("_").lower()


def _network(library: Library, text: str, space: SearchSpace) -> Program:
    found = library.find(text)
    if text.endswith((".arch", ".py")) or ":" in text:
        return found.network()
    genotype = parse_genotype(text)
    own = parameters_of(genotype)
    known = found.space.program.parameters
    theirs = space.program.parameters
    shared = {name: theirs[name] for name in known if name in theirs and name not in own}
    made = library.space(genotype.space, {**shared, **own})
    if found.architecture is None:
        return found.network()  # says what is wrong
    _, slash, groups = found.architecture.text.partition("/")
    return made.resolve(made.parse(made.program.genotype + slash + groups))
