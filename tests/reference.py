"""`docs/reference.md`: the language as the grammar, the operations and the codes define it.

`python -m tests.reference` writes it anew (`make regen` too); a test compares it with what it would
write.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from itertools import groupby
from pathlib import Path

from archdsl.ir.conditions import METRICS, OPERATORS
from archdsl.ir.functions import FUNCTIONS
from archdsl.ir.types import TensorType
from archdsl.ops import OPERATIONS, Operation, OperationError
from archdsl.resources import grammar
from archdsl.syntax.codes import CODES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"

INPUTS = (
    TensorType((16, 8, 8)),
    TensorType((16, 32)),
    TensorType((32,)),
    TensorType((35,), below=100),
)
"""A map, tokens, a vector and indices to try operations on."""
SAMPLES = {"k": 3, "p": 1, "heads": 4, "head": 8, "groups": 4, "rows": 10, "size": 4, "height": 4}
TRAITS = ("linear", "affine", "zero", "per_channel", "per_position", "batch_statistics", "random")


def page() -> str:
    """The whole page."""
    return "\n".join([*_head(), *_grammar(), *_functions(), *_operations(), *_codes()]) + "\n"


def _head() -> Iterator[str]:
    yield "# Reference"
    yield ""
    yield "Written by `make regen` from the grammar, the operations and the codes; do not edit."
    yield "[The language](language.md) explains it all, [the tutorial](tutorial.md) uses it."
    yield ""


# --- grammar ---------------------------------------------------------------------------------


def _grammar() -> Iterator[str]:
    yield "## Grammar"
    yield ""
    yield "In Lark's notation: `?` an optional part, `*` any number, `+` at least one, `|` one of."
    for name, title in (("arch", "files"), ("strings", "architecture strings")):
        for part, rules in _sections(grammar(name), title):
            yield ""
            yield f"### {part}"
            yield ""
            yield "```"
            yield from rules
            yield "```"
    yield ""


def _sections(text: str, title: str) -> Iterator[tuple[str, list[str]]]:
    """The rules below each `// --- title ---` line, without comments and names of tree nodes."""
    part, rules = f"Of {title}", list[str]()
    for line in text.splitlines():
        heading = re.match(r"// --- (.*?) -+$", line)
        rule = re.sub(r"\s+->\s\w+$", "", re.sub(r"(^|\s+)// .*$|^//$", "", line)).rstrip()
        if heading:
            if rules:
                yield part, rules
            part, rules = f"Of {title}: {heading[1]}", []
        elif rule:
            rules.append(rule)
    if rules:
        yield part, rules


def _functions() -> Iterator[str]:
    yield "## Functions and figures"
    yield ""
    yield f"While compiling: {_code(sorted(FUNCTIONS))}."
    yield ""
    yield f"In `where`: {_code((*METRICS, 'count'))}, joined by {_code(OPERATORS)}."
    yield ""


def _code(names: object) -> str:
    assert isinstance(names, (tuple, list))
    return ", ".join(f"`{name}`" for name in names)


# --- operations ------------------------------------------------------------------------------


def _operations() -> Iterator[str]:
    yield "## Operations"
    yield ""
    yield "Shapes are those for a map of 16 x 8 x 8, 16 tokens of 32 channels, a vector of 32 and"
    yield "35 indices below 100, where the operation takes one; what has no default is then small."
    yield "Traits are what passes rely on: `zero` says f(0) = 0, `affine` linear but for a bias."
    for module, family in groupby(OPERATIONS, key=lambda operation: operation.__module__):
        about = (inspect.getdoc(sys.modules[module]) or "").split("\n\n")[0].replace("\n", " ")
        yield ""
        yield f"### {about}"
        yield ""
        yield "| operation | is | shapes | weights | traits |"
        yield "|---|---|---|---|---|"
        for operation in family:
            yield _row(operation)
    yield ""


def _row(operation: type[Operation]) -> str:
    about = (inspect.getdoc(operation) or "").split("\n\n")[0].replace("\n", " ")
    shapes, weights, traits = list[str](), "", ""
    for given in INPUTS:
        tried = _tried(operation, given)
        if tried is None:
            continue
        made, inputs = tried
        results = ", ".join(map(str, made.results(inputs)))
        shapes.append(f"{given} to {results}")
        owned = made.weights(inputs)
        weights = weights or ", ".join(
            f"{w.name} {'x'.join(map(str, w.shape))}" for w in owned if not w.buffer
        )
        algebra = made.traits(inputs)
        traits = traits or ", ".join(name for name in TRAITS if getattr(algebra, name))
    cells = (f"`{signature(operation)}`", about, "; ".join(shapes), weights, traits)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _tried(
    operation: type[Operation], given: TensorType
) -> tuple[Operation, tuple[TensorType, ...]] | None:
    """The operation with small arguments on as many inputs as it takes; None where it refuses."""
    needed = {
        field.name: SAMPLES.get(field.name, 8)
        for field in fields(operation)
        if field.default is MISSING and field.default_factory is MISSING
    }
    try:
        made = operation(**needed)
        inputs = (given,) * (2 if operation.arity is None else operation.arity)
        made.results(inputs)
        return made, inputs
    except OperationError:
        return None


def signature(operation: type[Operation]) -> str:
    """`conv(channels, k=1, ...)`, as the language writes it."""
    given = ", ".join(_argument(field) for field in fields(operation))
    return f"{operation.keyword}({given})" if given else operation.keyword


def _argument(field: Field[object]) -> str:
    match field.default:
        case None:
            return f"{field.name}=?"
        case bool():
            return f"{field.name}={'yes' if field.default else 'no'}"
        case str():
            return f'{field.name}="{field.default}"'
        case int() | float():
            return f"{field.name}={field.default}"
        case _:
            return field.name


# --- codes -----------------------------------------------------------------------------------


def _codes() -> Iterator[str]:
    yield "## Diagnostics"
    yield ""
    yield "`archdsl explain CODE` tells more."
    yield ""
    yield "| code | says |"
    yield "|---|---|"
    for code in sorted(CODES):
        yield f"| {code} | {CODES[code].title} |"


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.relative_to(PAGE.parent.parent))


if __name__ == "__main__":
    main()
