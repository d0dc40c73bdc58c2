"""From the tree of an architecture string to choices, checked against the space.

Everything that can be told apart is reported in one go. Below a wrong choice nothing is judged:
what exists there is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from archdsl.space.forest import Choices
from archdsl.space.layout import Entry, Group, Layout, Slot
from archdsl.space.parameters import check_head
from archdsl.space.subsets import Taken
from archdsl.space.wording import closest, count, first_part, listed, similar
from archdsl.syntax import tree
from archdsl.syntax.errors import ArchError, Diagnostic
from archdsl.syntax.tree import Quantity, Span


def read(layout: Layout, genotype: tree.Genotype) -> Choices:
    """What the string's architecture takes. Raises ArchError with every finding."""
    check_head(layout, genotype)
    reader = _Reader(layout, genotype)
    reader.read()
    if reader.findings:
        raise ArchError(sorted(reader.findings, key=_place))
    return tuple(reader.choices)


def _place(finding: Diagnostic) -> int:
    return finding.span.start if finding.span else 0


class _Reader:
    """One reading. `unknown` are decisions whose choice, or existence, could not be read."""

    def __init__(self, layout: Layout, genotype: tree.Genotype) -> None:
        self.layout = layout
        self.genotype = genotype
        self.choices: list[Taken | None] = list(layout.forest.empty())
        self.unknown: set[int] = set()
        self.findings: list[Diagnostic] = []

    def read(self) -> None:
        given = self._groups()
        names = [group.name for group in self.layout.groups]
        unknown = {name: closest(name, names) for name in given if name not in names}
        for group in self.layout.groups:
            mistaken = group.name in unknown.values()
            self._group(group, given.get(group.name), mistaken=mistaken)
        for name, meant in unknown.items():
            self._report(
                "E0612",
                f"{name} has no choices",
                first_part(given[name].span, len(name) + 1),
                found=f"/{name}",
                expected=listed([f"/{known}" for known in names]) if names else "no groups",
                hint=f"did you mean {meant}?" if meant else "",
            )

    def _groups(self) -> dict[str, tree.Group]:
        given: dict[str, tree.Group] = {}
        for group in self.genotype.groups:
            name = ".".join((group.name, *(str(i) for i in group.index)))
            if name in given:
                self._report(
                    "E0614",
                    f"{name} is given twice",
                    first_part(group.span, len(name) + 1),
                    found=f"/{name} again",
                    expected="each group once",
                )
            given.setdefault(name, group)
        return given

    def _group(self, group: Group, given: tree.Group | None, *, mistaken: bool) -> None:
        """Check one group; a `mistaken` one is not missing, only misspelled."""
        if any(self._uncertain(entry) for entry in group.entries):
            return self._skip(group.entries)
        reached = self.layout.reached(group, self.choices)
        if given is None:
            if reached and not mistaken:
                self._missing(group, reached)
            return self._skip(reached)
        if not reached:
            return self._unused(group, given)
        if len(reached) != len(given.entries):
            self._report(
                "E0616",
                f"{group.name} takes {count(len(reached), 'entry')}, found {len(given.entries)}",
                self._surplus(given.span, given.entries, len(reached)),
                found=count(len(given.entries), "entry"),
                expected=count(len(reached), "entry"),
                hint="entries are separated by `;`",
            )
            return self._skip(reached)
        for number, (entry, written) in enumerate(zip(reached, given.entries, strict=True), 1):
            where = f"entry {number} of {group.name}" if len(reached) > 1 else group.name
            self._choices(entry.slots, written.choices, written.span, where)
        return None

    def _uncertain(self, entry: Entry) -> bool:
        return self.layout.forest.conditions[entry.slots[0]][0] in self.unknown

    def _skip(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.unknown.update(range(entry.start, entry.stop))

    def _missing(self, group: Group, reached: Sequence[Entry]) -> None:
        span = self.genotype.span
        self._report(
            "E0613",
            f"{group.name} is missing",
            Span(source=span.source, start=max(span.start, span.end - 1), end=span.end),
            found="the end",
            expected=f"/{group.name}[{'; '.join('...' for _ in reached)}]",
        )

    def _unused(self, group: Group, given: tree.Group) -> None:
        parent, when = self.layout.forest.conditions[group.entries[0].slots[0]]
        hint = ""
        if parent >= 0:
            slot = self.layout.slots[parent]
            labels = listed([slot.labels[i] for i in sorted(when)])
            hint = f"it is used where {_subject(slot)} takes {labels}"
        self._report(
            "E0615",
            f"{group.name} is not used here",
            first_part(given.span, len(group.name) + 1),
            found=f"/{group.name}",
            expected=f"no {group.name}",
            hint=hint,
        )
        self._skip(group.entries)

    def _choices(
        self, slots: Sequence[int], written: Sequence[tree.Picks], span: Span, where: str
    ) -> None:
        if len(slots) != len(written):
            names = [_subject(self.layout.slots[i]) for i in slots]
            self._report(
                "E0617",
                f"{where} takes {count(len(slots), 'choice')}, found {len(written)}",
                self._surplus(span, written, len(slots)),
                found=count(len(written), "choice"),
                expected=f"{count(len(slots), 'choice')}: {listed(names, 'and')}",
                hint="blanks separate choices; those inside an alternative stand in a(...)",
            )
            for i in slots:
                self._give_up(i)
            return
        for i, picks in zip(slots, written, strict=True):
            self._choice(self.layout.slots[i], picks)

    def _surplus(self, span: Span, items: Sequence[tree.Node], wanted: int) -> Span:
        """The place of the first item too many, else the last of the whole."""
        if len(items) > wanted:
            return items[wanted].span
        return Span(source=span.source, start=max(span.start, span.end - 1), end=span.end)

    def _give_up(self, index: int) -> None:
        self.unknown.add(index)
        for children in self.layout.slots[index].inner:
            for child in children:
                self._give_up(child)

    def _choice(self, slot: Slot, written: tree.Picks) -> None:
        found: dict[int, tree.Pick] = {}
        for pick in written.picks:
            alternative = slot.numbers.get(pick.label)
            if alternative is None or alternative not in self._open(slot):
                self._not_among(slot, pick)
            elif alternative in found:
                self._report(
                    "E0619",
                    f"{_subject(slot)} takes {pick.label} twice",
                    pick.span,
                    found=f"{pick.label} again",
                    expected="each alternative at most once",
                )
            else:
                found[alternative] = pick
        taken = tuple(sorted(found))
        if len(found) < len(written.picks):
            return self._give_up(slot.index)
        if not slot.place.allows(taken):
            self._wrong_number(slot, written)
            return self._give_up(slot.index)
        self.choices[slot.index] = taken
        return self._inner(slot, found)

    def _inner(self, slot: Slot, found: Mapping[int, tree.Pick]) -> None:
        done: set[int] = set()
        for alternative in sorted(found):
            pick = found[alternative]
            children = [child for child in slot.inner[alternative] if child not in done]
            done.update(children)
            if children and not pick.inner:
                names = listed([_subject(self.layout.slots[i]) for i in children], "and")
                self._report(
                    "E0621",
                    f"{pick.label} of {_subject(slot)} has choices of its own",
                    pick.span,
                    found=pick.label,
                    expected=f"{pick.label}(...) with {names}",
                )
                for child in children:
                    self._give_up(child)
            elif pick.inner and not children:
                self._report(
                    "E0621",
                    f"{pick.label} of {_subject(slot)} has no choices of its own",
                    pick.inner[0].span,
                    found="parentheses",
                    expected=pick.label,
                )
            elif children:
                span = pick.inner[-1].span
                self._choices(children, pick.inner, span, f"{pick.label} of {_subject(slot)}")

    def _open(self, slot: Slot) -> Sequence[int]:
        """The alternatives that are open, as far as what decides that could be read."""
        return self.layout.forest.allowed(slot.index, self.choices)

    def _not_among(self, slot: Slot, pick: tree.Pick) -> None:
        labels, hint = [slot.labels[i] for i in self._open(slot)], ""
        if pick.label in slot.numbers:
            governor = self.layout.slots[slot.place.governor]
            (taken,) = self.choices[governor.index] or (0,)
            hint = f"{_subject(governor)} takes {governor.labels[taken]}"
        self._report(
            "E0618",
            f"{_subject(slot)} takes {listed(labels)}, found {pick.label}",
            first_part(pick.span, len(pick.label)),
            found=pick.label,
            expected=listed(labels),
            hint=hint or similar(pick.label, labels),
        )

    def _wrong_number(self, slot: Slot, written: tree.Picks) -> None:
        number = len(written.picks)
        if slot.place.quantity is Quantity.ONE:
            wanted, expected = "one alternative", listed(slot.labels)
        else:
            wanted = count(slot.place.count, "alternative")
            expected = f"{slot.place.count} of {listed(slot.labels, 'and')}"
        self._report(
            "E0620",
            f"{_subject(slot)} takes {wanted}, found {number or 'none'}",
            written.span,
            found=count(number, "alternative") if number else "`-`",
            expected=expected,
            hint="join alternatives with `+`" if 0 < number < slot.place.count else "",
        )

    def _report(self, code: str, message: str, span: Span, **details: str) -> None:
        text = f"not in space {self.layout.program.space}: {message}"
        self.findings.append(Diagnostic(code=code, message=text, span=span, **details))


def _subject(slot: Slot) -> str:
    """A decision as people call it: `source 3`, `op 3.1`."""
    words = slot.decision.hole.name.split("_")
    return re.sub(r"(?<=\d) (?=\d)", ".", " ".join(words))
