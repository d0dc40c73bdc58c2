"""What is drawn: boxes and arrows, as a person would sketch a module.

Named compositions become one box, and so do blocks in a row. Modules that differ in sizes alone
are one panel, so a network is drawn once and not once for each width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import assert_never

from archdsl.ir.arithmetic import spell
from archdsl.ir.graph import (
    Apply,
    Choose,
    FrameKind,
    Graph,
    Input,
    Invoke,
    Item,
    Node,
    Path,
    Program,
)
from archdsl.ir.scopes import group_name
from archdsl.ir.types import TensorType

MOST_LISTED = 4  # operations that the box of a composition names one by one


class Sort(Enum):
    """What a box stands for; pictures colour by it."""

    INPUT = "input"
    OUTPUT = "output"
    MODULE = "module"
    WEIGHTS = "weights"  # operations that learn
    PLAIN = "plain"  # operations that do not
    CHOICE = "choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One box: `title`, what it does; `name`, what the text calls its result.

    `shape` is its result's where that differs from its input's. `group` is the stage it is
    part of, `times` how often it stands in a row.
    """

    sort: Sort
    title: str
    name: str = ""
    detail: str = ""
    shape: str = ""
    group: str = ""
    times: int = 1
    args: tuple[int, ...] = ()

    @property
    def caption(self) -> str:
        """The small print below the title."""
        return " · ".join(part for part in (self.name, self.shape, self.detail) if part)

    @property
    def heading(self) -> str:
        return f"{self.title} × {self.times}" if self.times > 1 else self.title


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One module: its boxes in topological order. `sizes` are its inputs, one for each use."""

    key: str
    title: str
    kind: str
    sizes: tuple[str, ...]
    boxes: tuple[Box, ...]


def panels(program: Program, module: str | None = None) -> tuple[Panel, ...]:
    """The network, then its distinct modules, the whole before its parts.

    `module` picks one of them, by its name in the text.
    """
    merged: dict[object, Panel] = {}
    for key in reversed(list(program.modules)):
        graph = program.modules[key]
        if module is None or module in (key, graph.definition, group_name(graph)):
            made = panel(program, key)
            outline = made.title, tuple((box.heading, box.detail, box.args) for box in made.boxes)
            known = merged.get(outline)
            merged[outline] = _merge(known, made) if known else made
    return tuple(merged.values())


def panel(program: Program, key: str) -> Panel:
    graph = program.modules[key]
    sizes = ", ".join(shape(graph.nodes[i].type) for i in graph.inputs)
    return Panel(
        key=key,
        title=group_name(graph),
        kind=graph.kind.value,
        sizes=(sizes,),
        boxes=_rows(_boxes(program, graph)),
    )


def shape(type_: TensorType) -> str:
    """`64×16×16`; `35 of 10000` for indices."""
    axes = "×".join(str(axis) for axis in type_.shape)
    return axes if type_.below is None else f"{axes} of {type_.below}"


def printable(text: str) -> str:
    """Text without control characters, which could end a line or hide what follows."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _merge(first: Panel, second: Panel) -> Panel:
    """One panel for both; sizes that differ are left out. Smaller uses come first."""
    boxes = tuple(
        replace(ours, shape=ours.shape if ours.shape == theirs.shape else "")
        for ours, theirs in zip(first.boxes, second.boxes, strict=True)
    )
    sizes = tuple(dict.fromkeys((*second.sizes, *first.sizes)))
    return replace(first, sizes=sizes, boxes=boxes)


# --- from nodes to boxes ---------------------------------------------------------------------


def _boxes(program: Program, graph: Graph) -> list[Box]:
    """A box for each node, or for each named composition, and one for each result."""
    owner = _owners(graph)
    last = {i: owner[i][0] if i in owner else i for i in range(len(graph.nodes))}
    order = sorted(set(last.values()))
    place = {node: number for number, node in enumerate(order)}
    boxes = []
    for node in order:
        inside = [i for i in last if last[i] == node] if node in owner else [node]
        args = (arg for i in inside for arg in graph.nodes[i].args if last[arg] != node)
        name = owner[node][1] if node in owner else ""
        box = _box(program, graph, inside, name)
        boxes.append(replace(box, args=tuple(dict.fromkeys(place[last[arg]] for arg in args))))
    for number, output in enumerate(graph.outputs, start=1):
        title = "output" if len(graph.outputs) == 1 else f"output {number}"
        size = shape(graph.nodes[output].type)
        box = Box(sort=Sort.OUTPUT, title=title, shape=size, args=(place[last[output]],))
        boxes.append(box)
    return boxes


def _box(program: Program, graph: Graph, inside: Sequence[int], name: str) -> Box:
    """The box of one node, or of the composition `name` with these inside."""
    node = graph.nodes[inside[-1]]
    title, sort = described(program, graph, node)
    detail = _apart(program, graph, node)
    if name:
        parts = [described(program, graph, graph.nodes[i]) for i in inside]
        listed = ", ".join(part for part, _ in parts)
        title = name.replace("_", " ")
        detail = listed if len(parts) <= MOST_LISTED else f"{len(parts)} operations"
        sort = Sort.WEIGHTS if any(part is not Sort.PLAIN for _, part in parts) else Sort.PLAIN
    outside = (arg for i in inside for arg in graph.nodes[i].args if arg not in inside)
    known = {graph.nodes[arg].types for arg in outside}
    return Box(
        sort=sort,
        title=title,
        name="" if isinstance(node.kind, Input) else node.label,
        detail=detail,
        shape="" if node.types in known else ", ".join(shape(type_) for type_ in node.types),
        group=_group(graph, node),
    )


def _apart(program: Program, graph: Graph, node: Node) -> str:
    """The arguments that tell the module of a node from others of its name beside it, where their
    sizes do not."""
    if not isinstance(node.kind, Invoke):
        return ""
    own = program.modules[node.kind.module]
    used = (program.modules[n.kind.module] for n in graph.nodes if isinstance(n.kind, Invoke))
    name_and_sizes = group_name(own), own.result_types
    alike = [one.arguments for one in used if (group_name(one), one.result_types) == name_and_sizes]
    return ", ".join(
        f"{name}={spell(value)}"
        for name, value in own.arguments.items()
        if any(one.get(name) != value for one in alike)
    )


def described(program: Program, graph: Graph, node: Node) -> tuple[str, Sort]:
    """What a node does in a few words, and its sort."""
    match node.kind:
        case Input(name):
            return name, Sort.INPUT
        case Apply(operation):
            inputs = tuple(graph.nodes[arg].type for arg in node.args)
            learns = any(not weight.buffer for weight in operation.weights(inputs))
            return operation.describe(), Sort.WEIGHTS if learns else Sort.PLAIN
        case Invoke(module, steps):
            name = group_name(program.modules[module])
            return f"scan of {name}" if steps else name, Sort.MODULE
        case Choose(hole):
            return f"choose {hole}", Sort.CHOICE
        case Item(index):
            return f"result {index + 1}", Sort.PLAIN
        case _:
            assert_never(node.kind)


def _group(graph: Graph, node: Node) -> str:
    """The chain that a node is part of: a stage, a stem."""
    frame = graph.frames.get(node.path[:1])
    return frame.name if frame is not None and frame.kind is FrameKind.SEQUENCE else ""


def _prefixes(node: Node) -> Iterator[Path]:
    return (node.path[:depth] for depth in range(1, len(node.path)))


def _named(graph: Graph, prefix: Path) -> bool:
    """Whether a prefix is one use of a composition that has a name for a reader."""
    frame = graph.frames.get(prefix)
    return frame is not None and frame.kind is FrameKind.OPERATION and not frame.name.isdigit()


def _owners(graph: Graph) -> dict[int, tuple[int, str]]:
    """For each node inside a composition that becomes one box: its last node, and its name."""
    members: dict[Path, list[int]] = {}
    for i, node in enumerate(graph.nodes):
        for prefix in _prefixes(node):
            if _named(graph, prefix):
                members.setdefault(prefix, []).append(i)
    users: list[list[int]] = [[] for _ in graph.nodes]
    for i, node in enumerate(graph.nodes):
        for arg in node.args:
            users[arg].append(i)
    owners: dict[int, tuple[int, str]] = {}
    for prefix, inside in members.items():
        within = set(inside)
        # Only the last may be used elsewhere and have a name, or the box would hide it.
        hidden = all(
            within.issuperset(users[i]) and i not in graph.outputs and not graph.nodes[i].label
            for i in inside[:-1]
        )
        if hidden and not within & owners.keys():
            owners |= dict.fromkeys(inside, (inside[-1], graph.frames[prefix].name))
    return owners


def _rows(boxes: Sequence[Box]) -> tuple[Box, ...]:
    """Equal blocks in a row as one box, by how often they stand there."""
    users = Counter(arg for box in boxes for arg in box.args)
    result: list[Box] = []
    place: dict[int, int] = {}
    for i, box in enumerate(boxes):
        before = place.get(box.args[0]) if len(box.args) == 1 else None
        if before is not None and users[box.args[0]] == 1 and _same(result[before], box):
            times = result[before].times + 1
            result[before] = replace(result[before], name=box.name, times=times)
            place[i] = before
            continue
        place[i] = len(result)
        result.append(replace(box, args=tuple(place[arg] for arg in box.args)))
    return tuple(result)


def _same(first: Box, second: Box) -> bool:
    """Whether the second repeats the first: a block, and nothing named between them."""
    blocks = first.sort is second.sort is Sort.MODULE
    return (
        blocks
        and not first.name
        and replace(first, times=1, name="", args=()) == replace(second, name="", args=())
    )
