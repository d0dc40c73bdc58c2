"""What a class's `forward` computes when: which steps live, under which decisions, and where."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import TypeAlias

from archdsl.codegen.needs import FALSE, TRUE, Diagram, Diagrams
from archdsl.codegen.steps import Gather, Leaf, Nothing, Part, Pick, Project, Step, Unit, Use
from archdsl.ir.formula import ALWAYS, Formula, Taken, all_of, any_of, negate
from archdsl.ir.graph import Path

Branch: TypeAlias = tuple[int, int]
"""An alternative of a pick, or a term of a gather: the step's value and the argument's index."""

SPARE = -1
"""The position of a sum's spare value among its arguments."""


@dataclass(slots=True)
class Plan:
    """The live steps of a unit, each with its need and the branch that it belongs to.

    A step belongs to a branch when nothing outside it uses its value; it is then computed there.
    """

    unit: Unit
    steps: dict[int, Step] = field(default_factory=dict)
    uses: dict[int, list[Branch]] = field(default_factory=dict)
    needs: dict[int, Diagram] = field(default_factory=dict)
    owners: dict[int, Branch] = field(default_factory=dict)
    directly: dict[Branch | None, list[Step]] = field(default_factory=dict)
    within: dict[Branch, list[Step]] = field(default_factory=dict)
    likes: dict[int, int] = field(default_factory=dict)
    """For zeros and for values not always computed: a value of that type that always is."""
    in_order: dict[int, int] = field(default_factory=dict)
    """What may update statistics, and the next step that updates the same: it comes before that."""
    diagrams: Diagrams = field(init=False)

    def __post_init__(self) -> None:
        graph = self.unit.graph
        self.diagrams = Diagrams({hole.name: hole for hole in graph.holes}, graph.span)
        by_value = {step.out: step for step in self.unit.steps}
        self._find_needs(by_value)
        self.steps = {
            out: step for out, step in by_value.items() if self.needs.get(out, FALSE) != FALSE
        }
        self._find_order()
        for step in self.steps.values():
            if step.spare is not None:
                self.uses.setdefault(step.spare, []).append((step.out, SPARE))
            for position, arg in enumerate(self.needed_args(step)):
                if arg is not None:
                    self.uses.setdefault(arg, []).append((step.out, position))
        self._find_owners()
        for out, step in self.steps.items():
            self.directly.setdefault(self.owners.get(out), []).append(step)
            for branch in self._around(out):
                self.within.setdefault(branch, []).append(step)

    def _find_order(self) -> None:
        """Running averages depend on the order of their updates, which is that of the text."""
        last: dict[Path, int] = {}
        for out, step in self.steps.items():
            if _may_update(step):
                if step.path in last:
                    self.in_order[last[step.path]] = out
                last[step.path] = out

    # --- needs -----------------------------------------------------------------------------

    def needed_args(self, step: Step) -> tuple[int | None, ...]:
        """A step's arguments; None for those whose value is not looked at or never there."""
        if isinstance(step.what, Nothing) and step.out in self.likes:
            return (None,)
        if isinstance(step.what, Gather | Pick):
            return tuple(
                None
                if self.diagrams.conjunction(
                    (self.needs[step.out], self.diagrams.of(self.edge(step, i)))
                )
                == FALSE
                else arg
                for i, arg in enumerate(step.args)
            )
        return step.args

    def edge(self, step: Step, position: int) -> Formula:
        """When a step that is needed needs its argument."""
        if position == SPARE:
            return negate(any_of(step.when))
        match step.what:
            case Pick(hole):
                return Taken(hole, position)
            case Gather():
                return step.when[position]
            case _:
                return ALWAYS

    def _find_needs(self, steps: dict[int, Step]) -> None:
        self.needs = dict.fromkeys(self.unit.outputs, TRUE)
        self.needs |= dict.fromkeys(self._as_written(steps), TRUE)
        for out in sorted(steps, reverse=True):
            step = steps[out]
            need = self.needs.get(out, FALSE)
            if need == FALSE:
                continue
            if isinstance(step.what, Nothing) and self._find_like(step):
                continue
            spare = [] if step.spare is None else [(SPARE, step.spare)]
            for position, arg in [*spare, *enumerate(step.args)]:
                taken = self.diagrams.of(self.edge(step, position))
                reached = self.diagrams.conjunction((need, taken))
                self.needs[arg] = self.diagrams.disjunction((self.needs.get(arg, FALSE), reached))

    def _as_written(self, steps: Mapping[int, Step]) -> Iterator[int]:
        """Where nothing is chosen, what runs as it is written, dead branches included.

        That is what published tables count; `prune` drops them. What would change the statistics
        of something that is alive is not run.
        """
        if self.unit.graph.holes:
            return
        live, todo = set[int](), list(self.unit.graph.outputs)
        while todo:
            position = todo.pop()
            if position not in live:
                live.add(position)
                todo += self.unit.graph.nodes[position].args  # what zeros take is run too
        updated = {steps[out].path for out in live if out in steps and _may_update(steps[out])}
        left_out: set[int] = set()
        for out, step in sorted(steps.items()):
            dead = out not in live
            if dead and ((_may_update(step) and step.path in updated) or left_out & {*step.args}):
                left_out.add(out)
            elif not isinstance(step.what, Nothing | Project):
                yield out

    def is_known(self, value: int) -> bool:
        """Whether a value is there: an input, or computed because something needs it."""
        return value in self.steps or value in self.unit.inputs

    def _find_like(self, step: Step) -> bool:
        """An input of the type that zeros need; without one they look at their argument."""
        like = self.input_like(step.out)
        if like is not None:
            self.likes[step.out] = like
        return like is not None

    def input_like(self, value: int) -> int | None:
        """An input of the class that has the type of a value."""
        nodes = self.unit.graph.nodes
        for position in self.unit.inputs:
            if any(s is not None and s.vary for s in (nodes[position].sizes, nodes[value].sizes)):
                continue
            if self.unit.type_of(position) == self.unit.type_of(value):
                return position
        return None

    # --- branches --------------------------------------------------------------------------

    def _find_owners(self) -> None:
        sizes: dict[int, int] = {}
        for step in self.steps.values():
            for position, region in self._regions(step).items():
                for member in region:
                    if len(region) < sizes.get(member, 1 << 60):
                        sizes[member] = len(region)
                        self.owners[member] = (step.out, position)

    def _regions(self, step: Step) -> dict[int, set[int]]:
        """The steps of each branch of a step, by the branch's argument.

        What would update statistics too late in a branch stays in front of them all.
        """
        one = isinstance(step.what, Pick)
        branches = [i for i in range(len(step.args)) if one or self._optional(step, i)]
        outside: set[int] = set()
        while True:
            regions = {i: self._private(step.args[i], (step.out, i), outside) for i in branches}
            late = {
                member
                for i, region in regions.items()
                for member in region & self.in_order.keys()
                # of a pick one branch runs, of a join they run in a row
                if self._is_late(member, step.out, [regions[b] for b in branches if one or b >= i])
            }
            if not late:
                return regions
            outside |= late

    def _is_late(self, value: int, branching: int, along: Sequence[Set[int]]) -> bool:
        """Whether what has to update statistics after a step comes before the branches."""
        following = self.in_order.get(value)
        while following is not None and following < branching:
            if not any(following in region for region in along):
                return True
            following = self.in_order.get(following)
        return False

    def _optional(self, step: Step, position: int) -> bool:
        if not isinstance(step.what, Gather):
            return False
        present = self.diagrams.of(step.when[position])
        return not self.diagrams.implies(self.needs[step.out], present)

    def _private(self, start: int, branch: Branch, outside: Set[int] = frozenset()) -> set[int]:
        """The steps that only this branch uses, but for some that stay outside of it."""
        if start not in self.steps or start in self.unit.outputs or start in outside:
            return set()
        if self.uses.get(start, []) != [branch]:
            return set()
        region = {start}
        heap = [-arg for arg in set(self.steps[start].args)]
        heapq.heapify(heap)
        while heap:
            value = -heapq.heappop(heap)
            if value in region or value not in self.steps or value in self.unit.outputs:
                continue
            if value in outside:
                continue
            if all(user in region for user, _ in self.uses.get(value, [])):
                region.add(value)
                for arg in self.steps[value].args:
                    heapq.heappush(heap, -arg)
        return region

    def members(self, branch: Branch | None) -> list[Step]:
        """The steps that are computed in a branch itself (None: in the body), in order."""
        return self.directly.get(branch, [])

    def region(self, branch: Branch) -> list[Step]:
        """The steps of a branch and of all branches inside it, in order."""
        return self.within.get(branch, [])

    def _around(self, value: int) -> Iterator[Branch]:
        owner = self.owners.get(value)
        while owner is not None:
            yield owner
            owner = self.owners.get(owner[0])

    def context(self, branch: Branch | None) -> Diagram:
        """What is known to hold inside a branch."""
        if branch is None:
            return TRUE
        step = self.steps[branch[0]]
        taken = self.diagrams.of(self.edge(step, branch[1]))
        return self.diagrams.conjunction((self.needs[step.out], taken))

    # --- guards ----------------------------------------------------------------------------

    def guarded(self, step: Step) -> bool:
        """Whether a step of a branch is needed only under further conditions."""
        context = self.context(self.owners.get(step.out))
        return not self.diagrams.implies(context, self.needs[step.out])

    def available(self, value: int, need: Diagram) -> bool:
        """Whether a value is computed wherever `need` holds."""
        return value not in self.steps or self.diagrams.implies(need, self.needs[value])

    def guard(self, step: Step, atoms: dict[Diagram, Formula]) -> Formula:
        """When a guarded step is needed, given that its branch is reached.

        `atoms` are the conditions that already have names, by meaning.
        """
        branch = self.owners.get(step.out)
        terms = []
        for user, position in self.uses.get(step.out, []):
            edge = self.edge(self.steps[user], position)
            terms.append(all_of((self._reached(user, branch, atoms), edge)))
        return self.diagrams.simplify(any_of(terms), self.context(branch))

    def _reached(self, value: int, branch: Branch | None, atoms: dict[Diagram, Formula]) -> Formula:
        """When a step is needed, given that a branch around it is reached."""
        need = self.needs[value]
        if need in atoms:
            return atoms[need]
        owner = self.owners.get(value)
        if owner == branch:
            return ALWAYS  # unguarded, or it would have a name
        if owner is None:
            return ALWAYS
        outer, position = owner
        edge = self.edge(self.steps[outer], position)
        return all_of((self._reached(outer, branch, atoms), edge))


def _may_update(step: Step) -> bool:
    """Whether a step may update statistics, itself or in what it uses."""
    match step.what:
        case Leaf(operation, inputs=inputs):
            return operation.traits(inputs).batch_statistics
        case Use() | Part():
            return True
        case _:
            return False
