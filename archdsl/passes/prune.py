"""Removal of what computes nothing: zeros, identities, joins of one value, dead code.

a + none             -> a
mean(a, none, b)     -> (a + b) / 3
u a + v none         -> u a             u and v gates of a mixture
f(none)              -> none            where f(0) = 0
id(a), sum(a)        -> a
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable

from archdsl.ir.graph import Apply, Graph, Input, Invoke, Item, Path
from archdsl.ops.base import Operation
from archdsl.ops.constants import Identity
from archdsl.ops.fused import Average, Zeros
from archdsl.ops.joins import Concat, Mean, Product, Sum
from archdsl.ops.mixture import Mixture
from archdsl.passes.draft import Draft, Rewrite
from archdsl.passes.facts import Modules, gives_zero, use_results


def prune(graph: Graph, modules: Modules) -> Rewrite:
    """Drop what is zero, what passes its input on, and what nothing needs.

    Zero stops at operations with f(0) != 0: the batch norm of zero is its bias, so it stays
    and reads zeros. A mean keeps its divisor. What is dropped has no effect on any output,
    so its weights had no gradient, or one that is zero. Where a batch norm stays, all its uses
    do, and what leads from them to the outputs: its statistics are updated as often as before.
    """
    updates = _updates(graph, modules)
    held: set[int] = set()
    while True:
        rewrite = _pruned(graph, modules, held)
        left = _updates(rewrite.graph, modules)
        fewer = {path for path, count in updates.items() if 0 < left[path] < count}
        if not fewer:
            return rewrite
        held |= _behind(graph, fewer)


def _pruned(graph: Graph, modules: Modules, held: Container[int]) -> Rewrite:
    """The graph without what computes nothing; nodes that are held do, whatever they give."""
    draft = Draft(graph, modules)
    zero: set[tuple[int, int]] = set()
    for position in range(len(graph.nodes)):
        found = {(position, i) for i in _visit(draft, position, zero, modules)}
        zero |= set() if position in held else found
    whole = {position for position, _ in zero if _all_zero(draft, position, zero)}
    _write_zeros(draft, whole)
    return draft.finish()


def _behind(graph: Graph, paths: Container[Path]) -> set[int]:
    """The uses of what stands at these paths, and all that they lead to."""
    found: set[int] = set()
    for position, node in enumerate(graph.nodes):
        if node.path in paths or not found.isdisjoint(node.args):
            found.add(position)
    return found


def _all_zero(draft: Draft, position: int, zero: set[tuple[int, int]]) -> bool:
    """Whether all results of a node are zero; a use that gives something else reads its inputs."""
    return all((position, i) in zero for i in range(len(draft.nodes[position].types)))


def _updates(graph: Graph, modules: Modules) -> Counter[Path]:
    """How often the statistics at each path are updated when the outputs are computed."""
    live = (graph.nodes[position] for position in Draft(graph, modules).live())
    return Counter(node.path for node in live if modules.of(graph, node).batch_statistics)


def _visit(
    draft: Draft, position: int, zero: Container[tuple[int, int]], modules: Modules
) -> Iterable[int]:
    """Write a node more simply; which of its results are zero."""
    node = draft.nodes[position]
    args = draft.args(position)
    empty = tuple((argument, 0) in zero for argument in args)
    match node.kind:
        case Item(index):
            return [0] if (args[0], index) in zero else []
        case Invoke(module, steps):
            used = modules[module]
            if len(used.outputs) == 1 and not steps:
                _pass_through(draft, position, used)
            results = use_results(node.kind, modules, empty)
            return [i for i, is_zero in enumerate(results) if is_zero]
        case Apply(Zeros()):
            return []  # what this pass writes for the zeros that something reads
        case Apply(operation) if gives_zero(operation, draft.inputs(position), empty):
            return range(len(node.types))
        case Apply(operation):
            _simplify(draft, position, operation, empty)
            return []
        case _:
            return []


def _simplify(draft: Draft, position: int, operation: Operation, empty: tuple[bool, ...]) -> None:
    args = draft.args(position)
    if isinstance(operation, Identity):
        draft.replace(position, args[0])
    elif isinstance(operation, Sum | Mean | Average):
        _join(draft, position, empty)
    elif isinstance(operation, Concat | Product) and len(args) == 1:
        draft.replace(position, args[0])
    elif isinstance(operation, Mixture) and any(empty):
        terms = tuple(a for a, is_zero in zip(args, empty, strict=True) if not is_zero)
        draft.change(position, Apply(operation.without(empty)), terms)


def _pass_through(draft: Draft, position: int, used: Graph) -> None:
    """A module that returns one of its inputs is that input."""
    output = used.outputs[0]
    if isinstance(used.nodes[output].kind, Input):
        draft.replace(position, draft.args(position)[used.inputs.index(output)])


def _join(draft: Draft, position: int, empty: tuple[bool, ...]) -> None:
    args = draft.args(position)
    terms = tuple(a for a, is_zero in zip(args, empty, strict=True) if not is_zero)
    set_terms(draft, position, terms, len(args))


def set_terms(draft: Draft, position: int, terms: tuple[int, ...], count: int) -> None:
    """Give a sum or mean that had `count` terms fewer terms; the divisor of a mean stays."""
    operation = draft.operation(position)
    divisor = 1
    match operation:
        case Mean():
            divisor = count
        case Average(divisor=given):
            divisor = given
        case _:
            pass
    if len(terms) == 1 and divisor == 1:
        draft.replace(position, terms[0])
    elif isinstance(operation, Mean) and len(terms) != divisor:
        draft.change(position, Apply(Average(divisor=divisor)), terms)
    elif isinstance(operation, Sum | Mean | Average):
        draft.change(position, Apply(operation), terms)


def _write_zeros(draft: Draft, zero: set[int]) -> None:
    """Zeros that something still reads become constants, so that nothing is kept alive by them.

    They have the kind of number of the last value of their shape, or of any: under autocast that
    of an input would be longer than what they are joined with.
    """
    made: dict[tuple[tuple[int, ...], int], int] = {}
    alive = _alive(draft, zero)
    last: dict[tuple[int, ...] | None, int] = {}
    needed = {draft.value(output) for output in draft.graph.outputs}
    for position in range(len(draft.graph.nodes)):
        if position not in draft.instead and position not in zero:
            needed.update(draft.args(position))
    for position, node in enumerate(draft.graph.nodes):
        if len(node.types) != 1:
            continue
        shape = node.type.shape
        if position in alive and node.type.below is None:
            last[shape] = last[None] = position
        elif position in zero and position in needed and last:
            like = last.get(shape, last[None])
            if (shape, like) not in made:
                path = draft.fresh("zeros")
                made[shape, like] = draft.add(Zeros(shape=shape), (like,), path, position)
            draft.instead[position] = made[shape, like]


def _alive(draft: Draft, zero: Container[int]) -> set[int]:
    """What the outputs need, zeros apart, and all inputs."""
    found = set(draft.graph.inputs)
    stack = [draft.value(output) for output in draft.graph.outputs]
    while stack:
        position = stack.pop()
        if position not in found and position not in zero:
            found.add(position)
            stack += draft.args(position)
    return found
