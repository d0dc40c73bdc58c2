"""Codes of other people's strings (E064x) and of edit scripts (E074x)."""

from __future__ import annotations

from archdsl.syntax.explanation import row

FORMAT_ROWS = (
    row(
        "E0640",
        "not a string of that format",
        "A string of another tool is read by that tool's own rules. The place is where it stops "
        "to follow them.",
        "|nor_conv_3x3~0|none~0|none~1|",
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    ),
    row(
        "E0641",
        "an operation that the format does not have",
        "Each format has a fixed set of operations; `expected` lists them.",
        "|nor_conv_5x5~0|",
        "|nor_conv_3x3~0|",
    ),
    row(
        "E0642",
        "an edge from the wrong node",
        "Every node lists one edge from each earlier node, in order, so the number behind `~` "
        "counts up from 0.",
        "|none~1|none~0|",
        "|none~0|none~1|",
    ),
    row(
        "E0643",
        "an architecture that the format cannot say",
        "A format of another tool describes some spaces, and not always all of them. What it has "
        "no spelling for is refused, never written as something near it.",
    ),
    row(
        "E0644",
        "a text of another tool that is too large",
        "No architecture is that long; the text is not read further.",
    ),
    row(
        "E0645",
        "a space that the format does not describe",
        "A format belongs to some spaces, and `--space` picks one of them.",
    ),
    row(
        "E0646",
        "weights whose names are not known",
        "`archdsl convert --weights` knows how a library names the weights of some networks. Of "
        "others it would have to guess, and weights in the wrong place give no error, only wrong "
        "results.",
    ),
    row(
        "E0647",
        "weights that do not fit the network",
        "Every tensor of the file goes to exactly one place of the network, with the same shape, "
        "and no place stays empty. Otherwise nothing is written.",
    ),
)

EDIT_ROWS = (
    row(
        "E0740",
        "edits for another architecture",
        "Every edit says what it expects to find. A script applies to the architecture that the "
        "diff was made from, and to no other.",
    ),
    row(
        "E0741",
        "edits that do not give an architecture",
        "After the edits a value would be used before it is computed, shapes would not fit, or "
        "two parts would stand at one place. A script that `archdsl diff` printed does not do "
        "this; it was changed since.",
    ),
    row(
        "E0742",
        "not an edit script",
        "A script is what `archdsl diff A B --format json` prints, unchanged. Every field is "
        "checked before anything is applied.",
    ),
)
