"""A method, read and checked."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import ClassVar

from archdsl.run.settings import ExploreSettings, RunSettings, SearchSettings

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

    `weights` are the stages before it whose shared weights its evaluator reads.
    """

    name: str
    settings: SearchSettings | ExploreSettings
    given: frozenset[str] = frozenset()
    around: Around = Around()
    weights: tuple[str, ...] = ()

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
