"""The body of a class's `forward`: statements, from steps.

Unnamed steps nest into the expression that uses them, as long as it reads well; a value that is
used once and has no name of its own goes on under the name of the one before (`x = self.f(x)`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from archdsl.codegen.branches import Form, choose_form
from archdsl.codegen.chains import emit_chain
from archdsl.codegen.choice import Layout, Reach
from archdsl.codegen.code import LINE, Expr, block, fill, join
from archdsl.codegen.conditions import Conditions
from archdsl.codegen.gathers import emit_gather
from archdsl.codegen.guards import name_guards
from archdsl.codegen.literals import Table
from archdsl.codegen.mixtures import emit_gate, emit_mixture, reads_gates
from archdsl.codegen.modules import Modules
from archdsl.codegen.naming import VARIABLES, Names, safe
from archdsl.codegen.needs import Diagram
from archdsl.codegen.patterns import Functions
from archdsl.codegen.plan import Branch, Plan
from archdsl.codegen.scans import emit_scan
from archdsl.codegen.steps import (
    Chain,
    Gather,
    Leaf,
    Nothing,
    Part,
    Pick,
    Project,
    Step,
    Unit,
    UnitKey,
    Use,
)
from archdsl.codegen.told import parameter, told, told_inside
from archdsl.ir.cases import holes_of
from archdsl.ir.formula import Formula
from archdsl.ir.graph import USE
from archdsl.ops.mixture import GateNumber, Mixture

DEPTH = 4
TEMPORARIES = ("x", "y", "z", "u", "v", "w")


@dataclass(slots=True)
class Emitter:
    """Writes the statements of one function.

    `hole` says how this function calls a hole's decision, `call` how it calls a step's module.
    """

    plan: Plan
    modules: Modules
    layout: Layout
    units: Mapping[UnitKey, Unit]
    hole: Callable[[str], str]
    access: Callable[[Step], str]
    functions: Functions
    shapes: bool = False
    returned: bool = False
    """Whether the branches of the last step have returned the result."""
    names: Names = field(default_factory=Names)
    pending: dict[int, Expr] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)
    users: dict[int, set[int]] = field(default_factory=dict)
    """The steps whose code names a value; `left` counts how often it still will."""
    guards: dict[Diagram, Formula] = field(default_factory=dict)
    reserved: set[str] = field(default_factory=set)
    zeros: dict[int, Step] = field(default_factory=dict)
    names_of_inputs: dict[int, str] = field(default_factory=dict)
    forms: dict[int, Form] = field(default_factory=dict)
    tables: dict[Table, str] = field(default_factory=dict)
    """The tables of sizes that the class keeps, with their names."""
    products: dict[tuple[str, Formula], str] = field(default_factory=dict)
    """Gates times a factor that have a variable."""
    absorbed: dict[int, int] = field(default_factory=dict)
    """Steps that are written as part of another one's code, by that step's value."""

    def __post_init__(self) -> None:
        unit = self.plan.unit
        for value, name in zip(unit.inputs, unit.names, strict=True):
            self.names[value] = self.safe(name)
        self.names_of_inputs |= self.names
        self.reserved.update(parameter(name) for name in unit.parameters)
        self.zeros |= {s.out: s for s in unit.steps if isinstance(s.what, Nothing)}
        for step in reversed(self.plan.steps.values()):
            if isinstance(step.what, Pick) and step.out not in self.absorbed:
                self.forms[step.out] = form = choose_form(self, step)
                self.absorbed |= dict.fromkeys(form.absorbed, step.out)
        for output in unit.outputs:
            self.left[output] = self.left.get(output, 0) + 1
        for step in self.plan.steps.values():
            for value in self.mentions(step) if step.out not in self.absorbed else ():
                self.left[value] = self.left.get(value, 0) + 1
                self.users.setdefault(value, set()).add(step.out)

    @property
    def conditions(self) -> Conditions:
        return Conditions(self.plan.diagrams.holes, self.hole)

    def safe(self, name: str) -> str:
        return safe(name, VARIABLES | self.functions.reserved)

    def unused_zero(self, value: int) -> Step | None:
        """The zeros that a value is, where nothing looks at them here."""
        return None if value in self.plan.steps else self.zeros.get(value)

    def mentions(self, step: Step) -> Sequence[int]:
        """The values that the code of a step names, as often as it names them."""
        if step.out in self.forms:
            return self.forms[step.out].mentions
        if isinstance(step.what, Nothing) and step.out in self.plan.likes:
            return [self.plan.likes[step.out]]
        spare = () if step.spare is None else (step.spare,)
        return [*(arg for arg in self.plan.needed_args(step) if arg is not None), *spare]

    # --- names -----------------------------------------------------------------------------

    def fresh(self, *wanted: str) -> str:
        """A variable's name that no value still needed has."""
        self.names.recent = {v: None for v in self.names.recent if self.left.get(v, 0) > 0}
        busy = {self.names[value] for value in self.names.recent} | self.reserved
        for expression in self.pending.values():  # named there, though counted as used up
            busy |= expression.words
        for name in wanted:
            if name not in busy:
                return name
        number = 2
        while f"{wanted[-1]}{number}" in busy:
            number += 1
        return f"{wanted[-1]}{number}"

    def name_for(self, step: Step) -> str:
        """The variable that a step's value goes by; its arguments count as used."""
        label = "" if self.redundant(step) else step.label
        if label:
            return self.fresh(self.safe(label), f"{self.safe(label)}_")
        kept = [n for n in (self.names.get(arg) for arg in step.args) if n in TEMPORARIES]
        return self.fresh(*(name for name in kept if name), *TEMPORARIES)

    def redundant(self, step: Step) -> bool:
        """Whether a step's label only repeats the attribute: `stem = self.stem(image)`."""
        if not step.label or len(self.users.get(step.out, ())) > 1:
            return False
        users = [self.plan.steps[user] for user in self.users.get(step.out, ())]
        if users and isinstance(users[0].what, Chain) and self.choice_inside(users[0]):
            return True  # the loop goes on with a value of its own
        return bool(step.path) and step.label == step.path[-1]

    # --- values ----------------------------------------------------------------------------

    def value(self, value: int) -> Expr:
        """The expression for a value, which is used up by one."""
        self.left[value] -= 1
        if value in self.pending:
            return self.pending.pop(value)
        return Expr(self.names[value], plain=True)

    def assign(self, step: Step, expression: Expr) -> list[str]:
        """Bind a step's value to a name. Its arguments have been used up by now."""
        name = self.name_for(step)
        self.names[step.out] = name
        if expression.text == name:
            return []
        return [f"{name} = {expression.text}{self.comment(step)}"]

    def comment(self, step: Step) -> str:
        """The shape, where a reader of the whole network wants to know it."""
        if isinstance(step.what, Leaf) and not step.what.operation.batched:
            return f"  # {step.what.code.note}" if step.what.code.note else ""
        if not self.shapes or len(step.types) != 1:
            return ""
        sizes = self.plan.unit.graph.nodes[step.out].sizes
        if sizes is not None and sizes.vary:
            return ""
        before = [self.plan.unit.graph.nodes[arg].types for arg in step.args]
        if step.types in before:
            return ""
        return f"  # ({join(('B', *(str(axis) for axis in step.types[0].shape)))})"

    def nests(self, step: Step) -> bool:
        """Whether a step's value may stand inside the one expression that uses it."""
        if self.left.get(step.out, 0) != 1 or len(step.types) != 1:
            return False
        if step.label and step.out not in self.plan.unit.outputs:
            return False
        if step.out in self.plan.in_order:
            return False
        if any(self.plan.steps[user].repeats for user in self.users.get(step.out, ())):
            return False
        owner = self.plan.owners.get(step.out)
        for user in self.users.get(step.out, ()):
            if owner is not None and owner[0] == user:
                continue  # the result of a branch: it stands where the branch does
            same_need = self.plan.needs[user] == self.plan.needs[step.out]
            if not same_need or self.plan.owners.get(user) != owner:
                return False
        return True

    def may_return(self, step: Step) -> bool:
        """Whether a step is the last one, so that its branches may return by themselves."""
        return (
            self.plan.unit.outputs == (step.out,)
            and self.left[step.out] == 1
            and next(reversed(self.plan.steps)) == step.out
        )

    def function(self) -> list[str]:
        """All statements, from the first to the return."""
        lines, results = self.body(None, self.plan.unit.outputs)
        if self.returned:
            return lines
        return [*lines, f"return {join(result.text for result in results)}"]

    # --- blocks ----------------------------------------------------------------------------

    def body(self, branch: Branch | None, results: Sequence[int]) -> tuple[list[str], list[Expr]]:
        """The statements of a branch (None: of the function) and its results' expressions."""
        steps = [s for s in self.plan.members(branch) if s.out not in self.absorbed]
        lines = name_guards(self, steps)
        current: Diagram | None = None
        group: list[str] = []
        for step in steps:
            guard = self.plan.needs[step.out] if self.plan.guarded(step) else None
            if guard != current:
                lines += self._close(current, group)
                current, group = guard, []
            group += self.step(step)
        lines += self._close(current, group)
        return lines, [self.value(result) for result in results]

    def _close(self, guard: Diagram | None, lines: list[str]) -> list[str]:
        if guard is None or not lines:
            return lines
        return block(f"if {self.conditions.text(self.guards[guard])}:", lines)

    # --- steps -----------------------------------------------------------------------------

    def step(self, step: Step) -> list[str]:
        """The statements for one step; nothing where it nests into a later one."""
        match step.what:
            case Pick():
                return self.forms[step.out].emit(self, step)
            case Gather():
                return emit_gather(self, step)
            case Chain() if self.choice_inside(step) or told_inside(step):
                return emit_chain(self, step)
            case Leaf(Mixture() as operation):
                return emit_mixture(self, step, operation)
            case Leaf(GateNumber() as operation):
                return emit_gate(self, step, operation)
            case Project():
                return []
            case Use(_, steps) if steps:
                return emit_scan(self, step)
            case _:
                return self._simple(step)

    def _simple(self, step: Step) -> list[str]:
        lines = self.shorten(step, self.called(step))
        return lines + self.finish(step, self.expression(step))

    def finish(self, step: Step, expression: Expr) -> list[str]:
        """Let an expression nest, or bind it to a name."""
        if len(step.types) > 1:
            return self._unpack(step, expression)
        if self.left.get(step.out, 0) == 0:
            return [f"{expression.text}  # nothing reads it"]
        if step.out not in self.names and self.nests(step):
            fits = len(expression.text) <= LINE and expression.depth <= DEPTH
            if fits or step.out in self.plan.unit.outputs:
                self.pending[step.out] = expression
                return []
        if step.out in self.names and step.out not in self.plan.unit.inputs:
            return [f"{self.names[step.out]} = {expression.text}{self.comment(step)}"]
        return self.assign(step, expression)

    def bind(self, value: int) -> list[str]:
        """Give a pending value a name."""
        if value not in self.pending:
            return []
        return self.assign(self.plan.steps[value], self.pending.pop(value))

    def shorten(self, step: Step, around: str) -> list[str]:
        """Bind pending arguments first where the expression would be too long or too deep.

        `around` is what the expression adds to its arguments.
        """
        args = [arg for arg in dict.fromkeys(self.mentions(step)) if arg in self.pending]
        total = sum(len(self.pending[arg].text) for arg in args) + len(around)
        if isinstance(step.what, Leaf) and step.what.operation.arity is None:
            # The formatter gives each of three terms and more a line of its own.
            return self._first_term(step, args) if len(args) == 2 and total > LINE else []
        deepest = max((self.pending[arg].depth for arg in args), default=0)
        lines: list[str] = []
        while args and (total > LINE or deepest >= DEPTH):
            arg = max(args, key=lambda a: (len(self.pending[a].text), -a))
            args.remove(arg)
            total -= len(self.pending[arg].text) - 1
            lines += self.bind(arg)
            deepest = max((self.pending[a].depth for a in args), default=0)
        return lines

    def _first_term(self, step: Step, args: Sequence[int]) -> list[str]:
        """The first of two long terms, under the name that the whole will have."""
        first = min(args, key=step.args.index)
        name = self.safe(step.label) if step.label and step.label != step.path[-1] else ""
        free = name == self.fresh(name) or name == self.names.get(step.out)
        if not name or not free:
            return self.bind(first)
        expression = self.pending.pop(first)
        self.names[first] = name
        return [f"{name} = {expression.text}"]

    def _unpack(self, step: Step, expression: Expr) -> list[str]:
        takers = [
            self.plan.steps[out] for out in sorted(self.users.get(step.out, ()), reverse=True)
        ]
        items = {s.what.index: s for s in takers if isinstance(s.what, Project)}
        targets = []
        for index in range(len(step.types)):
            item = items.get(index)
            if item is None or self.left.get(item.out, 0) == 0:
                targets.append("_")
                continue
            name = self.fresh(*((self.safe(item.label),) if item.label else ()), *TEMPORARIES)
            self.names[item.out] = name
            targets.append(name)
        note = step.what.code.note if isinstance(step.what, Leaf) else ""
        return [f"{join(targets)} = {expression.text}{note and '  # ' + note}"]

    def called(self, step: Step) -> str:
        """What the code of a step adds around its arguments."""
        match step.what:
            case Leaf(_, code):
                return code.expression or self.access(step) + "".join(told(self, step))
            case Use() | Part() | Chain():
                return self.access(step) + self.choice_of(step)
            case _:
                return ""

    def expression(self, step: Step) -> Expr:
        """A step applied to its arguments."""
        match step.what:
            case Leaf(_, code) if code.expression:
                args = [self.value(arg) for arg in step.args]
                return fill(code.expression, args, self.access_if(step), code.tight)
            case Nothing() if step.out in self.plan.likes:
                return Expr(f"torch.zeros_like({self.value(self.plan.likes[step.out]).text})")
            case Nothing():
                return Expr(f"torch.zeros_like({self.value(step.args[0]).text})", depth=1)
            case _:
                args = [self.value(arg) for arg in step.args]
                texts = [arg.text for arg in args] + told(self, step)
                if choice := self.choice_of(step):
                    texts.append(choice)
                depth = 1 + max((arg.depth for arg in args), default=0)
                return Expr(f"{self.access(step)}({join(texts)})", depth=depth)

    def access_if(self, step: Step) -> str:
        return self.access(step) if isinstance(step.what, Leaf) and step.what.stored else ""

    # --- choices ---------------------------------------------------------------------------

    def reach(self, step: Step) -> Reach | None:
        return self.layout.reach(self.plan.unit.key[0], step.path)

    def choice_of(self, step: Step) -> str:
        """The choice that a step's module is given, if it takes one."""
        match step.what:
            case Use():
                reach = self.reach(step)
                return reach.expression(self.layout.argument) if reach else ""
            case Part():
                return self.layout.argument if self.choice_inside(step) else ""
            case _:
                return ""

    def choice_inside(self, step: Step) -> bool:
        """Whether anything in a step takes a choice."""
        match step.what:
            case Use():
                return self.reach(step) is not None
            case Part(key):
                return any(self.choice_inside(inner) for inner in self.units[key].steps)
            case Leaf(operation):
                return reads_gates(operation) or any(
                    h != USE for number in step.numbers for h in holes_of(number.values)
                )
            case Chain(members, depth):
                return depth is not None or any(self.choice_inside(member) for member in members)
            case _:
                return False
