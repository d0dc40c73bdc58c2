"""Which decisions a program has: every hole of every scope, in the order of strings.

A hole in a cell or net is decided once for all its uses; a hole in a block anew at each use.
A scope is one such place of decision. Its key names the innermost cell or net and the path of
block uses inside it: `("mixer",)`, `("network", "layer.3")`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from archdsl.ir.formula import (
    ALWAYS,
    All,
    Any,
    Formula,
    Not,
    Taken,
    all_of,
    any_of,
    negate,
)
from archdsl.ir.graph import Graph, Hole, Invoke, Program
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import ModuleKind, Span

ScopeKey = tuple[str, ...]

MAX_STEPS = 25_000
MAX_WAYS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One place of decision.

    `group` and `family` name its definition in architecture strings; `under` says when it is
    reached, over qualified holes.
    """

    key: ScopeKey
    group: str
    family: tuple[int, ...]
    kind: ModuleKind
    module: str
    under: Formula
    span: Span | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One hole of one scope.

    `key` is unique in the program and what `Taken.hole` holds in `under`; `parent` is the
    decision inside whose alternatives it stands, with their indices.
    """

    key: str
    scope: Scope
    hole: Hole
    under: Formula
    parent: tuple[str, tuple[int, ...]] | None


def qualify(scope: ScopeKey, hole: str) -> str:
    """The program-wide key of a hole."""
    return f"{'/'.join(scope)}:{hole}"


def qualified(formula: Formula, scope: ScopeKey) -> Formula:
    """A module's formula with its holes' names made program-wide."""
    match formula:
        case Taken(hole, alternative):
            return Taken(qualify(scope, hole), alternative)
        case All(terms):
            return all_of(qualified(term, scope) for term in terms)
        case Any(terms):
            return any_of(qualified(term, scope) for term in terms)
        case Not(term):
            return negate(qualified(term, scope))


def group_name(graph: Graph) -> str:
    """The definition's name with its family index: `motif[2]`."""
    index = ", ".join(str(i) for i in graph.family)
    return f"{graph.definition}[{index}]" if graph.family else graph.definition


def inner_scope(graph: Graph, outer: ScopeKey, path: tuple[str, ...]) -> ScopeKey:
    """The scope that a use of `graph` at `path`, within the scope `outer`, decides in."""
    if graph.kind is ModuleKind.BLOCK:
        return (*outer, ".".join(path))
    return (group_name(graph),)


def scopes(program: Program) -> tuple[Scope, ...]:
    """All scopes, grouped by definition in the order of first use, the net first."""
    found: dict[ScopeKey, list[Scope]] = {}
    walk = _Walk(program, deciding(program))
    for scope in walk.below(program.root, (program.net.definition,), ALWAYS):
        known = found.setdefault(scope.key, [])
        if known:
            _check_same_holes(program, known[0], scope)
        known.append(scope)
        if len(known) > MAX_WAYS:
            raise _too_many_ways(scope.span)
    result = [replace(k[0], under=any_of(scope.under for scope in k)) for k in found.values()]
    order: dict[str, int] = {}
    for scope in result:
        order.setdefault(scope.group, len(order))
    return tuple(sorted(result, key=lambda scope: order[scope.group]))


def decisions(program: Program) -> tuple[Decision, ...]:
    """Every decision of a whole program, in the order of architecture strings."""
    found: list[Decision] = []
    for scope in scopes(program):
        for hole in program.modules[scope.module].holes:
            key = qualify(scope.key, hole.name)
            parent = _parent(scope, hole)
            found.append(Decision(key=key, scope=scope, hole=hole, under=ALWAYS, parent=parent))
    by_key = {decision.key: decision for decision in found}
    return tuple(replace(decision, under=under(decision, by_key)) for decision in found)


def under(decision: Decision, known: Mapping[str, Decision]) -> Formula:
    """The alternatives of its parent, and of that one's parent, ...: outer ones first."""
    terms: list[Formula] = []
    while decision.parent is not None:
        key, alternatives = decision.parent
        terms.append(any_of(Taken(key, alternative) for alternative in alternatives))
        decision = known[key]
    return all_of(reversed(terms))


def _parent(scope: Scope, hole: Hole) -> tuple[str, tuple[int, ...]] | None:
    """The one hole that decides whether this one exists.

    What several holes at once may use (a motif that any edge may take) is decided whether one of
    them uses it or not, so it has none.
    """
    if hole.parent is not None:
        name, alternatives = hole.parent
        return qualify(scope.key, name), alternatives
    if scope.under == ALWAYS:
        return None
    ways = scope.under.terms if isinstance(scope.under, Any) else (scope.under,)
    parts = [_parts(way) for way in ways]
    conditions = [
        _innermost(way)
        for way, own in zip(ways, parts, strict=True)
        if not any(other < own for other in parts)  # `a or (a and b)` is `a`
    ]
    # Every use of the scope around the innermost hole leads here, so that hole alone decides.
    if all(key for key, _ in conditions) and len({key for key, _ in conditions}) == 1:
        return conditions[0][0], tuple(sorted({a for _, taken in conditions for a in taken}))
    return None


def _innermost(way: Formula) -> tuple[str, tuple[int, ...]]:
    """The last hole of one way to a scope, outer holes first, with its alternatives."""
    match way.terms[-1] if isinstance(way, All) and way.terms else way:
        case Taken(key, alternative):
            return key, (alternative,)
        case Any(terms):
            taken = [term for term in terms if isinstance(term, Taken)]
            if len(taken) == len(terms) and len({term.hole for term in taken}) == 1:
                return taken[0].hole, tuple(term.alternative for term in taken)
        case _:
            pass
    return "", ()


def _parts(way: Formula) -> frozenset[Formula]:
    return frozenset(way.terms) if isinstance(way, All) else frozenset({way})


def deciding(program: Program) -> frozenset[str]:
    """The graphs with something to decide in them or in what they use."""
    found: set[str] = set()
    for key, graph in program.modules.items():  # parts before the whole
        inner = (node.kind.module for node in graph.nodes if isinstance(node.kind, Invoke))
        if graph.holes or any(module in found for module in inner):
            found.add(key)
    return frozenset(found)


@dataclass(slots=True)
class _Walk:
    """Every way from the net to a scope."""

    program: Program
    open: frozenset[str]
    steps: int = 0

    def below(self, module: str, key: ScopeKey, under: Formula) -> Iterator[Scope]:
        """Scopes below one use, outer before inner; where nothing is decided is skipped."""
        graph = self.program.modules[module]
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _too_many_ways(graph.span)
        yield Scope(
            key=key,
            group=graph.definition,
            family=graph.family,
            kind=graph.kind,
            module=module,
            under=under,
            span=graph.span,
        )
        seen: set[tuple[str, ScopeKey, Formula]] = set()
        for node in graph.nodes:
            if not isinstance(node.kind, Invoke) or node.kind.module not in self.open:
                continue
            used = self.program.modules[node.kind.module]
            inner = inner_scope(used, key, node.path)
            reached = all_of((under, qualified(node.under, key)))
            if (node.kind.module, inner, reached) not in seen:  # used a thousand times, it is one
                seen.add((node.kind.module, inner, reached))
                yield from self.below(node.kind.module, inner, reached)


def _too_many_ways(span: Span | None) -> ArchError:
    return fault(
        "E0113",
        "too many ways lead to the decisions of this definition",
        span,
        expected=f"at most {MAX_WAYS:,}",
        hint="use it once, behind the holes whose alternatives use it",
    )


def _check_same_holes(program: Program, first: Scope, second: Scope) -> None:
    if program.modules[first.module].holes == program.modules[second.module].holes:
        return
    raise fault(
        "E0506",
        f"two uses of {first.group} end with different holes",
        second.span or first.span,
        found=f"{len(program.modules[second.module].holes)} holes in one use, "
        f"{len(program.modules[first.module].holes)} in another",
        expected="the same holes in every use of a cell",
        hint="make it a block, or give it an index in brackets so that each index decides alone",
    )
