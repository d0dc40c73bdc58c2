"""Joins of those values that are there under the choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from archdsl.codegen.code import Expr, block, fill, join
from archdsl.codegen.steps import Gather, Step
from archdsl.ir.formula import ALWAYS, NEVER, Any, Formula, Not, Taken, any_of
from archdsl.ops.joins import Mean, Product, Sum
from archdsl.ops.mixture import Running
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Quantity

if TYPE_CHECKING:
    from archdsl.codegen.forward import Emitter

Terms: TypeAlias = list[tuple[int, int, Formula]]
"""The argument's index, its value, and when it is there."""

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
        code = operation.code(inputs)
        args = [emitter.value(arg) for _, arg, _ in terms]
        return emitter.finish(step, fill(code.expression, args, "", code.tight))
    if step.spare is not None and any(when == ALWAYS for _, _, when in terms):
        emitter.left[step.spare] -= 1  # never of nothing
    for kind, sign in _SIGNS.items():
        if isinstance(operation, kind) and terms[0][2] == ALWAYS:
            return _accumulate(emitter, step, sign, terms)
    if isinstance(operation, Sum | Mean | Product):
        return _collect(emitter, step, operation, terms)
    raise fault(
        "E0903",
        f"no code for {operation.keyword} of values that may be missing",
        step.span,
        hint="join them with sum, mean or product",
    )


def _accumulate(emitter: Emitter, step: Step, sign: str, terms: Terms) -> list[str]:
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


def _collect(
    emitter: Emitter, step: Step, operation: Sum | Mean | Product, terms: Terms
) -> list[str]:
    """A list of the terms that are there, then their sum, mean or product."""
    mean = isinstance(operation, Mean)
    leaves = mean and all(when == ALWAYS or isinstance(when, Not) for _, _, when in terms)
    name = emitter.fresh("leaves" if leaves else "terms")
    emitter.reserved.add(name)
    lines = _leaves(emitter, step, name, terms) or _appended(emitter, step, name, terms)
    emitter.reserved.discard(name)
    if isinstance(operation, Running):  # an error where no alternative has a gate, not 0
        total = f"sum({name}[1:], start={name}[0])"
    else:
        total = f"math.prod({name})" if isinstance(operation, Product) else f"sum({name})"
    total += f" / len({name})" if mean else ""
    if not _never_empty(emitter, step, terms):
        like = step.spare if step.spare is not None else emitter.plan.input_like(step.out)
        if like is None:
            raise fault(
                "E0903",
                f"{operation.keyword} may be left with nothing",
                step.span,
                expected="at least one value that is always there",
            )
        shaped = emitter.value(like).text if like == step.spare else emitter.names[like]
        total = f"{total} if {name} else torch.zeros_like({shaped})"
        return lines + emitter.finish(step, Expr(total, tight=False, depth=2))
    return lines + emitter.finish(step, Expr(total, tight=not mean, depth=1))


def _never_empty(emitter: Emitter, step: Step, terms: Terms) -> bool:
    """Whether some term is always there."""
    diagrams = emitter.plan.diagrams
    if isinstance(step.what, Gather) and isinstance(step.what.operation, Running):
        return True
    whens = [when for _, _, when in terms]
    if diagrams.implies(emitter.plan.needs[step.out], diagrams.of(any_of(whens))):
        return True
    for hole in diagrams.holes.values():
        every = {Taken(hole.name, i) for i in range(len(hole.labels))}
        if hole.quantity is Quantity.SOME and hole.count > 0 and every <= set(whens):
            return True
    return False


def _appended(emitter: Emitter, step: Step, name: str, terms: Terms) -> list[str]:
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


def _leaves(emitter: Emitter, step: Step, name: str, terms: Terms) -> list[str]:
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
    if any(known[hole].quantity is not Quantity.ONE for hole in holes):
        return []  # a set of sources is no member of `used`
    for value, (_, atoms) in zip(values, optional, strict=True):
        having = {
            hole
            for hole in holes
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


def _missing(when: Formula) -> tuple[Taken, ...]:
    """The atoms of `not (a or b)`."""
    match when:
        case Not(Taken() as atom):
            return (atom,)
        case Not(Any(terms)) if all(isinstance(term, Taken) for term in terms):
            return tuple(term for term in terms if isinstance(term, Taken))
        case _:
            return ()
