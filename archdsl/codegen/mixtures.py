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
from archdsl.ops.mixture import GateNumber, Mixture, Slice, split
from archdsl.syntax.tree import Quantity

if TYPE_CHECKING:
    from archdsl.codegen.forward import Emitter


def reads_gates(operation: object) -> bool:
    """Whether an operation weighs by a gate."""
    if isinstance(operation, GateNumber):
        return True
    return isinstance(operation, Mixture) and any(atoms(gate) for gate in operation.gates)


def emit_mixture(emitter: Emitter, step: Step, operation: Mixture) -> list[str]:
    """`y = mix(gates.op, a, b)`, or terms with a weight each."""
    numbers = Numbers(emitter)
    if operation.over:
        return _mean(emitter, step, operation, numbers)
    lines = numbers.bind(operation.gates) + emitter.shorten(step, "mix()")
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


def emit_gate(emitter: Emitter, step: Step, operation: GateNumber) -> list[str]:
    """A weight by itself: an argument of what it scales."""
    numbers = Numbers(emitter)
    lines = numbers.bind([operation.gate])
    return lines + emitter.finish(step, Expr(numbers.text(operation.gate), tight=False))


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

    def bind(self, gates: Sequence[Formula]) -> list[str]:
        """Variables for gates that are multiplied by one factor: `op = gates.sources[0] * ...`."""
        lines = []
        for gate in gates:
            parts = split(gate)
            if parts is None or parts[1] == ALWAYS or parts in self.emitter.products:
                continue
            hole, factor = parts
            wanted = self.emitter.safe(hole)
            name = self.emitter.fresh(wanted, f"{wanted}_")
            lines.append(f"{name} = {self.factor(factor)} * {self.emitter.hole(hole)}")
            self.emitter.products[parts] = name
            self.emitter.reserved.add(name)
        return lines

    def slice(self, group: Slice) -> str:
        """Entries of a gate: all of it, a part, or a list."""
        known = self.emitter.products.get((group.hole, group.factor))
        return self._entries(group.hole, group.entries, known)

    def _entries(self, hole: str, entries: Sequence[int], known: str | None = None) -> str:
        gate = known or self.emitter.hole(hole)
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
            case Taken(hole, entry) if self.emitter.layout.argument == "paths":
                return f"{self.emitter.hole(hole)}[{self.emitter.conditions.value(formula)}]"
            case Taken(hole, entry):
                return f"{self.emitter.hole(hole)}[{entry}]"
            case All((*_, Taken(_, entry))) if split(formula) in self.emitter.products:
                return f"{self.emitter.products[split(formula) or ('', ALWAYS)]}[{entry}]"
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
