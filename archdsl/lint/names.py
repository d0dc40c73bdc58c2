"""Names that are given and never taken: definitions, parameters, constants, inputs, bindings.

Told from the text alone. A name counts as taken where any expression that may see it spells it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from archdsl.ir.headers import head
from archdsl.ir.references import walk
from archdsl.syntax import tree
from archdsl.syntax.errors import Diagnostic
from archdsl.syntax.tree import ModuleKind, Span


def unused_names(space: tree.Space) -> Iterator[Diagnostic]:
    """E0551 for values, E0552 for definitions and constants, E0553 for parameters."""
    yield from _definitions(space)
    taken = {name for item in space.items for name in _taken_by(item)}
    taken |= {name for p in space.parameters for name in _in([p.default])}
    yield from (
        _parameter(parameter, space.name)
        for parameter in space.parameters
        if parameter.name not in taken
    )
    for item in space.items:
        match item:
            case tree.Operation():
                yield from _unused_parameters(item, _in([item.value]))
            case tree.Module():
                yield from _unused_parameters(item, set(_taken_by(item)))
                yield from _values(item)
            case _:
                pass


# --- definitions -----------------------------------------------------------------------------


def _definitions(space: tree.Space) -> Iterator[Diagnostic]:
    """What the net does not reach, through whatever it uses."""
    named: dict[str, tree.Item] = {}
    todo: list[str] = []
    for item in space.items:
        match item:
            case tree.Module(kind=ModuleKind.NET) | tree.Where() | tree.Vary():
                todo += _taken_by(item)
            case tree.Operation() | tree.Module() | tree.Constant():
                named[item.name] = item
            case _:
                pass
    todo += _in([parameter.default for parameter in space.parameters])
    reached: set[str] = set()
    while todo:
        name = todo.pop()
        if name in named and name not in reached:
            reached.add(name)
            todo += _taken_by(named[name])
    for name, item in named.items():
        if name not in reached:
            yield Diagnostic(
                code="E0552",
                message=f"{name} is never used",
                span=_head(item),
                found=f"{_kind(item)} that the net does not reach",
                hint="use it, or leave it out",
            )


def _head(item: tree.Item) -> Span:
    return head(item) if isinstance(item, (tree.Operation, tree.Module)) else item.span


def _kind(item: tree.Item) -> str:
    match item:
        case tree.Module(kind=kind):
            return f"a {kind.value}"
        case tree.Operation():
            return "an op"
        case _:
            return "a constant"


# --- parameters ------------------------------------------------------------------------------


def _unused_parameters(
    definition: tree.Operation | tree.Module, taken: set[str]
) -> Iterator[Diagnostic]:
    taken = taken | _in([parameter.default for parameter in definition.parameters])
    for parameter in definition.parameters:
        if parameter.name not in taken:
            yield _parameter(parameter, definition.name)


def _parameter(parameter: tree.Parameter, owner: str) -> Diagnostic:
    return Diagnostic(
        code="E0553",
        message=f"the parameter {parameter.name} of {owner} changes nothing",
        span=parameter.span,
        found="no expression takes it",
        hint="use it, or leave it out",
    )


# --- values ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Given:
    name: str
    span: Span
    what: str


def _values(module: tree.Module) -> Iterator[Diagnostic]:
    given = [_Given(i.name, i.span, f"an input of {module.name}") for i in module.inputs]
    given += _bound(module.body)
    taken = set(_taken_in(module.body))
    told: set[str] = set()
    for value in given:
        if value.name not in taken and value.name not in told:
            told.add(value.name)
            yield Diagnostic(
                code="E0551",
                message=f"nothing takes {value.name}",
                span=value.span,
                found=value.what,
                hint="take it, or leave it out",
            )


def _bound(body: Sequence[tree.Statement]) -> Iterator[_Given]:
    for statement in body:
        match statement:
            case tree.Bind(targets=targets):
                yield from (_Given(t.name, t.span, "a value that is bound") for t in targets)
            case tree.For(body=inner):
                yield from _bound(inner)
            case tree.If(yes=yes, no=no):
                yield from _bound((*yes, *no))
            case _:
                pass


# --- what is taken ---------------------------------------------------------------------------


def _in(expressions: Sequence[tree.Expression | None]) -> set[str]:
    """Every name that stands in some expressions, and those that labels compute with."""
    found: set[str] = set()
    for expression in expressions:
        for part in walk(expression) if expression is not None else ():
            if isinstance(part, (tree.Ref, tree.Call)):
                found.add(part.name)
            if isinstance(part, tree.Hole):
                labels = [a.label for a in part.alternatives if a.label is not None]
                found |= _in([index for label in labels for index in label.index])
    return found


def _taken_by(item: tree.Item) -> set[str]:
    return _in(list(expressions_of(item)))


def _taken_in(body: Sequence[tree.Statement]) -> set[str]:
    return _in(list(_expressions_in(body)))


def expressions_of(item: tree.Item) -> Iterator[tree.Expression]:
    """Every expression of a definition, whole."""
    match item:
        case tree.Operation(parameters=parameters, value=value):
            yield value
            yield from (p.default for p in parameters if p.default is not None)
        case tree.Module(parameters=parameters, inputs=inputs, body=body):
            yield from _expressions_in(body)
            yield from (axis for given in inputs for axis in given.shape)
            yield from (p.default for p in parameters if p.default is not None)
        case tree.Constant(value=value):
            yield value
        case tree.Where(constraints=constraints):
            yield from constraints
        case tree.Vary(arguments=arguments):
            yield from (argument.value for argument in arguments)
        case _:
            pass


def _expressions_in(body: Sequence[tree.Statement]) -> Iterator[tree.Expression]:
    for statement in body:
        match statement:
            case tree.Bind(targets=targets, value=value):
                yield value
                yield from (index for target in targets for index in target.index)
            case tree.Return(values=values):
                yield from values
            case tree.For(values=values, body=inner):
                yield values
                yield from _expressions_in(inner)
            case tree.If(condition=condition, yes=yes, no=no):
                yield condition
                yield from _expressions_in((*yes, *no))
