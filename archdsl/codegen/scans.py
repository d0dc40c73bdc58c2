"""Modules taken over a sequence: a loop that calls the module and keeps what it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archdsl.codegen.code import Expr, block, join
from archdsl.codegen.steps import Project, Step, Use
from archdsl.ir.scan import emitted

if TYPE_CHECKING:
    from archdsl.codegen.forward import Emitter


def emit_scan(emitter: Emitter, step: Step) -> list[str]:
    """The loop over the elements, and the names of what it leaves behind.

    The state goes by the name of its first value where nothing else needs that any more.
    """
    assert isinstance(step.what, Use)
    inner = emitter.units[step.what.module, ()]
    sequence = emitter.value(step.args[0])
    lines: list[str] = []
    busy = sorted(sequence.words)  # read once the state has its names
    states: list[str] = []
    for arg, known in zip(step.args[1:], inner.names[1:], strict=True):
        first = emitter.value(arg).text
        free = first.isidentifier() and emitter.left[arg] == 0 and first not in busy
        name = first if free else _fresh(emitter, busy, emitter.safe(known))
        lines += [] if name == first else [f"{name} = {first}"]
        busy.append(name)
        states.append(name)
    one = _fresh(emitter, busy, emitter.safe(inner.names[0]), f"{inner.names[0]}_t")
    busy.append(one)
    count = emitted(len(states), len(inner.outputs))
    own = [_fresh(emitter, busy, "output") for _ in range(len(inner.outputs) - len(states))]
    busy += own
    results = [*own, *states]
    given = [one, *states]
    if choice := emitter.choice_of(step):
        given.append(choice)
    lists = []
    for position in range(count):
        lists.append(_fresh(emitter, busy, *_wanted(emitter, step, position, count)))
        busy.append(lists[-1])
    lines += [f"{name} = []" for name in lists]
    body = [f"{join(results)} = {emitter.access(step)}({join(given)})"]
    body += [f"{name}.append({result})" for name, result in zip(lists, results, strict=False)]
    lines += block(f"for {one} in {sequence.operand}.unbind(1):", body)
    return lines + _leave(emitter, step, lists, states)


def _fresh(emitter: Emitter, busy: list[str], *wanted: str) -> str:
    """A variable that neither the code around nor this loop uses."""
    before = set(emitter.reserved)
    emitter.reserved.update(busy)
    name = emitter.fresh(*wanted)
    emitter.reserved.clear()
    emitter.reserved.update(before)
    return name


def _item(emitter: Emitter, step: Step, index: int) -> Step | None:
    """The step that takes one result, where anything needs it."""
    for found in emitter.plan.steps.values():
        if found.what == Project(index) and found.args == (step.out,):
            return found
    return None


def _wanted(emitter: Emitter, step: Step, position: int, count: int) -> tuple[str, ...]:
    plain = ("outputs",) if count == 1 else (f"outputs{position + 1}",)
    item = _item(emitter, step, position)
    return (emitter.safe(item.label), *plain) if item is not None and item.label else plain


def _leave(emitter: Emitter, step: Step, lists: list[str], states: list[str]) -> list[str]:
    """Names for the results: lists are stacked where they are used, states keep their names."""
    if len(step.types) == 1:
        return emitter.finish(step, Expr(f"torch.stack({lists[0]}, 1)", depth=1))
    items = [_item(emitter, step, index) for index in range(len(step.types))]
    read = [item for item in items if item is not None and emitter.left.get(item.out, 0) > 0]
    for item, name in zip(items[len(lists) :], states, strict=True):
        if item in read:
            emitter.names[item.out] = name  # taken, before the lists get names
    lines: list[str] = []
    for item, name in zip(items, lists, strict=False):
        if item in read:
            lines += emitter.finish(item, Expr(f"torch.stack({name}, 1)", depth=1))
    return lines
