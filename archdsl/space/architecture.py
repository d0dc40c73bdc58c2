"""One architecture of a space: its string, and what every decision takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archdsl.space.forest import Choices
from archdsl.space.subsets import Taken

if TYPE_CHECKING:
    from archdsl.space.view import SearchSpace


@dataclass(frozen=True, slots=True)
class Architecture:
    """One point of a space; cheap, hashable, made by `SearchSpace` only.

    `text` is the canonical string. `choices` are in the order of the space's decisions: the
    indices taken, ascending, or None where the decision does not exist.
    """

    text: str
    choices: Choices = field(hash=False, repr=False)
    keys: tuple[str, ...] = field(compare=False, repr=False)
    space: SearchSpace | None = field(default=None, compare=False, repr=False)
    """The space that made it, so that it need not be found again by its name."""

    @property
    def assignment(self) -> Mapping[str, Taken]:
        """What the decisions that exist take, by their keys."""
        pairs = zip(self.keys, self.choices, strict=True)
        return {key: taken for key, taken in pairs if taken is not None}

    def __str__(self) -> str:
        return self.text
