"""Mixtures in `forward`: values weighed by gates, and the gates' formulas as numbers.

'That alternative is taken' is an entry of a gate, 'and' a product, 'not' 1 - x. 'Or' is the sum
for alternatives of one decision, which exclude each other, else 1 - (1 - x) (1 - y).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archdsl.codegen.code import Expr, join
from archdsl.codegen.steps import Step
from archdsl.ir.formula import ALWAYS, All, Any, Formula, Not, Taken, atoms
from archdsl.ir.graph import Hole
from archdsl.ops.mixture import Mixture, Slice
from archdsl.syntax.tree import Quantity

if TYPE_CHECKING:
    from archdsl.codegen.forward import Emitter


def reads_gates(operation: object) -> bool:
    """Whether an operation weighs by a gate."""
    return isinstance(operation, Mixture) and any(atoms(gate) for gate in operation.gates)


def emit_mixture(emitter: Emitter, step: Step, operation: Mixture) -> list[str]:
    """`y = mix(gates.op, a, b)`, or terms with a weight each."""
    numbers = Numbers(emitter)
    if operation.over:
        return _mean(emitter, step, operation, numbers)
    lines = emitter.shorten(step, "mix()")
    args = [emitter.value(arg) for arg in step.args]
    terms = []
    for group, places in operation.groups():
        if isinstance(group, Slice):
            values = join(args[i].text for i in places)
            terms.append(f"mix({numbers.slice(group)}, {values})")
            continue
        (place,) = places
        factors = [] if group == ALWAYS else [numbers.factor(group)]
        terms.append(" * ".join([*factors, args[place].operand]))
    depth = 1 + max((arg.depth for arg in args), default=0)
    tight = len(terms) == 1 and terms[0].startswith("mix(")
    return lines + emitter.finish(step, Expr(" + ".join(terms), tight=tight, depth=depth))


def _mean(emitter: Emitter, step: Step, operation: Mixture, numbers: Numbers) -> list[str]:
    """A sum over how much of it is there; weights get a name, since both need them."""
    lines = [line for arg in step.args for line in emitter.bind(arg)]
    args = [emitter.value(arg).text for arg in step.args]
    name = emitter.fresh("weights")
    written = join(numbers.text(gate) for gate in operation.over)
    comma = "," if len(operation.over) == 1 else ""
    lines.append(f"{name} = ({written}{comma})")
    weights = name
    if operation.gates != operation.over:
        weights = f"({join(numbers.text(gate) for gate in operation.gates)}{comma})"
    text = f"mix({weights}, {join(args)}) / sum({name})"
    return lines + emitter.finish(step, Expr(text, tight=False, depth=1))


@dataclass(frozen=True, slots=True)
class Numbers:
    """Prints formulas as numbers."""

    emitter: Emitter

    @property
    def holes(self) -> Mapping[str, Hole]:
        return self.emitter.plan.diagrams.holes

    def slice(self, group: Slice) -> str:
        """Entries of a gate: all of it, a part, or a list; times the factor before it."""
        text = self._entries(group.hole, group.entries)
        return text if group.factor == ALWAYS else f"{self.factor(group.factor)} * {text}"

    def _entries(self, hole: str, entries: Sequence[int]) -> str:
        gate = self.emitter.hole(hole)
        first, last, count = entries[0], entries[-1] + 1, len(self.holes[hole].labels)
        if tuple(entries) != tuple(range(first, last)):
            return f"{gate}[[{join(str(entry) for entry in entries)}]]"
        if (first, last) == (0, count):
            return gate
        return f"{gate}[{first or ''}:{'' if last == count else last}]"

    def factor(self, formula: Formula) -> str:
        """A number as a factor of a product."""
        text = self.text(formula)
        loose = isinstance(formula, Not) or (isinstance(formula, Any) and len(formula.terms) > 1)
        return f"({text})" if loose and not self._is_product(formula) else text

    def text(self, formula: Formula) -> str:
        match formula:
            case Taken(hole, entry):
                return f"{self.emitter.hole(hole)}[{entry}]"
            case All(terms):
                return " * ".join(self.factor(term) for term in terms) or "1"
            case Not(Any(terms)) if terms:
                return " * ".join(f"(1 - {self.factor(one)})" for one in self._cases(terms))
            case Not(term):
                return f"1 - {self.factor(term)}"
            case Any(terms):
                cases = self._cases(terms)
                if len(cases) == 1:
                    return self._sum(terms)
                missing = " * ".join(f"(1 - {self.factor(one)})" for one in cases)
                return f"1 - {missing}" if terms else "0"

    def _is_product(self, formula: Formula) -> bool:
        match formula:
            case Not(Any(terms)):
                return bool(terms)
            case Any(terms):
                return len(self._cases(terms)) == 1
            case _:
                return False

    def _cases(self, terms: Sequence[Formula]) -> list[Formula]:
        """The terms of an 'or', those of one decision together."""
        found: dict[object, list[Formula]] = {}
        for term in terms:
            one = isinstance(term, Taken) and self.holes[term.hole].quantity is Quantity.ONE
            key = term.hole if isinstance(term, Taken) and one else term
            found.setdefault(key, []).append(term)
        return [part[0] if len(part) == 1 else Any(tuple(part)) for part in found.values()]

    def _sum(self, terms: Sequence[Formula]) -> str:
        """The sum of entries of one gate."""
        taken = [term for term in terms if isinstance(term, Taken)]
        if len(taken) == 1:
            return self.text(taken[0])
        return f"{self._entries(taken[0].hole, [term.alternative for term in taken])}.sum()"
