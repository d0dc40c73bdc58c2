"""Decisions in `forward`: tables, calls of a shared function, conditional expressions, branches.

The forms, by preference: a choice among modules is a table that is looked up; a choice that is
made alike in several places is a function; anything else is spelled out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from archdsl.codegen.code import LINE, Expr, block, join
from archdsl.codegen.modules import is_stored
from archdsl.codegen.naming import stem
from archdsl.codegen.patterns import Pattern, find_pattern
from archdsl.codegen.steps import Leaf, Pick, Step
from archdsl.ir.formula import Taken

if TYPE_CHECKING:
    from archdsl.codegen.forward import Emitter


@dataclass(frozen=True, slots=True)
class CallForm:
    """`apply_op(x, choice.op_1, self.conv_1)`: a function that several choices share."""

    pattern: Pattern

    @property
    def mentions(self) -> tuple[int, ...]:
        return self.pattern.tensors

    @property
    def absorbed(self) -> tuple[int, ...]:
        return self.pattern.region

    def emit(self, emitter: Emitter, step: Step) -> list[str]:
        name = emitter.functions.name(emitter, self.pattern)
        modules = [emitter.access(module) for module in self.pattern.modules]
        holes = [emitter.hole(hole) for hole in self.pattern.holes]
        lines = emitter.shorten(step, join([name, *holes, *modules]))
        args = [emitter.value(value) for value in self.pattern.tensors]
        text = join([*(arg.text for arg in args), *holes, *modules])
        depth = 1 + max((arg.depth for arg in args), default=0)
        return lines + emitter.finish(step, Expr(f"{name}({text})", depth=depth))


@dataclass(frozen=True, slots=True)
class TableForm:
    """`edge, source = {1: (self.edge_1, n1), 2: (self.edge_2, n2)}[choice.source]`.

    `rows` are the module of each alternative, or None, and the value that it takes.
    """

    rows: tuple[tuple[Step | None, int], ...]

    @property
    def mentions(self) -> tuple[int, ...]:
        values = tuple(value for _, value in self.rows)
        return values[:1] if self.one_value else values

    @property
    def absorbed(self) -> tuple[int, ...]:
        return tuple(module.out for module, _ in self.rows if module is not None)

    @property
    def one_value(self) -> bool:
        return len({value for _, value in self.rows}) == 1

    def emit(self, emitter: Emitter, step: Step) -> list[str]:
        if not isinstance(step.what, Pick):
            raise AssertionError("a table is for a choice")
        hole = step.what.hole
        lines = [line for value in self.mentions for line in emitter.bind(value)]
        args = [emitter.value(value).text for value in self.mentions]
        modules = [emitter.access(module) if module else "" for module, _ in self.rows]
        keys = [emitter.conditions.value(Taken(hole, i)) for i in range(len(self.rows))]
        key = emitter.hole(hole)
        source = emitter.fresh(emitter.safe(stem(hole)))
        if not any(modules):
            table = _dict(f"{k}: {arg}" for k, arg in zip(keys, args, strict=True))
            return lines + emitter.finish(step, Expr(f"{table}[{key}]", depth=1))
        layer = self._layer_name(emitter, source)
        if self.one_value:
            table = _dict(f"{k}: {module}" for k, module in zip(keys, modules, strict=True))
            lines.append(f"{source} = {table}[{key}]")
            return lines + emitter.finish(step, Expr(f"{source}({args[0]})", depth=1))
        rows = zip(keys, modules, args, strict=True)
        table = _dict(f"{k}: ({module}, {arg})" for k, module, arg in rows)
        lines.append(f"{layer}, {source} = {table}[{key}]")
        return lines + emitter.finish(step, Expr(f"{layer}({source})", depth=1))

    def _layer_name(self, emitter: Emitter, source: str) -> str:
        stems = {stem(module.path[-1]) for module, _ in self.rows if module is not None}
        wanted = emitter.safe(stems.pop()) if len(stems) == 1 else "layer"
        return emitter.fresh(*(name for name in (wanted, "layer", "module") if name != source))


def _dict(items: Iterable[str]) -> str:
    """A dictionary; the comma behind the last item has a long one laid out line by line."""
    text = join(items)
    return f"{{{text},}}" if len(text) > 60 else f"{{{text}}}"


@dataclass(frozen=True, slots=True)
class BranchForm:
    """A conditional expression, or `if` or `match` with the code of each alternative inside."""

    args: tuple[int, ...]
    absorbed: tuple[int, ...] = ()

    @property
    def mentions(self) -> tuple[int, ...]:
        return self.args

    def emit(self, emitter: Emitter, step: Step) -> list[str]:
        if not isinstance(step.what, Pick):
            raise AssertionError("branches are for a choice")
        hole = step.what.hole
        lines: list[str] = []
        bodies: list[tuple[list[str], Expr]] = []
        reached = [i for i, arg in enumerate(emitter.plan.needed_args(step)) if arg is not None]
        for position in reached:
            arg = step.args[position]
            inner, (expression,) = emitter.body((step.out, position), [arg])
            bodies.append((inner, expression))
        if len(bodies) == 1:
            ((inner, expression),) = bodies
            return [*lines, *inner, *emitter.finish(step, expression)]
        if len(bodies) == 2 and not any(inner for inner, _ in bodies):
            (_, no), (_, yes) = bodies
            condition = emitter.conditions.text(Taken(hole, reached[1]))
            text = f"{yes.operand} if {condition} else {no.operand}"
            if len(text) <= LINE:
                depth = 1 + max(yes.depth, no.depth)
                return lines + emitter.finish(step, Expr(text, tight=False, depth=depth))
        return lines + self._statement(emitter, step, [Taken(hole, i) for i in reached], bodies)

    def _statement(
        self,
        emitter: Emitter,
        step: Step,
        taken: Sequence[Taken],
        bodies: Sequence[tuple[list[str], Expr]],
    ) -> list[str]:
        last = emitter.may_return(step)
        name = "" if last else emitter.names.get(step.out) or emitter.name_for(step)
        emitter.names[step.out] = name
        emitter.returned = last
        written = [
            [*inner, f"return {expression.text}"]
            if last
            else [*inner, *([f"{name} = {expression.text}"] if expression.text != name else [])]
            or ["pass"]
            for inner, expression in bodies
        ]
        if len(written) == 2:
            condition = emitter.conditions.text(taken[0])
            if last:
                return [*block(f"if {condition}:", written[0]), *written[1]]
            return [*block(f"if {condition}:", written[0]), *block("else:", written[1])]
        cases = [
            line
            for atom, lines in zip(taken, written, strict=True)
            for line in block(f"case {emitter.conditions.value(atom)}:", lines)
        ]
        return block(f"match {emitter.hole(taken[0].hole)}:", cases)


Form: TypeAlias = CallForm | TableForm | BranchForm


def choose_form(emitter: Emitter, step: Step) -> Form:
    """The form in which a choice reads best."""
    if (table := _table(emitter, step)) is not None:
        return table
    pattern = find_pattern(emitter, step)
    if pattern is not None and emitter.functions.counts.get(pattern.key, 0) > 1:
        need = emitter.plan.needs[step.out]
        if all(
            emitter.plan.available(value, need) or emitter.plan.input_like(value) is not None
            for value in pattern.tensors
        ):
            return CallForm(pattern)
    return BranchForm(tuple(arg for arg in emitter.plan.needed_args(step) if arg is not None))


def _table(emitter: Emitter, step: Step) -> TableForm | None:
    plan = emitter.plan
    if None in plan.needed_args(step):
        return None
    rows: list[tuple[Step | None, int]] = []
    for position, arg in enumerate(step.args):
        region = plan.region((step.out, position))
        if not region:
            rows.append((None, arg))
        elif len(region) == 1 and _is_table_module(emitter, region[0]):
            rows.append((region[0], region[0].args[0]))
        else:
            return None
    modules = sum(module is not None for module, _ in rows)
    available = all(plan.available(value, plan.needs[step.out]) for _, value in rows)
    if not available or modules not in (0, len(rows)) or len(rows) < 2:
        return None
    return TableForm(tuple(rows))


def _is_table_module(emitter: Emitter, step: Step) -> bool:
    """Whether a step is one submodule on one value."""
    if len(step.args) != 1 or len(step.types) != 1 or not is_stored(step) or step.numbers:
        return False
    if isinstance(step.what, Leaf) and step.what.code.expression:
        return False
    return not emitter.choice_of(step) and not emitter.choice_inside(step)
