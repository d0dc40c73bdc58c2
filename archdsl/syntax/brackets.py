"""Which bracket each token stands in, and the first bracket that has no partner."""

from __future__ import annotations

from dataclasses import dataclass, field

from archdsl.syntax.errors import Diagnostic
from archdsl.syntax.lexer import CLOSERS, DEFINITIONS, OPENERS, Scan, Token

# A brace behind one of these opens a body; behind anything else it opens a hole.
BEFORE_BODY = frozenset(
    {"NAME", "INT", "FLOAT", "STRING", "YES", "NO", "RPAR", "RSQB", "RBRACE", "ELASTIC", "ELSE"}
)
ITEMS = DEFINITIONS | {"TITLE", "WHERE", "VARY"}
OUTERMOST = frozenset({"SPACE", "TRAIN", "METHOD"})
SPELLING = {"LPAR": "(", "LSQB": "[", "LBRACE": "{", "RPAR": ")", "RSQB": "]", "RBRACE": "}"}


@dataclass(slots=True, kw_only=True)
class Brackets:
    """`inside[i]` is the index of the innermost bracket around token i, or -1."""

    inside: list[int] = field(default_factory=list)
    bodies: set[int] = field(default_factory=set)
    finding: Diagnostic | None = None
    cut: int | None = None
    """From here on brackets tell nothing: what the parser finds behind it is not reported."""

    def within(self, tokens: list[Token], at: int) -> str:
        """What token `at` stands in: `body`, `hole`, `(`, `[` or nothing."""
        opener = self.inside[at]
        if opener < 0:
            return ""
        if tokens[opener].kind == "LBRACE":
            return "body" if opener in self.bodies else "hole"
        return SPELLING[tokens[opener].kind]


def match_brackets(result: Scan, codes: tuple[str, str] = ("E0203", "E0204")) -> Brackets:
    """Pair the brackets of a text; `codes` are for an unclosed and for a stray one."""
    brackets = Brackets()
    tokens = result.tokens
    open_ones: list[int] = []
    suspect = -1
    for i, token in enumerate(tokens):
        brackets.inside.append(open_ones[-1] if open_ones else -1)
        if token.kind in OPENERS:
            if token.kind == "LBRACE" and i and tokens[i - 1].kind in BEFORE_BODY:
                brackets.bodies.add(i)
            open_ones.append(i)
        elif token.kind in CLOSERS and brackets.cut is None:
            if suspect < 0 and open_ones and _outdented(result, brackets, open_ones[-1], i):
                suspect = open_ones[-1]
            _close(result, brackets, open_ones, i, codes)
        elif suspect < 0 and _misplaced(token, open_ones, brackets):
            suspect = open_ones[-1]
    if open_ones and brackets.cut is None:
        _unclosed(result, brackets, suspect if suspect >= 0 else open_ones[-1], -1, codes)
    return brackets


def _misplaced(token: Token, open_ones: list[int], brackets: Brackets) -> bool:
    """Whether a token shows that the innermost bracket should have been closed before it."""
    if token.kind == "RETURN":
        return bool(open_ones) and open_ones[-1] not in brackets.bodies
    return token.kind in ITEMS and len(open_ones) > (token.kind not in OUTERMOST)


def _outdented(result: Scan, brackets: Brackets, opener: int, at: int) -> bool:
    """Whether a `}` stands further out than the line of the body that it closes: another's."""
    column = _first_on_line(result, result.tokens[at])
    return (
        opener in brackets.bodies
        and column is not None
        and column < _indentation(result, result.tokens[opener])
    )


def _first_on_line(result: Scan, token: Token) -> int | None:
    """The column of a token that is the first on its line, from 0; None for others."""
    begin = result.source.text.rfind("\n", 0, token.start) + 1
    return None if result.source.text[begin : token.start].strip() else token.start - begin


def _indentation(result: Scan, token: Token) -> int:
    """How far in the line of a token begins."""
    begin = result.source.text.rfind("\n", 0, token.start) + 1
    line = result.source.text[begin : token.start]
    return len(line) - len(line.lstrip())


def _close(
    result: Scan, brackets: Brackets, open_ones: list[int], at: int, codes: tuple[str, str]
) -> None:
    tokens = result.tokens
    opener = CLOSERS[tokens[at].kind]
    if open_ones and tokens[open_ones[-1]].kind == opener:
        open_ones.pop()
        return
    outer = any(tokens[i].kind == opener for i in open_ones)
    if outer and open_ones[-1] not in brackets.bodies:
        _unclosed(result, brackets, open_ones[-1], at, codes)
    else:
        _stray(result, brackets, open_ones, at, codes)


def _unclosed(
    result: Scan, brackets: Brackets, opener: int, at: int, codes: tuple[str, str]
) -> None:
    token = result.tokens[opener]
    closer = SPELLING[OPENERS[token.kind]]
    found = "the end of the text"
    if at >= 0:
        found = f"`{result.tokens[at].text}` in line {_line(result, result.tokens[at])}"
    brackets.cut = token.start
    brackets.finding = Diagnostic(
        code=codes[0],
        message=f"this `{token.text}` is never closed",
        span=result.span(token.start, token.end),
        found=found,
        expected=f"`{closer}`",
        hint=_where_to_close(result, brackets, opener, closer),
    )


def _where_to_close(result: Scan, brackets: Brackets, opener: int, closer: str) -> str:
    """A hint: before the first thing that cannot stand in this bracket, if there is one."""
    body = opener in brackets.bodies
    if not body and result.tokens[opener].kind != "LBRACE":
        return f"add `{closer}` where it should end"
    in_space = body and brackets.inside[opener] < 0
    outside = OUTERMOST if in_space else ITEMS if body else ITEMS | {"RETURN"}
    edge = _indentation(result, result.tokens[opener])
    for i in range(opener + 1, len(brackets.inside)):
        token = result.tokens[i]
        ends = token.kind in outside and brackets.inside[i] == opener
        if body and not ends and token.text:  # or by how the text is laid out
            column = _first_on_line(result, token)
            ends = column is not None and (column < edge if in_space else column <= edge)
        if ends:
            return f"add `{closer}` before `{token.text}` in line {_line(result, token)}"
    return f"add `{closer}` at the end of what it opens"


def _stray(
    result: Scan, brackets: Brackets, open_ones: list[int], at: int, codes: tuple[str, str]
) -> None:
    token = result.tokens[at]
    hint = f"delete it, or add `{SPELLING[CLOSERS[token.kind]]}` where it should begin"
    if open_ones and open_ones[-1] not in brackets.bodies:
        closer = SPELLING[OPENERS[result.tokens[open_ones[-1]].kind]]
        hint = f"delete it, or write `{closer}` instead"
    expected = "no closing bracket: none is open"
    if not open_ones:
        hint = f"delete it, or a `{token.text}` before it that closes too early"
    if open_ones:
        opener = result.tokens[open_ones[-1]]
        line = _line(result, opener)
        expected = f"`{SPELLING[OPENERS[opener.kind]]}` for the `{opener.text}` of line {line}"
    brackets.cut = token.start
    brackets.finding = Diagnostic(
        code=codes[1],
        message=f"this `{token.text}` closes nothing",
        span=result.span(token.start, token.end),
        found=f"`{token.text}`",
        expected=expected,
        hint=hint,
    )


def _line(result: Scan, token: Token) -> int:
    return result.source.text.count("\n", 0, token.start) + 1
