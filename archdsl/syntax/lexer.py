"""Text to tokens, comments and documentation, and the characters that are refused."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lark.exceptions import UnexpectedCharacters
from lark.lexer import LexerThread
from lark.lexer import Token as Symbol
from lark.utils import TextSlice

from archdsl.syntax.errors import ArchError, Diagnostic
from archdsl.syntax.language import COMMENT, END, Language
from archdsl.syntax.tree import Source, Span

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
DEFINITIONS = frozenset({"SPACE", "TRAIN", "METHOD", "OP", "CELL", "BLOCK", "NET"})


class Token(NamedTuple):
    """A terminal and its place. Lark's own tokens are strings, and their places optional."""

    kind: str
    text: str
    start: int
    end: int


def token_of(symbol: Symbol) -> Token:
    return Token(symbol.type, symbol.value, symbol.start_pos or 0, symbol.end_pos or 0)


def symbol_of(token: Token) -> Symbol:
    """A token as Lark's parser takes it."""
    return Symbol(token.kind, token.text, token.start, end_pos=token.end)


@dataclass(slots=True, kw_only=True)
class Scan:
    """A text in tokens. `docs` maps the start of a definition to the `##` lines before it.

    `symbols` are the tokens as Lark's parser takes them.
    """

    source: Source
    tokens: list[Token] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)
    comments: list[Token] = field(default_factory=list)
    docs: dict[int, tuple[str, ...]] = field(default_factory=dict)
    findings: list[Diagnostic] = field(default_factory=list)

    def span(self, start: int, end: int) -> Span:
        return Span(source=self.source, start=start, end=end)

    def add(self, token: Token, symbol: Symbol | None = None) -> None:
        self.tokens.append(token)
        self.symbols.append(symbol_of(token) if symbol is None else symbol)

    def report(self, code: str, message: str, token: Token, **details: str) -> None:
        """Note a finding at a token; scanning and parsing go on."""
        span = self.span(token.start, token.end)
        self.findings.append(Diagnostic(code=code, message=message, span=span, **details))

    def stop_if_hopeless(self) -> None:
        if len(self.findings) >= MAX_FINDINGS:
            raise ArchError(self.findings)


def scan(source: Source, language: Language) -> Scan:
    """The tokens of a text, with the findings on the way (limits are `limits.py`)."""
    result = Scan(source=source)
    _check_characters(result)
    _split(result, language)
    return result


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


def _split(result: Scan, language: Language) -> None:
    text = result.source.text
    documentation = _Documentation(result)
    at: int | None = 0
    while at is not None:
        rest: Any = LexerThread.from_text(language.lexer, TextSlice(text, at, len(text)))
        at = None
        try:
            for symbol in rest.lex(None):
                token = token_of(symbol)
                if token.kind == COMMENT:
                    documentation.comment(token)
                else:
                    documentation.token(token)
                    result.add(token, symbol)
        except UnexpectedCharacters:
            at = _unreadable(result, rest.state.line_ctr.char_pos)
    documentation.flush()
    result.add(Token(END, "", len(text), len(text)))


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
    "'": 'write text in double quotes: "..."',
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
        result.add(piece._replace(kind="STRING"))
    if FORBIDDEN.match(text, start):
        return end  # reported already
    _report_stray(result, piece)
    result.stop_if_hopeless()
    return end


def _unterminated(result: Scan, start: int, end: int) -> None:
    piece = Token("STRING", result.source.text[start:end].rstrip(), start, end)
    result.add(piece)
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
        found = "a backtick" if character == "`" else f"`{character}`"
        result.report(
            "E0108",
            "this character means nothing here",
            piece,
            found=found,
            expected="a name, a number or an operator",
            hint=hint,
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
        "E0104",
        "a character beyond ASCII",
        piece,
        found=f"`{character}` (U+{ord(character):04X})",
        expected="ASCII",
        hint=hint,
    )
