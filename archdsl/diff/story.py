"""What changed, in the words of the text.

Two architectures of one space differ in what its holes take, so the story is told in these
decisions. Otherwise it is told in parameters, modules and the named values of each module:
which inputs they have, what they compute, how many blocks they repeat.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from archdsl.diff.align import Alignment, align_nodes
from archdsl.diff.comparison import Comparison
from archdsl.diff.decisions import decided
from archdsl.diff.edits import Change
from archdsl.diff.words import shown
from archdsl.ir.graph import Graph, Invoke, Program
from archdsl.ir.scopes import group_name
from archdsl.syntax.tree import ModuleKind


def story(
    a: Program, b: Program, alignment: Alignment, space: Program | None = None
) -> tuple[Change, ...]:
    """The lines for a reader; at least one where the programs differ."""
    changes = [*_header(a, b)]
    if a.hash == b.hash and a.parameters == b.parameters and a.genotype != b.genotype:
        changes += decided(a, b, space)
    else:
        changes += _modules(a, b, alignment)
    # The specialisations of one definition change alike: what they share is said once.
    told = tuple(dict.fromkeys(changes))
    return told or (Change(what="names of weights or values, or the order of the text"),)


def _header(a: Program, b: Program) -> Iterator[Change]:
    if a.space != b.space:
        yield Change(what="space", before=a.space, after=b.space)
    for name, value in a.parameters.items():
        if name in b.parameters and b.parameters[name] != value:
            other = b.parameters[name]
            yield Change(what=f"parameter {name}", before=shown(value), after=shown(other))
    gone = _own_parameters(a, b)
    new = _own_parameters(b, a)
    if gone or new:
        yield Change(what="parameters", before=gone, after=new)


def _own_parameters(program: Program, other: Program) -> str:
    """Those that the other one does not have."""
    names = (name for name in program.parameters if name not in other.parameters)
    return ", ".join(f"{name}={shown(program.parameters[name])}" for name in names)


def _modules(a: Program, b: Program, alignment: Alignment) -> Iterator[Change]:
    """Modules gone and new; then each cell once, and each block where it is used."""
    yield from (Change(what=what, before=size) for what, size in _only(a, b))
    yield from (Change(what=what, after=size) for what, size in _only(b, a))
    for key, other in alignment.modules.items():
        ours, theirs = a.modules[key], b.modules[other]
        if ours.kind is theirs.kind is ModuleKind.BLOCK:
            continue
        names = (group_name(ours), group_name(theirs))
        if names[0] != names[1]:
            yield Change(what=ours.kind.value, before=names[0], after=names[1])
        where = "" if key == a.root else names[1]
        pair = Comparison(where, a, b, ours, theirs, alignment.nodes[key])
        yield from pair.changes()
        yield from _blocks(pair, alignment, {})


def _only(program: Program, other: Program) -> list[tuple[str, str]]:
    """Definitions that the other one does not have, with their sizes."""
    known = {group_name(graph) for graph in other.modules.values()}
    return [
        (f"{graph.kind.value} {group_name(graph)}", _size(graph))
        for graph in program.modules.values()
        if group_name(graph) not in known
    ]


Known = dict[tuple[str, str], tuple[Change, ...]]


def _blocks(pair: Comparison, alignment: Alignment, known: Known) -> Iterator[Change]:
    """Blocks are decided at every use: told there, or once where all uses change alike.

    `known` holds what was said of two graphs, which may be used a thousand times.
    """
    found: dict[str, list[tuple[str, tuple[Change, ...]]]] = {}
    for i, j in pair.nodes.items():
        ours, theirs = pair.ours.nodes[i], pair.theirs.nodes[j]
        if not (isinstance(ours.kind, Invoke) and isinstance(theirs.kind, Invoke)):
            continue
        first, second = pair.a.modules[ours.kind.module], pair.b.modules[theirs.kind.module]
        if first.kind is second.kind is ModuleKind.BLOCK:
            key = (ours.kind.module, theirs.kind.module)
            if key not in known:
                nodes = align_nodes(first, second, alignment.modules)
                inner = Comparison("", pair.a, pair.b, first, second, nodes)
                known[key] = (*inner.changes(), *_blocks(inner, alignment, known))
            found.setdefault(group_name(second), []).append((".".join(theirs.path), known[key]))
    for name, uses in found.items():
        alike = len({changes for _, changes in uses}) == 1
        for place, changes in uses[:1] if alike else uses:
            parts = (pair.where, name if alike else place)
            where = ": ".join(part for part in parts if part)
            for change in changes:
                inside = ": ".join(part for part in (where, change.where) if part)
                yield replace(change, where=inside)


def _size(graph: Graph) -> str:
    return f"{len(graph.nodes) - len(graph.inputs)} operations"
