"""Mixtures of tokens on the best of them only; the rest pass by.

mix(f(x), g(x))    -> best, index, scores = select(x)
                      put_back(x, mix(f(best), g(best)), index, scores)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

from archdsl.ir.graph import Apply, Choose, Graph, Invoke, Item, Node, Path, Program
from archdsl.ir.types import TensorType
from archdsl.ir.verifier import verify_program
from archdsl.ops.base import Operation, OperationError, Types
from archdsl.ops.partial import PutBack, TokenSelection
from archdsl.ops.tokens import ClassToken
from archdsl.passes.facts import Modules
from archdsl.passes.regions import between, dominators
from archdsl.syntax.errors import ArchError, fault

RESULTS = ("best", "index", "scores")
TOKENS = 2
"""The axes of what is selected from: (N, C)."""


def partial_tokens(program: Program, share: Fraction) -> Program:
    """The space whose choices among maps of tokens run on a share of the tokens.

    A choice is one where all alternatives are computed from one value of the result's type by
    operations whose weights do not depend on the number of tokens. Each selects with weights of
    its own, the only ones that the path supernet has not. A class token is always taken, and
    does not count; a share of 1 is the space as it is. "DASViT: Differentiable Architecture
    Search for Vision Transformer", section III-C. Raises ArchError E0908 where no choice is like
    that.
    """
    _check_order(program)
    modules = Modules()
    always = frozenset(_with_class_token(program))
    found = False
    for key, graph in program.modules.items():
        parts = list(_parts(graph, modules, share, always))
        found = found or bool(parts)
        for part in parts:
            modules |= part.modules
        modules[key] = _Rewriter(graph, parts).graph() if parts else graph
    if not found:
        raise _refused(f"no choice of {program.space} can run on a part of the tokens")
    if share == 1:
        return program  # nothing is chosen, so nothing has a score
    return verify_program(replace(program, modules=modules), "partial_tokens")


def _refused(why: str) -> ArchError:
    return fault(
        "E0908",
        why,
        expected="alternatives that map tokens to tokens of the same width, of any number",
        hint="leave --partial-tokens out",
    )


def _check_order(program: Program) -> None:
    """Selecting looks at all tokens, so what must not know later ones cannot have it."""
    for operation in _operations(program):
        if getattr(operation, "causal", False):
            raise _refused(
                f"{operation.keyword} of {program.space} is causal: which tokens are best depends "
                "on later ones"
            )


def _operations(program: Program) -> Iterator[Operation]:
    for graph in program.modules.values():
        yield from (n.kind.operation for n in graph.nodes if isinstance(n.kind, Apply))


def _with_class_token(program: Program) -> Iterator[int]:
    """The numbers of tokens of which the first is a class token."""
    for graph in program.modules.values():
        for node in graph.nodes:
            if isinstance(node.kind, Apply) and isinstance(node.kind.operation, ClassToken):
                yield node.type.shape[0]


# --- what is selected for ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A choice, the value that it is computed from, and the nodes between, on fewer tokens."""

    source: int
    choice: int
    inside: Mapping[int, Node]
    modules: Mapping[str, Graph]
    count: int
    always: int


def _parts(
    graph: Graph, modules: Modules, share: Fraction, always: frozenset[int]
) -> Iterator[_Part]:
    """The outermost choices that can run on fewer tokens."""
    above = dominators(graph)
    taken: set[int] = set()
    for position in reversed(range(len(graph.nodes))):
        node = graph.nodes[position]
        if not isinstance(node.kind, Choose) or position in taken or node.sizes is not None:
            continue
        source = max(above[position] - {position}, default=None)
        if source is None or not _alike(graph, source, position):
            continue
        tokens, channels = node.type.shape
        first = int(tokens in always)
        count = first + max(1, int((tokens - first) * share))
        part = _part(graph, modules, source, position, TensorType((count, channels)), first)
        if part is not None:
            taken |= part.inside.keys()
            yield part


def _alike(graph: Graph, source: int, choice: int) -> bool:
    """Whether a choice among tokens has the type of what it is computed from."""
    types = graph.nodes[source].types
    one = graph.nodes[choice].type
    return types == (one,) and len(one.shape) == TOKENS and one.below is None


def _part(
    graph: Graph, modules: Modules, source: int, choice: int, best: TensorType, always: int
) -> _Part | None:
    """The nodes between a value and a choice on fewer tokens; None where they cannot be."""
    needed = between(graph, source, choice)
    if needed is None:
        return None
    made: dict[str, Graph] = {}
    retyped = _retyped(graph, {source: (best,)}, sorted(needed), modules, made)
    if retyped is None or retyped[choice].types != (best,):
        return None
    count = best.shape[0]
    return _Part(
        source=source, choice=choice, inside=retyped, modules=made, count=count, always=always
    )


def _retyped(
    graph: Graph,
    given: Mapping[int, Types],
    positions: list[int],
    modules: Modules,
    made: dict[str, Graph],
) -> dict[int, Node] | None:
    """Nodes with the types that follow from others; None where their weights would change."""
    types = dict(given)
    found: dict[int, Node] = {}
    for position in positions:
        node = graph.nodes[position]
        inputs = tuple(types.get(arg, graph.nodes[arg].types)[0] for arg in node.args)
        result = _on(node, graph.types_in(node), inputs, modules, made)
        if node.sizes is not None or result is None:
            return None
        if isinstance(node.kind, Item):
            result = replace(node, types=(types[node.args[0]][node.kind.index],))
        found[position] = result
        types[position] = result.types
    return found


def _on(
    node: Node, before: Types, inputs: Types, modules: Modules, made: dict[str, Graph]
) -> Node | None:
    """A node on other inputs, or None where it cannot take them with the same weights."""
    match node.kind:
        case Apply(operation):
            try:
                results = operation.results(inputs)
            except OperationError:
                return None
            same = operation.weights(inputs) == operation.weights(before)
            return replace(node, types=results) if same else None
        case Invoke(module, 0):
            key = f"{module}.{'_'.join(map(str, inputs))}".replace(" ", "")
            graph = made.get(key) or _module_on(modules[module], inputs, modules, made)
            if graph is None:
                return None
            made[key] = graph
            return replace(node, kind=Invoke(key), types=graph.result_types)
        case Choose():
            return replace(node, types=inputs[:1]) if len(set(inputs)) == 1 else None
        case Item():
            return node
        case _:
            return None


def _module_on(
    graph: Graph, inputs: Types, modules: Modules, made: dict[str, Graph]
) -> Graph | None:
    given = {i: (type_,) for i, type_ in zip(graph.inputs, inputs, strict=True)}
    inner = [i for i in range(len(graph.nodes)) if i not in given]
    found = _retyped(graph, given, inner, modules, made)
    if found is None:
        return None
    found |= {i: replace(graph.nodes[i], types=types) for i, types in given.items()}
    return replace(graph, nodes=tuple(found[i] for i in range(len(graph.nodes))))


# --- the graph anew ------------------------------------------------------------------------------


@dataclass(slots=True)
class _Rewriter:
    """Writes a graph with its parts on fewer tokens."""

    before: Graph
    parts: list[_Part]
    nodes: list[Node] = field(default_factory=list)
    position: dict[int, int] = field(default_factory=dict)

    def graph(self) -> Graph:
        part_of = {position: part for part in self.parts for position in part.inside}
        inner: dict[int, dict[int, int]] = {}
        for old, node in enumerate(self.before.nodes):
            part = part_of.get(old)
            if part is None:
                self.position[old] = self._add(node, self.position)
                continue
            if part.choice not in inner:
                inner[part.choice] = {part.source: self._select(part)}
            known = self.position | inner[part.choice]
            new = part.inside[old]
            if old != part.choice:
                inner[part.choice][old] = self._add(new, known)
                continue
            mixed = self._add(replace(new, label=""), known)
            self.position[old] = self._put_back(part, mixed, inner[part.choice][part.source])
        outputs = tuple(self.position[output] for output in self.before.outputs)
        return replace(self.before, nodes=tuple(self.nodes), outputs=outputs)

    def _add(self, node: Node, position: Mapping[int, int]) -> int:
        self.nodes.append(replace(node, args=tuple(position[arg] for arg in node.args)))
        return len(self.nodes) - 1

    def _select(self, part: _Part) -> int:
        """The position of the best tokens; of their indices and scores, one and two further."""
        operation = TokenSelection(count=part.count, always=part.always)
        args = (self.position[part.source],)
        types = operation.results(self.before.nodes[part.source].types)
        path = self._path("selection", part)
        under = self.before.nodes[part.choice].under
        self.nodes.append(
            Node(kind=Apply(operation), args=args, types=types, path=path, under=under)
        )
        at = len(self.nodes) - 1
        for index, (type_, label) in enumerate(zip(types, RESULTS, strict=True)):
            item = Node(kind=Item(index), args=(at,), types=(type_,), label=label, under=under)
            self.nodes.append(item)
        return at + 1

    def _put_back(self, part: _Part, mixed: int, best: int) -> int:
        node = self.before.nodes[part.choice]
        args = (self.position[part.source], mixed, best + 1, best + 2)
        path = self._path("put_back", part)
        kind = Apply(PutBack())
        self.nodes.append(replace(node, kind=kind, args=args, path=path))
        return len(self.nodes) - 1

    def _path(self, name: str, part: _Part) -> Path:
        """An attribute of its own, named after the choice where there are several."""
        kind = self.before.nodes[part.choice].kind
        assert isinstance(kind, Choose)
        taken = {node.path[0] for node in self.before.nodes if node.path}
        wanted = name if len(self.parts) == 1 else f"{name}_{kind.hole}"
        while wanted in taken:
            wanted += "_"
        return (wanted,)
