"""Chains whose members take choices: a loop for each run of equal members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from archdsl.codegen.choice import InnerField, Reach
from archdsl.codegen.code import block, join
from archdsl.codegen.depths import count_text
from archdsl.codegen.steps import Chain, Step, Use
from archdsl.codegen.told import told

if TYPE_CHECKING:
    from archdsl.codegen.forward import Emitter


def emit_chain(emitter: Emitter, step: Step) -> list[str]:
    """The statements that run a `nn.ModuleList` whose members take choices."""
    if not isinstance(step.what, Chain):
        raise AssertionError("a chain")
    members, depth = step.what.members, step.what.depth
    source = emitter.value(step.args[0])
    name = emitter.name_for(step)
    access = emitter.access(step)
    lines: list[str] = []
    current = source.text
    for start, run in runs(emitter, members):
        end = start + len(run)
        if depth is not None:
            if current != name:
                lines.append(f"{name} = {current}")
            count = count_text(depth, emitter.plan.unit.graph, emitter.hole(depth.hole))
            lines += _loop(emitter, run, f"{access}[:{count}]", name, cut=True)
        elif len(run) == 1:
            choice = emitter.choice_of(run[0])
            given = [current, *told(emitter, run[0]), *([choice] if choice else [])]
            shape = emitter.comment(run[0])
            lines.append(f"{name} = {access}[{start}]({join(given)}){shape}")
        else:
            if current != name:
                lines.append(f"{name} = {current}")
            first, last = str(start or ""), "" if end == len(members) else str(end)
            part = f"{access}[{first}:{last}]" if first or last else access
            lines += _loop(emitter, run, part, name)
        current = name
    emitter.names[step.out] = name
    return lines


def runs(emitter: Emitter, members: Sequence[Step]) -> Iterator[tuple[int, list[Step]]]:
    """Neighbours that are called alike, each run with the number of its first member."""
    start = 0
    while start < len(members):
        end = start + 1
        while end < len(members) and _alike(emitter, members[start], members[end]):
            end += 1
        yield start, list(members[start:end])
        start = end


def _alike(emitter: Emitter, a: Step, b: Step) -> bool:
    if not _same_class(emitter, a, b) or told(emitter, a) != told(emitter, b):
        return False
    first, second = emitter.reach(a), emitter.reach(b)
    if first is None or second is None or first.member is None or second.member is None:
        return first == second
    return first.field == second.field


def _same_class(emitter: Emitter, a: Step, b: Step) -> bool:
    """Two uses of one definition, whatever their sizes."""
    if not (isinstance(a.what, Use) and isinstance(b.what, Use)):
        return False
    modules = emitter.layout.program.modules
    return modules[a.what.module].definition == modules[b.what.module].definition


def _loop(
    emitter: Emitter, run: Sequence[Step], part: str, name: str, cut: bool = False
) -> list[str]:
    what = run[0].what
    word = "block"
    if isinstance(what, Use):
        word = emitter.layout.program.modules[what.module].definition
    item = emitter.fresh(*(w for w in (emitter.safe(word), "block") if w != name))
    reach = emitter.reach(run[0])
    given = join([name, *told(emitter, run[0])])
    if reach is None:
        return block(f"for {item} in {part}:", [f"{name} = {item}({given})"])
    if reach.member is None:
        call = f"{name} = {item}({given}, {reach.expression(emitter.layout.argument)})"
        return block(f"for {item} in {part}:", [call])
    inner = "inner" if "inner" not in (name, item) else "inner_"
    choices = _members(emitter, reach, len(run))
    return block(
        f"for {item}, {inner} in zip({part}, {choices}, strict={not cut}):",
        [f"{name} = {item}({given}, {inner})"],
    )


def _members(emitter: Emitter, reach: Reach, count: int) -> str:
    """The choices of a run of blocks: all of the field, or a slice."""
    choices = emitter.layout.of(emitter.plan.unit.key[0])
    total = -1
    for part in choices.fields if choices else ():
        if isinstance(part, InnerField) and part.name == reach.field and part.count:
            total = part.count
    start = reach.member or 0
    first, last = str(start or ""), "" if start + count == total else str(start + count)
    text = f"{emitter.layout.argument}.{reach.field}"
    return f"{text}[{first}:{last}]" if first or last else text
