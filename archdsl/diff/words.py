"""Names for readers: of nodes, of what they compute, of the statements that bind them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from archdsl.ir.graph import Apply, Choose, Graph, Input, Invoke, Item, Kind, Program
from archdsl.ir.scopes import group_name
from archdsl.ops.base import Operation
from archdsl.ops.binding import show

_NUMBERED = re.compile(r"([A-Za-z_]*[A-Za-z])_?(\d+)")
LONGEST = 60


def spoken(label: str) -> str:
    """`n3` is node 3 and `stage2` stage 2, as people say it; other names stay."""
    match = _NUMBERED.fullmatch(label)
    if match is None or (match[1] != "n" and len(match[1]) < 3):
        return label
    return f"{'node' if match[1] == 'n' else match[1]} {match[2]}"


def shorten(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def shown(value: object) -> str:
    """A value as the language writes it; nothing for what is not given."""
    return "" if value is None else show(value)


def named(kind: Kind, program: Program) -> str:
    """What a node does: `conv 3x3`, `encoder`."""
    match kind:
        case Apply(operation):
            return operation.describe()
        case Invoke(module, steps):
            name = group_name(program.modules[module]) if module in program.modules else module
            return f"scan of {name}" if steps else name
        case Input(name):
            return name
        case Choose(hole):
            return f"choice {hole}"
        case Item(index):
            return f"result {index}"


def arguments(ours: Operation, theirs: Operation) -> list[tuple[str, str, str]]:
    """Name, before and after of every argument that differs, of two alike operations."""
    return [
        (field.name, shown(before), shown(after))
        for field in fields(ours)
        if (before := getattr(ours, field.name)) != (after := getattr(theirs, field.name))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A named value and what it is made of: named `sources`, and unnamed steps.

    `node` is the value's position, `steps` are the positions of everything between.
    """

    name: str
    node: int
    sources: tuple[str, ...]
    steps: tuple[int, ...]


def statements(graph: Graph) -> tuple[Statement, ...]:
    """The named values and the results of a graph, as a person would have written them."""
    names = _names(graph)
    return tuple(
        _statement(graph, i, name, names)
        for i, name in names.items()
        if not isinstance(graph.nodes[i].kind, Input)
    )


def _names(graph: Graph) -> dict[int, str]:
    """Names for inputs, labelled nodes and results, each once."""
    names: dict[int, str] = {}
    used: dict[str, int] = {}
    for i, node in enumerate(graph.nodes):
        kind = node.kind
        name = kind.name if isinstance(kind, Input) else node.label
        if not name and i in graph.outputs:
            name = "result"
        if name:
            used[name] = used.get(name, 0) + 1
            names[i] = spoken(name) if used[name] == 1 else f"{spoken(name)} ({used[name]})"
    return names


def _statement(graph: Graph, i: int, name: str, names: Mapping[int, str]) -> Statement:
    sources: dict[str, None] = {}
    steps = {i}
    waiting = list(reversed(graph.nodes[i].args))
    while waiting:
        arg = waiting.pop()
        if arg in names:
            sources[names[arg]] = None
        elif arg not in steps:
            steps.add(arg)
            waiting.extend(reversed(graph.nodes[arg].args))
    return Statement(name=name, node=i, sources=tuple(sources), steps=tuple(sorted(steps)))
