"""What the heads of a space and of its definitions say: parameters, constants, shapes, bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from math import prod
from typing import TYPE_CHECKING, TypeGuard

from archdsl.ir.arithmetic import bounded, is_number
from archdsl.ir.builder import MAX_ELEMENTS
from archdsl.ir.conditions import Constraint
from archdsl.ir.evaluate import Evaluator
from archdsl.ir.graph import Static
from archdsl.ir.types import TensorType
from archdsl.ir.values import Names, Terms, Value, Varying, kind_of
from archdsl.syntax import tree
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Span

if TYPE_CHECKING:
    from archdsl.ir.elaborate import Elaborator


@dataclass(slots=True)
class Headers:
    """Reads heads for one elaboration."""

    elaborator: Elaborator

    @property
    def space(self) -> tree.Space:
        return self.elaborator.space

    @property
    def names(self) -> Names:
        return self.elaborator.names

    def bind_space(self, given: Mapping[str, Static]) -> dict[str, Static]:
        """Bind parameters and constants; the parameters that differ from their defaults."""
        evaluator = self.elaborator.evaluator()
        known = {parameter.name: parameter for parameter in self.space.parameters}
        for name in given:
            if name not in known:
                raise fault(
                    "E0604",
                    f"{self.space.name} has no parameter {name}",
                    self.space.span,
                    found=name,
                    expected=", ".join(known) or "no parameters",
                )
        changed: dict[str, Static] = {}
        for name, parameter in known.items():
            default = self._default(parameter, evaluator)
            value = given.get(name, default)
            if value is None:
                raise fault(
                    "E0604",
                    f"{name} has no default",
                    parameter.span,
                    hint=f"give it a value where the space is named: {self.space.name}({name}=...)",
                )
            if default is not None:
                value = self._same_kind(name, value, default, parameter)
            if value != default:
                changed[name] = value
            self.names.bound[name] = self.elaborator.space_parameters[name] = value
        for item in self.space.items:
            if isinstance(item, tree.Constant):
                self._constant(item, evaluator)
        return changed

    def _default(self, parameter: tree.Parameter, evaluator: Evaluator) -> Static | None:
        if parameter.default is None:
            return None
        value = evaluator.value(parameter.default, self.names)
        if isinstance(value, (int, float, str)):
            return value
        raise fault(
            "E0304",
            "a parameter of a space is a number, yes or no, or a text",
            parameter.span,
            found=kind_of(value),
        )

    def _same_kind(
        self, name: str, value: Static, default: Static, parameter: tree.Parameter
    ) -> Static:
        if isinstance(default, float) and is_number(value):
            return float(bounded(value, parameter.span))
        if type(value) is type(default):
            return bounded(value, parameter.span) if is_number(value) else value
        raise fault(
            "E0604",
            f"{name} takes {_kind(default)}",
            parameter.span,
            found=spelled(value),
            expected=f"such as {name}={spelled(default)}",
        )

    def _constant(self, constant: tree.Constant, evaluator: Evaluator) -> None:
        if constant.name in self.names.bound:
            raise fault(
                "E0307",
                f"{constant.name} is bound twice",
                constant.span,
                hint="parameters and constants of a space have different names",
            )
        value = evaluator.value(constant.value, self.names)
        if isinstance(value, (Varying, Terms)):
            raise fault(
                "E0513",
                "a hole cannot stand in a constant of the space",
                constant.value.span,
                found=kind_of(value),
                hint="bind it in the net, where it is decided once, or pass it on as a parameter",
            )
        self.names.bound[constant.name] = value

    def constraints(self) -> tuple[Constraint, ...]:
        from archdsl.ir.where import Conditions

        parts = [
            part
            for item in self.space.items
            if isinstance(item, tree.Where)
            for part in item.constraints
        ]
        if not parts:
            return ()
        graphs = self.elaborator.modules.values()
        conditions = Conditions(graphs, self.elaborator.evaluator(), self.names)
        return tuple(conditions.constraint(part) for part in parts)

    def shape(self, given: tree.Input, evaluator: Evaluator) -> TensorType:
        axes = []
        for axis in given.shape:
            size = evaluator.value(axis, self.names)
            if type(size) is not int or not 0 < size <= 10**9:
                raise fault(
                    "E0403",
                    "an axis is a positive whole number",
                    axis.span,
                    found=kind_of(size),
                    expected=f"1 to {10**9:,}",
                )
            axes.append(size)
        if prod(axes) > MAX_ELEMENTS:
            raise fault(
                "E0402",
                f"the input {given.name} is too large",
                given.span,
                found=" x ".join(map(str, axes)),
                expected=f"at most {MAX_ELEMENTS:,} numbers",
            )
        if not 1 <= len(axes) <= 3:
            raise fault(
                "E0403",
                f"the input {given.name} of a net needs a shape",
                given.span,
                found=f"{len(axes)} axes",
                expected="1 to 3",
                hint=f"{given.name}: 3 x 32 x 32",
            )
        return TensorType(tuple(axes), self._below(given, evaluator))

    def _below(self, given: tree.Input, evaluator: Evaluator) -> int | None:
        """The bound of indices, `35 of 10000`; None for quantities."""
        if given.below is None:
            return None
        bound = evaluator.value(given.below, self.names)
        if type(bound) is int and 0 < bound <= 10**9:
            return bound
        raise fault(
            "E0403",
            "indices lie below a positive whole number",
            given.below.span,
            found=kind_of(bound),
            expected=f"1 to {10**9:,}",
        )

    def parameters(
        self,
        formals: Sequence[tree.Parameter],
        positional: Sequence[Value],
        keywords: Mapping[str, Value],
        use: tree.Node,
        evaluator: Evaluator,
    ) -> dict[str, Value]:
        """The parameters of a definition at one use, defaults filled in."""
        takes = ", ".join(formal.name for formal in formals) or "none"
        if len(positional) > len(formals):
            raise fault(
                "E0304",
                "too many arguments",
                use.span,
                found=str(len(positional)),
                expected=f"at most {len(formals)}: {takes}",
            )
        known = [formal.name for formal in formals]
        given = dict(zip((formal.name for formal in formals), positional, strict=False))
        for name, value in keywords.items():
            if name in given or name not in {formal.name for formal in formals}:
                problem = "is given twice" if name in given else "is no parameter here"
                near = get_close_matches(name, known, n=1)
                raise fault(
                    "E0304",
                    f"{name} {problem}",
                    use.span,
                    found=name,
                    expected=takes,
                    hint=f"did you mean {near[0]}?" if near and name not in given else "",
                )
            given[name] = value
        bound: dict[str, Value] = {}
        for formal in formals:
            if formal.name in given:
                bound[formal.name] = given[formal.name]
            elif formal.default is not None:
                bound[formal.name] = evaluator.value(formal.default, self.names.inside(bound))
            else:
                raise fault(
                    "E0304",
                    f"{formal.name} is not given",
                    use.span,
                    expected=takes,
                    hint=f"add {formal.name}=...",
                )
        return bound


def is_static(value: Value) -> TypeGuard[Static]:
    return isinstance(value, (int, float, str))


def head(node: tree.Module | tree.Operation | tree.Space | tree.For) -> Span:
    """The place of a definition: its first words up to its name, not all of its body."""
    text, start = node.span.source.text, node.span.start
    end = text.find(node.name, start + len("op "), node.span.end) + len(node.name)
    return replace(node.span, end=max(end, start + 1))


def spelled(value: Static) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _kind(value: Static) -> str:
    if isinstance(value, bool):
        return "yes or no"
    return "a text" if isinstance(value, str) else "a number"
