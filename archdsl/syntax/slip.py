"""What a slip is: a common mistake, how it is recognised, what is said, how parsing goes on."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from archdsl.syntax.lexer import Token

NOTHING = Token("", "", 0, 0)

FOREIGN = {
    "not": "there is no `not`: write `x == no`, or the opposite comparison",
    "while": "there is no `while`: every loop is `for i in 1..n { ... }`",
    "def": "a composition is `op f = ...`, a module `cell f(x) { ... }`",
    "fn": "a composition is `op f = ...`, a module `cell f(x) { ... }`",
    "function": "a composition is `op f = ...`, a module `cell f(x) { ... }`",
    "lambda": "a composition is `op f = ...`",
    "class": "a module is `cell f(x) { ... }`, `block` or `net`",
    "import": "other definitions are brought in with `use NAME` at the top of the file",
    "include": "other definitions are brought in with `use NAME` at the top of the file",
    "from": "other definitions are brought in with `use NAME` at the top of the file",
    "elif": "write `else { if ... { ... } }`",
    "let": "a name is bound by `y = ...`, without a word before it",
    "var": "a name is bound by `y = ...`, without a word before it",
    "const": "a name is bound by `y = ...`, without a word before it",
    "one": "one of several is `{a | b}`",
    "all": "all of several is a sum, `a + b`, or `sum(... for j in ...)`",
    "constraint": "a constraint is `where params <= 12M`",
    "module": "a module is `cell f(x) { ... }`, `block` or `net`",
    "model": "the whole network is `net network(image: 3 x 224 x 224) { ... }`",
    "network": "the whole network is `net network(image: 3 x 224 x 224) { ... }`",
    "input": "inputs stand in the header: `net network(image: 3 x 224 x 224)`",
    "output": "outputs are what `return` names",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A refused token, its neighbours, what could have come, and the bracket around it."""

    found: Token
    before: Token
    after: Token
    expected: AbstractSet[str]
    within: str
    keyword: bool
    earlier: Token
    first: bool
    """Whether the token is the first on its line."""
    before_first: bool

    def token(self, place: Literal["found", "before", "earlier"]) -> Token:
        return {"found": self.found, "before": self.before, "earlier": self.earlier}[place]

    def is_(self, *kinds: str) -> bool:
        return self.found.kind in kinds

    def could(self, *kinds: str) -> bool:
        return any(kind in self.expected for kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """`instead` lists the terminals to read in place of the token; None gives up on the statement.

    `place` is the token that is pointed at, with `expected` what should stand behind or before it.
    `message` and `hint` may name the `{found}` text and the text `{before}`.
    """

    when: Callable[[Context], bool]
    hint: str
    code: str = "E0201"
    message: str = ""
    instead: tuple[tuple[str, str], ...] | None = None
    place: Literal["found", "before", "earlier"] = "found"
    expected: str = ""
