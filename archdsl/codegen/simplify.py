"""Steps without identities, and sums without the terms that are zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from archdsl.codegen.steps import Gather, Leaf, Nothing, Pick, Step
from archdsl.ir.formula import ALWAYS, NEVER, Formula, Taken, all_of, negate
from archdsl.ir.graph import Graph
from archdsl.ir.types import TensorType
from archdsl.ops.joins import Mean, Sum


def simplify(
    steps: list[Step], outputs: tuple[int, ...], inputs: tuple[int, ...], graph: Graph
) -> tuple[tuple[Step, ...], tuple[int, ...]]:
    """Steps without identities and without zeros that are added to something."""
    alias: dict[int, int] = {}
    zeros = {step.out: step.args[0] for step in steps if isinstance(step.what, Nothing)}
    labels: dict[int, str] = {}
    kept: list[Step] = []
    for step in steps:
        args = tuple(alias.get(arg, arg) for arg in step.args)
        step = _without_zeros(replace(step, args=args), zeros)
        if _is_identity(step):
            alias[step.out] = step.args[0]
            if step.label:
                labels.setdefault(step.args[0], step.label)
        else:
            kept.append(step)
    plain = [graph.nodes[value] for value in inputs]
    types = {node.type for node in plain if node.sizes is None or not node.sizes.vary}
    kept = _skip_zeros(kept, outputs, types)
    named = [
        replace(s, label=labels[s.out]) if not s.label and s.out in labels else s for s in kept
    ]
    return tuple(named), tuple(alias.get(output, output) for output in outputs)


def _is_identity(step: Step) -> bool:
    match step.what:
        case Leaf(_, code):
            return code.expression == "{0}" and len(step.args) == 1
        case Pick():
            return len(set(step.args)) == 1  # whatever is taken
        case _:
            return False


def _without_zeros(step: Step, zeros: Mapping[int, int]) -> Step:
    """A sum without the terms that are zero or never there."""
    match step.what:
        case Leaf(Sum() as operation, _, inputs) if zeros.keys() & set(step.args):
            kept = [i for i, arg in enumerate(step.args) if arg not in zeros]
            kept = kept or [0]
            types = tuple(inputs[i] for i in kept)
            return replace(
                step,
                args=tuple(step.args[i] for i in kept),
                what=Leaf(operation, operation.code(types), types),
            )
        case Gather(Sum() | Mean() as operation):
            pairs = [
                (arg, when)
                for arg, when in zip(step.args, step.when, strict=True)
                if when != NEVER and not (isinstance(operation, Sum) and arg in zeros)
            ]
            if pairs:
                args, when = zip(*pairs, strict=True)
                gone = next((zeros[a] for a in step.args if a in zeros and a not in args), None)
                return replace(step, args=args, when=when, spare=gone)
        case _:
            pass
    return step


def _skip_zeros(steps: list[Step], outputs: tuple[int, ...], shaped: set[TensorType]) -> list[Step]:
    """Sums whose chosen terms may be zero leave these out, where zeros cost a computation.

    Zeros of a type that an input has (`shaped`) are made from that and may as well be added.
    """
    by_value = {step.out: step for step in steps}
    uses = Counter(arg for step in steps for arg in step.args)
    uses.update(outputs)
    result = []
    for step in steps:
        match step.what:
            case Leaf(Sum() as operation) | Gather(Sum() as operation) if (
                step.types[0] not in shaped
            ):
                given = step.when or (ALWAYS,) * len(step.args)
                found = {
                    arg: zero
                    for arg in step.args
                    if uses[arg] == 1 and (zero := _zero_of(by_value.get(arg), by_value))
                }
                when = tuple(
                    all_of((there, negate(found[arg][0]))) if arg in found else there
                    for arg, there in zip(step.args, given, strict=True)
                )
                if found:
                    spare = next(iter(found.values()))[1]
                    step = replace(step, what=Gather(operation), when=when, spare=spare)
            case _:
                pass
        result.append(step)
    return result


def _zero_of(step: Step | None, steps: Mapping[int, Step]) -> tuple[Formula, int] | None:
    """When a choice is zero, and a value of that shape."""
    if step is None or not isinstance(step.what, Pick):
        return None
    for position, arg in enumerate(step.args):
        inner = steps.get(arg)
        if inner is not None and isinstance(inner.what, Nothing) and inner.types == step.types:
            return Taken(step.what.hole, position), inner.args[0]
    return None
