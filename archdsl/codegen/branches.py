"""Decisions in `forward`: calls of a shared function, tables, conditional expressions, branches.

The forms, by preference: a choice among modules is a table that is looked up; a choice that is
made alike in several places is a function; anything else is spelled out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from archdsl.codegen.code import Expr, block, join
from archdsl.codegen.flow import Chain, Gather, Leaf, Nothing, Part, Pick, Step, Use
from archdsl.codegen.modules import is_stored
from archdsl.codegen.naming import Taken as Names
from archdsl.codegen.naming import stem
from archdsl.ir.formula import ALWAYS, NEVER, Not, Taken, any_of
from archdsl.ops.joins import Mean, Product, Sum
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Quantity

if TYPE_CHECKING:
    from archdsl.codegen.forward import Emitter

LINE = 84


# --- shared functions --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """A choice without the names in it; equal keys are one function.

    `tensors` and `holes` are the values and decisions that it takes, `modules` the steps whose
    submodules it calls, in the order of the function's parameters.
    """

    key: object
    pick: int
    tensors: tuple[int, ...]
    holes: tuple[str, ...]
    modules: tuple[Step, ...]
    region: tuple[int, ...]


@dataclass(slots=True)
class Functions:
    """The functions that the classes of a file share, by the pattern of their choice."""

    reserved: frozenset[str] = frozenset()
    counts: dict[object, int] = field(default_factory=dict)
    names: dict[object, str] = field(default_factory=dict)
    taken: Names = field(default_factory=Names)
    used: dict[object, tuple[Emitter, Pattern]] = field(default_factory=dict)

    def name(self, emitter: Emitter, pattern: Pattern) -> str:
        """The function for a pattern; the first that needs it becomes its model."""
        if pattern.key not in self.names:
            self.names[pattern.key] = self.taken.claim(f"apply_{stem(pattern.holes[0])}")
            self.used[pattern.key] = (emitter, pattern)
        return self.names[pattern.key]

    def used_by(self, lines: Sequence[str]) -> list[object]:
        """The functions that some lines of code call."""
        text = "\n".join(lines)
        return [
            key for key, name in self.names.items() if re.search(rf"\b{name}\(", text)
        ]


def find_pattern(emitter: Emitter, step: Step) -> Pattern | None:
    """The pattern of a choice; None where it holds more than a function should."""
    region = {
        s.out: s
        for position in range(len(step.args))
        for s in emitter.plan.region((step.out, position))
    }
    finder = _PatternFinder(emitter, region)
    key = finder.describe(step)
    if key is None or not finder.holes:
        return None
    return Pattern(
        key=key, pick=step.out, tensors=tuple(finder.tensors), holes=tuple(finder.holes),
        modules=tuple(finder.modules.values()), region=tuple(region),
    )


@dataclass(slots=True)
class _PatternFinder:
    emitter: Emitter
    region: dict[int, Step]
    tensors: dict[int, None] = field(default_factory=dict)
    holes: dict[str, None] = field(default_factory=dict)
    modules: dict[tuple[str, ...], Step] = field(default_factory=dict)

    def value(self, value: int) -> object | None:
        if value in self.region:
            return self.describe(self.region[value])
        self.tensors.setdefault(value)
        return ("tensor", list(self.tensors).index(value))

    def describe(self, step: Step) -> object | None:
        """What a step does, as a value that equals another's exactly when the code does."""
        head = self._head(step)
        if head is None:
            return None
        args = tuple(self.value(arg) for arg in step.args)
        return None if None in args else (*head, args)

    def _head(self, step: Step) -> tuple[object, ...] | None:
        match step.what:
            case Pick(hole):
                self.holes.setdefault(hole)
                labels = self.emitter.plan.diagrams.holes[hole].labels
                return ("pick", labels, list(self.holes).index(hole))
            case Leaf(_, code) if not is_stored(step):
                return ("leaf", code.expression)
            case Leaf() | Part() | Use() | Chain() if len(step.types) == 1:
                if self.emitter.choice_of(step) or self.emitter.choice_inside(step):
                    return None
                self.modules.setdefault(step.path, step)
                expression = step.what.code.expression if isinstance(step.what, Leaf) else ""
                return ("module", expression, list(self.modules).index(step.path))
            case Nothing():
                return ("nothing",)
            case _:
                return None


# --- forms -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallForm:
    """`apply_op(x, choice.op_1, self.conv_1)`: a function that several choices share."""

    pattern: Pattern

    @property
    def mentions(self) -> tuple[int, ...]:
        return self.pattern.tensors

    @property
    def absorbed(self) -> tuple[int, ...]:
        return self.pattern.region

    def emit(self, emitter: Emitter, step: Step) -> list[str]:
        name = emitter.functions.name(emitter, self.pattern)
        modules = [emitter.access(module) for module in self.pattern.modules]
        holes = [emitter.hole(hole) for hole in self.pattern.holes]
        lines = emitter.shorten(step, join([name, *holes, *modules]))
        args = [emitter.value(value) for value in self.pattern.tensors]
        text = join([*(arg.text for arg in args), *holes, *modules])
        depth = 1 + max((arg.depth for arg in args), default=0)
        return lines + emitter.finish(step, Expr(f"{name}({text})", depth=depth))


@dataclass(frozen=True, slots=True)
class TableForm:
    """`edge, source = {1: (self.edge_1, n1), 2: (self.edge_2, n2)}[choice.source]`.

    `rows` are the module of each alternative, or None, and the value that it takes.
    """

    rows: tuple[tuple[Step | None, int], ...]

    @property
    def mentions(self) -> tuple[int, ...]:
        values = tuple(value for _, value in self.rows)
        return values[:1] if self.one_value else values

    @property
    def absorbed(self) -> tuple[int, ...]:
        return tuple(module.out for module, _ in self.rows if module is not None)

    @property
    def one_value(self) -> bool:
        return len({value for _, value in self.rows}) == 1

    def emit(self, emitter: Emitter, step: Step) -> list[str]:
        if not isinstance(step.what, Pick):
            raise AssertionError("a table is for a choice")
        hole = step.what.hole
        lines = [line for value in self.mentions for line in emitter.bind(value)]
        args = [emitter.value(value).text for value in self.mentions]
        modules = [emitter.access(module) if module else "" for module, _ in self.rows]
        keys = [emitter.conditions.value(Taken(hole, i)) for i in range(len(self.rows))]
        key = emitter.hole(hole)
        source = emitter.fresh(emitter.safe(stem(hole)))
        if not any(modules):
            table = _dict(f"{k}: {arg}" for k, arg in zip(keys, args, strict=True))
            return lines + emitter.finish(step, Expr(f"{table}[{key}]", depth=1))
        layer = self._layer_name(emitter, source)
        if self.one_value:
            table = _dict(f"{k}: {module}" for k, module in zip(keys, modules, strict=True))
            lines.append(f"{source} = {table}[{key}]")
            return lines + emitter.finish(step, Expr(f"{source}({args[0]})", depth=1))
        rows = zip(keys, modules, args, strict=True)
        table = _dict(f"{k}: ({module}, {arg})" for k, module, arg in rows)
        lines.append(f"{layer}, {source} = {table}[{key}]")
        return lines + emitter.finish(step, Expr(f"{layer}({source})", depth=1))

    def _layer_name(self, emitter: Emitter, source: str) -> str:
        stems = {stem(module.path[-1]) for module, _ in self.rows if module is not None}
        wanted = emitter.safe(stems.pop()) if len(stems) == 1 else "layer"
        return emitter.fresh(*(name for name in (wanted, "layer", "module") if name != source))


def _dict(items: Iterable[str]) -> str:
    """A dictionary; the comma behind the last item has a long one laid out line by line."""
    text = join(items)
    return f"{{{text},}}" if len(text) > 60 else f"{{{text}}}"


@dataclass(frozen=True, slots=True)
class BranchForm:
    """A conditional expression, or `if` or `match` with the code of each alternative inside."""

    args: tuple[int, ...]
    absorbed: tuple[int, ...] = ()

    @property
    def mentions(self) -> tuple[int, ...]:
        return self.args

    def emit(self, emitter: Emitter, step: Step) -> list[str]:
        if not isinstance(step.what, Pick):
            raise AssertionError("branches are for a choice")
        hole = step.what.hole
        lines: list[str] = []
        bodies: list[tuple[list[str], Expr]] = []
        for position, arg in enumerate(step.args):
            inner, (expression,) = emitter.body((step.out, position), [arg])
            bodies.append((inner, expression))
        if len(bodies) == 2 and not any(inner for inner, _ in bodies):
            (_, no), (_, yes) = bodies
            condition = emitter.conditions.text(Taken(hole, 1))
            text = f"{yes.operand} if {condition} else {no.operand}"
            if len(text) <= LINE:
                depth = 1 + max(yes.depth, no.depth)
                return lines + emitter.finish(step, Expr(text, tight=False, depth=depth))
        return lines + self._statement(emitter, step, hole, bodies)

    def _statement(
        self, emitter: Emitter, step: Step, hole: str, bodies: Sequence[tuple[list[str], Expr]]
    ) -> list[str]:
        last = emitter.may_return(step)
        name = "" if last else emitter.names.get(step.out) or emitter.name_for(step)
        emitter.names[step.out] = name
        emitter.returned = last
        written = [
            [*inner, f"return {expression.text}"] if last
            else [*inner, *([f"{name} = {expression.text}"] if expression.text != name else [])]
            or ["pass"]
            for inner, expression in bodies
        ]
        if len(written) == 2:
            condition = emitter.conditions.text(Taken(hole, 0))
            if last:
                return [*block(f"if {condition}:", written[0]), *written[1]]
            return [*block(f"if {condition}:", written[0]), *block("else:", written[1])]
        cases = [
            line
            for position, lines in enumerate(written)
            for line in block(f"case {emitter.conditions.value(Taken(hole, position))}:", lines)
        ]
        return block(f"match {emitter.hole(hole)}:", cases)


Form: TypeAlias = CallForm | TableForm | BranchForm


def choose_form(emitter: Emitter, step: Step) -> Form:
    """The form in which a choice reads best."""
    if (table := _table(emitter, step)) is not None:
        return table
    pattern = find_pattern(emitter, step)
    if pattern is not None and emitter.functions.counts.get(pattern.key, 0) > 1:
        need = emitter.plan.needs[step.out]
        if all(
            emitter.plan.available(value, need) or emitter.plan.input_like(value) is not None
            for value in pattern.tensors
        ):
            return CallForm(pattern)
    return BranchForm(step.args)


def _table(emitter: Emitter, step: Step) -> TableForm | None:
    plan = emitter.plan
    rows: list[tuple[Step | None, int]] = []
    for position, arg in enumerate(step.args):
        region = plan.region((step.out, position))
        if not region:
            rows.append((None, arg))
        elif len(region) == 1 and _is_table_module(emitter, region[0]):
            rows.append((region[0], region[0].args[0]))
        else:
            return None
    modules = sum(module is not None for module, _ in rows)
    available = all(plan.available(value, plan.needs[step.out]) for _, value in rows)
    if not available or modules not in (0, len(rows)) or len(rows) < 2:
        return None
    return TableForm(tuple(rows))


def _is_table_module(emitter: Emitter, step: Step) -> bool:
    """Whether a step is one submodule on one value."""
    if len(step.args) != 1 or len(step.types) != 1 or not is_stored(step):
        return False
    if isinstance(step.what, Leaf) and step.what.code.expression:
        return False
    return not emitter.choice_of(step) and not emitter.choice_inside(step)


# --- joins of what is there --------------------------------------------------------------------

_SIGNS = {Sum: "+", Product: "*"}


def emit_gather(emitter: Emitter, step: Step) -> list[str]:
    """A join of the terms that are there under the choice."""
    if not isinstance(step.what, Gather):
        raise AssertionError("a gather")
    plan = emitter.plan
    need = plan.needs[step.out]
    terms = [
        (position, arg, plan.diagrams.simplify(when, need))
        for position, (arg, when) in enumerate(zip(step.args, step.when, strict=True))
    ]
    terms = [term for term in terms if term[2] != NEVER]
    operation = step.what.operation
    if all(when == ALWAYS for _, _, when in terms):
        inputs = tuple(plan.unit.type_of(arg) for _, arg, _ in terms)
        from archdsl.codegen.forward import fill  # the two modules are one idea in two files

        code = operation.code(inputs)
        args = [emitter.value(arg) for _, arg, _ in terms]
        return emitter.finish(step, fill(code.expression, args, "", code.tight))
    for kind, sign in _SIGNS.items():
        if isinstance(operation, kind) and terms[0][2] == ALWAYS:
            return _accumulate(emitter, step, sign, terms)
    if isinstance(operation, Sum | Mean):
        return _collect(emitter, step, isinstance(operation, Mean), terms)
    raise fault(
        "E0901",
        f"no code for {operation.keyword} of values that may be missing",
        None,
        hint="put a value that is always there first, or use sum or mean",
    )


_Terms: TypeAlias = list[tuple[int, int, "object"]]


def _accumulate(emitter: Emitter, step: Step, sign: str, terms: list) -> list[str]:  # type: ignore[type-arg]
    """`y = a`, `if ...: y = y + b`: where the first term is always there."""
    sure = [arg for _, arg, when in terms if when == ALWAYS]
    lines: list[str] = []
    name = ""
    position = 0
    while position < len(terms) and terms[position][2] == ALWAYS:
        position += 1
    first = [emitter.value(arg) for arg in sure[:position]]
    start = f" {sign} ".join(arg.operand for arg in first)
    name = emitter.fresh(emitter.safe(step.label)) if step.label else emitter.name_for(step)
    emitter.names[step.out] = name
    emitter.reserved.add(name)
    lines.append(f"{name} = {start}")
    for index, arg, when in terms[position:]:
        if when == ALWAYS:
            lines.append(f"{name} = {name} {sign} {emitter.value(arg).operand}")
            continue
        inner, (expression,) = emitter.body((step.out, index), [arg])
        inner.append(f"{name} = {name} {sign} {expression.operand}")
        lines += block(f"if {emitter.conditions.text(when)}:", inner)
    emitter.reserved.discard(name)
    return lines


def _collect(emitter: Emitter, step: Step, mean: bool, terms: list) -> list[str]:  # type: ignore[type-arg]
    """A list of the terms that are there, then their sum or mean."""
    leaves = all(when == ALWAYS or isinstance(when, Not) for _, _, when in terms)
    name = emitter.fresh("leaves" if leaves else "terms")
    emitter.reserved.add(name)
    lines = _leaves(emitter, step, name, terms) or _appended(emitter, step, name, terms)
    emitter.reserved.discard(name)
    total = f"sum({name}) / len({name})" if mean else f"sum({name})"
    if not _never_empty(emitter, step, terms):
        like = emitter.plan.input_like(step.out)
        if like is None:
            raise fault(
                "E0902", "a sum that may be of nothing needs an input of its shape", None,
                hint="add a term that is always there",
            )
        total = f"{total} if {name} else torch.zeros_like({emitter.names[like]})"
        return lines + emitter.finish(step, Expr(total, tight=False, depth=2))
    return lines + emitter.finish(step, Expr(total, tight=not mean, depth=1))


def _never_empty(emitter: Emitter, step: Step, terms: list) -> bool:  # type: ignore[type-arg]
    """Whether some term is always there."""
    diagrams = emitter.plan.diagrams
    whens = [when for _, _, when in terms]
    if diagrams.implies(emitter.plan.needs[step.out], diagrams.of(any_of(whens))):
        return True
    for hole in diagrams.holes.values():
        every = {Taken(hole.name, i) for i in range(len(hole.labels))}
        if hole.quantity is Quantity.SOME and hole.count > 0 and every <= set(whens):
            return True
    return False


def _appended(emitter: Emitter, step: Step, name: str, terms: list) -> list[str]:  # type: ignore[type-arg]
    first = 0
    while first < len(terms) and terms[first][2] == ALWAYS:
        first += 1
    lines = [f"{name} = [{join(emitter.value(arg).text for _, arg, _ in terms[:first])}]"]
    for index, arg, when in terms[first:]:
        if when == ALWAYS:
            lines.append(f"{name}.append({emitter.value(arg).text})")
            continue
        inner, (expression,) = emitter.body((step.out, index), [arg])
        inner.append(f"{name}.append({expression.text})")
        lines += block(f"if {emitter.conditions.text(when)}:", inner)
    return lines


def _leaves(emitter: Emitter, step: Step, name: str, terms: list) -> list[str]:  # type: ignore[type-arg]
    """`leaves = [n for i, n in ((2, n2), (3, n3)) if i not in used]`, where that says it.

    Each optional term must be missing exactly when some hole takes one value, and no two holes
    may mean different things by that value.
    """
    if any(emitter.plan.owners.get(arg, (-1,))[0] == step.out for _, arg, _ in terms):
        return []
    optional = [(arg, _missing(when)) for _, arg, when in terms if when != ALWAYS]
    sure = [arg for _, arg, when in terms if when == ALWAYS]
    order = [arg for _, arg, when in terms]
    if len(optional) < 2 or order != [arg for arg, _ in optional] + sure:
        return []
    values: list[str] = []
    holes: dict[str, None] = {}
    for _, atoms in optional:
        spelled = {emitter.conditions.value(atom) for atom in atoms}
        if len(spelled) != 1 or not atoms:
            return []
        values += spelled
        holes |= dict.fromkeys(sorted(atom.hole for atom in atoms))
    known = emitter.plan.diagrams.holes
    for value, (_, atoms) in zip(values, optional, strict=True):
        having = {
            hole for hole in holes
            for i in range(len(known[hole].labels))
            if emitter.conditions.value(Taken(hole, i)) == value
        }
        if having != {atom.hole for atom in atoms}:
            return []
    lines = [line for arg in order for line in emitter.bind(arg)]
    ordered = [hole for hole in known if hole in holes]
    used = emitter.fresh("used")
    lines.append(f"{used} = {{{join(emitter.hole(hole) for hole in ordered)}}}")
    pairs = join(
        f"({value}, {emitter.value(arg).text})"
        for value, (arg, _) in zip(values, optional, strict=True)
    )
    lines.append(f"{name} = [n for i, n in ({pairs}) if i not in {used}]")
    if sure:
        lines[-1] += f" + [{join(emitter.value(arg).text for arg in sure)}]"
    return lines


def _missing(when: object) -> tuple[Taken, ...]:
    """The atoms of `not (a or b)`."""
    from archdsl.ir.formula import Any

    match when:
        case Not(Taken() as atom):
            return (atom,)
        case Not(Any(terms)) if all(isinstance(term, Taken) for term in terms):
            return tuple(term for term in terms if isinstance(term, Taken))
        case _:
            return ()
