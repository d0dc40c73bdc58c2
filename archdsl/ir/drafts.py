"""What a graph under construction consists of, and where in the text the work on it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from archdsl.ir.formula import ALWAYS, Formula, Taken, all_of, any_of
from archdsl.ir.graph import Hole, Kind, Sizes
from archdsl.ir.paths import Steps
from archdsl.ir.types import TensorType
from archdsl.syntax.tree import Span

Under = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Position:
    """Where the elaborator stands: names, indices and enclosing alternatives.

    `written` are the alternatives that enclose this place of the text, `under` those and the
    cases of varying values that are being worked out, `varied` the labels of these cases.
    `given` is what else must hold for the work here to be done: a term of a set is there.
    `site` is the application that a rule is worked out for. `turns` is how often the enclosing
    loops and repetitions come here, `cases` the number of cases worked out side by side.
    """

    prefix: Steps = ()
    indices: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    under: Under = ()
    written: Under = ()
    given: Formula = ALWAYS
    hint: str = ""
    site: tuple[int, ...] = ()
    turns: int = 1
    cases: int = 1


@dataclass(slots=True)
class Draft:
    """A node whose path is still steps; its attributes are those of `Node`.

    It lives inside the alternatives `under`, where `given` holds too.
    """

    kind: Kind
    args: tuple[int, ...]
    types: tuple[TensorType, ...]
    under: Under
    given: Formula
    span: Span | None
    steps: Steps = ()
    label: str = ""
    sizes: Sizes | None = None


@dataclass(slots=True)
class HoleDraft:
    """A hole whose name is still a word, a place and indices; `at` is where it is written."""

    hole: Hole
    base: str
    place: tuple[int, ...]
    indices: tuple[str, ...]
    at: Position


@lru_cache(maxsize=4096)  # the uses of a cell have the same holes
def formula_of(under: Under) -> Formula:
    """Under which decisions work inside some alternatives is done."""
    return all_of(any_of(Taken(hole, i) for i in taken) for hole, taken in under)


def condition(under: Under, given: Formula) -> Formula:
    """Under which decisions what stands inside some alternatives is there."""
    if not under:
        return given
    inside = formula_of(under)
    return inside if given == ALWAYS else all_of((inside, given))


def spelled_under(under: Under, drafts: Sequence[HoleDraft]) -> str:
    """Some alternatives in words, as `archdsl show` calls their holes: `under op_1 = large`."""
    taken = []
    for key, alternatives in under:
        draft = next(draft for draft in drafts if draft.hole.name == key)
        name = "_".join((draft.base, *draft.indices))
        labels = " or ".join(draft.hole.labels[i] for i in alternatives)
        taken.append(f"{name} = {labels}")
    return f"under {' and '.join(dict.fromkeys(taken))}" if taken else ""
