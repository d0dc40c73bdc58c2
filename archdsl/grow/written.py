"""A network as text: a space without holes, in which every value has a line.

What has weights is tied to a name, so that its weights keep it whatever is put in before. Modules
stay modules; of one definition that is used in several sizes there are several.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields

from archdsl.ir.functions import FUNCTIONS
from archdsl.ir.graph import Apply, Graph, Input, Invoke, Item, Node, Path, Program
from archdsl.library import Library
from archdsl.ops import lookup
from archdsl.ops.base import Operation
from archdsl.ops.binding import show
from archdsl.syntax.language import load as language
from archdsl.syntax.printer import format_text
from archdsl.syntax.tree import ModuleKind

SUFFIX = "_grown"
"""Behind the name of a space: the network is no longer one of it."""


def written(program: Program) -> str:
    """The text of a network. Raises ArchError where it is beyond the limits of a text."""
    writer = _Writer(program)
    return format_text("\n".join(writer.lines()))


def read_back(program: Program) -> Program:
    """A network as its own text has it. Raises ArchError as `written` does."""
    return Library().text(written(program)).network()


@dataclass(slots=True)
class _Writer:
    program: Program
    names: dict[str, str] = field(default_factory=dict)
    """Modules by their keys, as the text calls them."""

    def lines(self) -> Iterator[str]:
        program = self.program
        used = {program.space}
        for key, graph in program.modules.items():
            stem = "_".join((graph.definition, *map(str, graph.family)))
            self.names[key] = unused(stem, used)
        stem = program.space.removesuffix(SUFFIX)
        yield "archdsl 1"
        yield f"space {stem}{SUFFIX} {{"
        if program.title != program.space:
            yield f"title {show(program.title)}"
        for key, graph in program.modules.items():
            yield from self._module(key, graph)
        yield "}"

    def _module(self, key: str, graph: Graph) -> Iterator[str]:
        values = _Values(graph, self.names)
        inputs = [graph.nodes[i] for i in graph.inputs]
        given = ", ".join(
            f"{values.names[i]}: {node.type}" if key == self.program.root else values.names[i]
            for i, node in zip(graph.inputs, inputs, strict=True)
        )
        kind = graph.kind if graph.kind is not ModuleKind.CELL else ModuleKind.BLOCK
        yield f"{kind.value} {self.names[key]}({given}) {{"
        yield from values.lines()
        yield f"return {', '.join(values.names[i] for i in graph.outputs)}"
        yield "}"


class _Values:
    """The values of one module, with names of their own."""

    def __init__(self, graph: Graph, modules: Mapping[str, str]) -> None:
        self.graph = graph
        self.modules = modules
        self.used = set(modules.values())
        self.names: dict[int, str] = {}
        self.ties: dict[Path, str] = {}
        tied: set[str] = set()
        for i, node in enumerate(graph.nodes):
            self.names[i] = unused(_stem(node), self.used)
            if node.path and node.path not in self.ties:
                self.ties[node.path] = unused("_".join(node.path), tied)

    def lines(self) -> Iterator[str]:
        for i, node in enumerate(self.graph.nodes):
            if not isinstance(node.kind, Input):
                yield f"{self.names[i]} = {self._value(node)}"

    def _value(self, node: Node) -> str:
        args = [self.names[arg] for arg in node.args]
        match node.kind:
            case Apply(operation):
                tie = f"@{self.ties[node.path]}" if self.graph.weights_of(node) else ""
                return _applied(operation, args, tie)
            case Invoke(module, 0):
                name = self.modules[module]
                if len(args) == 1:
                    return f"{args[0]} -> {name}{self._shared(node)}"
                return f"{name}({', '.join(args)})"
            case Invoke(module):
                return f"scan({', '.join((self.modules[module], *args))})"
            case Item(index):
                return f"{args[0]}[{index}]"
            case _:
                raise AssertionError("a network has no holes")

    def _shared(self, node: Node) -> str:
        """A tie, where other uses have the same weights."""
        uses = sum(other.path == node.path for other in self.graph.nodes)
        return f"@{self.ties[node.path]}" if uses > 1 else ""


def _stem(node: Node) -> str:
    """What a value is called: the name of its weights, or the text's own word."""
    if isinstance(node.kind, Input):
        return node.kind.name
    return node.label or "_".join(node.path) or "value"


def _applied(operation: Operation, args: list[str], tie: str) -> str:
    own = _arguments(operation)
    if operation.arity is None or operation.arity > 2:
        return f"{operation.keyword}({', '.join(args)})"
    given = ", ".join([*args[1:], *own])
    call = f"{operation.keyword}({given})" if given else operation.keyword
    return f"{args[0]} -> {call}{tie}"


def _arguments(operation: Operation) -> list[str]:
    """The arguments that are not at their default."""
    found = []
    for one in fields(operation):
        value = getattr(operation, one.name)
        if value != one.default:
            found.append(f"{one.name}={show(value)}")
    return found


def unused(stem: str, used: set[str]) -> str:
    """A name that nothing has and that means nothing else; it is used from now on."""
    base = re.sub(r"\W", "_", stem)
    if base in FUNCTIONS or base in _words() or lookup(base):
        base += "_"
    name, number = base, 1
    while name in used:
        number += 1
        name = f"{base}{number}" if base.endswith("_") else f"{base}_{number}"
    used.add(name)
    return name


def _words() -> frozenset[str]:
    return frozenset((*language("arch").keywords, "scan", "id"))
