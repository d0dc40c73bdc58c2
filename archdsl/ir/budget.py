"""What one elaboration has spent of its limits, and the refusal where it is too much."""

from __future__ import annotations

from dataclasses import dataclass, field

from archdsl.ir.cost import Pricer, price
from archdsl.ir.graph import Apply, Invoke, Node, Program
from archdsl.ir.limits import Limits
from archdsl.ops.base import Operation, Types
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Span


@dataclass(slots=True)
class Budget:
    """Counted down by every builder of a program."""

    limits: Limits
    nodes: int = field(init=False)
    steps: int = field(init=False)

    def __post_init__(self) -> None:
        self.nodes = self.limits.nodes
        self.steps = self.limits.steps

    def node(self, span: Span | None) -> None:
        self.nodes -= 1
        if self.nodes < 0:
            raise fault(
                "E0113",
                "there are too many operations",
                span,
                expected=f"at most {self.limits.nodes:,}, each definition counted once",
                hint="make repeated parts cells or blocks: their operations count once",
            )

    def step(self, span: Span | None) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise fault(
                "E0113",
                "there is too much to evaluate",
                span,
                expected=f"at most {self.limits.steps:,} expressions, repetitions counted",
            )

    def operation(self, operation: Operation, inputs: Types, span: Span) -> None:
        """Refuse one operation that alone is beyond the limits."""
        params, macs = price(operation, inputs)
        check_figure("parameters", params, self.limits.params, span)
        check_figure("MACs", macs, self.limits.macs, span)


def check_limits(program: Program, limits: Limits) -> None:
    """Refuse a program beyond the limits, at the largest of its parts.

    Raises ArchError (E0114). Nothing is allocated: figures come from the text.
    """
    pricer = Pricer(program.modules)
    total = pricer.price(program.root)
    if total.params <= limits.params and total.macs <= limits.macs:
        return
    spans = {
        figures: node.span
        for node in reversed(program.net.nodes)
        if (figures := _figures(program, pricer, node)) is not None
    }
    by_params = total.params > limits.params
    largest = max(spans, key=lambda figures: figures[not by_params])
    if by_params:
        check_figure("parameters", total.params, limits.params, spans[largest])
    check_figure("MACs", total.macs, limits.macs, spans[largest])


def _figures(program: Program, pricer: Pricer, node: Node) -> tuple[int, int] | None:
    match node.kind:
        case Apply(operation):
            return price(operation, program.net.types_in(node))
        case Invoke(module, steps):
            inner = pricer.price(module)
            return inner.params, inner.macs * (steps or 1)
        case _:
            return None


def check_figure(what: str, figure: int, limit: int, span: Span | None) -> None:
    if figure > limit:
        raise fault(
            "E0114",
            f"too many {what}",
            span,
            found=f"{figure:,}",
            expected=f"at most {limit:,}",
            hint=f"raise the limit if this is meant: --max-{what.lower().replace('eters', 's')}",
        )
