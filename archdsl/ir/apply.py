"""Functions applied: operations, compositions, modules and holes, each application anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Iterator

from archdsl.ir.arithmetic import is_number
from archdsl.ir.builder import Builder
from archdsl.ir.evaluate import JOINS, OPERATORS, Evaluator, flatten
from archdsl.ir.formula import ALWAYS, Formula, Taken
from archdsl.ir.graph import FrameKind, Static
from archdsl.ir.paths import Step
from archdsl.ir.references import walk
from archdsl.ir.values import Closure, Names, Series, Tensor, Terms, Value, Varying, kind_of
from archdsl.ops import lookup
from archdsl.ops.base import Operation, OperationError
from archdsl.ops.binding import bind
from archdsl.syntax import tree
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Operator, Quantity

if TYPE_CHECKING:
    from archdsl.ir.elaborate import Elaborator

MAX_REPEATS = 20_000


@dataclass(slots=True)
class Applier:
    """Applies functions inside one module."""

    elaborator: Elaborator
    builder: Builder
    evaluator: Evaluator = field(init=False)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The labels of every hole, by key: what a case of a varying value is called."""

    def __post_init__(self) -> None:
        self.evaluator = Evaluator(self.elaborator, self.builder, self)

    def label(self, hole: str, alternative: int) -> str:
        return self.labels[hole][alternative]

    # --- application -----------------------------------------------------------------------

    def arrow(self, expression: tree.Binary, names: Names) -> Value:
        """`x -> f -> g` where x is a value."""
        head, *stages = flatten(expression, Operator.ARROW)
        value = self.evaluator.value(head, names)
        for stage in stages:
            value = self.apply(stage, names, value)
        return value

    def sequence(
        self, head: tree.Expression, stages: Sequence[tree.Expression], names: Names, step: Step
    ) -> Value:
        """A chain under a name of its own: its members are numbered."""
        value = self.evaluator.value(head, names)
        with self.framed(step):
            return self._members(stages, names, value, 0)[0]

    def _members(
        self, stages: Sequence[tree.Expression], names: Names, value: Value, ordinal: int
    ) -> tuple[Value, int]:
        for stage in stages:
            if isinstance(stage, tree.Binary) and stage.operator is Operator.REPEAT:
                for _ in range(self._times(stage.right, names)):
                    inner = flatten(stage.left, Operator.ARROW)
                    value, ordinal = self._members(inner, names, value, ordinal)
            elif isinstance(stage, tree.Binary) and stage.operator is Operator.ARROW:
                inner = flatten(stage, Operator.ARROW)
                value, ordinal = self._members(inner, names, value, ordinal)
            else:
                value = self.apply(stage, names, value, Step(str(ordinal)))
                ordinal += 1
        return value, ordinal

    def apply(
        self, function: tree.Expression, names: Names, value: Value, step: Step | None = None
    ) -> Value:
        """A function applied to a value; `step` is the name it goes by, if not its own."""

        def applied(tensor: Value) -> Value:
            if not isinstance(tensor, Tensor):
                raise fault(
                    "E0303",
                    "-> applies an operation to one value",
                    function.span,
                    found=kind_of(tensor),
                    hint="join several values first: sum(...), mean(...) or concat(...)"
                    if isinstance(tensor, (Terms, Series))
                    else "",
                )
            return self._apply(function, names, tensor, step)

        return self.evaluator.lift(applied, [value])

    def _apply(
        self, function: tree.Expression, names: Names, value: Tensor, step: Step | None
    ) -> Value:
        match function:
            case tree.Ref() | tree.Call():
                return self._named(function, names, value, step)
            case tree.Hole():
                return self._hole_of_functions(function, names, value)
            case tree.Tied():
                return self.apply(function.value, names, value, self._tie(function, names))
            case tree.Select():
                chosen = self.evaluator.value(function.condition, names)
                return self.evaluator.lift(
                    lambda condition: self.apply(
                        function.yes if self._flag(condition, function) else function.no,
                        names,
                        value,
                        step,
                    ),
                    [chosen],
                )
            case tree.Binary(operator=Operator.ARROW):
                return self._composition(function, names, value, step)
            case tree.Binary(operator=Operator.REPEAT):
                return self._repeat(function, names, value, step)
            case tree.Binary(operator=Operator.ADD | Operator.MULTIPLY):
                with self.framed(step and replace(step, frame=FrameKind.OPERATION)):
                    return self._pointwise(function, names, value)
            case _:
                raise fault(
                    "E0303",
                    "-> needs an operation on its right",
                    function.span,
                    found=kind_of(self.evaluator.value(function, names)),
                )

    def _flag(self, condition: Value, select: tree.Select) -> bool:
        if isinstance(condition, bool):
            return condition
        raise fault(
            "E0303", "a condition is yes or no", select.condition.span, found=kind_of(condition)
        )

    def _composition(
        self, function: tree.Binary, names: Names, value: Tensor, step: Step | None
    ) -> Value:
        stages = flatten(function, Operator.ARROW)
        if step is not None and self.is_sequence(stages, names):
            with self.framed(replace(step, frame=FrameKind.SEQUENCE)):
                return self._members(stages, names, value, 0)[0]
        result: Value = value
        with self.framed(step and replace(step, frame=FrameKind.OPERATION)):
            for stage in stages:
                result = self.apply(stage, names, result)
        return result

    def _pointwise(self, function: tree.Binary, names: Names, value: Tensor) -> Value:
        """`f + g`: both applied to the same value; an operand may also be a value."""
        operands = [
            (self._operand(part, names, value), part.span)
            for part in flatten(function, function.operator)
        ]
        return self.evaluator.join(OPERATORS[function.operator], operands, function.span)

    def _operand(self, part: tree.Expression, names: Names, value: Tensor) -> Value:
        if self.evaluator.is_function(part, names):
            return self.apply(part, names, value)
        return self.evaluator.value(part, names)

    def _repeat(
        self, function: tree.Binary, names: Names, value: Tensor, step: Step | None
    ) -> Value:
        """`f^k`: k applications in a row, numbered; a hole may decide how many."""
        times = self.evaluator.settle(self.evaluator.value(function.right, names))
        base = step or self.builder.step(self._stem(function.left, names), function.span)
        tied = isinstance(function.left, tree.Tied)
        with self.framed(None if tied else replace(base, frame=FrameKind.SEQUENCE)):
            if isinstance(times, Varying):
                return self._varying_repeat(function, names, value, times, tied)
            result: Value = value
            for ordinal in range(self._count(times, function.right.span)):
                result = self._turn(function, names, result, ordinal, tied)
            return result

    def _turn(
        self, function: tree.Binary, names: Names, value: Value, ordinal: int, tied: bool
    ) -> Value:
        return self.apply(function.left, names, value, None if tied else Step(str(ordinal)))

    def _varying_repeat(
        self, function: tree.Binary, names: Names, value: Tensor, times: Varying, tied: bool
    ) -> Value:
        counts = {
            alternative: self._count(case, function.right.span) for alternative, case in times.cases
        }
        results: list[Value] = [value]
        for ordinal in range(max(counts.values())):
            deep = tuple(a for a, count in counts.items() if count > ordinal)
            with self.builder.inside(times.hole, deep):
                results.append(self._turn(function, names, results[-1], ordinal, tied))
        return self.collapse(
            times.hole, [(alternative, results[count]) for alternative, count in counts.items()]
        )

    def _times(self, expression: tree.Expression, names: Names) -> int:
        return self._count(self.evaluator.value(expression, names), expression.span)

    def _count(self, value: Value, span: tree.Span) -> int:
        if type(value) is not int or value < 0:
            raise fault("E0306", "^ repeats a whole number of times", span, found=kind_of(value))
        if value > MAX_REPEATS:
            raise fault("E0113", f"more than {MAX_REPEATS:,} repetitions", span)
        return value

    # --- names of the text -----------------------------------------------------------------

    def _named(
        self, function: tree.Ref | tree.Call, names: Names, value: Tensor, step: Step | None
    ) -> Value:
        bound = names.find(function.name)
        definition = self.elaborator.definitions.get(function.name)
        if isinstance(bound, Closure):
            if isinstance(function, tree.Call) or function.index:
                raise fault("E0304", f"{function.name} takes no arguments here", function.span)
            return self.apply(bound.expression, bound.scope, value, step)
        if bound is not None:
            raise fault(
                "E0303", f"{function.name} is no operation", function.span, found=kind_of(bound)
            )
        if isinstance(definition, tree.Operation):
            return self._operation(function, definition, names, value, step)
        if isinstance(definition, tree.Module):
            return self._module(function, definition, names, (value,), step)
        if isinstance(function, tree.Call) and function.name in JOINS:
            return self._joined(function, names, value)
        operation = lookup(function.name)
        if operation is None or function.index:
            raise self.evaluator.unknown(function.name, names, function.span)
        return self._builtin(function, operation, names, value, step)

    def _joined(self, call: tree.Call, names: Names, value: Tensor) -> Value:
        """`concat(f, g)` as a function: both applied to the same value."""
        operands = []
        for argument in call.arguments:
            for inner, indices in self.evaluator.unroll(call.comprehensions, names):
                with self.evaluator.indexed(indices):
                    operands.append((self._operand(argument.value, inner, value), argument.span))
        return self.evaluator.join(JOINS[call.name], operands, call.span)

    def _builtin(
        self,
        function: tree.Ref | tree.Call,
        operation: type[Operation],
        names: Names,
        value: Tensor,
        step: Step | None,
    ) -> Value:
        positional, keywords = self._split(function, names)

        def emitted(*arguments: Value) -> Value:
            given = [self._argument(a, function) for a in arguments]
            try:
                applied = bind(
                    operation,
                    given[: len(positional)],
                    dict(zip(keywords, given[len(positional) :], strict=True)),
                )
            except OperationError as problem:
                raise fault(
                    "E0304",
                    f"{function.name}: {problem}",
                    function.span,
                    found=problem.found,
                    expected=problem.expected,
                    hint=problem.hint,
                ) from None
            return self.builder.apply(applied, (value,), function.span, self._suffixed(step))

        return self.evaluator.lift(emitted, [*positional, *keywords.values()])

    def _suffixed(self, step: Step | None) -> Step | None:
        """A given name, with the numbers of holes that the application depends on."""
        if step is None or step.place or not self.builder.at.indices:
            return step
        return replace(step, indices=self.builder.at.indices)

    def _argument(self, value: Value, function: tree.Ref | tree.Call) -> Static:
        if isinstance(value, (int, float, str)):
            return value
        raise fault(
            "E0304",
            f"{function.name} takes numbers, yes or no, or texts",
            function.span,
            found=kind_of(value),
        )

    def _split(
        self, function: tree.Ref | tree.Call, names: Names
    ) -> tuple[list[Value], dict[str, Value]]:
        """A call's positional and named arguments, evaluated."""
        positional: list[Value] = []
        keywords: dict[str, Value] = {}
        for argument in function.arguments if isinstance(function, tree.Call) else ():
            with self.hinted(argument.name or function.name):
                value = self.evaluator.value(argument.value, names)
            if argument.name is None:
                if keywords:
                    raise fault("E0304", "arguments without a name come first", argument.span)
                positional.append(value)
            elif argument.name in keywords:
                raise fault("E0304", f"{argument.name} is given twice", argument.span)
            else:
                keywords[argument.name] = value
        return positional, keywords

    def _operation(
        self,
        function: tree.Ref | tree.Call,
        definition: tree.Operation,
        names: Names,
        value: Tensor,
        step: Step | None,
    ) -> Value:
        if function.index:
            raise fault("E0302", f"{function.name} has no index", function.span)
        positional, keywords = self._split(function, names)
        bound = self.elaborator.parameters(
            definition.parameters, positional, keywords, function, self.evaluator
        )
        own = step or self.builder.step(definition.name, function.span)
        frame = replace(own, frame=FrameKind.OPERATION, doc=definition.doc)
        scope = self.elaborator.names.inside(bound)
        with self.elaborator.entered(definition.name, function.span), self.framed(frame):
            return self.apply(definition.value, scope, value)

    def module_call(self, call: tree.Call, definition: tree.Module, names: Names) -> Value:
        """`cell(a, b, c=8)`: a module applied to several values."""
        inputs = [a for a in call.arguments if a.name is None]
        values = [self.evaluator.value(argument.value, names) for argument in inputs]

        def applied(*tensors: Value) -> Value:
            given = [tensor for tensor in tensors if isinstance(tensor, Tensor)]
            if len(given) != len(tensors):
                wrong = next(t for t in tensors if not isinstance(t, Tensor))
                raise fault(
                    "E0303",
                    f"{definition.name} takes values of the network",
                    call.span,
                    found=kind_of(wrong),
                )
            named = replace(call, arguments=tuple(a for a in call.arguments if a.name))
            return self._module(named, definition, names, tuple(given), None)

        return self.evaluator.lift(applied, values)

    def _module(
        self,
        function: tree.Ref | tree.Call,
        definition: tree.Module,
        names: Names,
        inputs: tuple[Tensor, ...],
        step: Step | None,
    ) -> Value:
        _, keywords = self._split(function, names)
        family = tuple(self.evaluator.value(index, names) for index in function.index)

        def invoked(*arguments: Value) -> Value:
            bound = self.elaborator.parameters(
                definition.parameters,
                [],
                dict(zip(keywords, arguments, strict=True)),
                function,
                self.evaluator,
            )
            types = tuple(self.builder.type_of(tensor) for tensor in inputs)
            key, results = self.elaborator.module(definition, family, bound, types, function)
            own = self._suffixed(step) or self.builder.step(definition.name, function.span)
            return self.builder.invoke(key, results, inputs, function.span, own)

        return self.evaluator.lift(invoked, list(keywords.values()))

    # --- holes -----------------------------------------------------------------------------

    def _hole_of_functions(self, hole: tree.Hole, names: Names, value: Tensor) -> Value:
        alternatives = self._alternatives(hole, names)
        key = self._register(hole, [label for label, *_ in alternatives], "op")
        cases: list[tuple[int, Value]] = []
        for number, (label, inner, alternative, indices) in enumerate(alternatives):
            step = None
            if alternative.label is not None:
                step = replace(
                    self.builder.step(label.replace(".", "_"), alternative.span),
                    indices=self.builder.at.indices,
                )
            with self.builder.inside(key, (number,)), self.evaluator.indexed(indices):
                cases.append((number, self.apply(alternative.value, inner, value, step)))
        return self._taken(hole, key, cases)

    def hole_of_values(self, hole: tree.Hole, names: Names) -> Value:
        """`{n[j] -> edge for j in 1..3}`, `{3 | 5}`, `2 of {...}`: alternatives are values."""
        alternatives = self._alternatives(hole, names)
        key = self._register(
            hole, [label for label, *_ in alternatives], self._value_stem(hole, alternatives)
        )
        cases: list[tuple[int, Value]] = []
        for number, (_, inner, alternative, indices) in enumerate(alternatives):
            with self.builder.inside(key, (number,)), self.evaluator.indexed(indices):
                cases.append((number, self.evaluator.value(alternative.value, inner)))
        return self._taken(hole, key, cases)

    def _value_stem(
        self, hole: tree.Hole, alternatives: Sequence[tuple[str, Names, tree.Alternative, object]]
    ) -> str:
        _, inner, alternative, _ = alternatives[0]
        if isinstance(alternative.value, (tree.Number, tree.Flag, tree.Text)):
            return self.builder.at.hint or "number"
        return "source" if hole.quantity is Quantity.ONE else "sources"

    def _register(self, hole: tree.Hole, labels: list[str], stem: str) -> str:
        for number, label in enumerate(labels):
            if label in labels[:number]:
                raise fault(
                    "E0501",
                    f"two alternatives are called {label}",
                    hole.span,
                    hint="name them apart: {a = ... | b = ...}",
                )
        if hole.quantity is Quantity.SOME and not 0 < hole.count <= len(labels):
            raise fault(
                "E0503",
                f"{hole.count} of {len(labels)} alternatives cannot be taken",
                hole.span,
                found=f"{hole.count} of",
                expected=f"1 to {len(labels)}",
            )
        key = self.builder.register(hole.quantity, hole.count, tuple(labels), stem, hole.span)
        self.labels[key] = tuple(labels)
        return key

    def _taken(self, hole: tree.Hole, key: str, cases: list[tuple[int, Value]]) -> Value:
        if hole.quantity is Quantity.ONE:
            return self.collapse(key, cases)
        terms: list[tuple[Tensor, Formula]] = []
        for number, value in cases:
            if not isinstance(value, Tensor):
                raise fault(
                    "E0503", "a set takes values of the network", hole.span, found=kind_of(value)
                )
            terms.append((value, Taken(key, number)))
        return Terms(tuple(terms))

    def _alternatives(
        self, hole: tree.Hole, names: Names
    ) -> list[tuple[str, Names, tree.Alternative, tuple[str, ...]]]:
        """Every alternative with its label, its names and its indices."""
        result: list[tuple[str, Names, tree.Alternative, tuple[str, ...]]] = []
        for alternative in hole.alternatives:
            for written in self._expanded(alternative, names):
                for inner, indices in self.evaluator.unroll(written.comprehensions, names):
                    label = self._label(written, inner, indices)
                    result.append((label, inner, written, indices))
        if not result:
            raise fault("E0503", "a hole without alternatives", hole.span)
        return result

    def _expanded(self, alternative: tree.Alternative, names: Names) -> Iterator[tree.Alternative]:
        """`n[1..3]` and `1..3` as alternatives stand for three each."""
        value = alternative.value
        span = value.span
        if isinstance(value, tree.Binary) and value.operator is Operator.RANGE:
            for label in self.evaluator.series(value, names).labels:
                number = tree.Number(value=int(label), text=label, span=span)
                yield replace(alternative, value=number)
            return
        if isinstance(value, tree.Ref) and len(value.index) == 1:
            index = value.index[0]
            if isinstance(index, tree.Binary) and index.operator is Operator.RANGE:
                for label in self.evaluator.series(index, names).labels:
                    number = tree.Number(value=int(label), text=label, span=index.span)
                    yield replace(alternative, value=replace(value, index=(number,)))
                return
        yield alternative

    def _label(self, alternative: tree.Alternative, names: Names, indices: tuple[str, ...]) -> str:
        """The alternative's own name, else its number, index or operation."""
        if alternative.label is not None:
            own = [str(self.evaluator.value(i, names)) for i in alternative.label.index]
            return ".".join((alternative.label.name, *own))
        if indices:
            return ".".join(indices)
        value = alternative.value
        match value:
            case tree.Number() | tree.Flag() | tree.Text():
                return _spelled(value.value)
            case tree.Ref(index=(index,)):
                return str(self.evaluator.value(index, names))
            case tree.Ref(name=name) | tree.Call(name=name) | tree.Tied(value=tree.Ref(name=name)):
                return name
            case _:
                raise fault(
                    "E0502",
                    "this alternative needs a name",
                    value.span,
                    hint="write {name = ... | ...}: strings call it by that name",
                )

    def collapse(self, hole: str, cases: Sequence[tuple[int, Value]]) -> Value:
        """Cases become one value where they have one type, else they stay varying."""
        values = [value for _, value in cases]
        first = values[0]
        if all(isinstance(value, Tensor) for value in values):
            tensors = [value for value in values if isinstance(value, Tensor)]
            types = self.builder.types_of(tensors[0])
            if all(self.builder.types_of(tensor) == types for tensor in tensors):
                return self._choose(hole, cases)
        elif is_number(first) and all(value == first for value in values):
            return first
        elif any(isinstance(value, (Terms, Series, Closure)) for value in values):
            wrong = next(v for v in values if isinstance(v, (Terms, Series, Closure)))
            raise fault("E0503", "an alternative is one value", None, found=kind_of(wrong))
        return Varying(hole, tuple(cases))

    def _choose(self, hole: str, cases: Sequence[tuple[int, Value]]) -> Tensor:
        by_number = {n: value for n, value in cases if isinstance(value, Tensor)}
        fallback = next(iter(by_number.values()))  # stands where the context rules it out
        count = len(self.labels[hole])
        args = [by_number.get(number, fallback) for number in range(count)]
        return self.builder.choose(hole, args, None)

    # --- names of weights ------------------------------------------------------------------

    @contextmanager
    def framed(self, step: Step | None) -> Iterator[None]:
        """Work below a step; None stays where it is."""
        if step is None:
            yield
            return
        at = self.builder.at
        with self.builder.moved(replace(at, prefix=(*at.prefix, step), indices=())):
            yield

    @contextmanager
    def hinted(self, hint: str) -> Iterator[None]:
        """Work on what an argument of that name stands for: a hole in it is called so."""
        with self.builder.moved(replace(self.builder.at, hint=hint)):
            yield

    def _tie(self, tied: tree.Tied, names: Names) -> Step:
        indices = tuple(str(self.evaluator.value(index, names)) for index in tied.index)
        return Step(tied.name, (-1,), indices)

    def _stem(self, function: tree.Expression, names: Names) -> str:
        match function:
            case tree.Ref(name=name) | tree.Call(name=name):
                return name
            case tree.Tied(value=inner) | tree.Binary(left=inner):
                return self._stem(inner, names)
            case _:
                return "layers"

    def is_sequence(self, stages: Sequence[tree.Expression], names: Names) -> bool:
        """Whether a chain is plain: applications of named things without holes or ties."""
        return all(self._is_plain(stage, names) for stage in stages)

    def _is_plain(self, stage: tree.Expression, names: Names) -> bool:
        match stage:
            case tree.Ref(name=name):
                bound = names.find(name)
                if isinstance(bound, Closure):
                    return self._is_plain(bound.expression, bound.scope)
                return name in JOINS or not self.elaborator.has_hole(name)
            case tree.Call(name=name, arguments=arguments):
                return (
                    name not in JOINS
                    and not self.elaborator.has_hole(name)
                    and not any(contains_hole(argument.value) for argument in arguments)
                    and not self._varies(arguments, names)
                )
            case tree.Binary(operator=Operator.REPEAT, left=left, right=right):
                fixed = not contains_hole(right) and not isinstance(
                    self.evaluator.value(right, names), Varying
                )
                return fixed and self.is_sequence(flatten(left, Operator.ARROW), names)
            case tree.Binary(operator=Operator.ARROW):
                return self.is_sequence(flatten(stage, Operator.ARROW), names)
            case _:
                return False

    def _varies(self, arguments: Sequence[tree.Argument], names: Names) -> bool:
        return any(
            isinstance(argument.value, tree.Ref)
            and isinstance(names.find(argument.value.name), Varying)
            for argument in arguments
        )


def contains_hole(expression: tree.Expression) -> bool:
    """Whether a hole is written anywhere in an expression."""
    return any(isinstance(part, tree.Hole) for part in walk(expression))


def _spelled(value: int | float | bool | str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
