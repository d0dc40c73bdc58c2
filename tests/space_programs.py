"""Programs with holes, made by hand or at random: what a space view needs, and no network.

`every_filling` is the slow truth that counts and orders are compared with: it knows only the
formulas under which decisions exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from random import Random

from archdsl.ir.formula import ALWAYS, Formula, Taken, all_of, any_of, holds
from archdsl.ir.graph import Graph, Hole, Input, Invoke, Node, Program, Static
from archdsl.ir.scopes import decisions
from archdsl.ir.types import TensorType
from archdsl.syntax.tree import ModuleKind, Quantity

TYPE = (TensorType((8,)),)
ONE, SOME, ANY = Quantity.ONE, Quantity.SOME, Quantity.ANY
CELL, BLOCK, NET = ModuleKind.CELL, ModuleKind.BLOCK, ModuleKind.NET


@dataclass(slots=True)
class Draft:
    """A definition being written."""

    name: str
    kind: ModuleKind = CELL
    family: tuple[int, ...] = ()
    holes: list[Hole] = field(default_factory=list)
    uses: list[tuple[str, Formula]] = field(default_factory=list)

    def hole(
        self,
        name: str,
        labels: str,
        quantity: Quantity = ONE,
        count: int = 1,
        inside: tuple[str, tuple[int, ...]] | None = None,
        entry: int | None = None,
    ) -> Draft:
        """Add a hole; `inside` names the hole and the alternatives that it stands in."""
        under = self.inside(*inside) if inside else ALWAYS
        outer = next((h.entry for h in self.holes if inside and h.name == inside[0]), None)
        last = max((h.entry for h in self.holes), default=-1)
        self.holes.append(
            Hole(
                name=name,
                quantity=quantity,
                count=count,
                labels=tuple(labels.split()),
                under=under,
                parent=inside,
                entry=entry if entry is not None else last + 1 if outer is None else outer,
            )
        )
        return self

    def inside(self, name: str, alternatives: Sequence[int]) -> Formula:
        outer = next(hole for hole in self.holes if hole.name == name)
        return all_of((outer.under, any_of(Taken(name, a) for a in alternatives)))

    def use(self, module: str, under: Formula = ALWAYS) -> Draft:
        self.uses.append((module, under))
        return self

    @property
    def key(self) -> str:
        return ".".join((self.name, *map(str, self.family)))

    def graph(self) -> Graph:
        nodes = [Node(kind=Input("x"), types=TYPE, label="x")]
        for i, (module, under) in enumerate(self.uses):
            nodes.append(
                Node(kind=Invoke(module), args=(0,), types=TYPE, path=(f"u{i}",), under=under)
            )
        return Graph(
            definition=self.name,
            kind=self.kind,
            family=self.family,
            nodes=tuple(nodes),
            outputs=(len(nodes) - 1,),
            holes=tuple(self.holes),
        )


def program(
    *drafts: Draft, name: str = "toy", changed: Mapping[str, Static] | None = None
) -> Program:
    """A program of some definitions, the net last."""
    return Program(
        space=name,
        title=name,
        parameters=changed or {},
        changed=changed or {},
        modules={draft.key: draft.graph() for draft in drafts},
        root=drafts[-1].key,
        text="",
        hash="",
        genotype=name,
    )


def mixer(nodes: int = 4) -> Program:
    """The holes of a cell with one source and one operation a node, as in MetaFormer-NAS."""
    cell = Draft("mixer").hole("op_1", "id pool")
    for i in range(2, nodes + 1):
        sources = " ".join(str(j) for j in range(1, i))
        cell.hole(f"source_{i}", sources).hole(f"op_{i}", "id pool", entry=i - 1)
    changed = {} if nodes == 4 else {"nodes": nodes}
    net = Draft("network", NET).use("mixer").use("mixer")
    return program(cell, net, name="toy_mixer", changed=changed)


def edges(count: int = 6) -> Program:
    """One hole of five operations an edge, as in NAS-Bench-201."""
    cell = Draft("cell")
    for i in range(count):
        cell.hole(f"op_{i}", "none skip_connect nor_conv_1x1 nor_conv_3x3 avg_pool_3x3")
    return program(cell, Draft("network", NET).use("cell"), name="toy_edges")


def rich() -> Program:
    """Every construct at once: sets, nests, blocks under alternatives, families."""
    reduce = Draft("reduce").hole("pool", "max avg")
    motif = Draft("motif", CELL, (2,)).hole("width", "0.5 1.0").hole("last", "id")
    layer = Draft("layer", BLOCK).hole("mixed", "local mixed.1 mixed.2")
    layer.hole("heads", "2 4", inside=("mixed", (1, 2))).hole(
        "kernel", "3 5", inside=("mixed", (0,))
    )
    layer.hole("ratio", "4 6 8")
    net = Draft("network", NET)
    net.hole("inputs", "0 1 2", SOME, 2).hole("op_0", "sep skip", inside=("inputs", (0,)))
    net.hole("op_1", "sep skip", inside=("inputs", (1,)))
    net.hole("skips", "0 1", ANY).hole("stages", "2 3").hole("tail", "none reduce")
    net.use("layer").use("layer").use("layer", Taken("stages", 1))
    net.use("reduce", Taken("tail", 1)).use("motif.2", Taken("tail", 0))
    return program(reduce, motif, layer, net, name="toy_rich", changed={"depth": 3})


def random_program(rng: Random) -> Program:
    """A small program of up to four definitions."""
    names = ["network", "a", "b", "c"][: rng.randint(1, 4)]
    drafts = [Draft(name, rng.choice((CELL, BLOCK))) for name in names]
    drafts[0].kind = NET
    for i, draft in enumerate(drafts):
        for number in range(rng.randint(i == 0, 3)):
            _random_hole(draft, number, rng)
        for other in drafts[i + 1 :]:
            for _ in range(rng.choice((0, 1, 1, 2))):
                draft.use(other.key, _random_place(draft, rng))
    return program(*reversed(drafts))


def _random_hole(draft: Draft, number: int, rng: Random) -> None:
    quantity = rng.choice((ONE, ONE, SOME, ANY))
    size = rng.randint(1, 3)
    inside = None
    if draft.holes and rng.random() < 0.5:
        outer = rng.choice(draft.holes)
        inside = (outer.name, _some(len(outer.labels), rng))
    labels = " ".join(f"{label}" for label in ("a", "1", "m.2")[:size])
    draft.hole(f"h{number}", labels, quantity, rng.randint(1, size), inside)


def _random_place(draft: Draft, rng: Random) -> Formula:
    if not draft.holes or rng.random() < 0.4:
        return ALWAYS
    hole = rng.choice(draft.holes)
    return all_of((hole.under, Taken(hole.name, rng.randrange(len(hole.labels)))))


def _some(size: int, rng: Random) -> tuple[int, ...]:
    return tuple(sorted(rng.sample(range(size), rng.choice((1, min(2, size))))))


def every_filling(text: Program) -> Iterator[dict[str, tuple[int, ...]]]:
    """Every assignment, by trying all takes of all decisions in an order that works."""
    waiting = list(decisions(text))
    yield from _fill([], waiting)


def _fill(done: list[tuple[str, tuple[int, ...]]], waiting: list) -> Iterator[dict]:  # type: ignore
    known = {decision.key for decision in waiting}
    ready = next((d for d in waiting if d.parent is None or d.parent[0] not in known), None)
    if ready is None:
        yield dict(done)
        return
    rest = [decision for decision in waiting if decision is not ready]
    taken = dict(done)
    if not holds(ready.under, lambda atom: atom.alternative in taken.get(atom.hole, ())):
        yield from _fill(done, rest)
        return
    n, hole = len(ready.hole.labels), ready.hole
    sizes = {ONE: [1], SOME: [hole.count], ANY: list(range(n + 1))}[hole.quantity]
    for size in sizes:
        for indices in combinations(range(n), size):
            yield from _fill([*done, (ready.key, indices)], rest)
