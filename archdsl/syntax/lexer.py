"""Text to tokens, and everything that is refused before a parser sees it.

Hostile text is a matter of size and depth: both are bounded here, in one pass without recursion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from archdsl.syntax.errors import ArchError, Diagnostic, fault
from archdsl.syntax.numbers import MAX_DIGITS, MAX_SIGNIFICANT, too_many_digits
from archdsl.syntax.tables import END, Tables
from archdsl.syntax.tree import Source, Span

MAX_BYTES = 256 * 1024
MAX_NESTING = 64
MAX_LINKS = 120
MAX_FINDINGS = 20
"""Diagnostics in one run: after so many, the text is something else."""

# Control characters could end a comment in generated code, direction marks make text read other
# than it is; neither has a use here. A tab is a space, a return only counts before a newline.
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffc\ud800-\udfff\U000e0000-\U000e007f]|\r(?!\n)"
)
OPENERS = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
CLOSERS = {closer: opener for opener, closer in OPENERS.items()}
DEFINITIONS = frozenset({"SPACE", "OP", "CELL", "BLOCK", "NET"})
LINKS = frozenset({"ARROW", "PLUS", "MINUS", "TIMES", "DIVIDE", "FLOOR_DIVIDE", "MODULO"}) | {
    "REPEAT", "COMPARE", "AND", "OR", "RANGE", "ELSE", "AT"
}  # fmt: skip
"""What makes a tree deeper by standing in a row. A choice `if a then b else c` counts once."""
FRESH = frozenset({"EQUAL", "COMMA", "VBAR", "SEMICOLON", "RETURN", "FOR", "WHERE", "SLASH"})
"""Behind these an expression begins."""


class Token(NamedTuple):
    """A terminal and its place."""

    kind: str
    text: str
    start: int
    end: int


@dataclass(slots=True, kw_only=True)
class Scan:
    """A text in tokens. `docs` maps the start of a definition to the `##` lines before it."""

    source: Source
    tokens: list[Token] = field(default_factory=list)
    comments: list[Token] = field(default_factory=list)
    docs: dict[int, tuple[str, ...]] = field(default_factory=dict)
    findings: list[Diagnostic] = field(default_factory=list)

    def span(self, start: int, end: int) -> Span:
        return Span(source=self.source, start=start, end=end)

    def report(self, code: str, message: str, token: Token, **details: str) -> None:
        """Note a finding at a token; scanning and parsing go on."""
        span = self.span(token.start, token.end)
        self.findings.append(Diagnostic(code=code, message=message, span=span, **details))

    def stop_if_hopeless(self) -> None:
        if len(self.findings) >= MAX_FINDINGS:
            raise ArchError(self.findings)


def scan(source: Source, tables: Tables) -> Scan:
    """The tokens of a text, with the findings on the way.

    Raises ArchError at once where a limit is passed.
    """
    _check_size(source)
    result = Scan(source=source)
    _check_characters(result)
    _split(result, tables)
    _check_numbers(result)
    _check_nesting(result)
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


def _check_characters(result: Scan) -> None:
    for match in FORBIDDEN.finditer(result.source.text):
        character = match.group()
        hint = "delete it; it cannot be seen in most editors"
        if character == "\r":
            hint = "end lines with a newline, or with a carriage return and a newline"
        elif character == "\ufeff" and match.start() == 0:
            hint = "save the file as UTF-8 without a byte order mark"
        result.report(
            "E0103",
            "a control or invisible character",
            Token("", "", match.start(), match.end()),
            found=f"U+{ord(character):04X}",
            expected="printable text, tabs and newlines",
            hint=hint,
        )
        result.stop_if_hopeless()


def _split(result: Scan, tables: Tables) -> None:
    text, position = result.source.text, 0
    match_at, keywords = tables.terminals.match, tables.keywords
    documentation = _Documentation(result)
    while position < len(text):
        match = match_at(text, position)
        if match is None:
            position = _unreadable(result, position)
            continue
        kind, start, position = str(match.lastgroup), position, match.end()
        if kind == "WHITESPACE":
            continue
        word = match.group()
        if kind == "NAME":
            kind = keywords.get(word, kind)
        token = Token(kind, word, start, position)
        if kind == "COMMENT":
            documentation.comment(token)
        else:
            documentation.token(token)
            result.tokens.append(token)
    documentation.flush()
    result.tokens.append(Token(END, "", len(text), len(text)))


class _Documentation:
    """Tells `##` lines that stand directly before a definition from other comments."""

    def __init__(self, result: Scan) -> None:
        self.result = result
        self.text = result.source.text
        self.pending: list[Token] = []

    def comment(self, token: Token) -> None:
        line_start = self.text.rfind("\n", 0, token.start) + 1
        own_line = not self.text[line_start : token.start].strip()
        if self.pending and not self._adjoins(token.start):
            self.flush()
        if own_line and token.text.startswith("##"):
            self.pending.append(token)
        else:
            self.flush()
            self.result.comments.append(token)

    def token(self, token: Token) -> None:
        if not self.pending:
            return
        if token.kind in DEFINITIONS and self._adjoins(token.start):
            lines = (comment.text[2:].rstrip() for comment in self.pending)
            self.result.docs[token.start] = tuple(line.removeprefix(" ") for line in lines)
            self.pending = []
        else:
            self.flush()

    def flush(self) -> None:
        self.result.comments += self.pending
        self.pending = []

    def _adjoins(self, start: int) -> bool:
        return self.text.count("\n", self.pending[-1].end, start) == 1


STRAY = {
    "'": "write text in double quotes: \"...\"",
    "!": "to compare, write `!=`; there is no `!` on its own",
    "&": "write `and`",
    "\\": "newlines need no `\\`, and texts have no escapes: they cannot hold a quote",
    ".": "a range is `1..3`; a fraction has a digit before its point: `0.5`",
    "_": "a name begins with a letter",
    "~": "a range is `1..3`",
    "?": "a choice is written `if a then b else c`, a hole `{a | b}`",
}


def _unreadable(result: Scan, start: int) -> int:
    """Report what no terminal matches; returns where to go on."""
    text = result.source.text
    character = text[start]
    line_end = text.find("\n", start)
    line_end = len(text) if line_end < 0 else line_end
    if character == '"':
        _unterminated(result, start, line_end)
        return line_end
    closing = text.find("'", start + 1, line_end) if character == "'" else -1
    end = closing + 1 if closing >= 0 else start + 1
    while end < line_end and closing < 0 and text[end] == character:
        end += 1
    piece = Token("STRING" if closing >= 0 else "", text[start:end], start, end)
    if character == "'":
        # Read as text all the same, so that it causes no second finding.
        result.tokens.append(piece._replace(kind="STRING"))
    if FORBIDDEN.match(text, start):
        return end  # reported already
    _report_stray(result, piece)
    result.stop_if_hopeless()
    return end


def _unterminated(result: Scan, start: int, end: int) -> None:
    piece = Token("STRING", result.source.text[start:end].rstrip(), start, end)
    result.tokens.append(piece)
    result.report(
        "E0107",
        "a text has no end",
        piece._replace(end=start + 1),
        found="the end of the line",
        expected='`"`',
        hint='close the text with `"` on the line where it begins',
    )
    result.stop_if_hopeless()


def _report_stray(result: Scan, piece: Token) -> None:
    character = piece.text[0]
    if character.isascii():
        hint = STRAY.get(character, "")
        result.report(
            "E0108", "this character means nothing here", piece, found="a backtick" if character == "`" else f"`{character}`",
            expected="a name, a number or an operator", hint=hint,
        )
        return
    hint = "letters beyond ASCII may stand in comments and in texts only"
    if character in "\u201c\u201d\u2018\u2019\u00ab\u00bb":
        hint = 'write text in straight double quotes: "..."'
    elif character in "\u2013\u2014\u2212":
        hint = "write a minus as `-`"
    elif character in "\u00d7\u22c5":
        hint = "write `*`, or `x` in a shape"
    elif character == "\u2192":
        hint = "write an arrow as `->`"
    result.report(
        "E0104", "a character beyond ASCII", piece,
        found=f"`{character}` (U+{ord(character):04X})", expected="ASCII", hint=hint,
    )


RUN = re.compile(r"[0-9]+")


def _check_numbers(result: Scan) -> None:
    following = result.tokens[1:]
    for token, after in zip(result.tokens, following, strict=False):
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
            "E0106", "a number is out of range", token, found=f"`{_short(token.text)}`",
            expected="zero, or a size between 1e-30 and 1e30",
        )


def _too_many_digits(result: Scan, token: Token) -> None:
    result.report(
        "E0106", "a number has too many digits", token, found=f"`{_short(token.text)}`",
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
        "E0110", "a number runs into a word", token._replace(end=after.end),
        found=f"`{_short(joined)}`", expected="a number or a name", hint=hint,
    )


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:20]}... ({len(text)} characters)"


def _check_nesting(result: Scan) -> None:
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
