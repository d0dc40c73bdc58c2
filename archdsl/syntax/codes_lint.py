"""Codes of what is legal and yet hardly meant: `archdsl lint`."""

from __future__ import annotations

from archdsl.syntax.explanation import row

LINT_ROWS = (
    row(
        "E0551",
        "a value that nothing takes",
        "An input, a binding or a member of a family that no output needs, whatever is decided. "
        "It has weights and costs all the same.",
        "y = x -> conv(8)\nreturn x",
        "y = x -> conv(8)\nreturn y",
    ),
    row(
        "E0552",
        "a definition that is never used",
        "An op, cell, block or constant that the net does not reach.",
    ),
    row(
        "E0553",
        "a parameter that changes nothing",
        "A parameter of a space, op, cell or block that no expression takes.",
        "op edge(c, k=3) = conv(c)",
        "op edge(c, k=3) = conv(c, k=k)",
    ),
    row(
        "E0554",
        "a hole that decides nothing",
        "What the hole takes reaches no output, so all its alternatives are one network; or it has "
        "one alternative only.",
    ),
    row(
        "E0555",
        "two alternatives that are the same",
        "Networks that differ in these two alternatives alone have one `archdsl id`, in every "
        "context that was tried: the search would see one network twice.",
        "{a = conv(8) -> id | b = conv(8)}",
        "{a = conv(8) -> relu | b = conv(8)}",
    ),
    row(
        "E0556",
        "many equal architectures",
        "At least a tenth of the architectures equal another one of the space. Where a paper "
        "wants it so, write `# lint: E0556` and the reason above the space.",
    ),
)
