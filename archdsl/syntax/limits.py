"""Limits that are kept before anything is built: hostile text is a matter of size and depth.

Each check is one pass without recursion.
"""

from __future__ import annotations

import re
from itertools import pairwise

from archdsl.syntax.errors import ArchError, fault
from archdsl.syntax.language import Language
from archdsl.syntax.lexer import CLOSERS, OPENERS, Scan, Token, scan
from archdsl.syntax.numbers import MAX_DIGITS, MAX_SIGNIFICANT, too_many_digits
from archdsl.syntax.tree import Source, Span

MAX_BYTES = 256 * 1024
MAX_NESTING = 64
MAX_LINKS = 120
LINKS = frozenset({"ARROW", "PLUS", "MINUS", "TIMES", "DIVIDE", "FLOOR_DIVIDE", "MODULO"}) | {
    "REPEAT", "COMPARE", "AND", "OR", "RANGE", "ELSE", "AT"
}  # fmt: skip
"""What makes a tree deeper by standing in a row. A choice `if a then b else c` counts once."""
FRESH = frozenset({"EQUAL", "COMMA", "VBAR", "SEMICOLON", "RETURN", "FOR", "WHERE", "SLASH"})
"""Behind these an expression begins."""


def limited_scan(source: Source, language: Language) -> Scan:
    """The tokens of a text. Raises ArchError at once where a limit of size is passed."""
    _check_size(source)
    result = scan(source, language)
    check_numbers(result)
    check_nesting(result)
    return result


def _check_size(source: Source) -> None:
    text = source.text
    # A character has at least one byte, so a long text need not be encoded to be refused.
    size = len(text) if len(text) > MAX_BYTES else len(text.encode("utf-8", "replace"))
    if size > MAX_BYTES:
        raise fault(
            "E0101",
            f"the text is longer than {MAX_BYTES // 1024} KiB",
            Span(source=source, start=0, end=1),
            found=f"{'at least ' if size == len(text) else ''}{size:,} bytes",
            expected=f"at most {MAX_BYTES:,} bytes",
            hint="split it into several spaces and `use` them",
        )


RUN = re.compile(r"[0-9]+")


def check_numbers(result: Scan) -> None:
    for token, after in pairwise(result.tokens):
        if token.kind not in ("INT", "FLOAT", "NUMBER", "NAME", "LABEL"):
            continue
        if token.kind in ("INT", "FLOAT", "NUMBER"):
            _check_number(result, token)
            if after.start == token.end and after.text[:1].isalnum():
                _number_in_word(result, token, after)
        elif token.kind == "LABEL" and any(
            len(run.group()) > MAX_DIGITS for run in RUN.finditer(token.text.split(".", 1)[1])
        ):
            _too_many_digits(result, token)
        result.stop_if_hopeless()


def _check_number(result: Scan, token: Token) -> None:
    if too_many_digits(token.text):
        _too_many_digits(result, token)
    elif "e" in token.text.lower() and not 1e-30 < abs(float(token.text) or 1.0) < 1e30:
        result.report(
            "E0106",
            "a number is out of range",
            token,
            found=f"`{_short(token.text)}`",
            expected="zero, or a size between 1e-30 and 1e30",
        )


def _too_many_digits(result: Scan, token: Token) -> None:
    result.report(
        "E0106",
        "a number has too many digits",
        token,
        found=f"`{_short(token.text)}`",
        expected=f"at most {MAX_DIGITS} digits, {MAX_SIGNIFICANT} with those behind the point",
        hint="for large values write 12M or 1.5G",
    )


def _number_in_word(result: Scan, token: Token, after: Token) -> None:
    hint = "a name begins with a letter"
    if after.text.startswith("x"):
        hint = "in a shape, put spaces around the `x`: `3 x 32 x 32`"
    elif after.text[0] in "kmgKMG":
        hint = "thousands, millions and billions are `K`, `M` and `G`: `12M`"
    joined = token.text + after.text
    result.report(
        "E0110",
        "a number runs into a word",
        token._replace(end=after.end),
        found=f"`{_short(joined)}`",
        expected="a number or a name",
        hint=hint,
    )


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}... ({len(text)} characters)"


def check_nesting(result: Scan) -> None:
    """Refuse brackets inside brackets, and long chains, before anything is built of them."""
    links = [0]
    for token in result.tokens:
        if token.kind in OPENERS:
            links.append(0)
            if len(links) > MAX_NESTING + 1:
                raise _too_nested(result, token, len(links) - 1)
        elif token.kind in CLOSERS:
            links = links[:-1] or [0]
        elif token.kind in LINKS:
            links[-1] += 1
            if links[-1] > MAX_LINKS:
                raise _too_long(result, token)
        elif token.kind in FRESH:
            links[-1] = 0


def _too_nested(result: Scan, token: Token, depth: int) -> ArchError:
    return fault(
        "E0105",
        f"brackets are nested more than {MAX_NESTING} deep",
        result.span(token.start, token.end),
        found=f"a {depth}th `{token.text}` inside the others",
        expected=f"at most {MAX_NESTING}",
        hint="give an inner part a name of its own",
    )


def _too_long(result: Scan, token: Token) -> ArchError:
    return fault(
        "E0109",
        "an expression is too long",
        result.span(token.start, token.end),
        found=f"more than {MAX_LINKS} operators in one expression",
        expected=f"at most {MAX_LINKS}",
        hint="give a part of it a name, and go on from there",
    )
