"""The plainest Python for a program: one class a graph, one line a node.

A reference for what the polished generator writes, and a way to run a program after any pass.
Nothing is shared with the generator but the operations' own code. A program with holes is read as a
mixture: a choice is the sum of its alternatives, each times its gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.abc import SourceLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import count

import torch
from torch import Tensor, nn

from archdsl.ir.formula import ALWAYS, All, Any, Formula, Not, Taken
from archdsl.ir.graph import Apply, Choose, Graph, Input, Invoke, Item, Node, Program
from archdsl.ir.scopes import ScopeKey, inner_scope, qualify
from archdsl.ops.base import Code, Helper, Operation
from archdsl.ops.joins import Mean, Sum
from archdsl.syntax.tree import Quantity

HEADER = """\
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def put(module, path, part):
    *outer, last = path.split(".")
    for name in outer:
        if name not in module._modules:
            module.add_module(name, nn.Module())
        module = module._modules[name]
    module.add_module(last, part)
    return part


def scan(step, sequence, *states, gates=None):
    outputs = []
    for x in sequence.unbind(1):
        results = step(x, *states, gates=gates)
        results = results if isinstance(results, tuple) else (results,)
        outputs.append(results[: max(len(results) - len(states), 1)])
        states = results[len(results) - len(states) :]
    stacked = tuple(torch.stack(column, 1) for column in zip(*outputs))
    return (*stacked, *states) if len(stacked) + len(states) > 1 else stacked[0]

"""

_numbers = count()


def plain_source(program: Program) -> str:
    """The text of a file whose class `Network` computes the program."""
    names = {key: f"Part{i}" for i, key in enumerate(program.modules)}
    names[program.root] = "Network"
    helpers = dict.fromkeys(_helpers(program))
    parts = [HEADER, *(helper.source + "\n" for helper in helpers)]
    for key, graph in program.modules.items():
        parts.append("\n".join(_class(graph, names[key], names)) + "\n")
    return "\n".join(parts)


class _InMemory(SourceLoader):
    """Imports a text as a module, without a file."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_filename(self, fullname: str) -> str:
        return f"<{fullname}>"

    def get_data(self, path: str | bytes) -> bytes:
        return self.text.encode()


def plain_network(program: Program) -> nn.Module:
    """A fresh network, without archdsl's code generator."""
    text = plain_source(program)
    spec = spec_from_loader(f"_archdsl_plain_{next(_numbers)}", _InMemory(text))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    network: nn.Module = module.Network()
    return network


def _helpers(program: Program) -> Iterator[Helper]:
    for graph in program.modules.values():
        for node in graph.nodes:
            if isinstance(node.kind, Apply):
                operation = node.kind.operation
                by_name = {helper.name: helper for helper in operation.helpers}
                yield from (by_name[name] for name in _code(graph, node, operation).helpers)


def _code(graph: Graph, node: Node, operation: Operation) -> Code:
    return operation.code(tuple(graph.nodes[argument].type for argument in node.args))


def _class(graph: Graph, name: str, names: dict[str, str]) -> Iterator[str]:
    inputs = ", ".join(f"v{i}" for i in graph.inputs)
    yield f"class {name}(nn.Module):"
    yield "    def __init__(self):"
    yield "        super().__init__()"
    yield "        self.parts = {}"
    made: set[tuple[str, ...]] = set()
    for node in graph.nodes:
        made_of = _constructor(graph, node, names)
        if made_of and node.path not in made:
            made.add(node.path)
            path = ".".join(node.path)
            yield f"        self.parts[{path!r}] = put(self, {path!r}, {made_of})"
    yield f"    def forward(self, {inputs}, gates=None):"
    live = _live(graph)
    for position, node in enumerate(graph.nodes):
        if position in live and not isinstance(node.kind, Input):
            yield f"        v{position} = {_value(graph, node)}"
    yield f"        return {', '.join(f'v{output}' for output in graph.outputs)}\n"


def _live(graph: Graph) -> set[int]:
    """What the results need: the rest is never run, so its statistics stay as they are."""
    live = set(graph.outputs)
    for position in reversed(range(len(graph.nodes))):
        if position in live:
            live.update(graph.nodes[position].args)
    return live


def _constructor(graph: Graph, node: Node, names: dict[str, str]) -> str:
    match node.kind:
        case Invoke(module):
            return f"{names[module]}()"
        case Apply(operation):
            code = _code(graph, node, operation)
            if code.constructor and (not code.expression or "{self}" in code.expression):
                arguments = ", ".join(
                    (f"{a.keyword}=" if a.keyword else "") + repr(a.value) for a in code.arguments
                )
                return f"{code.constructor}({arguments})"
            return ""
        case _:
            return ""


def _value(graph: Graph, node: Node) -> str:
    arguments = [f"v{argument}" for argument in node.args]
    stored = f"self.parts[{'.'.join(node.path)!r}]"
    match node.kind:
        case Item(index):
            return f"{arguments[0]}[{index}]"
        case Apply(operation, when) if all(formula == ALWAYS for formula in when):
            expression = _code(graph, node, operation).expression or "{self}({all})"
            return expression.format(*arguments, all=", ".join(arguments), self=stored)
        case Apply(operation, when):
            return _weighed(graph, node, operation, when)
        case Choose(hole):
            terms = [f"gates[{hole!r}][{i}] * {value}" for i, value in enumerate(arguments)]
            return " + ".join(terms)
        case Invoke(_, steps):
            inner = f"gates=gates and gates[{node.path!r}]"
            called = f"scan({stored}, " if steps else f"{stored}("
            return f"{called}{', '.join(arguments)}, {inner})"
        case _:
            raise AssertionError("an input has no value of its own")


def _weighed(graph: Graph, node: Node, operation: Operation, when: tuple[Formula, ...]) -> str:
    """A sum or mean whose terms are there as far as gates say, given that the node is."""
    weights = [f"({_number(formula, node.under, graph)})" for formula in when]
    pairs = zip(weights, node.args, strict=True)
    total = " + ".join(f"{weight} * v{argument}" for weight, argument in pairs)
    match operation:
        case Sum():
            return total
        case Mean():
            return f"({total}) / ({' + '.join(weights)})"
        case _:
            raise ValueError(f"{operation.keyword} is not a sum")


def _number(formula: Formula, given: Formula, graph: Graph) -> str:
    """How far a formula holds: a gate, a product, 1 - x; what is given holds wholly."""
    if formula in (given, *(given.terms if isinstance(given, All) else ())):
        return "1"
    match formula:
        case Taken(hole, index):
            return f"gates[{hole!r}][{index}]"
        case All(terms):
            return " * ".join(f"({_number(term, given, graph)})" for term in terms) or "1"
        case Not(term):
            return f"1 - ({_number(term, given, graph)})"
        case Any(terms):
            return f"1 - {_none_of(terms, given, graph)}"
    raise AssertionError("a formula of another kind")


def _none_of(terms: tuple[Formula, ...], given: Formula, graph: Graph) -> str:
    """How far none of the terms holds: alternatives of one decision exclude each other."""
    one = {hole.name for hole in graph.holes if hole.quantity is Quantity.ONE}
    apart: dict[object, list[str]] = {}
    for term in terms:
        exclusive = isinstance(term, Taken) and term.hole in one
        key = term.hole if isinstance(term, Taken) and exclusive else term
        apart.setdefault(key, []).append(_number(term, given, graph))
    return " * ".join(f"(1 - {' - '.join(parts)})" for parts in apart.values()) or "1"


def plain_gates(program: Program, gates: Mapping[str, Tensor]) -> dict[object, object]:
    """The gates of every decision, by its key, as a plain mixture takes them."""

    def inside(key: str, scope: ScopeKey) -> dict[object, object]:
        graph = program.modules[key]
        found: dict[object, object] = {}
        for hole in graph.holes:
            own = qualify(scope, hole.name)
            found[hole.name] = gates[own] if own in gates else torch.ones(len(hole.labels))
        for node in graph.nodes:
            if isinstance(node.kind, Invoke):
                used = program.modules[node.kind.module]
                found[node.path] = inside(node.kind.module, inner_scope(used, scope, node.path))
        return found

    return inside(program.root, (program.net.definition,))
