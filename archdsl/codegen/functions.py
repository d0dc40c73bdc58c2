"""The functions that several choices share, written from the first of them."""

from __future__ import annotations

from dataclasses import replace

from archdsl.codegen.forward import Emitter
from archdsl.codegen.naming import VARIABLES, Taken, safe, stem
from archdsl.codegen.patterns import Functions
from archdsl.codegen.plan import Plan
from archdsl.codegen.steps import Step


def function_emitter(
    functions: Functions, key: object
) -> tuple[Emitter, dict[str, str], list[str]]:
    """What writes the body of a function, its names for holes, and for submodules."""
    outer, pattern = functions.used[key]
    region = {*pattern.region, pattern.pick}
    region |= {
        arg
        for step in outer.plan.unit.steps
        if step.out in region
        for arg in step.args
        if outer.unused_zero(arg) is not None
    }
    steps = tuple(step for step in outer.plan.unit.steps if step.out in region)
    taken = Taken()
    wanted = ("x",) if len(pattern.tensors) == 1 else ("a", "b", "c", "d")
    tensors = tuple(
        taken.claim(wanted[i] if i < len(wanted) else "x") for i in range(len(pattern.tensors))
    )
    reserved = VARIABLES | functions.reserved
    holes = {hole: taken.claim(safe(stem(hole), reserved)) for hole in pattern.holes}
    names = {
        step.path: taken.claim(safe(stem(step.path[-1]), reserved)) for step in pattern.modules
    }
    unit = replace(
        outer.plan.unit,
        inputs=pattern.tensors,
        names=tensors,
        outputs=(pattern.pick,),
        steps=steps,
    )

    def access(step: Step) -> str:
        return names[step.path]

    emitter = Emitter(
        plan=Plan(unit),
        modules=outer.modules,
        layout=outer.layout,
        units=outer.units,
        hole=lambda hole: holes[hole],
        access=access,
        functions=Functions(functions.reserved),
    )
    emitter.reserved |= {*holes.values(), *names.values()}
    return emitter, holes, list(names.values())
