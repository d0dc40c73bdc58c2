"""A module taken over a sequence: what goes in and what comes out.

`scan(step, x, h)` calls `step(x[t], h)` for every element of the sequence x in order. The inputs
of the step behind the first are its state: as many of its last results are the next state. What
it returns before them is the output at that element; without any, the first of the state is.
The scan gives the outputs, stacked, and then the last state.
"""

from __future__ import annotations

from archdsl.ir.types import TensorType

Types = tuple[TensorType, ...]


def element(sequence: TensorType) -> TensorType | None:
    """One element of a sequence of vectors; None where it is no sequence."""
    if len(sequence.shape) != 2:
        return None
    return TensorType(sequence.shape[1:])


def emitted(states: int, results: int) -> int:
    """How many results of a step are its output: the first ones."""
    return max(results - states, 1)


def sources(states: int, results: int) -> tuple[int, ...]:
    """For each result of a scan, the result of the step that it is made of."""
    outputs = range(emitted(states, results))
    return (*outputs, *range(results - states, results))


def scan_types(steps: int, states: int, results: Types) -> Types:
    """The types of a scan's results, from those of its step's."""
    count = emitted(states, len(results))
    stacked = tuple(TensorType((steps, *type_.shape)) for type_ in results[:count])
    return (*stacked, *results[len(results) - states :])
