"""What a text names with its settings: a method, an evaluator, written like a space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from archdsl.ops.base import OperationError
from archdsl.ops.binding import Bound, bind
from archdsl.space.parameters import parameters_of
from archdsl.space.wording import similar
from archdsl.syntax import tree
from archdsl.syntax.errors import fault
from archdsl.syntax.parse import parse_genotype
from archdsl.syntax.printer import print_expression
from archdsl.syntax.tree import Span

B = TypeVar("B", bound=Bound)


def named(
    text: str, known: Iterable[type[B]], what: str, unknown: str, *, also: Sequence[str] = ()
) -> B:
    """One of `known` by its keyword, with the settings that the text gives.

    `NAME:REST` gives the rest as the first setting. `what` is what they are called, `unknown` the
    code for another name, `also` names that are known elsewhere. Raises ArchError with that code,
    E0818 for settings that it has not, and as `parse_genotype` does.
    """
    by_name = {one.keyword: one for one in known}
    name, colon, rest = text.partition(":")
    short = colon and name in by_name
    written = parse_genotype(name if short else text, f"--{what}")
    if written.space not in by_name or written.groups:
        raise fault(
            unknown,
            f"there is no {what} {written.space!r}",
            written.span,
            found=text,
            expected=", ".join((*by_name, *also)),
            hint=similar(written.space, (*by_name, *also)),
        )
    first = (rest,) if short else ()
    return bound(by_name[written.space], first, parameters_of(written), written.span, "E0818")


def literal(value: tree.Expression, code: str) -> object:
    """A number, yes, no or a text, as it is written. Raises ArchError with `code` for all else."""
    match value:
        case tree.Number(value=found) | tree.Flag(value=found) | tree.Text(value=found):
            return found
        case tree.Negate(value=tree.Number(value=number)):
            return -number
        case _:
            pass
    word = isinstance(value, tree.Ref) and not value.index
    raise fault(
        code,
        "a setting is a number, yes, no or a text",
        value.span,
        found=print_expression(value),
        expected="one of these",
        hint=f'a text stands in quotes: "{print_expression(value)}"' if word else "",
    )


def bound(
    part: type[B],
    positional: Sequence[object],
    keywords: Mapping[str, object],
    span: Span,
    code: str,
) -> B:
    """The part with these settings. Raises ArchError with `code` where it does not take them."""
    try:
        return bind(part, positional, keywords)
    except OperationError as problem:
        raise fault(
            code,
            str(problem),
            span,
            found=problem.found,
            expected=problem.expected,
            hint=problem.hint,
        ) from None
