"""One graph under construction: nodes, holes, and where in the text the work stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from archdsl.ir.budget import Budget
from archdsl.ir.find import spoken
from archdsl.ir.formula import (
    ALWAYS,
    Formula,
    Taken,
    all_of,
    any_of,
)
from archdsl.ir.graph import Apply, Choose, Hole, Input, Invoke, Item, Kind
from archdsl.ir.paths import Step, Steps
from archdsl.ir.types import TensorType
from archdsl.ir.values import Series, Tensor
from archdsl.ops.base import Operation, OperationError
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Quantity, Span

Under = tuple[tuple[str, tuple[int, ...]], ...]


MAX_ELEMENTS = 10**12


@dataclass(frozen=True, slots=True)
class Position:
    """Where the elaborator stands: names, indices and enclosing alternatives.

    `written` are the alternatives that enclose this place of the text, `under` those and the
    cases of varying values that are being worked out, `varied` the labels of these cases.
    `site` is the application that a rule is worked out for. `turns` is how often the enclosing
    loops and repetitions come here, `cases` the number of cases worked out side by side.
    """

    prefix: Steps = ()
    indices: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    under: Under = ()
    written: Under = ()
    hint: str = ""
    site: tuple[int, ...] = ()
    turns: int = 1
    cases: int = 1


@dataclass(slots=True)
class Draft:
    """A node whose path is still steps; its attributes are those of `Node`."""

    kind: Kind
    args: tuple[int, ...]
    types: tuple[TensorType, ...]
    under: Formula
    span: Span | None
    steps: Steps = ()
    label: str = ""


@dataclass(slots=True)
class _HoleDraft:
    hole: Hole
    base: str
    place: tuple[int, ...]
    indices: tuple[str, ...]


@dataclass(slots=True)
class Builder:
    """Collects the nodes and holes of one module."""

    budget: Budget
    at: Position = field(default_factory=Position)
    drafts: list[Draft] = field(default_factory=list)
    hole_drafts: list[_HoleDraft] = field(default_factory=list)
    holed: set[Steps] = field(default_factory=set)
    known_holes: dict[tuple[object, ...], str] = field(default_factory=dict)
    formulas: dict[Under, Formula] = field(default_factory=dict)
    entry: int = -1
    entry_open: bool = False

    @contextmanager
    def moved(self, position: Position) -> Iterator[None]:
        """Work at another position for a while."""
        before, self.at = self.at, position
        try:
            yield
        finally:
            self.at = before

    @contextmanager
    def inside(self, hole: str, alternatives: tuple[int, ...]) -> Iterator[None]:
        """Work inside alternatives of a hole."""
        at, part = self.at, (hole, alternatives)
        with self.moved(replace(at, under=(*at.under, part), written=(*at.written, part))):
            yield

    @contextmanager
    def case(self, hole: str, alternative: int, label: str, of: int) -> Iterator[None]:
        """Work out one case of a value that a hole decides."""
        at = self.at
        under = (*at.under, (hole, (alternative,)))
        with self.moved(replace(at, under=under, varied=(*at.varied, label), cases=at.cases * of)):
            yield

    @contextmanager
    def turned(self, times: int, span: Span) -> Iterator[None]:
        """Work that is done several times; too often is refused before the first time."""
        self.check_turns(times, span)
        with self.moved(replace(self.at, turns=self.at.turns * max(times, 1))):
            yield

    def check_turns(self, times: int, span: Span) -> None:
        total = self.at.turns * times
        if total > self.budget.limits.nodes:
            raise fault(
                "E0113",
                "this is repeated too often",
                span,
                found=f"{total:,} turns, loops and repetitions around it counted",
                expected=f"at most {self.budget.limits.nodes:,}",
            )

    @contextmanager
    def indexed(self, indices: tuple[str, ...]) -> Iterator[None]:
        """Work with further indices behind the present ones."""
        if not indices:
            yield
            return
        with self.moved(replace(self.at, indices=self.at.indices + indices)):
            yield

    @contextmanager
    def framed(self, step: Step | None) -> Iterator[None]:
        """Work below a step; None stays where it is."""
        if step is None:
            yield
            return
        prefix = (*self.at.prefix, self.suffixed(step))
        with self.moved(replace(self.at, prefix=prefix, indices=(), varied=())):
            yield

    def suffixed(self, step: Step) -> Step:
        """A step with the numbers of holes that the shapes here depend on."""
        varied = self.at.varied
        return replace(step, varied=varied) if varied and not step.varied else step

    @contextmanager
    def hinted(self, hint: str) -> Iterator[None]:
        """Work on what an argument of that name stands for: a hole in it is called so."""
        with self.moved(replace(self.at, hint=hint)):
            yield

    def type_of(self, value: Tensor) -> TensorType:
        (only,) = self.drafts[value.node].types
        return only

    def span_of(self, value: Tensor) -> Span | None:
        return self.drafts[value.node].span

    def formula(self) -> Formula:
        """Under which decisions the work at this position is done."""
        under = self.at.under
        if not under:
            return ALWAYS
        known = self.formulas.get(under)
        if known is None:
            known = self.formulas[under] = _formula(under)
        return known

    def add(
        self,
        kind: Kind,
        args: Sequence[Tensor],
        types: tuple[TensorType, ...],
        span: Span | None,
        steps: Steps = (),
    ) -> Tensor:
        self.budget.node(span)
        given = tuple(arg.node for arg in args)
        self.drafts.append(Draft(kind, given, types, self.formula(), span, steps))
        return Tensor(len(self.drafts) - 1)

    def input(self, name: str, type_: TensorType, span: Span | None) -> Tensor:
        tensor = self.add(Input(name), (), (type_,), span)
        self.label(tensor, name)
        return tensor

    def step(self, base: str, span: Span) -> Step:
        """The step of an application at this position."""
        return Step(base, (span.start,), self.at.indices, self.at.varied)

    def apply(
        self,
        operation: Operation,
        args: Sequence[Tensor],
        span: Span,
        step: Step | None = None,
        when: tuple[Formula, ...] = (),
    ) -> Tensor:
        """An operation applied; its shape rule speaks here."""
        inputs = tuple(self.type_of(arg) for arg in args)
        try:
            types = operation.results(inputs)
        except OperationError as problem:
            raise fault(
                "E0401",
                spoken(operation.keyword, problem),
                span,
                found=problem.found or ", ".join(str(type_) for type_ in inputs),
                expected=problem.expected,
                hint=problem.hint,
            ) from None
        for type_ in types:
            if not 0 < type_.elements <= MAX_ELEMENTS or min(type_.shape) < 1:
                raise fault(
                    "E0402",
                    f"{operation.keyword} gives a value that is too large or empty",
                    span,
                    found=str(type_),
                    expected=f"1 to {MAX_ELEMENTS:,} numbers",
                )
        self.budget.operation(operation, inputs, span)
        kept = () if all(formula == ALWAYS for formula in when) else when
        own = self.suffixed(step) if step else self.step(operation.attribute, span)
        steps = (*self.at.prefix, own)
        return self.add(Apply(operation, kept), args, types, span, steps)

    def choose(self, hole: str, args: Sequence[Tensor], span: Span | None) -> Tensor:
        return self.add(Choose(hole), args, (self.type_of(args[0]),), span)

    def invoke(
        self,
        module: str,
        results: tuple[TensorType, ...],
        args: Sequence[Tensor],
        span: Span,
        step: Step,
        over: int = 0,
    ) -> Tensor | Series:
        """A module used, `over` a sequence of that length; all results where it has several."""
        steps = (*self.at.prefix, self.suffixed(step))
        whole = self.add(Invoke(module, over), args, results, span, steps)
        if len(results) == 1:
            return whole
        items = [self.add(Item(i), (whole,), (t,), span) for i, t in enumerate(results)]
        return Series(tuple(items), tuple(str(i) for i in range(len(items))))

    def label(self, tensor: Tensor, label: str) -> None:
        """Give a value the name that the text binds it to; the first name stays."""
        draft = self.drafts[tensor.node]
        if not draft.label:
            draft.label = label

    def register(
        self, quantity: Quantity, count: int, labels: tuple[str, ...], base: str, span: Span
    ) -> str:
        """A new hole at this position; its key until the module is finished.

        What is worked out for several cases of a varying value is written once, so its holes
        are decided once for all cases.
        """
        at = self.at
        way = tuple((step.base, step.place, step.indices) for step in at.prefix)
        place = (way, at.site, span.start, at.indices, at.written)
        if place in self.known_holes:
            return self._again(self.known_holes[place], labels, span)
        key = self.known_holes[place] = f"#{len(self.hole_drafts)}"
        if not self.entry_open:
            self.entry_open = True
            self.entry += 1
        for depth in range(1, len(at.prefix) + 1):
            self.holed.add(at.prefix[:depth])
        hole = Hole(
            name=key,
            quantity=quantity,
            count=count,
            labels=labels,
            under=_formula(at.written),
            parent=at.written[-1] if at.written else None,
            entry=self.entry,
            span=span,
        )
        indices = tuple(i for step in at.prefix for i in step.indices) + at.indices
        places = (*(p for step in at.prefix for p in step.place), *at.site, span.start)
        self.hole_drafts.append(_HoleDraft(hole, base, places, indices))
        return key

    def _again(self, key: str, labels: tuple[str, ...], span: Span) -> str:
        """A hole met again for another case; in tied frames it is the same one too."""
        known = self.hole_drafts[int(key[1:])].hole
        for depth in range(1, len(self.at.prefix) + 1):
            self.holed.add(self.at.prefix[:depth])
        if known.labels == labels:
            return key
        raise fault(
            "E0510",
            "the alternatives of this hole depend on another hole",
            span,
            found=f"{{{' | '.join(labels)}}} and {{{' | '.join(known.labels)}}}",
            expected="the same alternatives in every case",
            hint="write the hole inside the alternatives of the other, once in each",
        )

    def sets(self) -> frozenset[str]:
        """The holes that may take nothing."""
        drafts = self.hole_drafts
        return frozenset(d.hole.name for d in drafts if d.hole.quantity is Quantity.ANY)

    def hole_sizes(self) -> dict[str, int]:
        """How many alternatives every hole has that takes exactly one."""
        return {
            draft.hole.name: len(draft.hole.labels)
            for draft in self.hole_drafts
            if draft.hole.quantity is Quantity.ONE
        }


def _formula(under: Under) -> Formula:
    return all_of(any_of(Taken(hole, i) for i in taken) for hole, taken in under)
