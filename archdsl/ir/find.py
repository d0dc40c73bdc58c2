"""Operations by name; what an installed package cannot deliver is an error with a place."""

from __future__ import annotations

import re

from archdsl.ops import lookup
from archdsl.ops.base import Operation, OperationError
from archdsl.syntax import tree
from archdsl.syntax.errors import fault


def find_operation(name: str, span: tree.Span) -> type[Operation] | None:
    """The built-in or installed operation of that name; one that does not load is refused."""
    try:
        return lookup(name)
    except OperationError as problem:
        raise fault(
            "E0303",
            str(problem),
            span,
            found=problem.found,
            expected=problem.expected,
            hint=problem.hint,
        ) from None


def spoken(name: str, problem: OperationError) -> str:
    """What an operation says, with its name in front where it does not say it."""
    message = str(problem)
    return message if name in re.findall(r"\w+", message) else f"{name}: {message}"
