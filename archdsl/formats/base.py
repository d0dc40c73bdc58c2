"""What a format is, and the cursor that readers of foreign strings share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.parse import parse_genotype
from archdsl.syntax.tree import Flag, Genotype, Node, Number, Pick, Picks, Source, Span, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One foreign format.

    `spaces` are those that it describes, the usual one first. `read` takes a text of theirs and the
    space that is meant, and gives our string; `write` gives theirs for one of ours. Both raise an
    `ArchError` with a place for a text that is not one of theirs, or for what they cannot say.
    """

    about: str
    spaces: tuple[str, ...]
    head: str = ""
    """A pattern that texts of this format begin with; empty where the beginning tells nothing."""
    parameters: str = ""
    """Parameters of those spaces under which the format describes them, as strings write them."""
    read: Callable[[str, str], str]
    write: Callable[[Ours], str]

    @property
    def example(self) -> str:
        """The beginning of a text of theirs."""
        return self.about.partition(": ")[2]

    def begins(self, text: str) -> bool:
        """Whether a text looks like one of theirs, whatever may be wrong further on."""
        return bool(self.head) and re.match(self.head, text.strip()) is not None

    def ours(self, text: str, space: str = "") -> str:
        """Our string for one of theirs. Raises ArchError: E0645 for a space of other formats."""
        space = space or self.example_space(self.spaces[0])
        name = space.partition("(")[0]
        if name not in self.spaces:
            raise fault(
                "E0645",
                f"this format does not describe {name}",
                found=name,
                expected=", ".join(self.spaces),
            )
        return self.read(text.strip(), space)

    def example_space(self, name: str) -> str:
        """A space with the parameters that the format takes for granted."""
        return f"{name}({self.parameters})" if self.parameters else name

    def theirs(self, text: str) -> str:
        """Their text for one of our strings, which is in its space."""
        ours = Ours(parse_genotype(text, "<string>"))
        if ours.space not in self.spaces:
            raise ours.refuse(ours.genotype, ours.space, f"a string of {' or '.join(self.spaces)}")
        return self.write(ours)


@dataclass(frozen=True, slots=True)
class Ours:
    """One of our strings, to be written as another tool's."""

    genotype: Genotype

    @property
    def space(self) -> str:
        return self.genotype.space

    def parameter(self, name: str) -> int | float | bool | str | None:
        """What a parameter is given as; None where it is at its default."""
        for argument in self.genotype.parameters:
            if argument.name == name and isinstance(argument.value, Number | Text | Flag):
                return argument.value.value
        return None

    def entries(self, group: str) -> list[tuple[Picks, ...]]:
        """The choices of every entry of a group, none where the string has no such group."""
        for found in self.genotype.groups:
            if ".".join((found.name, *map(str, found.index))) == group:
                return [entry.choices for entry in found.entries]
        return []

    def one(self, picks: Picks) -> Pick:
        """The only thing that a hole takes."""
        if len(picks.picks) != 1:
            found = "+".join(pick.label for pick in picks.picks) or "-"
            raise self.refuse(picks, found, "one alternative")
        return picks.picks[0]

    def labels(self, group: str) -> list[str]:
        """What every hole of a group takes, one after the other; all take one, none hold others."""
        return [self.one(picks).label for entry in self.entries(group) for picks in entry]

    def refuse(self, node: Node, found: str, expected: str, hint: str = "") -> ArchError:
        return fault(
            "E0643",
            "this cannot be said in that format",
            node.span,
            found=found,
            expected=expected,
            hint=hint,
        )


def sized(space: str, parameter: str, value: int, usual: int) -> str:
    """A space with the parameter that a text implies, unless it is usual or any are given."""
    return space if "(" in space or value == usual else f"{space}({parameter}={value})"


class Cursor:
    """A place in a foreign string, moved on by what is expected there."""

    def __init__(self, text: str, name: str, what: str) -> None:
        """`name` is what the text is known by in errors, `what` the kind of string it is."""
        self.source = Source(name=name, text=text)
        self.what = what
        self.at = 0

    def take(self, pattern: re.Pattern[str], expected: str) -> str:
        """The text that the pattern matches here; an error where it does not."""
        match = pattern.match(self.source.text, self.at)
        if match is None:
            raise self.error("E0640", f"not {self.what}", expected=expected)
        self.at = match.end()
        return match.group()

    def found(self, start: int) -> str:
        """What stands at a place, shortened for a reader."""
        rest = self.source.text[start:]
        word = re.match(r"\w+|.", rest, re.DOTALL)
        return f"'{word.group()[:40]}'" if word else "the end"

    def error(
        self, code: str, message: str, *, start: int | None = None, expected: str, hint: str = ""
    ) -> ArchError:
        """An error at `start`, or at the cursor."""
        begin = self.at if start is None else start
        end = self.at if self.at > begin else min(begin + 1, len(self.source.text))
        span = Span(source=self.source, start=begin, end=max(begin, end))
        return fault(code, message, span, found=self.found(begin), expected=expected, hint=hint)
