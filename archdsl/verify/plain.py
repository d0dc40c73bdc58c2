"""The plainest Python for a program: one class a graph, one line a node.

A reference for what the polished generator writes, and a way to run a program after any pass.
Nothing is shared with the generator but the operations' own code.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.abc import SourceLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import count

from torch import nn

from archdsl.ir.graph import Apply, Graph, Input, Invoke, Item, Node, Program
from archdsl.ops.base import Code, Helper, Operation

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


def scan(step, sequence, *states):
    outputs = []
    for x in sequence.unbind(1):
        results = step(x, *states)
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
    yield f"    def forward(self, {inputs}):"
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
        case Apply(operation):
            expression = _code(graph, node, operation).expression or "{self}({all})"
            return expression.format(*arguments, all=", ".join(arguments), self=stored)
        case Invoke(_, steps) if steps:
            return f"scan({stored}, {', '.join(arguments)})"
        case _:
            return f"{stored}({', '.join(arguments)})"
