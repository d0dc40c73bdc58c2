"""What passes did to a network, where, and what that is predicted to save."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from archdsl.ir.graph import Apply, Graph, Invoke, Node, Program
from archdsl.passes.device import CPU, Device
from archdsl.passes.driver import optimised
from archdsl.syntax.render import position


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A pass that changed a module.

    `line`: of the text, 1-based, 0 where nothing says; `times`: how often a network uses the
    module; `gone` and `made`: operations of one use; `saved`: seconds of all uses, forward, for a
    batch of 16, as the device's rates have it. Below 0 for what costs time elsewhere saved.
    """

    step: str
    module: str
    line: int
    times: int
    gone: tuple[str, ...]
    made: tuple[str, ...]
    saved: float

    def and_of(self, other: Firing) -> Firing:
        """Both, of one module at two sizes."""
        return replace(self, times=self.times + other.times, saved=self.saved + other.saved)

    def __str__(self) -> str:
        place = f"{self.module}:{self.line}" if self.line else self.module
        count = f"{self.times} times" if self.times > 1 else "once"
        change = f"{_listed(self.gone)} -> {_listed(self.made)}"
        return f"{self.step:17} {place:16} {count:9} {1e3 * self.saved:8.3f} ms  {change}"


def explained(program: Program, level: int = 1, device: Device | None = CPU) -> tuple[Firing, ...]:
    """What each pass does to a network, in the order of the passes."""
    found: dict[object, Firing] = {}
    rates = device or CPU

    def watch(step: str, before: Program, after: Program) -> None:
        for one in _firings(step, before, after, rates):
            same = (one.step, one.module, one.line, one.gone, one.made)
            other = found.get(same)  # the same module at another size
            found[same] = one if other is None else other.and_of(one)

    optimised(program, level, device=device, watch=watch)
    return tuple(found.values())


def _firings(step: str, before: Program, after: Program, device: Device) -> Iterator[Firing]:
    times = _times(before)
    for key, graph in before.modules.items():
        new = after.modules.get(key, graph)
        if new is graph:
            continue
        gone, made = _difference(graph, new)
        if not gone and not made:
            continue
        places = [node.span for node in gone or made if node.span is not None]
        yield Firing(
            step=step,
            module=graph.definition,
            line=min((position(span)[0] for span in places), default=0),
            times=times[key],
            gone=tuple(map(_told, gone)),
            made=tuple(map(_told, made)),
            saved=times[key] * (_seconds(graph, gone, device) - _seconds(new, made, device)),
        )


def _difference(before: Graph, after: Graph) -> tuple[list[Node], list[Node]]:
    """The operations of one graph that the other does not have; operands may differ."""
    old, new = Counter(map(_key, before.nodes)), Counter(map(_key, after.nodes))
    return _left(before.nodes, old - new), _left(after.nodes, new - old)


def _key(node: Node) -> object:
    kind = node.kind
    return (kind.operation, node.types) if isinstance(kind, Apply) else None


def _left(nodes: Sequence[Node], more: Counter[object]) -> list[Node]:
    left = []
    for node in nodes:
        key = _key(node)
        if key is not None and more[key] > 0:
            more[key] -= 1
            left.append(node)
    return left


def _told(node: Node) -> str:
    assert isinstance(node.kind, Apply)
    return node.kind.operation.describe()


def _seconds(graph: Graph, nodes: Sequence[Node], device: Device) -> float:
    total = 0.0
    for node in nodes:
        assert isinstance(node.kind, Apply)
        total += device.seconds(node.kind.operation, graph.types_in(node), node.types)
    return total


def _times(program: Program) -> Counter[str]:
    """How often a network runs each of its modules."""
    times = Counter({program.root: 1})
    for key, graph in reversed(tuple(program.modules.items())):
        for node in graph.nodes:
            if isinstance(node.kind, Invoke):
                times[node.kind.module] += times[key] * (node.kind.steps or 1)
    return times


def _listed(names: Sequence[str]) -> str:
    """Names with their numbers: `2 conv 3x3, relu`."""
    counted = Counter(names)
    told = (f"{n} {name}" if n > 1 else name for name, n in counted.items())
    return ", ".join(told) or "nothing"
