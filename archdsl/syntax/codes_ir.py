"""Codes of elaboration: limits, names and values (E03), shapes (E04), holes and spaces (E05)."""

from __future__ import annotations

from archdsl.syntax.explanation import row

IR_ROWS = (
    # --- E01: limits that elaboration keeps -------------------------------------------------
    row(
        "E0112",
        "a number that is too large",
        "No number of an architecture is beyond 1e15.",
        "100000 ^ 20",
        "10 ^ 6",
    ),
    row(
        "E0113",
        "too many operations",
        "A text from a stranger may ask for 20,000 operations, each definition counted once, and a "
        "million with every use counted. Loops and repetitions inside one another multiply.",
        "(relu^1000)^1000",
        "relu^10",
    ),
    row(
        "E0114",
        "too many parameters or MACs",
        "By default a network has at most 2e9 parameters and needs at most 1e13 MACs, all "
        "alternatives together. Flags raise these limits.",
        "conv(900000000, k=3)",
        "conv(512, k=3)",
    ),
    # --- E03: names and values --------------------------------------------------------------
    row(
        "E0301",
        "an unknown name",
        "A name is bound before it is used: an input, a parameter, a binding above, a definition "
        "of the space, a built-in operation or an installed one.",
        "return stme -> relu",
        "return stem -> relu",
    ),
    row(
        "E0302",
        "an index that does not fit",
        "`n[i]` needs a binding `n[i] = ...` before it, and whole numbers as indices. A cell or "
        "block with an index in its head, `cell motif[m](x)`, is always used with one; an `op` "
        "and a net have none.",
        "n[i] = n[i-2] -> relu",
        "n[i] = n[i-1] -> relu",
    ),
    row(
        "E0303",
        "one kind of thing where another is needed",
        "A value of the network goes to the left of `->`, an operation to its right. Numbers, "
        "texts and flags are arguments. Several values are joined before an operation takes them.",
        "image -> conv(8) -> 3",
        "image -> conv(8) -> conv(3)",
    ),
    row(
        "E0304",
        "arguments that do not fit",
        "The arguments of an operation, cell, block, op or function: how many, how they are "
        "called, and what each may be. What an operation takes stands in the hint.",
        "conv(8, kernel=3)",
        "conv(8, k=3)",
    ),
    row(
        "E0305",
        "arithmetic that has no exact result",
        "`/` divides exactly; `//`, `floor` and `round_to` say what to do with a rest. Values of "
        "different kinds are neither added nor compared.",
        "width = 15 / 2",
        "width = 15 // 2",
    ),
    row(
        "E0306",
        "a range or a number of repetitions",
        "`for` runs over a range of whole numbers that are known while compiling; `^` repeats a "
        "whole number of times, which a hole may decide.",
        "for i in 3 { n[i] = x -> relu }",
        "for i in 1..3 { n[i] = x -> relu }",
    ),
    row(
        "E0307",
        "a name with two meanings",
        "Every name is bound once in its definition, and defined once in a space. What changes "
        "from step to step has an index.",
        "y = x -> conv(8)\ny = y -> relu",
        "y = x -> conv(8) -> relu",
    ),
    row(
        "E0308",
        "the space refuses its parameters",
        'A space can say `fail("...")` where its parameters make no sense; the message is its own.',
    ),
    row(
        "E0309",
        "a return is missing, or in the wrong place",
        "A cell, block or net ends with `return`, in every branch that is taken. A loop does not "
        "return, and nothing stands behind a return.",
        "for i in 1..3 { return x -> relu }",
        "for i in 1..3 { n[i] = x -> relu }\nreturn n[3]",
    ),
    row(
        "E0310",
        "a space has one net",
        "The net is the whole network, from its inputs with their shapes to what it returns.",
    ),
    row(
        "E0311",
        "a definition contains itself",
        "There is no recursion: every text ends. Repetition is said with `^`, `for` and indices.",
        "cell f(x) = x -> relu -> f",
        "y = x -> f^3",
    ),
    # --- E04: shapes ------------------------------------------------------------------------
    row(
        "E0401",
        "a shape that an operation cannot take",
        "Every operation says what it takes: maps (channels, height, width), tokens (tokens, "
        "channels) or vectors (features). Sums and products need equal shapes.",
        "(image -> conv(8)) + image",
        "(image -> conv(8)) + (image -> conv(8))",
    ),
    row("E0402", "a value that is too large or empty", "No value has more than 1e12 numbers."),
    row(
        "E0403",
        "the shape of an input",
        "The inputs of a net have one to three axes, outermost first, each a whole number above 0.",
        "net network(image)",
        "net network(image: 3 x 32 x 32)",
    ),
    row(
        "E0404",
        "an input has another shape than its definition says",
        "A shape behind the input of a cell or block is checked at every use. Without one, the "
        "shape follows from each use.",
    ),
    row(
        "E0405",
        "tied operations that cannot share weights",
        "All operations tied under one name, `@w`, have one set of weights; so they are the same "
        "operation with the same arguments, on inputs for which its weights have equal shapes.",
        "x -> conv(8)@w -> conv(16)@w",
        "x -> conv(8)@w -> conv(8)@w",
    ),
    # --- E05: holes and spaces --------------------------------------------------------------
    row(
        "E0501",
        "two alternatives with one name",
        "Architecture strings call alternatives by their names, so these differ within a hole.",
        "{relu | gelu | relu}",
        "{relu | gelu | again = relu}",
    ),
    row(
        "E0502",
        "an alternative without a name",
        "A single operation, a number or an indexed value names itself. Anything longer gets a "
        "name in front.",
        "{relu -> bn | gelu}",
        "{act = relu -> bn | gelu}",
    ),
    row(
        "E0503",
        "too few alternatives",
        "A hole takes one, `k of` takes k; so many alternatives there must be, in every turn of a "
        "loop. Only `any of` may have none.",
        "2 of {n[j] -> relu for j in 0..0}",
        "any of {n[j] -> relu for j in 0..0}",
    ),
    row(
        "E0504",
        "alternatives of different kinds",
        "The alternatives of a hole are all operations, all numbers, all texts or all values; "
        "those of a set are values of the network with one shape each.",
        "conv({8 | yes})",
        "conv({8 | 16})",
    ),
    row(
        "E0505",
        "a hole decides between statements",
        "Which statements run is known while compiling. A hole decides between values, operations "
        "and numbers.",
        "if {yes | no} { y = x -> relu }",
        "y = x -> {relu | id}",
    ),
    row(
        "E0506",
        "uses of a cell with different holes",
        "A cell is decided once for all its uses, so these end with the same holes. A block is "
        "decided anew at each use; a cell with an index once for each index.",
    ),
    row(
        "E0510",
        "alternatives that depend on another hole",
        "A hole that is written once has the same alternatives in every case of the values it is "
        "applied to.",
        "{a[j] = relu for j in 1..{2 | 3}}",
        "{a[j] = relu for j in 1..3}",
    ),
    row(
        "E0511",
        "shapes that depend on too many holes at once",
        "While the shape of a value depends on a hole, everything applied to it is worked out for "
        "each alternative; several such holes multiply.",
        "x -> conv({1..100}) -> conv({1..100})",
        "x -> conv({1..100}) -> conv(64) -> conv({1..100}) -> conv(64)",
    ),
    row(
        "E0512",
        "what is returned has no fixed shape",
        "A definition returns one shape, whatever its holes take.",
        "return x -> conv({8 | 16})",
        "return x -> conv({8 | 16}) -> conv(8)",
    ),
    row(
        "E0513",
        "a hole in a constant of the space",
        "Decisions belong to a net, a cell, a block or the statement that applies an op.",
        "width = {8 | 16}",
        "net network(image: 3 x 32 x 32) { width = {8 | 16} }",
    ),
    row(
        "E0514",
        "a constraint that bounds no cost",
        "`where` compares figures of `archdsl cost`, and counts of what decisions take, with "
        "numbers. `count(cell)` is how many alternatives the decisions of a definition take, "
        '`count(cell, source)` those of the decisions called so, `count("none")` those with '
        "a label.",
        "where speed <= 12M",
        "where params <= 12M, count(cell, source) <= 9",
    ),
    row(
        "E0515",
        "sizes that cannot share one set of weights",
        "Under `elastic` all sizes of an operation are slices of the largest. An operation says "
        "how its weights are sliced and which of its numbers may differ from call to call; one "
        "that does not, or a number of another kind, needs weights of its own for each size.",
        "x -> group_norm({1 | 2})",
        "x -> {one = group_norm(1) | two = group_norm(2)}",
    ),
    row(
        "E0516",
        "a join that may be left with nothing",
        "`any of` may take no alternative at all, and then a sum of it alone has no value.",
        "sum(any of {a = x | b = x -> relu})",
        "sum(x, any of {a = x | b = x -> relu})",
    ),
    row(
        "E0517",
        "a concatenation whose width a hole decides",
        "Values taken by `any of`, `k of` or `leaves` are not always there, and a concatenation "
        "of them has no width of its own. Joins that keep the shape may take them.",
        "concat(x, any of {a = x | b = x -> relu})",
        "sum(x, any of {a = x | b = x -> relu})",
    ),
    row(
        "E0518",
        "a hole among values that are not always there",
        "`for y in leaves(n)` runs over values that other holes decide. What it applies to them is "
        "there only where they are, and a decision cannot come and go in so many ways.",
        "sum(y -> {relu | gelu} for y in leaves(n))",
        "sum(y -> relu for y in leaves(n)) -> {relu | gelu}",
    ),
)
