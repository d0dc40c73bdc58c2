"""Two modules compared by their named values: what goes in, what is computed, how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from archdsl.diff.edits import Change
from archdsl.diff.words import Statement, arguments, named, shorten, statements
from archdsl.ir.graph import Apply, Graph, Invoke, Program

MAX_PAIRS = 2_000_000  # statements of more operations are compared by their numbers alone


@dataclass(frozen=True, slots=True)
class Comparison:
    """One module and its partner; `where` is what a reader calls it."""

    where: str
    a: Program
    b: Program
    ours: Graph
    theirs: Graph
    nodes: Mapping[int, int]

    def changes(self) -> Iterator[Change]:
        """What differs, statement by statement, in the order of the second."""
        before = {statement.name: statement for statement in statements(self.ours)}
        after = {statement.name: statement for statement in statements(self.theirs)}
        pairs = self._pairs(before, after)
        partners = {other: name for name, other in pairs.items()}
        for name, statement in before.items():
            if name not in pairs:
                yield self._change(name, before=_expression(statement, self.ours, self.a))
        for name, statement in after.items():
            if name in partners:
                yield from self._statement(before[partners[name]], statement)
            else:
                yield self._change(name, after=_expression(statement, self.theirs, self.b))

    def _pairs(self, before: dict[str, Statement], after: dict[str, Statement]) -> dict[str, str]:
        """Statements of one name; others where their nodes correspond."""
        pairs = {name: name for name in before if name in after}
        by_node = {s.node: name for name, s in after.items() if name not in pairs}
        for name, statement in before.items():
            partner = by_node.get(self.nodes.get(statement.node, -1))
            if name not in pairs and partner is not None:
                pairs[name] = partner
        return pairs

    def _statement(self, ours: Statement, theirs: Statement) -> Iterator[Change]:
        if ours.name != theirs.name:
            yield self._change("name", before=ours.name, after=theirs.name)
        yield from self._sources(ours, theirs)
        yield from self._operations(ours, theirs)
        yield from self._arguments(ours, theirs)

    def _sources(self, ours: Statement, theirs: Statement) -> Iterator[Change]:
        gone = [name for name in ours.sources if name not in theirs.sources]
        new = [name for name in theirs.sources if name not in ours.sources]
        if gone or new:
            word = "inputs" if max(len(gone), len(new)) > 1 else "input"
            yield self._change(f"{theirs.name}: {word}", before=_listed(gone), after=_listed(new))

    def _operations(self, ours: Statement, theirs: Statement) -> Iterator[Change]:
        """Blocks that are repeated more or less often, then operations one by one."""
        before = [named(self.ours.nodes[i].kind, self.a) for i in ours.steps]
        after = [named(self.theirs.nodes[j].kind, self.b) for j in theirs.steps]
        blocks = self._blocks(self.ours, ours, self.a) & self._blocks(self.theirs, theirs, self.b)
        counts = Counter(before), Counter(after)
        repeated = [name for name in blocks if counts[0][name] != counts[1][name]]
        for name in repeated:
            yield self._change(
                theirs.name,
                before=str(counts[0][name]),
                after=str(counts[1][name]),
                unit="blocks" if len(repeated) == 1 else f"blocks of {name}",
            )
        first = [name for name in before if name not in repeated]
        second = [name for name in after if name not in repeated]
        for gone, new in _replaced(first, second):
            yield self._change(theirs.name, before=gone, after=new)

    def _blocks(self, graph: Graph, statement: Statement, program: Program) -> Counter[str]:
        kinds = (graph.nodes[i].kind for i in statement.steps)
        return Counter(named(kind, program) for kind in kinds if isinstance(kind, Invoke))

    def _arguments(self, ours: Statement, theirs: Statement) -> Iterator[Change]:
        """Operations that are called the same and have other arguments."""
        for i in ours.steps:
            j = self.nodes.get(i, -1)
            before = self.ours.nodes[i].kind
            after = self.theirs.nodes[j].kind if j in theirs.steps else before
            if not (isinstance(before, Apply) and isinstance(after, Apply)):
                continue
            name = before.operation.describe()
            alike = type(before.operation) is type(after.operation)
            if alike and name == after.operation.describe():
                for field, old, new in arguments(before.operation, after.operation):
                    yield self._change(f"{theirs.name}: {name}: {field}", before=old, after=new)

    def _change(self, what: str, before: str = "", after: str = "", unit: str = "") -> Change:
        return Change(where=self.where, what=what, before=before, after=after, unit=unit)


def _replaced(first: list[str], second: list[str]) -> Iterator[tuple[str, str]]:
    """What stands for what, in the order of the text; for long ones, what is more or fewer."""
    if len(first) * len(second) > MAX_PAIRS:
        fewer, more = Counter(first) - Counter(second), Counter(second) - Counter(first)
        if fewer or more:
            yield _chain([*fewer.elements()]), _chain([*more.elements()])
        return
    matcher = SequenceMatcher(None, first, second, autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag != "equal":
            yield _chain(first[i:i_end]), _chain(second[j:j_end])


def _listed(names: Sequence[str]) -> str:
    """`1, 2` for the nodes 1 and 2, else the names."""
    short = [name.removeprefix("node ") for name in names]
    return ", ".join(short if all(name.isdigit() for name in short) else names)


def _chain(names: Sequence[str]) -> str:
    """`2 x batch norm, relu`."""
    counted = Counter(names)
    parts = [name if count == 1 else f"{count} x {name}" for name, count in counted.items()]
    return shorten(", ".join(parts))


def _expression(statement: Statement, graph: Graph, program: Program) -> str:
    """`conv 3x3, relu of node 1`."""
    steps = _chain([named(graph.nodes[i].kind, program) for i in statement.steps])
    sources = ", ".join(statement.sources)
    return f"{steps} of {sources}" if sources else steps
