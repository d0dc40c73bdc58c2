"""Names after rewriting: what a frame of the text no longer holds together comes apart.

op edge = relu -> conv, its relu merged with another's      edge.conv -> edge_conv
stem = conv -> id -> bn, its id removed                      stem.2    -> stem.1
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from archdsl.ir.graph import Apply, Frame, FrameKind, Graph, Invoke, Path
from archdsl.passes.draft import Rewrite, weight_name
from archdsl.passes.weights import Keep, Source

OUTSIDE = -1
"""The reader of what a graph gives."""


def tidy(graph: Graph, before: Graph) -> Rewrite:
    """Dissolve the frames that passes took apart; number sequences without gaps.

    A frame is a part of the graph that reads values and gives one: a module of generated code.
    `before` is the graph as the text has it, where every frame is one.
    """
    if not graph.frames:
        return Rewrite(graph=graph)
    renaming, now, then = _Renaming(graph), _Parts(graph), _Parts(before)
    orders = {
        prefix: now.chain(prefix) if frame.kind is FrameKind.SEQUENCE else None
        for prefix, frame in graph.frames.items()
        if now.shape(prefix) != then.shape(prefix)
    }
    for prefix in sorted(orders, key=len):
        order = orders[prefix]
        if order is not None and all(
            orders.get((*prefix, name), order) is not None or now.holds_one((*prefix, name))
            for name in order
        ):
            renaming.number(prefix, order)
        else:
            renaming.dissolve(prefix)
    return renaming.finish()


def _ways(path: Path) -> Iterator[Path]:
    """A path and all that it leads through."""
    return (path[:depth] for depth in range(1, len(path) + 1))


def _below(paths: Iterable[Path]) -> dict[Path, list[Path]]:
    """The paths that lead through each prefix."""
    below: dict[Path, list[Path]] = {}
    for path in paths:
        for depth in range(1, len(path)):
            below.setdefault(path[:depth], []).append(path)
    return below


class _Parts:
    """A graph by its frames: what is in each, and who reads it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.inside: dict[Path, list[int]] = {}
        self.readers: list[list[int]] = [[] for _ in graph.nodes]
        for position, node in enumerate(graph.nodes):
            for depth in range(1, len(node.path)):
                self.inside.setdefault(node.path[:depth], []).append(position)
            for argument in node.args:
                self.readers[argument].append(position)
        for output in graph.outputs:
            self.readers[output].append(OUTSIDE)

    def holds_one(self, prefix: Path) -> bool:
        """Whether a frame holds one member, which can go by the frame's own name."""
        members = {self.graph.nodes[p].path[len(prefix)] for p in self.inside.get(prefix, ())}
        return len(members) == 1

    def shape(self, prefix: Path) -> tuple[object, ...]:
        """What is in a frame, how it hangs together, and what is read from outside."""
        outside: dict[int, str] = {}
        result: list[object] = []
        own = set(self.inside.get(prefix, ()))
        for position in self.inside.get(prefix, ()):
            node = self.graph.nodes[position]
            args = tuple(
                self.graph.nodes[argument].path
                if argument in own
                else outside.setdefault(argument, f"#{len(outside)}")
                for argument in node.args
            )
            result.append((node.path, node.kind, args, self._read_outside(position, own)))
        return tuple(result)

    def chain(self, prefix: Path) -> list[str] | None:
        """The members of a sequence in order, if each takes the one before and nothing else."""
        members: dict[str, list[int]] = {}
        for position in self.inside.get(prefix, ()):
            members.setdefault(self.graph.nodes[position].path[len(prefix)], []).append(position)
        order = sorted(members, key=int)
        if len(order) < 2:
            return None
        previous: int | None = None
        for name in order:
            own = set(members[name])
            entering = {a for p in own for a in self.graph.nodes[p].args} - own
            leaving = {p for p in own if self._read_outside(p, own)}
            if len(entering) != 1 or len(leaving) != 1:
                return None
            if previous is not None and (
                entering != {previous} or self._read_outside(previous, own)
            ):
                return None
            (previous,) = leaving
        return order

    def _read_outside(self, position: int, own: set[int]) -> bool:
        return any(reader not in own for reader in self.readers[position])


@dataclass(slots=True)
class _Renaming:
    """Paths of a graph under renaming, from those it has."""

    graph: Graph
    names: dict[Path, Path] = field(init=False)
    frames: dict[Path, Path] = field(init=False)
    below: dict[Path, list[Path]] = field(init=False)
    """Paths and frames inside each frame, as they were."""
    taken: Counter[Path] = field(init=False)
    """How many names lead through each path now."""

    def __post_init__(self) -> None:
        self.names = {node.path: node.path for node in self.graph.nodes if node.path}
        self.frames = {prefix: prefix for prefix in self.graph.frames}
        self.below = _below((*self.names, *self.frames))
        self.taken = Counter(way for path in self.names for way in _ways(path))

    def number(self, prefix: Path, order: list[str]) -> None:
        """Number the members of a sequence anew."""
        now = self.frames[prefix]
        number = {name: str(i) for i, name in enumerate(order)}
        self._leave(prefix)
        for table, old, new in self._inside(prefix):
            table[old] = (*now, number[old[len(prefix)]], *new[len(now) + 1 :])
        self._come(prefix)

    def dissolve(self, prefix: Path) -> None:
        """Move what is in a frame to where the frame is: `edge.conv` becomes `edge_conv`."""
        now = self.frames.pop(prefix)
        self._leave(prefix)
        moved: dict[str, str] = {}
        outer = self.graph.frames.get(prefix[:-1])
        if outer is not None and outer.kind is FrameKind.SEQUENCE and prefix[:-1] in self.frames:
            moved = {new[len(now)]: now[-1] for _, _, new in self._inside(prefix)}  # only one
        for table, old, new in self._inside(prefix):
            child = new[len(now)]
            if child not in moved:
                free = self._free(f"{now[-1]}_{child}", now[:-1], set(moved.values()))
                moved[child] = free
            table[old] = (*now[:-1], moved[child], *new[len(now) + 1 :])
        self._come(prefix)

    def _inside(self, prefix: Path) -> Iterator[tuple[dict[Path, Path], Path, Path]]:
        """What is in a frame: the table it stands in, its path before and now."""
        for table in (self.names, self.frames):
            for old in self.below.get(prefix, ()):
                if old in table:
                    yield table, old, table[old]

    def _leave(self, prefix: Path) -> None:
        for old in self.below.get(prefix, ()):
            self.taken.subtract(_ways(self.names.get(old, ())))

    def _come(self, prefix: Path) -> None:
        for old in self.below.get(prefix, ()):
            self.taken.update(_ways(self.names.get(old, ())))

    def _free(self, name: str, parent: Path, moved: set[str]) -> str:
        while self.taken[(*parent, name)] > 0 or name in moved:
            name += "_"
        return name

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
