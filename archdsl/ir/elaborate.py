"""From tree to IR: definitions specialised, statements run, holes kept open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from hashlib import sha256
from math import prod

from archdsl.ir.arithmetic import bounded, is_number
from archdsl.ir.budget import Budget, check_limits
from archdsl.ir.builder import MAX_ELEMENTS, Builder
from archdsl.ir.evaluate import WORDS, Evaluator
from archdsl.ir.graph import METRICS, Constraint, Graph, Invoke, Program, Static
from archdsl.ir.limits import Limits
from archdsl.ir.references import holed_definitions, smallest_sizes
from archdsl.ir.statements import Statements
from archdsl.ir.types import TensorType
from archdsl.ir.values import Names, Terms, Value, Varying, kind_of
from archdsl.ir.work import Work
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.printer import canonical
from archdsl.syntax.tree import ModuleKind, Operator

MAX_DEPTH = 32
COMPARISONS = (
    Operator.LESS,
    Operator.LESS_EQUAL,
    Operator.GREATER,
    Operator.GREATER_EQUAL,
    Operator.EQUAL,
)


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
        changed = elaborator.bind_space(parameters or {})
        root = elaborator.net()
    text = canonical(tree.Document(version=1, spaces=(space,), span=space.span))
    given = ", ".join(f"{name}={_spelled(value)}" for name, value in changed.items())
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
        constraints=elaborator.constraints(),
        text=text,
        hash=sha256(text.encode()).hexdigest(),
        genotype=f"{space.name}({given})" if given else space.name,
    )
    check_limits(program, elaborator.budget.limits)
    return program


@contextmanager
def not_too_deep(span: tree.Span) -> Iterator[None]:
    """Text that nests deeper than Python's stack is wrong input, not a crash."""
    try:
        yield
    except RecursionError:
        raise fault(
            "E0109",
            "definitions and expressions nest too deep here",
            span,
            hint="give a part a name of its own",
        ) from None


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
    cells: dict[tuple[str, tuple[int, ...]], tuple[str, tree.Span]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    stack: list[str] = field(default_factory=list)
    holed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for item in self.space.items:
            if not isinstance(item, (tree.Operation, tree.Module)):
                continue
            if item.name in self.definitions or item.name in WORDS:
                raise fault(
                    "E0307",
                    f"{item.name} is defined twice",
                    item.span,
                    found="a function of the language" if item.name in WORDS else "",
                    hint="every name is defined once in a space",
                )
            _check_header(item)
            self.definitions[item.name] = item
        self.holed = holed_definitions(self.definitions)
        self.sizes = smallest_sizes(self.definitions)

    def has_hole(self, name: str) -> bool:
        return name in self.holed

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

    def bind_space(self, given: Mapping[str, Static]) -> dict[str, Static]:
        """Bind parameters and constants; the parameters that differ from their defaults."""
        if self.space.elastic:
            raise _elastic(self.space)
        _check_once(self.space.parameters)
        evaluator = self._evaluator()
        known = {parameter.name: parameter for parameter in self.space.parameters}
        for name in given:
            if name not in known:
                raise fault(
                    "E0604",
                    f"{self.space.name} has no parameter {name}",
                    self.space.span,
                    found=name,
                    expected=", ".join(known) or "no parameters",
                )
        changed: dict[str, Static] = {}
        for name, parameter in known.items():
            default = self._default(parameter, evaluator)
            value = given.get(name, default)
            if value is None:
                raise fault("E0604", f"{name} has no default: give it a value", parameter.span)
            if default is not None:
                value = self._same_kind(name, value, default, parameter)
            if value != default:
                changed[name] = value
            self.names.bound[name] = self.space_parameters[name] = value
        for item in self.space.items:
            if isinstance(item, tree.Constant):
                self._constant(item, evaluator)
        return changed

    def _default(self, parameter: tree.Parameter, evaluator: Evaluator) -> Static | None:
        if parameter.default is None:
            return None
        value = evaluator.value(parameter.default, self.names)
        if isinstance(value, (int, float, str)):
            return value
        raise fault(
            "E0304",
            "a parameter of a space is a number, yes or no, or a text",
            parameter.span,
            found=kind_of(value),
        )

    def _same_kind(
        self, name: str, value: Static, default: Static, parameter: tree.Parameter
    ) -> Static:
        if isinstance(default, float) and is_number(value):
            return float(bounded(value, parameter.span))
        if type(value) is type(default):
            return bounded(value, parameter.span) if is_number(value) else value
        raise fault(
            "E0604",
            f"{name} takes {_kind(default)}",
            parameter.span,
            found=_spelled(value),
            expected=f"such as {name}={_spelled(default)}",
        )

    def _constant(self, constant: tree.Constant, evaluator: Evaluator) -> None:
        if constant.name in self.names.bound:
            raise fault(
                "E0307",
                f"{constant.name} is bound twice",
                constant.span,
                hint="parameters and constants of a space have different names",
            )
        value = evaluator.value(constant.value, self.names)
        if isinstance(value, (Varying, Terms)):
            raise fault(
                "E0513",
                "a hole cannot stand in a constant of the space",
                constant.value.span,
                found=kind_of(value),
                hint="bind it in the net, where it is decided once, or pass it on as a parameter",
            )
        self.names.bound[constant.name] = value

    def constraints(self) -> tuple[Constraint, ...]:
        evaluator = self._evaluator()
        found = []
        for item in self.space.items:
            if isinstance(item, tree.Where):
                found += [self._constraint(part, evaluator) for part in item.constraints]
        return tuple(found)

    def _constraint(self, part: tree.Expression, evaluator: Evaluator) -> Constraint:
        match part:
            case tree.Binary(operator=operator, left=tree.Ref(name=metric, index=()), right=right):
                bound = evaluator.value(right, self.names)
                if metric in METRICS and operator in COMPARISONS and is_number(bound):
                    return Constraint(
                        metric=metric, operator=operator.value, bound=bound, span=part.span
                    )
            case _:
                pass
        raise fault(
            "E0514",
            "where bounds a cost",
            part.span,
            expected=f"one of {', '.join(METRICS)}, compared with a number",
            hint="where params <= 12M, macs <= 2G",
        )

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
                nets[1].span if nets else self.space.span,
                found=", ".join(net.name for net in nets) or "no net",
                expected="one net",
                hint="net network(image: 3 x 32 x 32) { ... }",
            )
        if nets[0].family:
            raise fault("E0302", "a net has no index", nets[0].span, hint="a space has one net")
        evaluator = self._evaluator()
        types = tuple(self._shape(given, evaluator) for given in nets[0].inputs)
        bound = self.parameters(nets[0].parameters, [], {}, nets[0], evaluator)
        key, _ = self.module(nets[0], (), bound, types, nets[0])
        return key

    def _shape(self, given: tree.Input, evaluator: Evaluator) -> TensorType:
        axes = []
        for axis in given.shape:
            size = evaluator.value(axis, self.names)
            if type(size) is not int or not 0 < size <= 10**9:
                raise fault(
                    "E0403",
                    "an axis is a positive whole number",
                    axis.span,
                    found=kind_of(size),
                    expected=f"1 to {10**9:,}",
                )
            axes.append(size)
        if prod(axes) > MAX_ELEMENTS:
            raise fault(
                "E0402",
                f"the input {given.name} is too large",
                given.span,
                found=" x ".join(map(str, axes)),
                expected=f"at most {MAX_ELEMENTS:,} numbers",
            )
        if not 1 <= len(axes) <= 3:
            raise fault(
                "E0403",
                f"the input {given.name} of a net needs a shape",
                given.span,
                found=f"{len(axes)} axes",
                expected="1 to 3",
                hint=f"{given.name}: 3 x 32 x 32",
            )
        return TensorType(tuple(axes))

    def parameters(
        self,
        formals: Sequence[tree.Parameter],
        positional: Sequence[Value],
        keywords: Mapping[str, Value],
        use: tree.Node,
        evaluator: Evaluator,
    ) -> dict[str, Value]:
        """The parameters of a definition at one use, defaults filled in."""
        takes = ", ".join(formal.name for formal in formals) or "none"
        if len(positional) > len(formals):
            raise fault(
                "E0304",
                "too many arguments",
                use.span,
                found=str(len(positional)),
                expected=f"at most {len(formals)}: {takes}",
            )
        known = [formal.name for formal in formals]
        given = dict(zip((formal.name for formal in formals), positional, strict=False))
        for name, value in keywords.items():
            if name in given or name not in {formal.name for formal in formals}:
                problem = "is given twice" if name in given else "is no parameter here"
                near = get_close_matches(name, known, n=1)
                raise fault(
                    "E0304",
                    f"{name} {problem}",
                    use.span,
                    found=name,
                    expected=takes,
                    hint=f"did you mean {near[0]}?" if near and name not in given else "",
                )
            given[name] = value
        bound: dict[str, Value] = {}
        for formal in formals:
            if formal.name in given:
                bound[formal.name] = given[formal.name]
            elif formal.default is not None:
                bound[formal.name] = evaluator.value(formal.default, self.names.inside(bound))
            else:
                raise fault(
                    "E0304",
                    f"{formal.name} is not given",
                    use.span,
                    expected=takes,
                    hint=f"add {formal.name}=...",
                )
        return bound

    def module(
        self,
        definition: tree.Module,
        family: tuple[Value, ...],
        bound: Mapping[str, Value],
        types: tuple[TensorType, ...],
        use: tree.Node,
    ) -> tuple[str, tuple[TensorType, ...]]:
        """The graph of a definition for these arguments: its key and its results' types."""
        index = self._family(definition, family, use)
        statics: dict[str, Static] = {}
        for name, value in bound.items():
            if not isinstance(value, (int, float, str)):
                raise fault(
                    "E0304",
                    f"{name} of {definition.name} is a number, yes or no, or a text",
                    use.span,
                    found=kind_of(value),
                )
            statics[name] = value
        if len(types) != len(definition.inputs):
            raise fault(
                "E0304",
                f"{definition.name} takes {len(definition.inputs)} inputs",
                use.span,
                found=str(len(types)),
                expected=", ".join(given.name for given in definition.inputs),
            )
        spelled = tuple((name, type(value), value) for name, value in statics.items())
        made = (definition.name, index, spelled, types)
        if made not in self.made:
            with self.entered(definition.name, use.span):
                graph = self._graph(definition, index, statics, types)
            self.made[made] = key = f"{definition.name}#{len(self.modules)}"
            self.modules[key] = graph
            self._check_uses(key, use)
            self._check_cell(key, use)
        key = self.made[made]
        return key, self.modules[key].result_types

    def _check_uses(self, key: str, use: tree.Node) -> None:
        """Bound what a person never writes but a few lines can ask for: uses within uses."""
        graph = self.modules[key]
        inner = (n.kind.module for n in graph.nodes if isinstance(n.kind, Invoke))
        self.uses[key] = len(graph.nodes) + sum(self.uses[module] for module in inner)
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
        statics: Mapping[str, Static],
        types: tuple[TensorType, ...],
    ) -> Graph:
        if definition.elastic:
            raise _elastic(definition)
        builder = Builder(self.budget)
        bound: dict[str, Value] = dict(statics)
        bound.update(zip(definition.family, family, strict=True))
        names = self.names.inside(bound)
        for given, type_ in zip(definition.inputs, types, strict=True):
            if given.shape and definition.kind is not ModuleKind.NET:
                self._check_shape(definition, given, type_)
            names.bound[given.name] = builder.input(given.name, type_, given.span)
        outputs = Statements(Work(self, builder), names).run(definition.body, names)
        if outputs is None:
            raise fault(
                "E0309",
                f"{definition.name} returns nothing",
                definition.span,
                found="statements without a return",
                hint="end it with return ...",
            )
        return builder.finish(
            outputs,
            definition=definition.name,
            kind=definition.kind,
            family=family,
            arguments=dict(statics),
            doc=definition.doc,
            span=definition.span,
        )

    def _check_shape(self, definition: tree.Module, given: tree.Input, type_: TensorType) -> None:
        """A shape behind an input of a cell or block is a promise that every use keeps."""
        written = self._shape(given, self._evaluator())
        if written != type_:
            raise fault(
                "E0404",
                f"{given.name} of {definition.name} has another shape",
                given.span,
                found=str(type_),
                expected=str(written),
                hint="leave the shape out: it follows from each use",
            )

    @contextmanager
    def entered(self, name: str, span: tree.Span) -> Iterator[None]:
        """Work inside a definition; one that reaches itself again is refused."""
        if name in self.stack:
            cycle = " -> ".join((*self.stack[self.stack.index(name) :], name))
            raise fault(
                "E0311",
                f"{name} contains itself",
                span,
                found=cycle,
                hint="say it with for, ^ or an index: recursion has no bound",
            )
        if len(self.stack) >= MAX_DEPTH:
            raise fault(
                "E0311",
                "definitions nest too deep",
                span,
                found=f"more than {MAX_DEPTH}, one inside the other",
            )
        self.stack.append(name)
        try:
            with not_too_deep(span):
                yield
        finally:
            self.stack.pop()

    def _evaluator(self) -> Evaluator:
        """For expressions outside modules, where nothing can be applied."""
        return Work(self, Builder(self.budget)).evaluator


def _elastic(node: tree.Space | tree.Module) -> ArchError:
    return fault(
        "E0515",
        "elastic sizes are not supported yet",
        node.span,
        found=f"{node.name} elastic",
        hint="leave the word out: every size then has weights of its own",
    )


def _check_header(definition: tree.Operation | tree.Module) -> None:
    """The names in the head of a definition differ."""
    if isinstance(definition, tree.Module):
        _check_once((*definition.inputs, *definition.parameters), definition.family)
    else:
        _check_once(definition.parameters)


def _check_once(named: Sequence[tree.Parameter | tree.Input], taken: Sequence[str] = ()) -> None:
    known = set(taken)
    for part in named:
        if part.name in known:
            raise fault(
                "E0307",
                f"{part.name} is bound twice",
                part.span,
                hint="inputs and parameters of a definition have different names",
            )
        known.add(part.name)


def _holes(graph: Graph) -> str:
    return ", ".join(f"{{{' | '.join(hole.labels)}}}" for hole in graph.holes) or "no holes"


def _line(span: tree.Span) -> int:
    return span.source.text.count("\n", 0, span.start) + 1


def _spelled(value: Static) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _kind(value: Static) -> str:
    if isinstance(value, bool):
        return "yes or no"
    return "a text" if isinstance(value, str) else "a number"
