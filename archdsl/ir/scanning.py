"""What the text may scan: sequences of vectors, by steps that return their state."""

from __future__ import annotations

from archdsl.ir.scan import Types, element, scan_types
from archdsl.syntax import tree
from archdsl.syntax.errors import fault


def over_elements(types: Types, span: tree.Span) -> tuple[int, Types]:
    """The length of the sequence that is gone over, and what one step takes."""
    inner = element(types[0])
    if inner is None or types[0].below is not None:
        raise fault(
            "E0401",
            "scan goes over tokens",
            span,
            found=str(types[0]),
            expected="a sequence of vectors (tokens, channels)",
            hint="give every index a vector first: x -> embedding(64)"
            if types[0].below is not None
            else "",
        )
    return types[0].shape[0], (inner, *types[1:])


def scanned_results(
    definition: tree.Module, over: int, types: Types, results: Types, span: tree.Span
) -> Types:
    """The results of a scan, whose step must return its state as it takes it."""
    states = types[1:]
    following = results[len(results) - len(states) :] if len(results) >= len(states) else ()
    if following != states:
        raise fault(
            "E0401",
            f"{definition.name} does not return the next state as it takes it",
            span,
            found=", ".join(map(str, results)),
            expected=f"last {', '.join(map(str, states))}",
            hint="its inputs behind the first are the state; return the next state last",
        )
    return scan_types(over, len(states), results)
