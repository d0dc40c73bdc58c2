"""Common slips: how each is recognised, what is said, and how parsing goes on.

The table is in order: the first row that applies speaks.
"""

from __future__ import annotations

from archdsl.syntax.describe import OPERATORS
from archdsl.syntax.language import END
from archdsl.syntax.lexer import DEFINITIONS
from archdsl.syntax.slip import FOREIGN, Context, Slip

BRACKETS_END = frozenset({"RPAR", "RSQB", "RBRACE"})
NAMED = frozenset({"CELL", "BLOCK", "NET", "OP", "SPACE", "TRAIN", "METHOD", "USE", "AT"})
ENDS = frozenset({"NAME", "INT", "FLOAT", "STRING", "YES", "NO", "RPAR", "RSQB", "RBRACE"})
BEHIND_NAME = frozenset(
    {"EQUAL", "COMMA", "RPAR", "SEMICOLON", "COLON", "RSQB", "VBAR", "ARROW", "RBRACE"}
)
OPEN_ENDS = OPERATORS | {"EQUAL", "COMMA", "RETURN", "WHERE"}


def _foreign(c: Context) -> bool:
    return c.before.text in FOREIGN and c.before.kind == "NAME"


def _misused_keyword(c: Context) -> bool:
    if not (c.keyword and c.could("NAME")):
        return False
    if c.first and c.after.kind != "EQUAL":
        return False  # the statement before it broke off
    if c.before.kind == "FOR":
        return c.after.kind == "IN"
    return c.before.kind in NAMED or c.after.kind in BEHIND_NAME


def _second(kind: str, c: Context) -> bool:
    return c.is_(kind) and not c.could(kind) and c.could("ARROW", "PLUS", "AND")


IN_CALLS = (
    "write `conv(64, k=3)` and `space s(nodes=4)`; `;` stands only in headers of cells, blocks "
    "and nets, between inputs and parameters"
)

SLIPS = (
    # --- the first line and the top of the file -----------------------------------------------
    Slip(
        when=lambda c: c.expected == {"ARCHDSL"} and c.found.kind not in DEFINITIONS | {"USE"},
        code="E0205",
        message="the first line must name the version of the language",
        hint="begin the file with `archdsl 1`",
    ),
    Slip(
        when=lambda c: c.expected == {"ARCHDSL"},
        code="E0205",
        message="the first line must name the version of the language",
        hint="begin the file with `archdsl 1`",
        instead=(("ARCHDSL", "archdsl"), ("INT", "1"), ("", "")),
    ),
    Slip(
        when=lambda c: c.before.kind == "ARCHDSL" and c.is_("FLOAT", "STRING", "NAME"),
        code="E0206",
        message="this version of the language is unknown",
        hint="write `archdsl 1`",
        instead=(("INT", "1"),),
    ),
    Slip(
        when=lambda c: c.before.kind == "ARCHDSL",
        code="E0206",
        message="the version of the language is missing",
        hint="write `archdsl 1`",
        instead=(("INT", "1"), ("", "")),
    ),
    Slip(
        when=lambda c: c.is_("USE") and not c.within,
        hint="move it up: all `use` lines stand before the first space",
    ),
    Slip(
        when=lambda c: (
            not c.within
            and c.could("SPACE")
            and c.found.kind in (DEFINITIONS | {"TITLE", "WHERE", "VARY"})
        ),
        code="E0216",
        message="a definition outside a space",
        hint="definitions stand in `space NAME { ... }`",
    ),
    Slip(
        when=lambda c: c.is_(END) and c.could("SPACE") and not c.within,
        code="E0202",
        message="the text has no space",
        hint="a file has at least one `space NAME { ... }`, `train NAME { ... }` or "
        "`method NAME { ... }`",
    ),
    # --- separators -------------------------------------------------------------------------
    Slip(
        when=lambda c: c.is_("SEMICOLON") and c.within == "(" and c.before.kind == "LPAR",
        code="E0208",
        message="`;` has nothing to separate here",
        hint=IN_CALLS,
        instead=(),
    ),
    Slip(
        when=lambda c: c.is_("SEMICOLON") and c.within == "(" and c.could("COMMA"),
        code="E0208",
        message="`;` cannot stand here",
        hint=IN_CALLS,
        instead=(("COMMA", ","),),
    ),
    Slip(
        when=lambda c: c.is_("SEMICOLON") and c.within in ("body", ""),
        code="E0208",
        message="a statement needs no `;`",
        hint="delete it: the next statement begins by itself",
        instead=(),
    ),
    Slip(
        when=lambda c: (
            (c.is_("VBAR", "EQUAL") and c.after.text == ">")
            or (c.found.text == ">" and c.before.text in (">", "=", "-"))
        ),
        hint="one operation is applied after the other by `->`",
    ),
    Slip(
        when=lambda c: c.is_("VBAR") and c.within == "hole" and c.before.kind == "LBRACE",
        code="E0219",
        message="a `|` before the first alternative",
        hint="delete it: `|` stands between alternatives",
        instead=(),
    ),
    Slip(
        when=lambda c: c.is_("VBAR") and c.within != "hole",
        code="E0213",
        message="`|` stands only between the alternatives of a hole",
        hint="put braces around them: `{a | b}`; as a condition, write `or`",
    ),
    Slip(
        when=lambda c: c.is_("COMMA", "SEMICOLON") and c.within == "hole" and c.could("VBAR"),
        code="E0219",
        message="`{found}` between alternatives",
        hint="alternatives are separated by `|`: `{a | b}`",
        instead=(("VBAR", "|"),),
    ),
    Slip(
        when=lambda c: c.found.kind in BRACKETS_END and c.before.kind in ("COMMA", "VBAR"),
        hint="delete the `{before}` before it",
    ),
    Slip(
        when=lambda c: c.is_("RBRACE") and c.before.kind == "LBRACE",
        code="E0219",
        message="a hole without alternatives",
        hint="a hole has at least one: `{id | pool}`",
    ),
    # --- names ------------------------------------------------------------------------------
    Slip(
        when=_misused_keyword,
        code="E0207",
        message="`{found}` is a word of the language and cannot be a name",
        hint="choose another name, for example `{found}_1`",
        instead=(("NAME", ""),),
    ),
    # --- equals signs -----------------------------------------------------------------------
    Slip(
        when=lambda c: c.is_("EQUAL") and c.expected == {"IN"},
        hint="write `for {before} in 1..n`",
    ),
    Slip(
        when=lambda c: c.is_("EQUAL") and c.could("COLON") and c.could("SEMICOLON"),
        code="E0215",
        message="an input cannot have a default",
        hint="parameters stand behind `;`: `cell f(x; {before}=1)`",
    ),
    Slip(
        when=lambda c: c.is_("EQUAL") and c.before_first and c.earlier.kind in OPEN_ENDS,
        message="the end of this line is missing",
        place="earlier",
        expected="an expression behind it",
        hint="`{earlier}` needs a value behind it",
    ),
    Slip(
        when=lambda c: (
            c.is_("EQUAL")
            and c.before.kind in ("PLUS", "MINUS", "TIMES", "DIVIDE", "REPEAT", "MODULO")
        ),
        hint="names are bound once: write `y = x {before} ...` with a new name",
    ),
    Slip(
        when=lambda c: c.is_("EQUAL") and c.could("COMPARE"),
        code="E0209",
        message="`=` binds a name and cannot compare",
        hint="to compare, write `==`",
        instead=(("COMPARE", "=="),),
    ),
    Slip(
        when=lambda c: c.found.text == "==" and c.could("EQUAL"),
        code="E0209",
        message="`==` compares and cannot bind a name",
        hint="to bind a name or to give an argument, write `=`",
        instead=(("EQUAL", "="),),
    ),
    # --- conditions -------------------------------------------------------------------------
    Slip(
        when=lambda c: c.is_("IF") and c.before.kind == "ELSE",
        hint="write `else { if ... { ... } }`",
    ),
    Slip(
        when=lambda c: c.is_("THEN") and c.could("LBRACE"),
        hint="as a statement, write `if ... { ... } else { ... }`",
    ),
    Slip(
        when=lambda c: c.is_("LBRACE") and c.could("THEN"),
        hint="as a value, write `if a then b else c`",
    ),
    Slip(
        when=lambda c: c.could("ELSE") and c.could("ARROW") and not c.could("RBRACE", "RETURN"),
        hint="a value that is chosen has both sides: `if a then b else c`",
    ),
    # --- operators --------------------------------------------------------------------------
    Slip(
        when=lambda c: c.is_("TIMES") and c.before.kind == "TIMES",
        hint="a power is written `^`",
    ),
    Slip(
        when=lambda c: (
            c.is_("TIMES", "COMMA", "INT")
            and (
                c.before.kind in ("INT", "COMMA") and c.within == "(" and not c.could("INT", "PLUS")
            )
        ),
        hint="a shape is written `3 x 224 x 224`",
    ),
    Slip(
        when=lambda c: c.is_("REPEAT") and _second("REPEAT", c),
        hint="`^` does not follow `^`: write `(a^b)^c` or `a^(b^c)`",
    ),
    Slip(
        when=lambda c: c.is_("COMPARE") and _second("COMPARE", c),
        hint="comparisons do not follow each other: write `a < b and b < c`",
    ),
    Slip(
        when=lambda c: c.is_("RANGE") and _second("RANGE", c),
        hint="a range has two ends: `1..n`",
    ),
    Slip(
        when=lambda c: c.is_("OF") and c.before.kind == "NAME",
        hint="write `2 of {...}` with a number, `any of {...}`, or `{...}` for one",
    ),
    Slip(when=_foreign, hint=""),
    Slip(
        when=lambda c: c.before.kind == "TITLE",
        hint='a title is a text: `title "..."`',
    ),
    # --- statements -------------------------------------------------------------------------
    Slip(
        when=lambda c: (
            c.expected <= {"EQUAL", "LSQB"}
            and (c.before.kind == "NAME" and not c.before_first and c.earlier.kind in ENDS)
        ),
        message="`{before}` is not connected to what is before it",
        place="before",
        expected="an operator before it",
        hint="is `->` or another operator missing before `{before}`?",
    ),
    Slip(
        when=lambda c: c.before.kind in OPERATORS and c.first,
        message="the end of this line is missing",
        place="before",
        expected="an expression behind it",
        hint="`{before}` needs a value behind it",
    ),
    Slip(
        when=lambda c: c.before.kind == "RETURN",
        hint="`return` names at least one value",
    ),
    Slip(
        when=lambda c: (
            c.could("EQUAL")
            and c.found.kind in ("LPAR", "ARROW", "PLUS", "MINUS", "TIMES")
            and c.within == "body"
        ),
        hint="a statement names its result, `y = ...`, or returns it, `return ...`",
    ),
    Slip(
        when=lambda c: c.is_("TRAIN") and c.before.kind == "EQUAL",
        hint='as a setting it stands in quotes: "train(...)"',
    ),
    Slip(
        when=lambda c: (
            c.found.kind in DEFINITIONS | {"TITLE", "WHERE", "VARY"} and c.within == "body"
        ),
        hint="definitions stand directly in a space; is a `}` missing before this one?",
    ),
    Slip(
        when=lambda c: c.could("COMMA") and c.within == "(" and c.is_("NAME", "INT", "FLOAT"),
        hint="is a `,` or an operator missing before it?",
    ),
    Slip(
        when=lambda c: c.could("VBAR") and c.within == "hole" and c.is_("NAME", "INT", "FLOAT"),
        hint="is a `|` or an operator missing before it?",
    ),
)
