"""The fast way in: strings in their canonical spelling, read by splitting.

Entries are looked up in tables learned from the space's own printer: a spelling is kept only
when printing its choices gives it back, so what this reader accepts is right, and is canonical.
Anything else, wrong or only spelled otherwise, gives None and goes to the parser.
"""

from __future__ import annotations

import re

from archdsl.space.forest import Choices
from archdsl.space.layout import MAX_REMEMBERED, Entry, Layout
from archdsl.space.subsets import Taken

PIECE = re.compile(r"[^\s()+]+|[()+]")
MAX_PIECES = 10_000
MAX_DEPTH = 64


class QuickReader:
    """Reads the canonical strings of one space."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._start = f"{layout.head}/"
        self._none = layout.forest.empty()
        self._always = [(f"{g.name}[", len(g.name) + 1, g.entries) for g in layout.groups]
        self._fixed = all(
            layout.forest.conditions[entry.slots[0]][0] < 0
            for group in layout.groups
            for entry in group.entries
        )
        self._known: tuple[dict[str, Choices], ...] = tuple({} for _ in layout.decisions)

    def read(self, text: str) -> Choices | None:
        """The choices of a canonical string, or None."""
        start = len(self._start)
        if not (text.startswith(self._start) and text.endswith("]")):
            return () if text == self._layout.head and not self._always else None
        parts = text[start:-1].split("]/")
        found = self._fixed_groups(parts) if self._fixed else self._groups(parts)
        return found if found is None or self._layout.obeys(found) else None

    def _fixed_groups(self, parts: list[str]) -> Choices | None:
        """Where every entry always exists: the choices are the entries', one after another."""
        if len(parts) != len(self._always):
            return None
        result: list[Taken | None] = []
        known = self._known
        for part, (opening, skip, entries) in zip(parts, self._always, strict=True):
            texts = part[skip:].split("; ")
            if len(texts) != len(entries) or not part.startswith(opening):
                return None
            for text, entry in zip(texts, entries, strict=True):
                taken = known[entry.start].get(text) or self._learn(entry, text)
                if taken is None:
                    return None
                result += taken
        return tuple(result)

    def _groups(self, parts: list[str]) -> Choices | None:
        result = list(self._none)
        waiting = iter(parts)
        for group in self._layout.groups:
            reached = self._layout.reached(group, result)
            if not reached:
                continue
            part, opening = next(waiting, ""), f"{group.name}["
            texts = part[len(opening) :].split("; ")
            if len(texts) != len(reached) or not part.startswith(opening):
                return None
            for text, entry in zip(texts, reached, strict=True):
                taken = self._known[entry.start].get(text) or self._learn(entry, text)
                if taken is None:
                    return None
                result[entry.start : entry.stop] = taken
        return tuple(result) if next(waiting, None) is None else None

    def _learn(self, entry: Entry, text: str) -> Choices | None:
        """The choices of an entry that was not met before."""
        pieces = PIECE.findall(text)
        if len(pieces) > MAX_PIECES or pieces.count("(") > MAX_DEPTH * len(entry.slots):
            return None
        choices: list[Taken | None] = list(self._none)
        pieces.append("")
        position = self._slots(entry.slots, pieces, 0, choices)
        if position != len(pieces) - 1:
            return None
        found = tuple(choices[entry.start : entry.stop])
        if not self._layout.allows(entry, choices) or (
            self._layout.entry_text(entry, tuple(choices)) != text
        ):
            return None
        known = self._known[entry.start]
        if len(known) < MAX_REMEMBERED:
            known[text] = found
        return found

    def _slots(
        self, slots: tuple[int, ...], pieces: list[str], at: int, choices: list[Taken | None]
    ) -> int:
        """Read some choices in a row; the position behind them, or -1."""
        for index in slots:
            at = self._choice(index, pieces, at, choices)
            if at < 0:
                return -1
        return at

    def _choice(self, index: int, pieces: list[str], at: int, choices: list[Taken | None]) -> int:
        slot, taken = self._layout.slots[index], list[int]()
        if pieces[at] == "-":
            choices[index] = ()
            return at + 1
        while True:
            alternative = slot.numbers.get(pieces[at])
            if alternative is None:
                return -1
            taken.append(alternative)
            at += 1
            if pieces[at] == "(":
                children = (c for c in slot.inner[alternative] if choices[c] is None)
                at = self._slots(tuple(children), pieces, at + 1, choices)
                if at < 0 or pieces[at] != ")":
                    return -1
                at += 1
            if pieces[at] != "+":
                choices[index] = tuple(taken)
                return at
            at += 1
