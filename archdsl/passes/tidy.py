"""Names after rewriting: what a frame of the text no longer holds together comes apart.

op edge = relu -> conv, its relu merged with another's      edge.conv -> edge_conv
stem = conv -> id -> bn, its id removed                      stem.2    -> stem.1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from archdsl.ir.graph import Apply, Frame, FrameKind, Graph, Invoke, Path
from archdsl.passes.draft import Rewrite, weight_name
from archdsl.passes.weights import Keep, Source


def tidy(graph: Graph, before: Graph) -> Rewrite:
    """Dissolve the frames that passes took apart; number sequences without gaps.

    A frame is a part of the graph that reads values and gives one: a module of generated code.
    `before` is the graph as the text has it, where every frame is one.
    """
    renaming = _Renaming(graph)
    for prefix in sorted(graph.frames, key=len):
        if _shape(graph, prefix) == _shape(before, prefix):
            continue
        sequence = graph.frames[prefix].kind is FrameKind.SEQUENCE
        order = _chain(graph, prefix) if sequence else None
        if order is not None:
            renaming.number(prefix, order)
        else:
            renaming.dissolve(prefix)
    return renaming.finish()


def _inside(path: Path, prefix: Path) -> bool:
    return len(path) > len(prefix) and path[: len(prefix)] == prefix


def _shape(graph: Graph, prefix: Path) -> tuple[object, ...]:
    """What is in a frame, how it hangs together, and what is read from outside."""
    outside: dict[int, str] = {}
    result: list[object] = []
    read: set[int] = set(graph.outputs)
    for node in graph.nodes:
        if not _inside(node.path, prefix):
            read.update(node.args)
    for position, node in enumerate(graph.nodes):
        if not _inside(node.path, prefix):
            continue
        args: list[object] = []
        for argument in node.args:
            path = graph.nodes[argument].path
            known = path if _inside(path, prefix) else ()
            args.append(known or outside.setdefault(argument, f"#{len(outside)}"))
        result.append((node.path, node.kind, tuple(args), position in read))
    return tuple(result)


def _chain(graph: Graph, prefix: Path) -> list[str] | None:
    """The members of a sequence in order, if each takes the one before and nothing else."""
    members: dict[str, list[int]] = {}
    for position, node in enumerate(graph.nodes):
        if _inside(node.path, prefix):
            members.setdefault(node.path[len(prefix)], []).append(position)
    order = sorted(members, key=int)
    if len(order) < 2:
        return None
    previous: int | None = None
    for name in order:
        own = set(members[name])
        entering = {a for p in own for a in graph.nodes[p].args} - own
        leaving = {p for p in own if _read_outside(graph, p, own)}
        if len(entering) != 1 or len(leaving) != 1:
            return None
        if previous is not None and (entering != {previous} or _readers(graph, previous) - own):
            return None
        (previous,) = leaving
    return order


def _readers(graph: Graph, position: int) -> set[int]:
    readers = {i for i, node in enumerate(graph.nodes) if position in node.args}
    return readers | ({-1} if position in graph.outputs else set())


def _read_outside(graph: Graph, position: int, own: set[int]) -> bool:
    return bool(_readers(graph, position) - own)


@dataclass(slots=True)
class _Renaming:
    """Paths of a graph under renaming, from those it has."""

    graph: Graph
    names: dict[Path, Path] = field(init=False)
    frames: dict[Path, Path] = field(init=False)

    def __post_init__(self) -> None:
        self.names = {node.path: node.path for node in self.graph.nodes if node.path}
        self.frames = {prefix: prefix for prefix in self.graph.frames}

    def number(self, prefix: Path, order: list[str]) -> None:
        """Number the members of a sequence anew."""
        now = self.frames[prefix]
        number = {name: str(i) for i, name in enumerate(order)}
        for table in (self.names, self.frames):
            for old, new in table.items():
                if _inside(old, prefix):
                    table[old] = (*now, number[old[len(prefix)]], *new[len(now) + 1 :])

    def dissolve(self, prefix: Path) -> None:
        """Move what is in a frame to where the frame is: `edge.conv` becomes `edge_conv`."""
        now = self.frames.pop(prefix)
        taken = {new[: len(now)] for old, new in self.names.items() if not _inside(old, prefix)}
        moved: dict[str, str] = {}
        for table in (self.names, self.frames):
            for old, new in table.items():
                if not _inside(old, prefix):
                    continue
                child = new[len(now)]
                if child not in moved:
                    moved[child] = _free(f"{now[-1]}_{child}", now[:-1], taken)
                table[old] = (*now[:-1], moved[child], *new[len(now) + 1 :])

    def finish(self) -> Rewrite:
        graph = self.graph
        if all(old == new for old, new in self.names.items()):
            frames = {p: frame for p, frame in graph.frames.items() if p in self.frames}
            return Rewrite(graph=replace(graph, frames=frames) if frames != graph.frames else graph)
        nodes = tuple(
            replace(node, path=self.names[node.path]) if node.path else node for node in graph.nodes
        )
        frames = {new: graph.frames[old] for old, new in self.frames.items()}
        return Rewrite(
            graph=replace(graph, nodes=nodes, frames=_sorted(frames)),
            rows=_rows(graph, self.names),
            uses={
                self.names[node.path]: node.path
                for node in graph.nodes
                if isinstance(node.kind, Invoke) and self.names[node.path] != node.path
            },
        )


def _free(name: str, parent: Path, taken: set[Path]) -> str:
    while (*parent, name) in taken:
        name += "_"
    taken.add((*parent, name))
    return name


def _sorted(frames: Mapping[Path, Frame]) -> dict[Path, Frame]:
    return {prefix: frames[prefix] for prefix in sorted(frames, key=lambda p: (len(p), p))}


def _rows(graph: Graph, names: Mapping[Path, Path]) -> dict[str, Source]:
    rows: dict[str, Source] = {}
    for node in graph.nodes:
        if isinstance(node.kind, Apply) and names[node.path] != node.path:
            inputs = tuple(graph.nodes[argument].type for argument in node.args)
            for weight in node.kind.operation.weights(inputs):
                old = weight_name(node.path, weight.name)
                rows[weight_name(names[node.path], weight.name)] = Keep(old)
    return rows
