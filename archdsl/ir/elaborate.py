"""From tree to IR: definitions specialised, statements run, holes kept open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from archdsl.ir.arithmetic import bounded, is_number
from archdsl.ir.builder import MAX_NODES, Builder
from archdsl.ir.evaluate import Evaluator
from archdsl.ir.graph import METRICS, Constraint, Graph, Program, Static
from archdsl.ir.references import holed_definitions
from archdsl.ir.statements import Statements
from archdsl.ir.types import TensorType
from archdsl.ir.values import Names, Value, kind_of
from archdsl.ir.work import Work
from archdsl.syntax import tree
from archdsl.syntax.errors import fault
from archdsl.syntax.printer import canonical
from archdsl.syntax.tree import ModuleKind, Operator

MAX_DEPTH = 64
COMPARISONS = (
    Operator.LESS,
    Operator.LESS_EQUAL,
    Operator.GREATER,
    Operator.GREATER_EQUAL,
    Operator.EQUAL,
)


def elaborate(space: tree.Space, parameters: Mapping[str, Static] | None = None) -> Program:
    """The program of a space: typed graphs, every hole open.

    `parameters` replace the space's defaults. Raises ArchError with the place of whatever
    does not make sense: unknown names, wrong shapes, too much of anything.
    """
    elaborator = Elaborator(space)
    changed = elaborator.bind_space(parameters or {})
    root = elaborator.net()
    text = canonical(tree.Document(version=1, spaces=(space,), span=space.span))
    given = ", ".join(f"{name}={_spelled(value)}" for name, value in changed.items())
    return Program(
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


@dataclass(slots=True)
class Elaborator:
    """One space being elaborated: its definitions, its names, and the graphs made so far."""

    space: tree.Space
    definitions: dict[str, tree.Operation | tree.Module] = field(default_factory=dict)
    names: Names = field(default_factory=lambda: Names({}))
    space_parameters: dict[str, Static] = field(default_factory=dict)
    modules: dict[str, Graph] = field(default_factory=dict)
    made: dict[object, str] = field(default_factory=dict)
    budget: list[int] = field(default_factory=lambda: [MAX_NODES])
    stack: list[str] = field(default_factory=list)
    holed: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for item in self.space.items:
            if not isinstance(item, (tree.Operation, tree.Module)):
                continue
            if item.name in self.definitions:
                raise fault(
                    "E0307",
                    f"{item.name} is defined twice",
                    item.span,
                    hint="every name is defined once in a space",
                )
            self.definitions[item.name] = item
        self.holed = holed_definitions(self.definitions)

    def has_hole(self, name: str) -> bool:
        return name in self.holed

    # --- the space -------------------------------------------------------------------------

    def bind_space(self, given: Mapping[str, Static]) -> dict[str, Static]:
        """Bind parameters and constants; the parameters that differ from their defaults."""
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
            return float(value)
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
            raise fault("E0307", f"{constant.name} is bound twice", constant.span)
        self.names.bound[constant.name] = evaluator.value(constant.value, self.names)

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
            "E0508",
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
                hint="net network(image: 3 x 32 x 32) { ... }",
            )
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
                    "E0403", "an axis is a positive whole number", axis.span, found=kind_of(size)
                )
            axes.append(size)
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
        given = dict(zip((formal.name for formal in formals), positional, strict=False))
        for name, value in keywords.items():
            if name in given or name not in {formal.name for formal in formals}:
                problem = "is given twice" if name in given else "is no parameter here"
                raise fault("E0304", f"{name} {problem}", use.span, found=name, expected=takes)
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
        made = (definition.name, index, tuple(statics.items()), types)
        if made not in self.made:
            with self.entered(definition.name, use.span):
                graph = self._graph(definition, index, statics, types)
            self.made[made] = key = f"{definition.name}#{len(self.modules)}"
            self.modules[key] = graph
        key = self.made[made]
        return key, self.modules[key].result_types

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
            found=f"{len(family)} indices",
            expected=expected,
        )

    def _graph(
        self,
        definition: tree.Module,
        family: tuple[int, ...],
        statics: Mapping[str, Static],
        types: tuple[TensorType, ...],
    ) -> Graph:
        builder = Builder(self.budget)
        bound: dict[str, Value] = dict(statics)
        bound.update(zip(definition.family, family, strict=True))
        names = self.names.inside(bound)
        for given, type_ in zip(definition.inputs, types, strict=True):
            if given.name in names.bound:
                raise fault("E0307", f"{given.name} is bound twice", given.span)
            names.bound[given.name] = builder.input(given.name, type_, given.span)
        outputs = Statements(Work(self, builder), names).run(definition.body, names)
        if outputs is None:
            raise fault(
                "E0309",
                f"{definition.name} returns nothing",
                definition.span,
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
            raise fault("E0311", f"definitions nest deeper than {MAX_DEPTH}", span)
        self.stack.append(name)
        try:
            yield
        finally:
            self.stack.pop()

    def _evaluator(self) -> Evaluator:
        """For expressions outside modules, where nothing can be applied."""
        return Work(self, Builder([0])).evaluator


def _spelled(value: Static) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _kind(value: Static) -> str:
    if isinstance(value, bool):
        return "yes or no"
    return "a text" if isinstance(value, str) else "a number"
