"""What one application of a composition leaves in a graph, kept to be written again elsewhere.

The edges of a cell are one `op` on many values of one type. Working it out again for each of
them would cost most of the time that a space takes, and give the same nodes under other names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from archdsl.ir.builder import Builder
from archdsl.ir.drafts import Draft, HoleDraft, Position, Under
from archdsl.ir.finish import rename
from archdsl.ir.formula import ALWAYS, atoms
from archdsl.ir.graph import Apply, Choose
from archdsl.ir.headers import is_static
from archdsl.ir.stack import Stack
from archdsl.ir.values import Tensor, Value
from archdsl.syntax.tree import Span

Key: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a builder and the definitions around it were when an application began."""

    nodes: int
    holes: int
    met_again: int
    most_turns: int
    passed: int

    @classmethod
    def of(cls, builder: Builder, stack: Stack) -> Mark:
        """Now; from here on the turns of this application are counted alone."""
        mark = cls(
            nodes=len(builder.drafts),
            holes=len(builder.hole_drafts),
            met_again=builder.met_again,
            most_turns=builder.most_turns,
            passed=len(stack.passed),
        )
        builder.most_turns = 0
        return mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """Nodes and holes as they were first made at a position, from the node `first` on.

    `operand` is what the composition was applied to, `span` that value's place. `turns` is how
    often its own repetitions come to one place, `entered` how deep it goes into which definitions:
    a use for which that is too much is refused, whether or not it is the first.
    """

    at: Position
    operand: int
    span: Span | None
    first: int
    drafts: tuple[Draft, ...]
    holes: tuple[HoleDraft, ...]
    result: int
    turns: int
    entered: Mapping[str, int]

    def write(self, builder: Builder, stack: Stack, operand: Tensor, use: Span) -> Tensor:
        """The same nodes for another operand, at the builder's position; `use` is its place."""
        for name, depth in self.entered.items():
            stack.check(name, len(stack.names) + depth, use)
            stack.passed.append((name, len(stack.names) + depth))
        builder.check_turns(self.turns, use)
        keys: dict[str, str] = {}
        for hole in self.holes:
            keys[hole.hole.name] = self._decide(builder, hole, keys)
        shift = len(builder.drafts) - self.first
        for draft in self.drafts:
            builder.append(self._moved(draft, builder, operand, shift, keys))
        return Tensor(self._placed(self.result, operand, shift))

    def _placed(self, node: int, operand: Tensor, shift: int) -> int:
        return operand.node if node == self.operand else node + shift

    def _decide(self, builder: Builder, draft: HoleDraft, keys: Mapping[str, str]) -> str:
        """Register a hole as the text does; its new key."""
        hole, here, there = draft.hole, builder.at, draft.at
        assert hole.span is not None
        written = (*here.written, *_renamed(there.written[len(self.at.written) :], keys))
        prefix = (*here.prefix, *there.prefix[len(self.at.prefix) :])
        with builder.moved(replace(there, prefix=prefix, written=written)):
            return builder.register(
                hole.quantity,
                hole.count,
                hole.labels,
                draft.base,
                hole.span,
                keys.get(hole.governor, ""),
                hole.allowed,
            )

    def _moved(
        self, draft: Draft, builder: Builder, operand: Tensor, shift: int, keys: Mapping[str, str]
    ) -> Draft:
        """A node in its new place. Under `elastic`, where it could have sizes, none is kept."""
        here, kind, span = builder.at, draft.kind, draft.span
        match kind:
            case Choose(hole):
                kind = Choose(keys[hole])
                if span is self.span:  # a choice is where its first alternative is
                    span = builder.span_of(operand)
            case Apply(operation, when) if when:
                kind = Apply(operation, tuple(rename(formula, keys) for formula in when))
            case _:
                pass
        return Draft(
            kind,
            tuple([self._placed(arg, operand, shift) for arg in draft.args]),
            draft.types,
            (*here.under, *_renamed(draft.under[len(self.at.under) :], keys)),
            draft.given,
            span,
            (*here.prefix, *draft.steps[len(self.at.prefix) :]) if draft.steps else (),
            draft.label,
        )


@dataclass(slots=True)
class Expansions:
    """The applications that an elaboration has worked out, by what their nodes depend on."""

    known: dict[object, Expansion] = field(default_factory=dict)

    def key(
        self, builder: Builder, definition: str, bound: Mapping[str, Value], operand: Tensor
    ) -> Key | None:
        """What an application depends on; None where it cannot be said in short.

        That is so for arguments that holes decide, for terms of sets, and under `elastic`. What
        depends on where the work stands is looked at when it is written.
        """
        at = builder.at
        if builder.elastic or at.given != ALWAYS or at.site:
            return None
        if not all(is_static(value) for value in bound.values()):
            return None
        arguments = tuple((name, repr(value)) for name, value in bound.items())
        return definition, arguments, builder.type_of(operand), at.cases

    def find(self, key: Key, builder: Builder) -> Expansion | None:
        """What is known; with holes, if it is bound to the same name: they may be called by it."""
        return self.known.get(key) or self.known.get((*key, builder.at.hint))

    def keep(
        self, key: Key, builder: Builder, stack: Stack, mark: Mark, operand: Tensor, got: Value
    ) -> None:
        """Keep what was made since a mark, unless it is tied to more than its operand."""
        at, turns = builder.at, builder.most_turns
        builder.most_turns = max(turns, mark.most_turns)
        if not isinstance(got, Tensor) or builder.met_again != mark.met_again:
            return
        holes = tuple(builder.hole_drafts[mark.holes :])
        made = builder.drafts[mark.nodes :]
        own = {draft.hole.name for draft in holes}
        if not all(_within(draft, at, own, mark.nodes, operand) for draft in made):
            return
        if not all(_decided_within(draft, at, own) for draft in holes):
            return
        depth: dict[str, int] = {}
        for name, deep in stack.passed[mark.passed :]:
            depth[name] = max(deep - len(stack.names), depth.get(name, 0))
        self.known[(*key, at.hint) if holes else key] = Expansion(
            at=at,
            operand=operand.node,
            span=builder.span_of(operand),
            first=mark.nodes,
            drafts=tuple([replace(draft) for draft in made]),  # the text's names come later
            holes=holes,
            result=got.node,
            turns=turns // at.turns,
            entered=depth,
        )


def _decided_within(draft: HoleDraft, at: Position, own: set[str]) -> bool:
    """Whether a hole stands below a position and depends on none but those made with it."""
    below = draft.at.prefix[: len(at.prefix)] == at.prefix
    return below and draft.hole.governor in {"", *own}


def _within(draft: Draft, at: Position, own: set[str], first: int, operand: Tensor) -> bool:
    """Whether a node stands below a position and takes nothing but what was made with it."""
    when = draft.kind.when if isinstance(draft.kind, Apply) else ()
    return (
        draft.given == ALWAYS
        and (not draft.steps or draft.steps[: len(at.prefix)] == at.prefix)
        and all(arg >= first or arg == operand.node for arg in draft.args)
        and all(atom.hole in own for formula in when for atom in atoms(formula))
    )


def _renamed(under: Under, keys: Mapping[str, str]) -> Under:
    return tuple([(keys[hole], taken) for hole, taken in under])
