"""From tree to IR: definitions specialised, statements run, holes kept open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from archdsl.ir.budget import Budget, check_limits
from archdsl.ir.builder import Builder
from archdsl.ir.cases import Tree, branch
from archdsl.ir.evaluate import WORDS, Evaluator
from archdsl.ir.expansion import Expansions
from archdsl.ir.finish import finish
from archdsl.ir.graph import USE, Graph, Invoke, Program, Static
from archdsl.ir.headers import Headers, head, is_static, spelled
from archdsl.ir.invoking import Row
from archdsl.ir.limits import Limits
from archdsl.ir.references import holed_definitions, smallest_sizes
from archdsl.ir.rules import Rules
from archdsl.ir.stack import Stack, not_too_deep
from archdsl.ir.statements import Statements
from archdsl.ir.types import TensorType
from archdsl.ir.values import Names, Value, Varying, kind_of
from archdsl.ir.work import Work
from archdsl.ops.base import Types
from archdsl.syntax import tree
from archdsl.syntax.errors import fault
from archdsl.syntax.printer import canonical
from archdsl.syntax.tree import ModuleKind


def elaborate(
    space: tree.Space,
    parameters: Mapping[str, Static] | None = None,
    limits: Limits | None = None,
) -> Program:
    """The program of a space: typed graphs, every hole open.

    `parameters` replace the space's defaults, `limits` those for text from strangers. Raises
    ArchError with the place of whatever does not make sense: unknown names, wrong shapes, too
    much of anything.
    """
    elaborator = Elaborator(space, Budget(limits or Limits()))
    with not_too_deep(space.span):
        changed = elaborator.headers.bind_space(parameters or {})
        root = elaborator.net()
    text = canonical(tree.Document(version=1, spaces=(space,), span=space.span))
    given = ", ".join(f"{name}={spelled(value)}" for name, value in changed.items())
    program = Program(
        space=space.name,
        title=next(
            (item.value for item in space.items if isinstance(item, tree.Title)), space.name
        ),
        doc=space.doc,
        parameters=elaborator.space_parameters,
        changed=changed,
        modules=elaborator.modules,
        root=root,
        constraints=elaborator.headers.constraints(),
        text=text,
        hash=sha256(text.encode()).hexdigest(),
        genotype=f"{space.name}({given})" if given else space.name,
    )
    check_limits(program, elaborator.budget.limits)
    return program


@dataclass(slots=True)
class Elaborator:
    """One space being elaborated: its definitions, its names, and the graphs made so far."""

    space: tree.Space
    budget: Budget
    definitions: dict[str, tree.Operation | tree.Module] = field(default_factory=dict)
    names: Names = field(default_factory=lambda: Names({}))
    space_parameters: dict[str, Static] = field(default_factory=dict)
    modules: dict[str, Graph] = field(default_factory=dict)
    made: dict[object, str] = field(default_factory=dict)
    uses: dict[str, int] = field(default_factory=dict)
    decisions: dict[str, int] = field(default_factory=dict)
    cells: dict[tuple[str, tuple[int, ...]], tuple[str, tree.Span]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    stack: Stack = field(default_factory=Stack)
    headers: Headers = field(init=False)
    holed: frozenset[str] = frozenset()
    rules: Rules = field(init=False)
    expansions: Expansions = field(default_factory=Expansions)

    def __post_init__(self) -> None:
        self.headers = Headers(self)
        for item in self.space.items:
            if not isinstance(item, (tree.Operation, tree.Module)):
                continue
            if item.name in self.definitions or item.name in WORDS:
                own = item.name in WORDS
                problem = "is a function of the language" if own else "is defined twice"
                raise fault(
                    "E0307",
                    f"{item.name} {problem}",
                    head(item),
                    found=f"another {item.name}",
                    hint="choose another name: every name is defined once",
                )
            self.definitions[item.name] = item
        self.rules = Rules.of(self.space, self.definitions)
        self.holed = holed_definitions(self.definitions, self.rules.opens)
        self.sizes = smallest_sizes(self.definitions)

    def has_hole(self, name: str) -> bool:
        """Whether applying that name where the work stands leaves something to decide."""
        return name in self.holed or self.rules.opens(name, self.stack.innermost)

    def rules_for(self, operation: str) -> Sequence[tree.Vary]:
        """The rules for an operation that is written where the work stands."""
        return self.rules.at(operation, self.stack.innermost)

    def check_size(self, name: str, span: tree.Span) -> None:
        """Refuse a composition that cannot be small before it is expanded."""
        if self.sizes.get(name, 0) > self.budget.nodes:
            raise fault(
                "E0113",
                f"{name} expands to too many operations",
                span,
                found=f"at least {self.sizes[name]:,}",
                expected=f"at most {self.budget.limits.nodes:,}, each definition counted once",
                hint="make repeated parts cells or blocks: their operations count once",
            )

    # --- the space -------------------------------------------------------------------------

    # --- modules ---------------------------------------------------------------------------

    def net(self) -> str:
        nets = [
            item
            for item in self.space.items
            if isinstance(item, tree.Module) and item.kind is ModuleKind.NET
        ]
        if len(nets) != 1:
            raise fault(
                "E0310",
                f"a space has one net, {self.space.name} has {len(nets)}",
                head(nets[1] if nets else self.space),
                found=", ".join(net.name for net in nets) or "no net",
                expected="one net",
                hint="net network(image: 3 x 32 x 32) { ... }",
            )
        if nets[0].family:
            raise fault("E0302", "a net has no index", head(nets[0]), hint="a space has one net")
        evaluator = self.evaluator()
        types = tuple(self.headers.shape(given, evaluator) for given in nets[0].inputs)
        bound = self.headers.parameters(nets[0].parameters, [], {}, nets[0], evaluator)
        row = (tuple((n, type(v), v) for n, v in bound.items() if is_static(v)), types)
        return self.module(nets[0], (), (row,), nets[0])

    def module(
        self,
        definition: tree.Module,
        family: tuple[Value, ...],
        rows: tuple[Row, ...],
        use: tree.Node,
    ) -> str:
        """The key of the graph of a definition for these arguments.

        Under `elastic` uses may come with several rows of them, and one graph is made for all.
        """
        index = self._family(definition, family, use)
        if len(rows[0][1]) != len(definition.inputs):
            raise fault(
                "E0304",
                f"{definition.name} takes {len(definition.inputs)} inputs",
                use.span,
                found=str(len(rows[0][1])),
                expected=", ".join(given.name for given in definition.inputs),
            )
        made = (definition.name, index, rows)
        if made not in self.made:
            member = _member(definition.name, index)
            with self.stack.apart(), self.stack.entered(member, use.span):
                graph = self._graph(definition, index, rows, use)
            self.made[made] = key = f"{definition.name}#{len(self.modules)}"
            self.modules[key] = graph
            self._check_uses(key, use)
            self._check_cell(key, use)
        return self.made[made]

    def _check_uses(self, key: str, use: tree.Node) -> None:
        """Bound what a person never writes but a few lines can ask for: uses within uses."""
        graph = self.modules[key]
        inner = (n.kind.module for n in graph.nodes if isinstance(n.kind, Invoke))
        self.uses[key] = len(graph.nodes) + sum(self.uses[module] for module in inner)
        self.decisions[key] = len(graph.holes) + sum(
            self.decisions[n.kind.module]
            for n in graph.nodes
            if isinstance(n.kind, Invoke) and self.modules[n.kind.module].kind is ModuleKind.BLOCK
        )
        if self.decisions[key] > self.budget.limits.decisions:
            raise fault(
                "E0113",
                f"{graph.definition} takes too many decisions",
                use.span,
                found=f"{self.decisions[key]:,}: a block is decided anew at every use",
                expected=f"at most {self.budget.limits.decisions:,}",
                hint="a cell is decided once for all its uses",
            )
        if self.uses[key] > self.budget.limits.uses:
            raise fault(
                "E0113",
                f"{graph.definition} uses too many operations in all",
                use.span,
                found=f"{self.uses[key]:,}, every use counted",
                expected=f"at most {self.budget.limits.uses:,}",
            )

    def _check_cell(self, key: str, use: tree.Node) -> None:
        """A cell is decided once, so all its uses have the same holes."""
        graph = self.modules[key]
        if graph.kind is not ModuleKind.CELL:
            return
        first, place = self.cells.setdefault((graph.definition, graph.family), (key, use.span))
        if self.modules[first].holes != graph.holes:
            raise fault(
                "E0506",
                f"two uses of {graph.definition} end with different holes",
                use.span,
                found=f"{_holes(graph)} here, {_holes(self.modules[first])} in line {_line(place)}",
                expected="the same holes in every use of a cell",
                hint="make it a block, or give it an index in brackets that tells them apart",
            )

    def _family(
        self, definition: tree.Module, family: tuple[Value, ...], use: tree.Node
    ) -> tuple[int, ...]:
        index = tuple(part for part in family if type(part) is int)
        if len(index) == len(family) == len(definition.family):
            return index
        expected = f"[{', '.join(definition.family)}]" if definition.family else "no index"
        raise fault(
            "E0302",
            f"{definition.name} is used with another index than it has",
            use.span,
            found=", ".join(kind_of(part) for part in family) or "no index",
            expected=expected,
        )

    def _graph(
        self,
        definition: tree.Module,
        family: tuple[int, ...],
        rows: tuple[Row, ...],
        use: tree.Node,
    ) -> Graph:
        builder = Builder(self.budget, elastic=self.space.elastic or definition.elastic)
        if len(rows) > 1 and not builder.elastic:
            raise fault(
                "E0515",
                f"{definition.name} is given values of several sizes",
                use.span,
                found=f"{len(rows)} sizes, as holes decide",
                expected="one size, or an elastic definition",
                hint=f"write elastic behind the header of {definition.name}",
            )
        statics: list[dict[str, Static]] = [{n: v for n, _, v in given} for given, _ in rows]
        bound: dict[str, Value] = {
            name: value
            if len({(type(s[name]), s[name]) for s in statics}) == 1
            else Varying(USE, tuple((i, s[name]) for i, s in enumerate(statics)), name)
            for name, value in statics[0].items()
        }
        bound.update(zip(definition.family, family, strict=True))
        names = self.names.inside(bound, ())
        for number, given in enumerate(definition.inputs):
            types = [row[1][number] for row in rows]
            if given.shape and definition.kind is not ModuleKind.NET:
                for type_ in types:
                    self._check_shape(definition, given, type_)
            kinds: Tree[Types] = branch(USE, tuple((i, (t,)) for i, t in enumerate(types)))
            names.bound[given.name] = builder.input(given.name, kinds, given.span)
        work = Work(self, builder)
        builder.labels[USE] = tuple(str(i) for i in range(len(rows)))
        outputs = Statements(work, names).run(definition.body, names)
        if outputs is None:
            raise fault(
                "E0309",
                f"{definition.name} returns nothing",
                head(definition),
                found="statements without a return",
                hint="end it with return ...",
            )
        return finish(
            builder,
            outputs,
            definition=definition.name,
            kind=definition.kind,
            family=family,
            arguments=statics[0],
            rows=tuple(statics) if len(rows) > 1 else (),
            doc=definition.doc,
            span=definition.span,
        )

    def _check_shape(self, definition: tree.Module, given: tree.Input, type_: TensorType) -> None:
        """A shape behind an input of a cell or block is a promise that every use keeps."""
        written = self.headers.shape(given, self.evaluator())
        if written != type_:
            raise fault(
                "E0404",
                f"{given.name} of {definition.name} has another shape",
                given.span,
                found=str(type_),
                expected=str(written),
                hint="leave the shape out: it follows from each use",
            )

    def evaluator(self) -> Evaluator:
        """For expressions outside modules, where nothing can be applied."""
        return Work(self, Builder(self.budget)).evaluator


def _member(name: str, index: tuple[int, ...]) -> str:
    """A definition, or the member of a family: `motif[3, 1]` may use `motif[2, 1]`."""
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def _holes(graph: Graph) -> str:
    return ", ".join(f"{{{' | '.join(hole.labels)}}}" for hole in graph.holes) or "no holes"


def _line(span: tree.Span) -> int:
    return span.source.text.count("\n", 0, span.start) + 1
