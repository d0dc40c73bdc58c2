"""Programs as text, one line a node: for `--emit ir`, golden cases and people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from archdsl.ir.cases import holes_of
from archdsl.ir.formula import ALWAYS, All, Any, Formula, Not, Taken
from archdsl.ir.graph import Apply, Choose, Graph, Input, Invoke, Item, Node, Program
from archdsl.ops.base import Operation


def print_program(program: Program) -> str:
    """Every graph of a program, parts before the whole."""
    graphs = (print_graph(graph, key) for key, graph in program.modules.items())
    return "\n".join(graphs)


def print_graph(graph: Graph, key: str) -> str:
    """One graph: its head, its holes, its nodes, its results.

    `%3 = conv(64, k=3) %2 : 64 x 8 x 8  @ stem.0  # stem` reads: value 3 is a convolution of
    value 2, of that type, with its weights at `stem.0`, known to the reader as `stem`.
    """
    return "\n".join((f"{graph.kind.value} {key}", *_lines(graph), ""))


def _lines(graph: Graph) -> Iterator[str]:
    for prefix, frame in graph.frames.items():
        yield f"  frame {'.'.join(prefix)}: {frame.kind.value} {frame.name}"
    for hole in graph.holes:
        quantity = f"{hole.count} of" if hole.quantity.value == "k of" else hole.quantity.value
        under = "" if hole.under == ALWAYS else f"  if {print_formula(hole.under)}"
        yield f"  hole {hole.name}: {quantity} {{{' | '.join(hole.labels)}}}{under}"
    for position, node in enumerate(graph.nodes):
        yield f"  %{position} = {_node(node)}"
    yield f"  return {', '.join(f'%{output}' for output in graph.outputs)}"


def _node(node: Node) -> str:
    types = ", ".join(str(type_) for type_ in node.types)
    path = f"  @ {'.'.join(node.path)}" if node.path else ""
    label = f"  # {node.label}" if node.label else ""
    under = "" if node.under == ALWAYS else f"  if {print_formula(node.under)}"
    return f"{_kind(node)} : {types}{_sizes(node)}{path}{under}{label}"


def _sizes(node: Node) -> str:
    """On which holes a size depends: what is shown is the largest."""
    holes = () if node.sizes is None else tuple(holes_of(node.sizes.variants))
    return f" at most, by {', '.join(holes)}" if holes else ""


def _kind(node: Node) -> str:
    arguments = ", ".join(f"%{argument}" for argument in node.args)
    match node.kind:
        case Input(name):
            return f"input {name}"
        case Apply(operation, when):
            if when:
                arguments = ", ".join(
                    f"%{argument}" + ("" if term == ALWAYS else f" if {print_formula(term)}")
                    for argument, term in zip(node.args, when, strict=True)
                )
            return f"{print_operation(operation)} {arguments}".rstrip()
        case Invoke(module, steps):
            return f"scan({module}, {steps}) {arguments}" if steps else f"{module} {arguments}"
        case Choose(hole):
            return f"choose {hole} {{{arguments}}}"
        case Item(index):
            return f"item {index} of {arguments}"


def print_operation(operation: Operation) -> str:
    """`conv(channels=64, k=3)`: an operation with the arguments that are not at their default."""
    shown = []
    for field in fields(operation):
        value = getattr(operation, field.name)
        if value != field.default:
            shown.append(f"{field.name}={_value(value)}")
    return f"{operation.keyword}({', '.join(shown)})" if shown else operation.keyword


def _value(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str():
            return f'"{value}"'
        case Operation():
            return print_operation(value)
        case tuple():
            return f"[{', '.join(_value(item) for item in value)}]"
        case _:
            return str(value)


def print_formula(formula: Formula) -> str:
    """`source_3 is 1 and not pool_3 is 0`."""
    match formula:
        case Taken(hole, alternative):
            return f"{hole} is {alternative}"
        case All(terms):
            return " and ".join(_inner(term) for term in terms) or "always"
        case Any(terms):
            return " or ".join(_inner(term) for term in terms) or "never"
        case Not(term):
            return f"not {_inner(term)}"


def _inner(formula: Formula) -> str:
    shown = print_formula(formula)
    compound = isinstance(formula, All | Any) and len(formula.terms) > 1
    return f"({shown})" if compound else shown
