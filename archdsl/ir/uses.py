"""Named things used: operations bound, compositions entered, modules invoked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeGuard

from archdsl.ir.cases import combine
from archdsl.ir.elastic import is_size, tree_of
from archdsl.ir.expansion import Mark
from archdsl.ir.find import find_operation, spoken
from archdsl.ir.functions import FUNCTIONS
from archdsl.ir.graph import FrameKind, Static
from archdsl.ir.invoking import invoked
from archdsl.ir.joining import JOINS
from archdsl.ir.misread import operation_in
from archdsl.ir.operands import no_input, operand
from archdsl.ir.paths import Step
from archdsl.ir.rules import IT
from archdsl.ir.turns import turns
from archdsl.ir.values import Closure, Names, Tensor, Value, Varying, kind_of
from archdsl.ops.base import Operation, OperationError
from archdsl.ops.binding import bind, signature
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, fault

if TYPE_CHECKING:
    from archdsl.ir.work import Work


@dataclass(slots=True)
class Uses:
    """Applies what the text calls by name, within one module."""

    work: Work

    def named(
        self, function: tree.Ref | tree.Call, names: Names, value: Tensor, step: Step | None
    ) -> Value:
        bound = names.find(function.name)
        definition = self.work.elaborator.definitions.get(function.name)
        if isinstance(bound, Closure):
            if isinstance(function, tree.Call) or function.index:
                raise fault(
                    "E0304",
                    f"{function.name} takes no arguments here",
                    function.span,
                    hint="its arguments are given where it is bound",
                )
            return self._closure(function, bound, value, step)
        if bound is not None:
            raise self._no_operation(function, bound)
        if isinstance(definition, tree.Operation):
            return self._operation(function, definition, names, value, step)
        if isinstance(definition, tree.Module):
            self._check_named(function, definition)
            return self._module(function, definition, names, (value,), step)
        if isinstance(function, tree.Call) and function.name in JOINS:
            return self._joined(function, names, value)
        if isinstance(function, tree.Call) and function.name in FUNCTIONS:
            raise self._no_operation(function, self.work.evaluator.value(function, names))
        operation = find_operation(function.name, function.span)
        if operation is None:
            raise self.work.evaluator.unknown(function.name, names, function.span)
        if function.index:
            raise fault("E0302", f"{function.name} has no index", function.span)
        return self._builtin(function, operation, names, value, step)

    def _check_named(self, function: tree.Ref | tree.Call, definition: tree.Module) -> None:
        """Behind `->` a module has its input; what else it takes goes by name."""
        arguments = function.arguments if isinstance(function, tree.Call) else ()
        unnamed = next((argument for argument in arguments if argument.name is None), None)
        if unnamed is None:
            return
        takes = [parameter.name for parameter in definition.parameters]
        hint = f"name a number, as in {function.name}({takes[0]}=...)" if takes else ""
        if len(definition.inputs) > 1:
            values = ", ".join(given.name for given in definition.inputs)
            hint = f"give all its values at once: {function.name}({values}, ...)"
        raise fault(
            "E0304",
            f"{function.name} takes its value from the left of `->`, and the rest by name",
            unnamed.span,
            found="an argument without a name",
            expected=", ".join(takes) or "no arguments",
            hint=hint,
        )

    def _no_operation(self, function: tree.Ref | tree.Call, value: Value) -> ArchError:
        return fault(
            "E0303",
            f"{function.name} is no operation",
            function.span,
            found=kind_of(value),
            expected="an operation, a cell, a block or an op",
            hint="a value goes to the left of `->`" if isinstance(value, Tensor) else "",
        )

    def _closure(
        self, function: tree.Ref, closure: Closure, value: Tensor, step: Step | None
    ) -> Value:
        """A function under a name: every application of it owns its weights and decisions."""
        here = None if step else self.work.builder.step("", function.span)
        with self.work.builder.framed(here), self.work.elaborator.stack.standing(closure.stack):
            return self.work.applier.apply(closure.expression, closure.scope, value, step)

    def _joined(self, call: tree.Call, names: Names, value: Tensor) -> Value:
        """`concat(f, g)` as a function: both applied to the same value."""
        operands = []
        for argument in call.arguments:
            for turn in turns(self.work, call.comprehensions, names):
                with self.work.builder.moved(turn.at(self.work.builder.at)):
                    operand = self.work.applier.operand(argument.value, turn.names, value)
                operands.append((turn.present(operand, argument.span), argument.span))
        return self.work.joiner.join(JOINS[call.name], operands, call.span)

    def _builtin(
        self,
        function: tree.Ref | tree.Call,
        operation: type[Operation],
        names: Names,
        value: Tensor,
        step: Step | None,
    ) -> Value:
        formals = [parameter.name for parameter in signature(operation)]
        positional, keywords = self._split(function, names, formals)
        # An operation of several values takes the first from the left of `->`.
        more = (operation.arity or 1) - 1
        others, positional = positional[:more], positional[more:]
        for rule in self.work.elaborator.rules_for(function.name):
            self._vary(rule, function, operation, names, (positional, keywords))

        def bound(*arguments: Value) -> Operation:
            given = [self._argument(a, function, operation) for a in arguments]
            try:
                return bind(
                    operation,
                    given[: len(positional)],
                    dict(zip(keywords, given[len(positional) :], strict=True)),
                )
            except OperationError as problem:
                raise fault(
                    "E0304",
                    spoken(function.name, problem),
                    _blamed(function, formals, str(problem)),
                    found=problem.found,
                    expected=problem.expected,
                    hint=problem.hint,
                ) from None

        builder = self.work.builder
        arguments = [*positional, *keywords.values()]
        formal = [*formals[: len(positional)], *keywords]
        labels = {n: a.label for n, a in zip(formal, arguments, strict=False) if is_labelled(a)}
        # Under `elastic` sizes stay open; anything else is worked out case by case.
        open_ = [builder.elastic and isinstance(a, Varying) and is_size(a) for a in arguments]

        def emitted(*cases: Value) -> Value:
            values = [
                value,
                *(operand(a, function.name, function.span) for a in cases[: len(others)]),
            ]
            if operation.arity != len(values):
                raise no_input(function.name, operation.arity, function.span)
            rest = cases[len(others) :]
            given = [a if o else c for a, o, c in zip(arguments, open_, rest, strict=True)]
            applied = combine(bound, [tree_of(a) for a in given], builder.known())
            return builder.apply(applied, values, function.span, step, labels=labels)

        fixed = [0 if o else a for a, o in zip(arguments, open_, strict=True)]
        return self.work.lifter.lift(emitted, [*others, *fixed], function.span)

    def _vary(
        self,
        rule: tree.Vary,
        function: tree.Ref | tree.Call,
        operation: type[Operation],
        names: Names,
        given: tuple[list[Value], dict[str, Value]],
    ) -> None:
        """Give an application the arguments that a rule makes of those in the text."""
        positional, keywords = given
        formals = {parameter.name: i for i, parameter in enumerate(signature(operation))}
        at = self.work.builder.at
        for argument in rule.arguments:
            name = argument.name or ""
            place = formals[name]
            known = keywords.get(name, signature(operation)[place].default)
            if place < len(positional):
                known = positional[place]
            bound = {} if known is None else {IT: known}
            here = replace(at, site=(function.span.start,), hint=name)
            with self.work.builder.moved(here):
                value = self.work.evaluator.value(argument.value, names.inside(bound))
            if place < len(positional):
                positional[place] = value
            else:
                keywords[name] = value

    def _argument(
        self, value: Value, function: tree.Ref | tree.Call, operation: type[Operation]
    ) -> Static:
        if isinstance(value, (int, float, str)):
            return value
        raise fault(
            "E0304",
            f"{function.name} takes numbers, yes or no, or texts",
            operation_in(value, self.work.evaluator.is_function) or function.span,
            found=kind_of(value),
            expected="a number, yes or no, or a text" if signature(operation) else "no arguments",
        )

    def _split(
        self, function: tree.Ref | tree.Call, names: Names, formals: Sequence[str]
    ) -> tuple[list[Value], dict[str, Value]]:
        """A call's positional and named arguments, evaluated; `formals` name the former."""
        positional: list[Value] = []
        keywords: dict[str, Value] = {}
        if not isinstance(function, tree.Call):
            return positional, keywords
        if function.comprehensions:
            raise fault(
                "E0306",
                f"{function.name} is not repeated by for",
                function.comprehensions[0].span,
                hint="for stands in joins and holes: sum(n[j] -> f for j in 1..3)",
            )
        for argument in function.arguments:
            known = formals[len(positional) : len(positional) + 1]
            name = argument.name or (known[0] if known else "")
            value = self.work.evaluator.argument(argument.value, names, name)
            if argument.name is None:
                if keywords:
                    raise fault(
                        "E0304",
                        "arguments without a name come first",
                        argument.span,
                        hint="put it before the named ones, or name it too",
                    )
                positional.append(value)
            elif argument.name in keywords:
                raise fault(
                    "E0304",
                    f"{argument.name} is given twice",
                    argument.span,
                    hint="give it once",
                )
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
            raise fault(
                "E0302",
                f"{function.name} has no index",
                function.span,
                hint="an op is expanded where it stands; only a cell or block is a family",
            )
        formals = [parameter.name for parameter in definition.parameters]
        positional, keywords = self._split(function, names, formals)
        bound = self.work.elaborator.headers.parameters(
            definition.parameters, positional, keywords, function, self.work.evaluator
        )
        own = step or self.work.builder.step(definition.name, function.span)
        frame = replace(own, frame=FrameKind.OPERATION, title=definition.name, doc=definition.doc)
        with (
            self.work.elaborator.stack.entered(definition.name, function.span),
            self.work.builder.framed(frame),
        ):
            self.work.elaborator.check_size(definition.name, function.span)
            return self._expanded(definition, bound, value, function.span)

    def _expanded(
        self,
        definition: tree.Operation,
        bound: Mapping[str, Value],
        value: Tensor,
        use: tree.Span,
    ) -> Value:
        """A composition on a value, worked out or as it came out before."""
        builder, elaborator = self.work.builder, self.work.elaborator
        stack, expansions = elaborator.stack, elaborator.expansions
        key = expansions.key(builder, definition.name, bound, value)
        if key is not None and (known := expansions.find(key, builder)) is not None:
            return known.write(builder, stack, value, use)
        mark = Mark.of(builder, stack)
        scope = elaborator.names.inside(bound, builder.at.prefix)
        result = self.work.applier.apply(definition.value, scope, value)
        if key is None:
            builder.most_turns = max(builder.most_turns, mark.most_turns)
        else:
            expansions.keep(key, builder, stack, mark, value, result)
        return result

    def module_call(self, call: tree.Call, definition: tree.Module, names: Names) -> Value:
        """`cell(a, b, c=8)`: a module applied to several values."""
        inputs = [a for a in call.arguments if a.name is None]
        named = replace(call, arguments=tuple(a for a in call.arguments if a.name))
        return self._applied(named, definition, names, inputs, call.span)

    def scan(self, call: tree.Call, names: Names) -> Value:
        """`scan(step, x, h)`: a module applied to every element of a sequence, with a state."""
        step, *inputs = call.arguments or (None,)
        if any(a.name is not None for a in call.arguments) or call.comprehensions or not inputs:
            raise fault(
                "E0304",
                "scan takes a cell or block, a sequence, and the first state",
                call.span,
                hint="scan(step, x, h); numbers go to the step: scan(step(c=8), x, h)",
            )
        assert step is not None
        function = step.value
        definition = None
        if isinstance(function, tree.Ref | tree.Call):
            definition = self.work.elaborator.definitions.get(function.name)
        if not isinstance(definition, tree.Module):
            raise fault(
                "E0303",
                "scan goes over a sequence with a cell or block",
                function.span,
                expected="the name of a cell or block",
                hint="cell step(x, h) { ... return h }, then scan(step, x, h)",
            )
        assert isinstance(function, tree.Ref | tree.Call)
        self._check_named(function, definition)
        return self._applied(function, definition, names, inputs, call.span, scanned=True)

    def _applied(
        self,
        function: tree.Ref | tree.Call,
        definition: tree.Module,
        names: Names,
        inputs: Sequence[tree.Argument],
        span: tree.Span,
        scanned: bool = False,
    ) -> Value:
        values = [self.work.evaluator.value(argument.value, names) for argument in inputs]

        def applied(*tensors: Value) -> Value:
            given = [tensor for tensor in tensors if isinstance(tensor, Tensor)]
            if len(given) != len(tensors):
                wrong = next(t for t in tensors if not isinstance(t, Tensor))
                raise fault(
                    "E0303",
                    f"{definition.name} takes values of the network",
                    span,
                    found=kind_of(wrong),
                )
            place = span if scanned else None
            return self._module(function, definition, names, tuple(given), None, place)

        return self.work.lifter.lift(applied, values, span)

    def _module(
        self,
        function: tree.Ref | tree.Call,
        definition: tree.Module,
        names: Names,
        inputs: tuple[Tensor, ...],
        step: Step | None,
        scanned: tree.Span | None = None,
    ) -> Value:
        """A use of a module; `scanned`: where the text takes it over a sequence."""
        _, keywords = self._split(function, names, ())
        family = tuple(self.work.evaluator.value(index, names) for index in function.index)
        bound = self.work.elaborator.headers.parameters(
            definition.parameters, [], keywords, function, self.work.evaluator
        )

        return invoked(self.work, definition, family, bound, inputs, function, step, scanned)


def is_labelled(value: Value) -> TypeGuard[Varying]:
    return isinstance(value, Varying) and bool(value.label)


def _blamed(function: tree.Ref | tree.Call, formals: Sequence[str], message: str) -> tree.Span:
    """The argument that a message names, else the whole call."""
    if not isinstance(function, tree.Call):
        return function.span
    words = message.replace(":", " ").split()
    for argument, formal in zip_longest(function.arguments, formals[: len(function.arguments)]):
        if argument is not None and (argument.name or formal) in words[1:]:
            return argument.span
    return function.span
