"""The statements of one module, run in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from archdsl.ir.cases import ends, holes_of
from archdsl.ir.evaluate import WORDS, Evaluator, flatten
from archdsl.ir.graph import USE, FrameKind
from archdsl.ir.headers import head
from archdsl.ir.paths import Step, binding_name
from archdsl.ir.values import Family, Names, Series, Tensor, Value, Varying, kind_of
from archdsl.ir.work import Work
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Operator


@dataclass(slots=True)
class Statements:
    """Runs a module's body into its builder."""

    work: Work
    module: Names
    """The module's own names: inputs, parameters and what is bound outside loops."""

    @property
    def evaluator(self) -> Evaluator:
        return self.work.evaluator

    def run(self, body: Sequence[tree.Statement], names: Names) -> tuple[Tensor, ...] | None:
        """The outputs, where the statements return; loops do not."""
        for position, statement in enumerate(body):
            outputs = self._statement(statement, names)
            if outputs is None:
                continue
            if position + 1 < len(body) and isinstance(statement, tree.Return):
                raise fault(
                    "E0309",
                    "nothing behind a return is reached",
                    body[position + 1].span,
                    hint="end with the return; what stands behind it never runs",
                )
            return outputs
        return None

    def _statement(self, statement: tree.Statement, names: Names) -> tuple[Tensor, ...] | None:
        if not self.work.builder.at.loops:  # in a loop, a turn is one entry
            self.work.builder.entry_open = False
        match statement:
            case tree.Bind():
                self._bind(statement, names)
                return None
            case tree.Return():
                with self.work.builder.moved(replace(self.work.builder.at, indices=(), hint="")):
                    return tuple(o for value in statement.values for o in self._given(value, names))
            case tree.For():
                self._loop(statement, names)
                return None
            case tree.If():
                return self._branch(statement, names)

    def _given(self, expression: tree.Expression, names: Names) -> tuple[Tensor, ...]:
        """What one part of a return gives: an output, or one for each of several values."""
        value = self.evaluator.value(expression, names)
        match value:
            case Series(members) if members:
                return tuple(self._output(member, expression) for member in members)
            case Family(members) if members:
                return tuple(self._output(member, expression) for member in members.values())
            case _:
                return (self._output(value, expression),)

    def _output(self, value: Value, expression: tree.Expression) -> Tensor:
        if isinstance(value, Tensor):
            kinds = self.work.builder.kind(value)
            if all(hole == USE for hole in holes_of(kinds)):
                return value
            shapes = dict.fromkeys(", ".join(map(str, types)) for types in ends(kinds))
            raise self._several(expression, list(shapes))
        if isinstance(value, Varying) and isinstance(self.work.lifter.sample(value), Tensor):
            raise self._several(expression, self._shapes(value))
        raise fault(
            "E0303",
            "return gives values of the network",
            expression.span,
            found=kind_of(value),
            expected="x -> ... or several of them: return a, b",
        )

    def _several(self, expression: tree.Expression, shapes: Sequence[str]) -> ArchError:
        return fault(
            "E0512",
            "the shape of what is returned depends on a hole",
            expression.span,
            found=" or ".join(shapes),
            expected="one shape, whatever the hole takes",
            hint="bring all alternatives to one shape before the return, as in -> conv(64)",
        )

    def _shapes(self, value: Value) -> list[str]:
        """The shapes that a varying value may have, each once."""
        if isinstance(value, Varying):
            return list(dict.fromkeys(s for _, v in value.cases for s in self._shapes(v)))
        return [str(self.work.builder.type_of(value))] if isinstance(value, Tensor) else []

    def _loop(self, loop: tree.For, names: Names) -> None:
        series = self.evaluator.series(loop.values, names)
        if self._visible(loop.name, names) is not None:
            raise fault(
                "E0307",
                f"{loop.name} is bound twice",
                head(loop),
                hint=f"{loop.name} has a meaning already: count with another name",
            )
        with self.work.builder.turned(len(series.values), loop.values.span):
            at = self.work.builder.at
            for value, label in zip(series.values, series.labels, strict=True):
                inner = names.inside({loop.name: value})
                self.work.builder.entry_open = False
                with self.work.builder.moved(replace(at, loops=(*at.loops, label))):
                    if self.run(loop.body, inner) is not None:
                        raise self._returning(loop)
        self.work.builder.entry_open = False

    def _returning(self, loop: tree.For) -> ArchError:
        return fault(
            "E0309",
            "a loop does not return",
            loop.body[-1].span,
            hint="bind the value to a name with an index, and return it behind the loop",
        )

    def _branch(self, branch: tree.If, names: Names) -> tuple[Tensor, ...] | None:
        condition = self.evaluator.value(branch.condition, names)
        if isinstance(condition, Varying):
            raise fault(
                "E0505",
                "a hole cannot decide between statements",
                branch.condition.span,
                found=kind_of(condition),
                expected="yes or no, known while compiling",
                hint="let it decide between values: y = if a then b else c",
            )
        if not isinstance(condition, bool):
            raise fault(
                "E0303",
                "a condition is yes or no",
                branch.condition.span,
                found=kind_of(condition),
            )
        return self.run(branch.yes if condition else branch.no, names)

    # --- bindings --------------------------------------------------------------------------

    def _bind(self, bind: tree.Bind, names: Names) -> None:
        first = bind.targets[0]
        indices = self._indices(first, names)
        spelled = tuple(str(index) for index in indices)
        at = self.work.builder.at
        where = replace(at, indices=spelled if first.index else at.loops, hint=first.name)
        label = binding_name(first.name, where.indices)
        self.work.builder.budget.step(bind.span)
        with self.work.builder.moved(where):
            value = self._value(bind.value, names, label)
        if isinstance(value, Tensor):
            self.work.builder.label(value, label)
        elif isinstance(value, Varying):
            value = replace(value, label=label)
        for target in bind.targets:
            self._set(target, self._indices(target, names), value, names)

    def _value(self, expression: tree.Expression, names: Names, label: str) -> Value:
        """A plain chain of several parts becomes a sequence under the binding's name."""
        head, *stages = flatten(expression, Operator.ARROW)
        several = len(stages) > 1 or (
            len(stages) == 1
            and isinstance(stages[0], tree.Binary)
            and stages[0].operator is Operator.REPEAT
        )
        if (
            several
            and not self.evaluator.is_function(head, names)
            and self.work.applier.is_sequence(stages, names)
        ):
            step = Step(label, (expression.span.start,), frame=FrameKind.SEQUENCE)
            return self.work.applier.sequence(head, stages, names, step)
        return self.evaluator.value(expression, names)

    def _indices(self, target: tree.Ref, names: Names) -> tuple[int, ...]:
        indices = []
        for index in target.index:
            value = self.evaluator.value(index, names)
            if type(value) is not int:
                raise fault(
                    "E0302",
                    "an index is a whole number",
                    index.span,
                    found=kind_of(value),
                    expected="a whole number, known while compiling",
                )
            indices.append(value)
        return tuple(indices)

    def _set(self, target: tree.Ref, indices: tuple[int, ...], value: Value, names: Names) -> None:
        if not indices:
            if self._visible(target.name, names) is not None or target.name in WORDS:
                raise self._twice(target, target.name)
            names.bound[target.name] = value
            return
        family = self._visible(target.name, names)
        if family is None:
            family = self.module.bound[target.name] = Family()
        if not isinstance(family, Family):
            raise self._twice(target, target.name)
        if indices in family.members:
            raise self._twice(target, f"{target.name}[{', '.join(map(str, indices))}]")
        family.members[indices] = value

    def _visible(self, name: str, names: Names) -> Value | None:
        """What a name stands for within this module; names of the space may be reused."""
        scope: Names | None = names
        while scope is not None:
            if name in scope.bound:
                return scope.bound[name]
            if scope is self.module:
                return None
            scope = scope.outer
        return None

    def _twice(self, target: tree.Ref, spelled: str) -> ArchError:
        return fault(
            "E0307",
            f"{spelled} is bound twice",
            target.span,
            hint="every name is bound once; give the second one another name or an index",
        )
