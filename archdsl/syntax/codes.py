"""Every diagnostic code, with the explanation that `archdsl explain CODE` prints.

E01 text and limits, E02 syntax, E03 names and values, E04 shapes, E05 holes and spaces,
E06 architecture strings, E07 files and the command line, E08 data and runs, E09 internal.
Adding a code is adding one row, here or in the table of its stage. Examples are parts of a text,
or whole texts that are read in a test where they begin with `archdsl`.
"""

from __future__ import annotations

from archdsl.syntax.codes_files import FILE_ROWS
from archdsl.syntax.codes_formats import EDIT_ROWS, FORMAT_ROWS
from archdsl.syntax.codes_grow import GROW_ROWS
from archdsl.syntax.codes_ir import IR_ROWS
from archdsl.syntax.codes_lint import LINT_ROWS
from archdsl.syntax.codes_runs import RUN_ROWS
from archdsl.syntax.codes_space import SPACE_ROWS
from archdsl.syntax.explanation import row

ROWS = (
    # --- E01: text and limits ---------------------------------------------------------------
    row(
        "E0101",
        "the text is too long",
        "A text has at most 256 KiB. Spaces are described, not listed: loops and families say in "
        "few lines what would fill pages.",
    ),
    row(
        "E0103",
        "a control or invisible character",
        "Control characters, marks that turn the direction of text, and characters without width "
        "are refused everywhere, comments and texts included: they make a text read other than "
        "it is. A carriage return is fine before a newline.",
    ),
    row(
        "E0104",
        "a character beyond ASCII",
        "Names, numbers and operators are ASCII, because they become names in Python. Comments, "
        "documentation and texts in quotes may use any printable letter.",
        "op café = relu",
        "op cafe = relu  # café",
    ),
    row(
        "E0105",
        "brackets are nested too deep",
        "At most 64 brackets stand inside each other. Give an inner part a name.",
        "y = ((((...))))",
        "inner = a -> b\ny = inner -> c",
    ),
    row(
        "E0106",
        "a number has too many digits or is out of range",
        "A number has at most 9 digits before its point and 18 in all. Large values are written "
        "with K, M or G. With an exponent, a number is between 1e-30 and 1e30 in size.",
        "where params <= 12000000000",
        "where params <= 12G",
    ),
    row(
        "E0107",
        "a text has no end",
        "A text in quotes ends on the line where it begins. There are no escapes, so it cannot "
        "hold a quote.",
        'pos="sincos',
        'pos="sincos"',
    ),
    row(
        "E0108",
        "a character that means nothing",
        "The language has names, numbers, texts in double quotes, and the signs "
        "{ } ( ) [ ] , ; : | = -> ^ @ + - * / // % .. < <= > >= == !=. In an architecture string "
        "there are only / [ ] ( ) ; + - , =.",
        "y = x && z",
        "y = x and z",
    ),
    row(
        "E0109",
        "an expression is too long or too deep",
        "At most 120 operators follow each other in one expression, and a tree is at most 128 "
        "nodes deep. Give a part of it a name.",
        "y = x -> a -> a -> a ...",
        "y = x -> a^120",
    ),
    row(
        "E0110",
        "a number runs into a word",
        "Between a number and a name stands a space or an operator.",
        "image: 3x32x32",
        "image: 3 x 32 x 32",
    ),
    # --- E02: syntax ------------------------------------------------------------------------
    row(
        "E0201",
        "something cannot stand here",
        "The text was readable up to this place. What could have come instead is listed under "
        "`expected`.",
        "y = x -> -> relu",
        "y = x -> relu",
    ),
    row(
        "E0202",
        "the text ends too early",
        "The end of the text came where something was still to follow. A file has a first line "
        "`archdsl 1` and at least one space.",
        "archdsl 1",
        "archdsl 1\n\nspace s {\n  op f = relu\n}",
    ),
    row(
        "E0203",
        "a bracket is never closed",
        "The place is that of the opening bracket, as far as it could be told: the next "
        "definition shows where a body should have ended.",
        "y = conv(64, k=3",
        "y = conv(64, k=3)",
    ),
    row(
        "E0204",
        "a bracket closes nothing",
        "No bracket of this kind is open, or another one has to be closed before it.",
        "y = conv(64))",
        "y = conv(64)",
    ),
    row(
        "E0205",
        "the version line is missing",
        "A file begins with the version of the language it is written in, so that a later "
        "version can still read it as it was meant. Comments may stand before it.",
        "space s {\n  op f = relu\n}",
        "archdsl 1\n\nspace s {\n  op f = relu\n}",
    ),
    row(
        "E0206",
        "the version is unknown",
        "This archdsl reads version 1.",
        "archdsl 2",
        "archdsl 1\n\nspace s {\n  op f = relu\n}",
    ),
    row(
        "E0207",
        "a word of the language as a name",
        "These words mean something everywhere and cannot be names: and, any, archdsl, block, "
        "cell, elastic, else, for, if, in, net, no, of, op, or, return, space, then, title, use, "
        "vary, where, yes.",
        "op block = relu",
        "op block_1 = relu",
    ),
    row(
        "E0208",
        "a semicolon where none belongs",
        "`;` has one use: in the header of a cell, block or net it stands between the inputs and "
        "the parameters. Arguments of calls go by comma, statements need nothing between them.",
        "conv(64; k=3)",
        "archdsl 1\n\nspace s {\n  cell f(x; c) = x -> conv(c, k=3)\n}",
    ),
    row(
        "E0209",
        "`=` and `==` mixed up",
        "`=` binds a name or gives an argument, `==` compares.",
        'if kind = "a" { ... }',
        'if kind == "a" { ... }',
    ),
    row(
        "E0210",
        "an argument without a name behind one with a name",
        "Arguments without names come first, in the order of the parameters.",
        "conv(k=3, 64)",
        "conv(64, k=3)",
    ),
    row(
        "E0211",
        "`for` in a call with several arguments",
        "`sum(e for j in 1..3)` has one argument, which is taken for each j. With others beside "
        "it, it could not be told what is repeated.",
        "sum(x, n[j] for j in 1..3)",
        "x + sum(n[j] for j in 1..3)",
    ),
    row(
        "E0212",
        "a name given twice",
        "Inputs, parameters, indices of a family, and the names of arguments differ within one "
        "header or call.",
        "conv(64, k=3, k=5)",
        "conv(64, k=3)",
    ),
    row(
        "E0213",
        "`|` outside a hole",
        "`|` separates the alternatives of a hole and stands directly in its braces.",
        "y = x -> id | pool",
        "y = x -> {id | pool}",
    ),
    row(
        "E0214",
        "true or false",
        "The two flags are `yes` and `no`.",
        "conv(64, bias=false)",
        "conv(64, bias=no)",
    ),
    row(
        "E0215",
        "an input with a default",
        "Inputs carry data and have no default; parameters are numbers, flags and texts, and "
        "stand behind `;`.",
        "cell f(x, c=3) { ... }",
        "cell f(x; c=3) { ... }",
    ),
    row(
        "E0216",
        "a definition outside a space",
        "Operations, cells, blocks and nets stand in a space. Several files share definitions "
        "with `use NAME`.",
        "archdsl 1\nop f = relu",
        "archdsl 1\n\nspace s {\n  op f = relu\n}",
    ),
    row(
        "E0217",
        "a shape without `x`",
        "A shape lists its axes from the outermost, with ` x ` between them. An axis is a number, "
        "a name, or an expression in parentheses.",
        "net f(image: 3 by 32 by 32) = image",
        "archdsl 1\n\nspace s(size=32) {\n  net f(image: 3 x size x (2 * size)) = image\n}",
    ),
    row(
        "E0218",
        "a hole that takes nothing",
        "`k of {...}` takes k alternatives, at least one. `any of {...}` may take none.",
        "0 of {a | b}",
        "any of {a | b}",
    ),
    row(
        "E0219",
        "the alternatives of a hole",
        "A hole has at least one alternative, and `|` between one and the next.",
        "{id, pool}",
        "{id | pool}",
    ),
    # --- E03 names and values, E04 shapes, E05 holes and spaces --------------------------------
    *IR_ROWS,
    # --- E06: architecture strings ----------------------------------------------------------
    row(
        "E0601",
        "something cannot stand here in an architecture string",
        "A string is a space, its parameters where they differ from their defaults, and for each "
        "definition with holes a group of entries. Entries are separated by `;`, the choices of "
        "an entry by a space, the picks of a set by `+`; `-` is the empty set.",
        "mf/mixer[pool, 1 pool]",
        "mf(nodes=7)/mixer[pool; 1 pool]",
    ),
    row("E0602", "an architecture string ends too early", "Something was still to follow."),
    row(
        "E0603",
        "a bracket of an architecture string is never closed",
        "The place is that of the opening bracket.",
        "mf/mixer[pool; 1 pool",
        "mf/mixer[pool; 1 pool]",
    ),
    row(
        "E0604",
        "a parameter of an architecture string given twice",
        "Each parameter has one value.",
        "mf(nodes=4, nodes=7)/mixer[pool]",
        "mf(nodes=7)/mixer[pool]",
    ),
    row(
        "E0605",
        "an architecture string has one line",
        "Several strings are given as several arguments, or one a line on standard input.",
    ),
    row(
        "E0606",
        "a bracket of an architecture string closes nothing",
        "No bracket of this kind is open.",
        "mf/mixer[pool]]",
        "mf/mixer[pool]",
    ),
    *LINT_ROWS,
    *SPACE_ROWS,
    *FORMAT_ROWS,
    *FILE_ROWS,
    *EDIT_ROWS,
    *RUN_ROWS,
    *GROW_ROWS,
    # --- E09: internal ----------------------------------------------------------------------
    row(
        "E0901",
        "the formatter would have changed a text",
        "`fmt` reads its own output back and compares before it writes. This is an error of "
        "archdsl, not of the text: please report it.",
    ),
    row(
        "E0902",
        "a text that cannot be written",
        "A tree that was built by a program holds a text with a quote or a line break, for which "
        "the language has no spelling.",
    ),
    row(
        "E0903",
        "no code for a join whose values may be missing",
        "In a supernet a value that a hole may leave out can go into a sum, a mean or a product, "
        "where something must always be left; other joins have no form without one of their "
        "values.",
    ),
    row(
        "E0904",
        "conditions too entangled for a supernet",
        "A supernet computes only what a choice needs. Where very many holes of one cell decide "
        "together whether a value is needed, finding that out would take too long.",
    ),
    row(
        "E0906",
        "alternatives that cannot be mixed",
        "A mixture supernet computes every alternative of a hole and sums them, each times its "
        "gate. Sizes of shared weights, alternatives that depend on another hole, indices, and "
        "terms of a join that is no sum have no such sum; a supernet that runs paths takes them.",
        "archdsl compile elastic.arch --supernet --mode mixture -o out",
        "archdsl compile elastic.arch --supernet -o out",
    ),
    row(
        "E0907",
        "nothing to checkpoint",
        "With `--checkpoint` the cells and blocks that a net uses run again in the backward pass "
        "instead of keeping what they compute; this net uses none, so nothing would be saved.",
        "archdsl compile plain.arch --checkpoint -o out",
        "archdsl compile blocks.arch --checkpoint -o out",
    ),
    row(
        "E0908",
        "no part of the tokens can be taken",
        "With `--partial-tokens` a mixture runs on the best tokens only. Its alternatives must "
        "be computed from one value and map tokens to tokens of the same width, whatever their "
        "number, and nothing in the space may be causal: which are best depends on all.",
        "archdsl compile maps.arch --supernet --mode mixture --partial-tokens 1/4 -o out",
        "archdsl compile encoder.arch --supernet --mode mixture --partial-tokens 1/4 -o out",
    ),
    row(
        "E0909",
        "no part of the channels can be taken",
        "With `--partial-channels 1/K` a mixture of maps runs on the first 1/K of its channels: "
        "its alternatives, computed from one map and with as many channels as it, are made anew at "
        "1/K of all widths. Widths are whole-number parameters of the space that K divides; "
        "numbers in the text stay. What passes by a stride is max-pooled, in windows side by side.",
        "archdsl compile literal.arch --supernet --mode mixture --partial-channels 1/4 -o out",
        "space s(width=16) { ... {conv3 = conv(width, k=3) | skip = id} ... }",
    ),
    row(
        "E0910",
        "a stage of the compiler left a broken program",
        "Programs are checked after elaboration and after every pass; the message names the stage "
        "that broke this one. This is an error of archdsl, not of the text: please report it.",
    ),
)

CODES = {code.code: code for code in ROWS}
assert len(CODES) == len(ROWS), "a code with two meanings"


def explain(code: str) -> str:
    """The explanation of a code, in a few lines. Raises KeyError for an unknown one."""
    entry = CODES[code.upper()]
    parts = [f"{entry.code}: {entry.title}", entry.about]
    for label, example in (("wrong", entry.wrong), ("right", entry.right)):
        if example:
            indented = "\n".join(f"    {line}".rstrip() for line in example.split("\n"))
            parts.append(f"{label}:\n{indented}")
    return "\n\n".join(parts)
