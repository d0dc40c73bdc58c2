"""Which definitions the work stands in: no recursion, and no nesting without a bound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from archdsl.syntax import tree
from archdsl.syntax.errors import fault

MAX_DEPTH = 32


@contextmanager
def not_too_deep(span: tree.Span) -> Iterator[None]:
    """Text that nests deeper than Python's stack is wrong input, not a crash."""
    try:
        yield
    except RecursionError:
        raise fault(
            "E0109",
            "definitions and expressions nest too deep here",
            span,
            hint="give a part a name of its own",
        ) from None


@dataclass(slots=True)
class Stack:
    """The definitions around the work, outermost first.

    `passed` are those entered so far with their depths, but for those inside modules and functions
    that are written elsewhere: what one expansion of a composition goes through.
    """

    names: list[str] = field(default_factory=list)
    passed: list[tuple[str, int]] = field(default_factory=list)
    elsewhere: int = 0

    @property
    def innermost(self) -> str:
        """The definition that the work stands in; empty outside all."""
        return self.names[-1] if self.names else ""

    @contextmanager
    def standing(self, stack: tuple[str, ...]) -> Iterator[None]:
        """Work on a function where it is written, which may be outside what applies it."""
        before, self.names = self.names, list(stack)
        self.elsewhere += 1
        try:
            yield
        finally:
            self.names = before
            self.elsewhere -= 1

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Work that is done once, whoever asks first."""
        mark = len(self.passed)
        try:
            yield
        finally:
            del self.passed[mark:]

    @contextmanager
    def entered(self, name: str, span: tree.Span) -> Iterator[None]:
        """Work inside a definition; one that reaches itself again is refused."""
        self.check(name, len(self.names) + 1, span)
        self.names.append(name)
        if not self.elsewhere:
            self.passed.append((name, len(self.names)))
        try:
            with not_too_deep(span):
                yield
        finally:
            self.names.pop()

    def check(self, name: str, depth: int, span: tree.Span) -> None:
        """Refuse a definition that is inside itself, or too deep inside others."""
        if name in self.names:
            cycle = " -> ".join((*self.names[self.names.index(name) :], name))
            raise fault(
                "E0311",
                f"{name} contains itself",
                span,
                found=cycle,
                hint="say it with for, ^ or an index: recursion has no bound",
            )
        if depth > MAX_DEPTH:
            raise fault(
                "E0311",
                "definitions nest too deep",
                span,
                found=f"more than {MAX_DEPTH}, one inside the other",
            )
