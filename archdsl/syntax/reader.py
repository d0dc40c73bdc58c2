"""Lark's parser with its tokens fed one by one, so that reading goes on after errors."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

from lark.exceptions import UnexpectedToken
from lark.grammar import Rule
from lark.lexer import Token as Symbol
from lark.parsers.lalr_parser_state import ParserState

from archdsl.syntax.language import Language
from archdsl.syntax.lexer import Scan, Token, symbol_of
from archdsl.syntax.reductions import Reduce, callbacks


@dataclass(slots=True)
class Replace:
    """A repair: read these tokens in place of the refused one."""

    tokens: tuple[Token, ...]


@dataclass(slots=True)
class Resume:
    """A repair: go on at the token with this index; None gives up."""

    at: int | None


class Repairs(Protocol):
    """Reports a refused token and says how to go on."""

    def repair(self, reader: Reader, at: int) -> Replace | Resume: ...


def read(scan: Scan, language: Language, reduce: Reduce, repairs: Repairs) -> Any:
    """What the builder made of a whole text, or None where repairs gave up.

    A text is first read as if it had no errors. If it has, what the builder reported is
    forgotten, and reading begins again with a look ahead at every token.
    """
    reported = len(scan.findings)
    parser = Reader(scan, language, reduce).parser
    try:
        for symbol in scan.symbols:
            piece = parser.feed_token(symbol)
        return piece.value  # the last symbol is the end
    except UnexpectedToken:
        del scan.findings[reported:]
    return Reader(scan, language, reduce).run(repairs)


class Reader:
    """One reading of a text. The values on Lark's stack are tokens and pieces."""

    def __init__(self, scan: Scan, language: Language, reduce: Reduce) -> None:
        self.tokens = scan.tokens
        self.parser: Any = language.parser.parse_interactive()  # mostly untyped
        self.state: ParserState[Any] = self.parser.parser_state
        # These serve one text: they know its builder.
        self.state.parse_conf.callbacks = callbacks(language.parser, reduce)
        self.trial_conf = copy(self.state.parse_conf)
        self.trial_conf.callbacks = {}

    @property
    def values(self) -> list[Any]:
        return self.state.value_stack

    def run(self, repairs: Repairs) -> Any:
        """The value of the whole text, or None where repairs gave up."""
        piece, at = None, 0
        while at < len(self.tokens):
            if self.accepts(self.tokens[at].kind):
                piece = self.parser.feed_token(symbol_of(self.tokens[at]))
                at += 1
                continue
            match repairs.repair(self, at):
                case Replace(tokens):
                    for token in tokens:
                        if not self.accepts(token.kind):
                            return None
                        piece = self.parser.feed_token(symbol_of(token))
                    at += 1
                case Resume(goal):
                    if goal is None:
                        return None
                    at = goal
        return piece.value if piece else None

    def accepts(self, kind: str, depth: int | None = None) -> bool:
        """Whether a terminal fits, on the lowest `depth` states of the stack.

        Lark reduces before it notices an error, so a token is tried on a copy that builds nothing.
        """
        if depth is None:
            _, argument = self.parser.choices().get(kind, (None, None))
            if not isinstance(argument, Rule):
                return argument is not None  # it is shifted at once, or refused at once
        trial = self.parser.copy(deepcopy_values=False)
        trial.parser_state.parse_conf = self.trial_conf
        if depth is not None:
            _cut(trial.parser_state, depth)
        try:
            trial.feed_token(Symbol(kind, ""))
        except UnexpectedToken:
            return False
        return True

    def expected(self) -> frozenset[str]:
        """The terminals that could come now."""
        return frozenset(self.parser.accepts())

    def unwind(self, kind: str, floor: int) -> bool:
        """Drop what was begun until a terminal fits; keeps at least `floor` states."""
        for depth in range(len(self.state.state_stack), floor - 1, -1):
            if self.accepts(kind, depth):
                self.cut(depth)
                return True
        return False

    def cut(self, depth: int) -> None:
        """Drop what lies above the lowest `depth` states."""
        _cut(self.state, depth)


def _cut(state: ParserState[Any], depth: int) -> None:
    del state.state_stack[depth:]
    del state.value_stack[depth - 1 :]  # no value lies on the first state
