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
from archdsl.ir.values import Tensor, Value

Start: TypeAlias = tuple[int, int, int]
"""How many nodes and holes a builder had, and how often it met a hole again."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """Nodes and holes as they were first made, and where: what stands before them is not theirs."""

    at: Position
    operand: int
    first: int
    drafts: tuple[Draft, ...]
    holes: tuple[HoleDraft, ...]
    result: int

    def write(self, builder: Builder, operand: Tensor) -> Tensor:
        """The same nodes for another operand, at the builder's position."""
        keys: dict[str, str] = {}
        for hole in self.holes:
            keys[hole.hole.name] = self._decide(builder, hole, keys)
        shift = len(builder.drafts) - self.first
        for draft in self.drafts:
            builder.append(self._moved(draft, builder.at, operand, shift, keys))
        return Tensor(self._placed(self.result, operand, shift))

    def _placed(self, node: int, operand: Tensor, shift: int) -> int:
        return operand.node if node == self.operand else node + shift

    def _decide(self, builder: Builder, draft: HoleDraft, keys: Mapping[str, str]) -> str:
        """Register a hole as the text does; its new key."""
        hole, here, there = draft.hole, builder.at, draft.at
        written = (*here.written, *_renamed(there.written[len(self.at.written) :], keys))
        prefix = (*here.prefix, *there.prefix[len(self.at.prefix) :])
        with builder.moved(replace(there, prefix=prefix, written=written)):
            return builder.register(
                hole.quantity,
                hole.count,
                hole.labels,
                draft.base,
                draft.span,
                keys.get(hole.governor, ""),
                hole.allowed,
            )

    def _moved(
        self, draft: Draft, here: Position, operand: Tensor, shift: int, keys: Mapping[str, str]
    ) -> Draft:
        kind = draft.kind
        match kind:
            case Choose(hole):
                kind = Choose(keys[hole])
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
            draft.span,
            (*here.prefix, *draft.steps[len(self.at.prefix) :]) if draft.steps else (),
            draft.label,
        )


@dataclass(slots=True)
class Expansions:
    """The applications that an elaboration has worked out, by all that they depend on."""

    known: dict[object, Expansion] = field(default_factory=dict)

    def key(
        self,
        builder: Builder,
        definition: str,
        bound: Mapping[str, Value],
        operand: Tensor,
        holed: bool,
    ) -> object | None:
        """What the nodes of an application depend on; None where it cannot be said in short.

        That is so for arguments that holes decide, for terms of sets, and under `elastic`.
        `holed`: the definition has holes, which may be called by the name that is bound.
        """
        at = builder.at
        if builder.elastic or at.given != ALWAYS or at.site:
            return None
        if not all(is_static(value) for value in bound.values()):
            return None
        arguments = tuple((name, type(value), value) for name, value in bound.items())
        return definition, arguments, builder.type_of(operand), at.cases, at.hint * holed

    def keep(
        self, key: object, builder: Builder, start: Start, operand: Tensor, got: Value
    ) -> None:
        """Keep what was made since `start`, unless it is tied to more than its operand."""
        first, first_hole, met = start
        if not isinstance(got, Tensor) or builder.met_again != met:
            return
        at, holes = builder.at, tuple(builder.hole_drafts[first_hole:])
        drafts = tuple([replace(draft) for draft in builder.drafts[first:]])  # binding labels them
        own = {draft.hole.name for draft in holes}
        if all(_within(draft, at, own, first, operand) for draft in drafts) and all(
            draft.hole.governor in {"", *own} for draft in holes
        ):
            self.known[key] = Expansion(at, operand.node, first, drafts, holes, got.node)


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
