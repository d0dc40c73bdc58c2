"""Foreign strings: random architectures there and back, and broken texts.

`python -m tests.fuzz_formats [COUNT]` does it COUNT (1,000) times for each format and space.
"""

from __future__ import annotations

import sys
from random import Random

from archdsl.formats import FORMATS, Format
from archdsl.library import Library
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError

COUNT = 1_000
LIBRARY = Library()
FORMS = [
    (name, space)
    for name, form in FORMATS.items()
    for space in form.spaces
    if space in LIBRARY.names()
]
CHARACTERS = "0123456789(),[]'|~+ x\u00e9\x00"


def round_trips(name: str, space: str, count: int) -> int:
    """How many of `count` random architectures the format can say; each comes back as it was.

    What it cannot say it refuses (E0643).
    """
    form, rng, said = FORMATS[name], Random(0), 0
    view = LIBRARY.find(form.example_space(space)).space
    for _ in range(count):
        ours = view.sample(rng).text
        try:
            theirs = form.theirs(ours)
        except ArchError as refused:
            assert refused.diagnostics[0].code == "E0643"
            continue
        said += 1
        assert view.parse(form.ours(theirs, view.program.genotype)).text == ours
    return said


def refuse_broken(name: str, space: str, count: int) -> int:
    """How many of `count` texts with one character wrong are refused, each at a place in it."""
    form, rng, refusals = FORMATS[name], Random(1), 0
    view = LIBRARY.find(form.example_space(space)).space
    for _ in range(count):
        theirs = _broken(form, view, rng)
        try:
            view.parse(form.ours(theirs, view.program.genotype))
        except ArchError as refused:
            refusals += 1
            finding = refused.diagnostics[0]
            assert finding.span is not None, theirs
            assert finding.found or finding.expected, theirs
    return refusals


def _broken(form: Format, view: SearchSpace, rng: Random) -> str:
    """Their text for some architecture, with one character lost, doubled or changed."""
    while True:
        try:
            text = form.theirs(view.sample(rng).text)
        except ArchError:
            continue
        at = rng.randrange(len(text))
        other = rng.choice(["", text[at] * 2, rng.choice(CHARACTERS)])
        return text[:at] + other + text[at + 1 :]


def main(count: int = COUNT) -> None:
    for name, space in FORMS:
        said, refused = round_trips(name, space, count), refuse_broken(name, space, count)
        print(f"{name} of {space}: {said} of {count} said and back, {refused} broken refused")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
