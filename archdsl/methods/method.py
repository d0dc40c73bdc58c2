"""A method, read and checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar

from archdsl.run.settings import ExploreSettings, RunSettings, SearchSettings
from archdsl.syntax.errors import ArchError
from archdsl.syntax.tree import Span

WHERE = frozenset(field.name for field in fields(RunSettings))
"""The settings of a search that are those of the run it belongs to."""


FOUND = "found"
AGAINST = "against"
TAKEN = frozenset({FOUND, AGAINST, "lock"})
"""What the folder of a run holds besides those of its stages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a stage says besides the settings of its search.

    `recipe` names how shared weights are trained. `fixed` names a stage before it: the decisions of
    the outermost `levels` are those of the best that it found, and only the others are searched.
    """

    keyword: ClassVar[str] = "stage"

    recipe: str = ""
    fixed: str = ""
    levels: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One search of a method: `settings` as its text says, `given` are those that it names.

    `weights` are the stages before it whose shared weights its evaluator reads; `places` says where
    its text has each setting.
    """

    name: str
    settings: SearchSettings | ExploreSettings
    given: frozenset[str] = frozenset()
    around: Around = Around()
    weights: tuple[str, ...] = ()
    places: Mapping[str, Span] = field(default_factory=dict, compare=False)

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """What is wrong with a setting is wrong where the text of the method has it."""
        try:
            yield
        except ArchError as error:
            place = self.places.get(name)
            raise ArchError(
                replace(one, span=place or one.span) for one in error.diagnostics
            ) from None

    def at(self, here: RunSettings) -> SearchSettings | ExploreSettings:
        """The settings of its search in a run."""
        own = {field.name for field in fields(self.settings)} & WHERE
        return replace(self.settings, **{name: getattr(here, name) for name in own})


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How a space is searched. `text` is its canonical text, the same for methods that are written
    alike; what the last of its `stages` finds is what the method finds."""

    name: str
    text: str
    stages: tuple[Stage, ...]
