"""Conditions with names: for steps that are shared, and yet not always needed.

live_n2 = choice.op_3_2 != "none"
...
if live_n2:
    n2 = ...
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archdsl.codegen.branches import CallForm
from archdsl.codegen.conditions import live_atom
from archdsl.codegen.steps import Step

if TYPE_CHECKING:
    from archdsl.codegen.forward import Emitter


def name_guards(emitter: Emitter, steps: Sequence[Step]) -> list[str]:
    """Named conditions for the steps of a branch that are not always needed, and
    stand-ins for the values that are named where they may not be needed."""
    guarded = [step for step in steps if emitter.plan.guarded(step)]
    lines: list[str] = []
    for step in reversed(guarded):
        need = emitter.plan.needs[step.out]
        if need in emitter.guards:
            continue
        same = [s for s in guarded if emitter.plan.needs[s.out] == need]
        label = next((s.label for s in reversed(same) if s.label), "")
        single = emitter.plan.diagrams.single(need)
        if single is not None and not label:
            emitter.guards[need] = single  # short enough to be said each time
            continue
        formula = emitter.plan.guard(step, emitter.guards)
        name = emitter.fresh(emitter.safe(f"live_{label}") if label else "live")
        emitter.reserved.add(name)
        atom = live_atom(name)
        emitter.plan.diagrams.named[atom.hole] = need
        emitter.guards[need] = atom
        lines.append(f"{name} = {emitter.conditions.text(formula)}")
    return lines + _stand_ins(emitter, guarded)


def _stand_ins(emitter: Emitter, guarded: Sequence[Step]) -> list[str]:
    exposed: dict[int, list[str]] = {}
    for step in guarded:
        if _exposed(emitter, step):
            like = emitter.plan.input_like(step.out)
            name = emitter.fresh(emitter.safe(step.label or "x_"), f"{step.label}_")
            emitter.names[step.out] = name
            emitter.reserved.add(name)
            exposed.setdefault(-1 if like is None else like, []).append(name)
    return [
        f"{' = '.join(names)} = torch.zeros_like({emitter.names[like]})  # unless needed"
        for like, names in exposed.items()
    ]


def _exposed(emitter: Emitter, step: Step) -> bool:
    """Whether a value is named by a call that may be made without it."""
    return any(
        isinstance(emitter.forms.get(user), CallForm)
        and not emitter.plan.available(step.out, emitter.plan.needs[user])
        for user in emitter.users.get(step.out, ())
    )
