"""Two architectures of one space, compared by what its decisions take."""

from __future__ import annotations

import re
from collections.abc import Iterator

from archdsl.diff.edits import Change
from archdsl.diff.words import spoken
from archdsl.ir.elaborate import elaborate
from archdsl.ir.formula import atoms
from archdsl.ir.graph import Apply, Choose, Graph, Input, Node, Program
from archdsl.ir.scopes import Decision
from archdsl.space.view import SearchSpace
from archdsl.syntax.parse import parse
from archdsl.syntax.tree import ModuleKind

_ROLES = {"op": "", "source": "input", "sources": "inputs"}
_STEM = re.compile(r"(.*?)\d*(?:_\d+)*_*")


def decided(a: Program, b: Program, program: Program | None = None) -> Iterator[Change]:
    """One change for every decision that the two take differently, in the order of strings."""
    if a.genotype == b.genotype:
        return
    space = SearchSpace(program or _space(a))
    ours = space.parse(a.genotype).assignment
    theirs = space.parse(b.genotype).assignment
    for decision in space.decisions:
        before = _labels(decision, ours.get(decision.key))
        after = _labels(decision, theirs.get(decision.key))
        if before != after:
            where, what = _place(decision, space.program)
            yield Change(where=where, what=what, before=before, after=after)


def _space(program: Program) -> Program:
    """The program with holes that an architecture was taken from."""
    (space,) = parse(program.text, f"<{program.space}>").spaces
    return elaborate(space, program.parameters)


def _labels(decision: Decision, taken: tuple[int, ...] | None) -> str:
    """What a decision takes, as strings spell it; nothing where it does not exist."""
    if taken is None:
        return ""
    return "+".join(decision.hole.labels[i] for i in taken) or "-"


def _place(decision: Decision, program: Program) -> tuple[str, str]:
    """Where a reader finds a decision: its definition or block, and `node 3: input`."""
    scope, graph = decision.scope, program.modules[decision.scope.module]
    family = f"[{', '.join(map(str, scope.family))}]" if scope.family else ""
    where = scope.key[-1] if scope.kind is ModuleKind.BLOCK else scope.group + family
    match = _STEM.fullmatch(decision.hole.name)
    stem = match[1] if match else decision.hole.name
    parts = [*_neighbours(graph, decision.hole.name), _ROLES.get(stem, stem)]
    return where, ": ".join(part for part in parts if part) or decision.hole.name


def _neighbours(graph: Graph, hole: str) -> tuple[str, ...]:
    """The named value that a hole goes into, and where it has several edges, whence this one."""
    places = [i for i, node in enumerate(graph.nodes) if _asks(node, hole)]
    if not places:
        return ()
    into = _downstream(graph, places[0])
    if into is None:
        return ()
    sources = _sources(graph, places[0])
    alone = into == places[0] or len(_sources(graph, into)) == 1
    if alone or len(sources) != 1:
        return (spoken(graph.nodes[into].label),)
    return spoken(graph.nodes[into].label), f"from {spoken(sources[0])}"


def _asks(node: Node, hole: str) -> bool:
    """Whether a node joins or picks what a hole decides."""
    match node.kind:
        case Choose(name):
            return name == hole
        case Apply(when=when):
            return any(atom.hole == hole for formula in when for atom in atoms(formula))
        case _:
            return False


def _downstream(graph: Graph, start: int) -> int | None:
    """The first named value that a node goes into."""
    reached = {start}
    for i in range(start, len(graph.nodes)):
        if i == start or reached & set(graph.nodes[i].args):
            if graph.nodes[i].label:
                return i
            reached.add(i)
    return None


def _sources(graph: Graph, start: int) -> list[str]:
    """The named values and inputs that a node is computed from."""
    found: dict[str, None] = {}
    waiting, seen = list(graph.nodes[start].args), {start}
    while waiting:
        i = waiting.pop()
        node = graph.nodes[i]
        name = node.kind.name if isinstance(node.kind, Input) else node.label
        if name:
            found[name] = None
        elif i not in seen:
            seen.add(i)
            waiting.extend(node.args)
    return list(found)
