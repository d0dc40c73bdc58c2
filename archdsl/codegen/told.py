"""The sizes that a module is told when it is called, and the tables that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archdsl.codegen.naming import VARIABLES, Taken, attribute, safe
from archdsl.codegen.sizes import Sizing
from archdsl.codegen.steps import Chain, Leaf, Step
from archdsl.ir.graph import Number

if TYPE_CHECKING:
    from archdsl.codegen.forward import Emitter


def parameter(name: str) -> str:
    """How `forward` calls a size that the use of its module decides."""
    return safe(name, VARIABLES)


def told(emitter: Emitter, step: Step) -> list[str]:
    """The sizes that a step's module is told: by keyword, or by position to our own."""
    named = isinstance(step.what, Leaf)
    return [
        f"{number.keyword}={_size(emitter, number)}" if named else _size(emitter, number)
        for number in step.numbers
    ]


def told_inside(step: Step) -> bool:
    """Whether a chain cannot be called as one: a member is told a size, or few are run."""
    if not isinstance(step.what, Chain):
        return False
    return step.what.depth is not None or any(
        member.numbers or told_inside(member) for member in step.what.members
    )


def _size(emitter: Emitter, number: Number) -> str:
    holes = emitter.plan.diagrams.holes
    sizing = Sizing(
        emitter.plan.unit.graph, lambda n: emitter.hole(n) if n in holes else parameter(n)
    )
    spelled = sizing.spell(number)
    if spelled.table is None:
        return spelled.text
    if spelled.table not in emitter.tables:
        used = {*emitter.tables.values(), *(path[0] for path in emitter.modules.stored)}
        wanted = attribute(number.label or number.keyword)
        emitter.tables[spelled.table] = Taken(used).claim(wanted)
    return f"self.{emitter.tables[spelled.table]}{spelled.text.removeprefix('{table}')}"
