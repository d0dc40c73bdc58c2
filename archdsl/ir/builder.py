"""One graph under construction: nodes, holes, and where in the text the work stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from archdsl.ir.budget import Budget
from archdsl.ir.cases import Cases, Tree, branch, change, combine, settle
from archdsl.ir.drafts import Draft, HoleDraft, Position, formula_of, spelled_under
from archdsl.ir.elastic import largest_kinds, sized
from archdsl.ir.find import spoken
from archdsl.ir.formula import ALWAYS, Formula
from archdsl.ir.graph import (
    USE,
    Apply,
    Choose,
    Hole,
    Input,
    Invoke,
    Item,
    Kind,
    Sizes,
    Variant,
)
from archdsl.ir.paths import Step, Steps
from archdsl.ir.types import TensorType
from archdsl.ir.values import Series, Tensor
from archdsl.ops.base import Operation, OperationError, Types
from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.tree import Quantity, Span

MAX_ELEMENTS = 10**12


@dataclass(slots=True)
class Builder:
    """Collects the nodes and holes of one module.

    `elastic`: sizes share weights, so values keep one node whatever their size.
    """

    budget: Budget
    elastic: bool = False
    at: Position = field(default_factory=Position)
    drafts: list[Draft] = field(default_factory=list)
    hole_drafts: list[HoleDraft] = field(default_factory=list)
    holed: set[Steps] = field(default_factory=set)
    known_holes: dict[tuple[object, ...], str] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The labels of every hole, by key: what a case of a varying value is called."""
    met_again: int = 0
    """How often a hole was met again for another case of a varying value."""
    most_turns: int = 0
    """The most turns that any work took part in, loops around it counted."""
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
        self.most_turns = max(self.most_turns, total)
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

    def add(
        self,
        kind: Kind,
        args: Sequence[Tensor],
        types: tuple[TensorType, ...],
        span: Span | None,
        steps: Steps = (),
        sizes: Sizes | None = None,
    ) -> Tensor:
        at = self.at
        if any(hole == USE for hole, _ in at.under):
            raise self.decided_outside(span)
        given = tuple([arg.node for arg in args])
        return self.append(Draft(kind, given, types, at.under, at.given, span, steps, sizes=sizes))

    def append(self, draft: Draft) -> Tensor:
        """A node that is known to be right."""
        self.budget.node(draft.span)
        self.drafts.append(draft)
        return Tensor(len(self.drafts) - 1)

    def decided_outside(self, span: Span | None) -> ArchError:
        return fault(
            "E0515",
            "what is computed here depends on a size that a hole outside decides",
            span,
            expected="the same operations for every size",
            hint="decide it where the block is used: two uses, or two blocks",
        )

    # --- sizes that holes decide -------------------------------------------------------------

    def kind(self, value: Tensor) -> Tree[Types]:
        """The types of a value, by the decisions that they depend on."""
        draft = self.drafts[value.node]
        if draft.sizes is None:
            return draft.types
        return change(draft.sizes.variants, lambda variant: variant.types)

    def known(self) -> dict[str, tuple[int, ...]]:
        """What the enclosing alternatives say of holes."""
        found: dict[str, tuple[int, ...]] = {}
        for hole, taken in self.at.under:
            found[hole] = tuple(i for i in found.get(hole, taken) if i in taken)
        return found

    def add_sized(
        self,
        kind: Kind,
        args: Sequence[Tensor],
        kinds: Tree[Types],
        span: Span | None,
        rows: Tree[int] = 0,
        steps: Steps = (),
    ) -> Tensor:
        """A node that is no operation, its types by the decisions that they depend on."""
        if not isinstance(kinds, Cases) and not isinstance(rows, Cases):
            return self.add(kind, args, kinds, span, steps)
        variants = combine(
            lambda types, row: Variant(types=types, row=row), [kinds, rows], self.known()
        )
        types = largest_kinds(kinds, span)
        return self.add(kind, args, types, span, steps, Sizes(inputs=(), variants=variants))

    def input(self, name: str, kinds: Tree[Types], span: Span | None) -> Tensor:
        tensor = self.add_sized(Input(name), (), kinds, span)
        self.label(tensor, name)
        return tensor

    def step(self, base: str, span: Span) -> Step:
        """The step of an application at this position."""
        return Step(base, (span.start,), self.at.indices, self.at.varied)

    def apply(
        self,
        operation: Tree[Operation],
        args: Sequence[Tensor],
        span: Span,
        step: Step | None = None,
        when: tuple[Formula, ...] = (),
        labels: Mapping[str, str] | None = None,
    ) -> Tensor:
        """An operation applied; its shape rule speaks here.

        Under `elastic` its arguments may be open; `labels` are then their names in the text.
        """
        kinds = [change(self.kind(arg), lambda types: types[0]) for arg in args]
        variants: Tree[Variant] = combine(
            lambda own, *inputs: self._variant(own, inputs, span),
            [operation, *kinds],
            self.known(),
        )
        sizes = None
        if isinstance(variants, Cases):
            own, sizes, types = sized(variants, labels or {}, span)
        else:
            assert variants.operation is not None
            own, types = variants.operation, variants.types
            if variants.inputs != tuple(map(self.type_of, args)):
                sizes = Sizes(inputs=variants.inputs, variants=variants)
        kept = () if all(formula == ALWAYS for formula in when) else when
        last = self.suffixed(step) if step else self.step(own.attribute, span)
        steps = (*self.at.prefix, last)
        return self.add(Apply(own, kept), args, types, span, steps, sizes)

    def _variant(self, operation: Operation, inputs: Types, span: Span) -> Variant:
        """One size of an operation, checked."""
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
                where=self.choices(),
            ) from None
        for type_ in types:
            if not 0 < type_.elements <= MAX_ELEMENTS or min(type_.shape) < 1:
                raise fault(
                    "E0402",
                    f"{operation.keyword} gives a value that is too large or empty",
                    span,
                    found=str(type_),
                    expected=f"1 to {MAX_ELEMENTS:,} numbers",
                    where=self.choices(),
                )
        self.budget.operation(operation, inputs, span)
        return Variant(operation=operation, inputs=inputs, types=types)

    def choices(self) -> str:
        """The choices under which the work here is done, in words: `under op_1 = large`."""
        return spelled_under(self.at.under, self.hole_drafts)

    def choose(self, hole: str, args: Sequence[Tensor], span: Span | None) -> Tensor:
        if not self.elastic:
            return self.add(Choose(hole), args, (self.type_of(args[0]),), span)
        if hole == USE:
            raise self.decided_outside(span)
        known = self.known()
        kinds = tuple(
            (number, settle(self.kind(arg), {**known, hole: (number,)}))
            for number, arg in enumerate(args)
            if number in known.get(hole, (number,))
        )
        return self.add_sized(Choose(hole), args, branch(hole, kinds), span)

    def invoke(
        self,
        module: str,
        results: Tree[Types],
        args: Sequence[Tensor],
        span: Span,
        step: Step,
        rows: Tree[int] = 0,
        over: int = 0,
    ) -> Tensor | Series:
        """A module used, `over` a sequence of that length; all results where it has several."""
        steps = (*self.at.prefix, self.suffixed(step))
        whole = self.add_sized(Invoke(module, over), args, results, span, rows, steps)
        count = len(self.drafts[whole.node].types)
        if count == 1:
            return whole
        items = [
            self.add_sized(Item(i), (whole,), change(results, partial(_member, i)), span)
            for i in range(count)
        ]
        return Series(tuple(items), tuple(str(i) for i in range(count)))

    def label(self, tensor: Tensor, label: str) -> None:
        """Give a value the name that the text binds it to; the first name stays."""
        draft = self.drafts[tensor.node]
        if not draft.label:
            draft.label = label

    def register(
        self,
        quantity: Quantity,
        count: int,
        labels: tuple[str, ...],
        base: str,
        span: Span,
        governor: str = "",
        allowed: tuple[tuple[int, ...], ...] = (),
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
            under=formula_of(at.written),
            parent=at.written[-1] if at.written else None,
            entry=self.entry,
            governor=governor,
            allowed=allowed,
            span=span,
        )
        indices = tuple(i for step in at.prefix for i in step.indices) + at.indices
        places = (*(p for step in at.prefix for p in step.place), *at.site, span.start)
        self.hole_drafts.append(HoleDraft(hole, base, places, indices, at))
        self.labels[key] = labels
        return key

    def _again(self, key: str, labels: tuple[str, ...], span: Span) -> str:
        """A hole met again for another case; in tied frames it is the same one too."""
        known = self.hole(key)
        self.met_again += 1
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

    def hole(self, key: str) -> Hole:
        """A registered hole."""
        return self.hole_drafts[int(key[1:])].hole

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


def _member(index: int, types: Types) -> Types:
    return (types[index],)
