"""The values of an operation that takes several: the first stands on the left of `->`."""

from __future__ import annotations

from archdsl.ir.values import Tensor, Value, kind_of
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Span


def operand(value: Value, name: str, span: Span) -> Tensor:
    """A further value of an operation. Raises ArchError (E0304) for anything else."""
    if isinstance(value, Tensor):
        return value
    raise fault(
        "E0304",
        f"{name} takes another value first",
        span,
        found=kind_of(value),
        expected="a value",
        hint=f"x -> {name}(y) takes x and y",
    )


def no_input(name: str, arity: int | None, span: Span) -> ArchError:
    """What is said where an operation of several values gets one; `arity` None is a join."""
    if arity is None:
        return fault(
            "E0303",
            f"{name} joins several values",
            span,
            found="one value",
            hint=f"{name}(a, b) joins values; x -> {name}(f, g) applies f and g to x first",
        )
    others = ", ".join("yzabc"[: arity - 1])
    return fault(
        "E0303",
        f"{name} takes {arity} values",
        span,
        found="the one on the left of `->`",
        hint=f"give it the others first: x -> {name}({others}, ...)",
    )
