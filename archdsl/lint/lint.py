"""All findings in a space, in the order of its text, less those that the text allows.

A comment `# lint: E0556 why` on the line of a finding or right above it allows it; above a
definition with documentation it stands before the `##`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from archdsl.ir.headers import head
from archdsl.lint.equal import equal_architectures, equal_choices
from archdsl.lint.graphs import unneeded
from archdsl.lint.holes import lone_alternatives
from archdsl.lint.names import unused_names
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import Diagnostic
from archdsl.syntax.parse import parse
from archdsl.syntax.render import position
from archdsl.syntax.tree import Source, Space

ALLOWED = re.compile(r"#\s*lint:\s*(E\d{4})\b")


def lint(space: SearchSpace) -> tuple[Diagnostic, ...]:
    """What is legal in a space, and yet hardly meant: findings with codes, places and hints."""
    return lint_all(space)[0]


def lint_all(space: SearchSpace) -> tuple[tuple[Diagnostic, ...], tuple[Diagnostic, ...]]:
    """The findings in a space, and those that its text allows."""
    found: dict[tuple[str, int, str], Diagnostic] = {}
    for one in _findings(space):
        line = position(one.span)[0] if one.span is not None else 0
        found.setdefault((one.code, line, one.message), one)
    ordered = sorted(found.values(), key=lambda d: d.span.start if d.span is not None else -1)
    shown = tuple(_unallowed(ordered))
    return shown, tuple(one for one in ordered if one not in shown)


def _findings(space: SearchSpace) -> Iterator[Diagnostic]:
    written = _written(space)
    if written is not None:
        yield from unused_names(written)
        yield from lone_alternatives(written)
    idle = list(unneeded(space.program))
    yield from idle
    whole = SearchSpace(space.program)  # whatever its constraints accept
    if whole.free:
        places = {one.span for one in idle}
        yield from (one for one in equal_choices(whole) if one.span not in places)
        yield from equal_architectures(whole, head(written) if written is not None else None)


def _written(space: SearchSpace) -> Space | None:
    """The space as its author wrote it; None where its text is not known."""
    span = space.program.net.span
    if span is None:
        return None
    spaces = parse(span.source.text, span.source.name).spaces
    return next((one for one in spaces if one.name == space.program.space), None)


def _unallowed(findings: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    for finding in findings:
        if finding.span is None or finding.code not in _allowed(
            finding.span.source, position(finding.span)[0]
        ):
            yield finding


def _allowed(source: Source, line: int) -> set[str]:
    """The codes that the comments of a line, and those right above it, allow."""
    lines = source.text.split("\n")
    codes = set(ALLOWED.findall(lines[line - 1]))
    above = line - 2
    while above >= 0 and lines[above].strip().startswith("#"):
        codes |= set(ALLOWED.findall(lines[above]))
        above -= 1
    return codes
