"""One graph under construction: nodes, holes, and where in the text the work stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from archdsl.ir.formula import (
    ALWAYS,
    All,
    Any,
    Formula,
    Not,
    Taken,
    all_of,
    any_of,
    negate,
)
from archdsl.ir.graph import Apply, Choose, Graph, Hole, Input, Invoke, Kind, Node
from archdsl.ir.paths import Step, Steps, name_all, name_paths
from archdsl.ir.types import TensorType
from archdsl.ir.values import Tensor
from archdsl.ops.base import Operation, OperationError
from archdsl.syntax.errors import fault
from archdsl.syntax.tree import Quantity, Span

MAX_NODES = 20_000


@dataclass(frozen=True, slots=True)
class Position:
    """Where the elaborator stands: names, indices and enclosing alternatives."""

    prefix: Steps = ()
    indices: tuple[str, ...] = ()
    loops: tuple[str, ...] = ()
    under: tuple[tuple[str, tuple[int, ...]], ...] = ()
    hint: str = ""

    def formula(self) -> Formula:
        return all_of(any_of(Taken(hole, i) for i in taken) for hole, taken in self.under)


@dataclass(slots=True)
class _Draft:
    """A node whose path is still steps."""

    node: Node
    steps: Steps = ()


@dataclass(slots=True)
class _HoleDraft:
    hole: Hole
    base: str
    place: tuple[int, ...]
    indices: tuple[str, ...]


@dataclass(slots=True)
class Builder:
    """Collects the nodes and holes of one module."""

    budget: list[int]
    """Nodes left to the whole program, shared by all its builders."""
    at: Position = field(default_factory=Position)
    drafts: list[_Draft] = field(default_factory=list)
    hole_drafts: list[_HoleDraft] = field(default_factory=list)
    holed: set[Steps] = field(default_factory=set)
    entry: int = -1
    entry_open: bool = False
    taken_steps: set[Steps] = field(default_factory=set)

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
        with self.moved(replace(self.at, under=(*self.at.under, (hole, alternatives)))):
            yield

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
        with self.moved(replace(self.at, prefix=(*self.at.prefix, step), indices=())):
            yield

    @contextmanager
    def hinted(self, hint: str) -> Iterator[None]:
        """Work on what an argument of that name stands for: a hole in it is called so."""
        with self.moved(replace(self.at, hint=hint)):
            yield

    def type_of(self, value: Tensor) -> TensorType:
        return self.drafts[value.node].node.type

    def types_of(self, value: Tensor) -> tuple[TensorType, ...]:
        return self.drafts[value.node].node.types

    def add(
        self,
        kind: Kind,
        args: Sequence[Tensor],
        types: tuple[TensorType, ...],
        span: Span | None,
        steps: Steps = (),
    ) -> Tensor:
        self.budget[0] -= 1
        if self.budget[0] < 0:
            raise fault("E0113", f"more than {MAX_NODES:,} operations", span)
        node = Node(
            kind=kind,
            args=tuple(arg.node for arg in args),
            types=types,
            under=self.at.formula(),
            span=span,
        )
        self.drafts.append(_Draft(node, steps))
        return Tensor(len(self.drafts) - 1)

    def input(self, name: str, type_: TensorType, span: Span | None) -> Tensor:
        tensor = self.add(Input(name), (), (type_,), span)
        self.label(tensor, name)
        return tensor

    def step(self, base: str, span: Span) -> Step:
        """The step of an application at this position."""
        return Step(base, (span.start,), self.at.indices)

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
            result = operation.infer(inputs)
        except OperationError as problem:
            raise fault(
                "E0401",
                f"{operation.keyword}: {problem}",
                span,
                found=problem.found or ", ".join(str(type_) for type_ in inputs),
                expected=problem.expected,
                hint=problem.hint,
            ) from None
        types = (result,) if isinstance(result, TensorType) else result
        for type_ in types:
            if not 0 < type_.elements <= 10**12 or min(type_.shape) < 1:
                raise fault("E0402", f"{operation.keyword} would give {type_}", span)
        kept = () if all(formula == ALWAYS for formula in when) else when
        steps = (*self.at.prefix, step or self.step(operation.attribute, span))
        return self.add(Apply(operation, kept), args, types, span, steps)

    def choose(self, hole: str, args: Sequence[Tensor], span: Span | None) -> Tensor:
        return self.add(Choose(hole), args, self.types_of(args[0]), span)

    def invoke(
        self,
        module: str,
        results: tuple[TensorType, ...],
        args: Sequence[Tensor],
        span: Span,
        step: Step,
    ) -> Tensor:
        return self.add(Invoke(module), args, results, span, (*self.at.prefix, step))

    def label(self, tensor: Tensor, label: str) -> None:
        """Give a value the name that the text binds it to; the first name stays."""
        draft = self.drafts[tensor.node]
        if not draft.node.label:
            draft.node = replace(draft.node, label=label)

    def register(
        self, quantity: Quantity, count: int, labels: tuple[str, ...], base: str, span: Span
    ) -> str:
        """A new hole at this position; its key until the module is finished."""
        key = f"#{len(self.hole_drafts)}"
        if not self.entry_open:
            self.entry_open = True
            self.entry += 1
        for depth in range(1, len(self.at.prefix) + 1):
            self.holed.add(self.at.prefix[:depth])
        hole = Hole(
            name=key,
            quantity=quantity,
            count=count,
            labels=labels,
            under=self.at.formula(),
            parent=self.at.under[-1] if self.at.under else None,
            entry=self.entry,
            span=span,
        )
        indices = tuple(i for step in self.at.prefix for i in step.indices) + self.at.indices
        place = (*(p for step in self.at.prefix for p in step.place), span.start)
        self.hole_drafts.append(_HoleDraft(hole, base, place, indices))
        return key

    def hole_sizes(self) -> dict[str, int]:
        """How many alternatives every hole has that takes exactly one."""
        return {
            draft.hole.name: len(draft.hole.labels)
            for draft in self.hole_drafts
            if draft.hole.quantity is Quantity.ONE
        }

    def finish(self, outputs: Sequence[Tensor], **attributes: object) -> Graph:
        """The graph, with its final names."""
        paths, frames = name_paths(
            (draft.steps for draft in self.drafts if draft.steps), frozenset(self.holed)
        )
        names = name_all([(d.base, d.place, d.indices) for d in self.hole_drafts])
        renamed = {
            draft.hole.name: name for draft, name in zip(self.hole_drafts, names, strict=True)
        }
        return Graph(
            nodes=tuple(_finished(draft, paths, renamed) for draft in self.drafts),
            outputs=tuple(output.node for output in outputs),
            holes=tuple(
                replace(
                    draft.hole,
                    name=renamed[draft.hole.name],
                    under=rename(draft.hole.under, renamed),
                    parent=(renamed[draft.hole.parent[0]], draft.hole.parent[1])
                    if draft.hole.parent
                    else None,
                )
                for draft in self.hole_drafts
            ),
            frames=frames,
            **attributes,  # type: ignore[arg-type]
        )


def _finished(draft: _Draft, paths: dict[Steps, tuple[str, ...]], renamed: dict[str, str]) -> Node:
    kind = draft.node.kind
    match kind:
        case Choose(hole):
            kind = Choose(renamed[hole])
        case Apply(operation, when) if when:
            kind = Apply(operation, tuple(rename(formula, renamed) for formula in when))
        case _:
            pass
    return replace(
        draft.node,
        kind=kind,
        path=paths[draft.steps] if draft.steps else (),
        under=rename(draft.node.under, renamed),
    )


def rename(formula: Formula, names: dict[str, str]) -> Formula:
    """A formula with its holes renamed."""
    match formula:
        case Taken(hole, alternative):
            return Taken(names[hole], alternative)
        case All(terms):
            return all_of(rename(term, names) for term in terms)
        case Any(terms):
            return any_of(rename(term, names) for term in terms)
        case Not(term):
            return negate(rename(term, names))
