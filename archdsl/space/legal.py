"""What may stand next in a string: for controllers that write one token at a time.

A walk over the layout reads a prefix token by token; where the prefix ends, it answers with the
tokens that it would have accepted. Whoever follows them ends with a string of the space in its
canonical spelling, and reaches every one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from archdsl.space.forest import Place
from archdsl.space.layout import Layout, Slot
from archdsl.space.subsets import Taken
from archdsl.space.wording import listed
from archdsl.syntax.errors import fault
from archdsl.syntax.limits import MAX_BYTES
from archdsl.syntax.tree import Quantity, Source, Span

TOKEN = re.compile(
    r"\s*(/[A-Za-z][A-Za-z_0-9]*(?:\.-?[0-9]+)*\["
    r"|[;\]()+]"
    r"|-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?[KMG]?"
    r"|[A-Za-z][A-Za-z_0-9]*(?:\.-?[0-9]+)*"
    r"|-)\s*"
)
NEEDS_BLANK_AFTER = "[(+ "


def extend(prefix: str, token: str) -> str:
    """A prefix and a next token, in the canonical spelling: two labels need a blank between."""
    label = token[:1].isalnum() or token[:1] == "-"
    return (
        f"{prefix} {token}"
        if label and prefix and prefix[-1] not in NEEDS_BLANK_AFTER
        else (prefix + token)
    )


def legal(layout: Layout, prefix: str) -> tuple[str, ...]:
    """The tokens that may follow a prefix of whole tokens; `""` stands for the end.

    Raises ArchError at the first token that leads out of the space.
    """
    if not prefix.strip():
        return (layout.head,)
    walk = _Walk(layout, prefix)
    try:
        walk.run()
    except _Stop as stop:
        return stop.options
    raise AssertionError("a walk ends by stopping")


class _Stop(Exception):
    """The prefix is read: what may come next."""

    def __init__(self, options: tuple[str, ...]) -> None:
        super().__init__()
        self.options = options


class _Walk:
    """One reading of a prefix, with the choices so far."""

    def __init__(self, layout: Layout, prefix: str) -> None:
        self.layout = layout
        self.source = Source(name="<prefix>", text=prefix)
        self.choices: list[Taken | None] = list(layout.forest.empty())
        self.tokens: list[tuple[str, int]] = []
        self.position = 0
        self._split()

    def run(self) -> None:
        for group in self.layout.groups:
            reached = self.layout.reached(group, self.choices)
            if not reached:
                continue
            self._expect((f"/{group.name}[",))
            for entry in reached:
                closing = "]" if entry is reached[-1] else ";"
                self._slots(entry.slots, closing)
        self._expect(("",))

    def _split(self) -> None:
        text, head = self.source.text, self.layout.head
        start = len(text) - len(text.lstrip())
        position = start + len(head)
        rest = text[position : position + 1]
        if len(text) > MAX_BYTES or not text.startswith(head, start) or rest not in ("", "/", " "):
            raise self._wrong(start, text[start:].split("/")[0], (head,))
        while position < len(text):
            match = TOKEN.match(text, position)
            if match is None:
                if text[position:].isspace():
                    return
                raise self._wrong(position, text[position : position + 1], ())
            self.tokens.append((match.group(1), match.start(1)))
            position = match.end()

    def _wrong(self, start: int, found: str, options: tuple[str, ...]) -> Exception:
        names = listed([option or "the end" for option in options]) or "a token"
        shown = found if len(found) <= 40 else f"{found[:37]}..."
        return fault(
            "E0622",
            f"no string of {self.layout.program.space} begins so: expected {names}, found {shown}",
            Span(source=self.source, start=start, end=start + max(1, len(found))),
            found=shown,
            expected=names,
        )

    def _peek(self, options: tuple[str, ...]) -> str:
        if self.position == len(self.tokens):
            raise _Stop(options)
        token, start = self.tokens[self.position]
        if token not in options:
            raise self._wrong(start, token, options)
        return token

    def _expect(self, options: tuple[str, ...]) -> str:
        token = self._peek(options)
        self.position += 1
        return token

    def _slots(self, slots: tuple[int, ...] | list[int], closing: str) -> None:
        """Some choices in a row, and the token that closes them."""
        for i, index in enumerate(slots):
            following = (
                self._first(self.layout.slots[slots[i + 1]]) if i + 1 < len(slots) else (closing,)
            )
            self._choice(self.layout.slots[index], following)
        self._expect((closing,))

    def _choice(self, slot: Slot, following: tuple[str, ...]) -> None:
        taken: list[int] = []
        done: set[int] = set()
        if self._expect(self._first(slot)) == "-":
            self.choices[slot.index] = ()
            return
        self.position -= 1
        while True:
            labels = self._labels(slot, _after(slot.place, taken))
            alternative = slot.numbers[self._expect(labels)]
            taken.append(alternative)
            self.choices[slot.index] = tuple(taken)
            children = [child for child in slot.inner[alternative] if child not in done]
            done.update(children)
            if children:
                self._expect(("(",))
                self._slots(children, ")")
            if not self._goes_on(slot, taken, following):
                return

    def _first(self, slot: Slot) -> tuple[str, ...]:
        """How a choice may begin."""
        labels = self._labels(slot, _after(slot.place, []))
        return labels if slot.place.least else ("-", *labels)

    def _labels(self, slot: Slot, alternatives: Sequence[int]) -> tuple[str, ...]:
        """How those of some alternatives are called that the choices so far leave open."""
        allowed = self.layout.forest.allowed(slot.index, self.choices)
        return tuple(slot.labels[i] for i in alternatives if i in allowed)

    def _goes_on(self, slot: Slot, taken: list[int], following: tuple[str, ...]) -> bool:
        """Whether another pick is joined with `+`."""
        if not _after(slot.place, taken):
            return False
        if slot.place.quantity is Quantity.SOME:
            self._expect(("+",))
            return True
        if self._peek(("+", *following)) != "+":
            return False
        self.position += 1
        return True


def _after(place: Place, taken: Sequence[int]) -> range:
    """The alternatives that may be taken next, in the order of the text."""
    start = taken[-1] + 1 if taken else 0
    match place.quantity:
        case Quantity.ONE:
            return range(0 if taken else place.alternatives)
        case Quantity.SOME:
            left = place.count - len(taken)
            return range(start, place.alternatives - left + 1) if left else range(0)
        case Quantity.ANY:
            return range(start, place.alternatives)
