"""What passes did to a network, where, and what that is predicted to save; and what they left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from archdsl.ir.graph import Apply, Graph, Invoke, Node, Program
from archdsl.passes.device import CPU, Device
from archdsl.passes.draft import Left
from archdsl.passes.driver import optimised
from archdsl.syntax.render import position


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A pass that changed a module, or that left something in it as it would not pay.

    `line`: of the text, 1-based, 0 where nothing says; `times`: how often a network uses the
    module; `gone` and `made`: operations of one use; `saved`: seconds of all uses for a batch of
    16, forward and what gradients take beyond those of plain kernels, as the device's rates have
    it. Below 0 for what costs time elsewhere saved.
    `fired`: whether it was done; where not, `gone` stays, nothing is made, and `saved` is what
    one operation for all of it would save: below 0.
    """

    step: str
    module: str
    line: int
    times: int
    gone: tuple[str, ...]
    made: tuple[str, ...]
    saved: float
    fired: bool = True

    def and_of(self, other: Firing) -> Firing:
        """Both, of one module at two sizes."""
        return replace(self, times=self.times + other.times, saved=self.saved + other.saved)

    def __str__(self) -> str:
        place = f"{self.module}:{self.line}" if self.line else self.module
        count = f"{self.times} times" if self.times > 1 else "once"
        after = _listed(self.made) if self.fired else "left apart, one would take longer"
        saved = f"{1e3 * self.saved:8.3f} ms"
        return f"{self.step:17} {place:16} {count:9} {saved}  {_listed(self.gone)} -> {after}"


@dataclass(slots=True)
class Account:
    """Watches the passes (`watch=account`) and says what they did, in their order.

    `device` is the one they are given: what a fusion saves is told by its rates, on None by those
    of the default.
    """

    device: Device | None = CPU
    found: dict[object, Firing] = field(default_factory=dict)

    def __call__(
        self, step: str, before: Program, after: Program, left: Mapping[str, tuple[Left, ...]]
    ) -> None:
        rates = self.device or CPU
        for one in (*_firings(step, before, after, rates), *_left_apart(step, before, left)):
            same = (one.step, one.module, one.line, one.gone, one.made, one.fired)
            other = self.found.get(same)  # the same module at another size
            self.found[same] = one if other is None else other.and_of(one)

    @property
    def firings(self) -> tuple[Firing, ...]:
        return tuple(self.found.values())


def explained(program: Program, level: int = 1, device: Device | None = CPU) -> tuple[Firing, ...]:
    """What each pass does to a network, in the order of the passes."""
    account = Account(device)
    optimised(program, level, device=device, watch=account)
    return account.firings


def _firings(step: str, before: Program, after: Program, device: Device) -> Iterator[Firing]:
    times = _times(before)
    for key, graph in before.modules.items():
        new = after.modules.get(key, graph)
        if new is graph:
            continue
        gone, made = _difference(graph, new)
        if not gone and not made:
            continue
        yield Firing(
            step=step,
            module=graph.definition,
            line=_line(gone or made),
            times=times[key],
            gone=tuple(map(_told, gone)),
            made=tuple(map(_told, made)),
            saved=times[key] * (_seconds(graph, gone, device) - _seconds(new, made, device)),
        )


def _left_apart(
    step: str, before: Program, left: Mapping[str, tuple[Left, ...]]
) -> Iterator[Firing]:
    times = _times(before)
    for key, graph in before.modules.items():
        for one in left.get(key, ()):
            yield Firing(
                step=step,
                module=graph.definition,
                line=_line(one.nodes),
                times=times[key],
                gone=tuple(map(_told, one.nodes)),
                made=(),
                saved=-times[key] * one.loss,
                fired=False,
            )


def _line(nodes: Sequence[Node]) -> int:
    """Where in the text the first of some nodes is; 0 where nothing says."""
    return min((position(node.span)[0] for node in nodes if node.span is not None), default=0)


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
    match node.kind:
        case Apply(operation):
            name = operation.describe() or operation.keyword  # pictures leave gates unnamed
            return f"{name} {operation.manner}".rstrip()
        case Invoke(module):
            return module.partition("#")[0]
        case _:
            return ""


def _seconds(graph: Graph, nodes: Sequence[Node], device: Device) -> float:
    total = 0.0
    for node in nodes:
        assert isinstance(node.kind, Apply)
        operation, inputs = node.kind.operation, graph.types_in(node)
        total += device.seconds(operation, inputs, node.types)
        total += device.slow_gradients(operation, inputs)
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
