"""Codes of the search-space view: strings against their space (E061x), and spaces too large."""

from __future__ import annotations

from archdsl.syntax.explanation import row

SPACE_ROWS = (
    row(
        "E0520",
        "the architectures of a space cannot be counted",
        "Sizes are exact. Where a set of alternatives (`k of`, `any of`) shares many cells between "
        "them, every combination of shared cells is a case of its own. A block is decided anew at "
        "every use, so it is never shared.",
    ),
    row(
        "E0521",
        "constraints leave too little of a space",
        "Bounds on parameters, MACs, FLOPs, bytes of activations and counts are kept while "
        "drawing; other constraints are tested on what is drawn. None of many draws satisfied "
        "them all, or a bound lies outside of what the space can cost: widen them, or narrow the "
        "space so that more of it satisfies them.",
    ),
    row(
        "E0610",
        "a string of another space",
        "A string begins with the name of its space.",
    ),
    row(
        "E0611",
        "a string for other parameters",
        "A space with other parameters has other holes. A string gives every parameter that is "
        "not at its default, and no others.",
        "mf(noodles=7)/mixer[pool]",
        "mf(nodes=7)/mixer[pool]",
    ),
    row(
        "E0612",
        "a group that the space does not have",
        "Groups are the net, cells and blocks with holes; a family's indices follow its name.",
        "mf/mixxer[pool]",
        "mf/mixer[pool]",
    ),
    row(
        "E0613",
        "a group is missing",
        "Every definition that has holes, and is used in this architecture, has a group.",
        "mf",
        "mf/mixer[pool]",
    ),
    row(
        "E0614",
        "a group given twice",
        "All entries of a definition stand in one group.",
        "mf/mixer[pool]/mixer[id]",
        "mf/mixer[pool]",
    ),
    row(
        "E0615",
        "a group that is not used here",
        "The definition is used only inside alternatives that this architecture does not take.",
    ),
    row(
        "E0616",
        "a wrong number of entries",
        "A cell or net has an entry for each statement with holes and each turn of its loops, a "
        "block one for each of its uses that exists.",
    ),
    row(
        "E0617",
        "a wrong number of choices",
        "An entry has one choice for each hole of its statement, in the order of the text.",
        "mf/mixer[pool; pool]",
        "mf/mixer[pool; 1 pool]",
    ),
    row(
        "E0618",
        "an alternative that the hole does not have",
        "A hole takes one of its labels: an alternative's own name, else its number, index or "
        "operation.",
    ),
    row(
        "E0619",
        "an alternative taken twice",
        "A set has each alternative at most once.",
        "s/net[0+0]",
        "s/net[0+1]",
    ),
    row(
        "E0620",
        "a wrong number of alternatives",
        "`{...}` takes one, `k of {...}` takes k joined with `+`; only `any of {...}` may be "
        "empty, written `-`.",
    ),
    row(
        "E0621",
        "choices inside an alternative",
        "Holes inside an alternative are written in parentheses behind it, when it is taken; an "
        "alternative without holes has no parentheses.",
        "s/net[sep+pool(3)]",
        "s/net[sep(3)+pool]",
    ),
    row(
        "E0622",
        "a prefix that no string begins with",
        "The next tokens were asked for behind a text that already left the space.",
    ),
    row(
        "E0623",
        "choices that are no architecture",
        "A program gave indices for decisions: one tuple of ascending indices for each decision "
        "that exists under the others, None for those that do not.",
    ),
    row(
        "E0624",
        "a number that no architecture has",
        "Architectures are numbered from 0 to the size of the space, less one.",
    ),
    row(
        "E0625",
        "too little is left of a space",
        "A part of a space keeps some of the alternatives of its decisions: at least as many as "
        "each takes, and of decisions that depend on each other some that go together.",
    ),
)
