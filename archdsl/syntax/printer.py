"""Trees to text: the one layout that `fmt` writes, and the canonical text that is hashed."""

from __future__ import annotations

from collections import Counter

from archdsl.syntax import tree as t
from archdsl.syntax.comments import Comments
from archdsl.syntax.errors import fault
from archdsl.syntax.layout import Group, set_lines
from archdsl.syntax.parse import parse
from archdsl.syntax.print_document import DocumentPrinter
from archdsl.syntax.print_expression import Expressions


def print_document(doc: t.Document) -> str:
    """The document in the one layout of `fmt`, with its comments."""
    return DocumentPrinter(doc, doc.comments, plain=False).document()


def canonical(doc: t.Document) -> str:
    """The text that stands for a meaning: no comments, one spelling for each number.

    Equal trees give equal texts, so it is what is hashed, and what generated files end with.
    """
    return DocumentPrinter(doc, (), plain=True).document()


def print_expression(expression: t.Expression, *, plain: bool = False) -> str:
    """One expression on one line, for messages; `plain` with one spelling for each number."""
    layout = Expressions(Comments("", ()), plain=plain).layout(expression)
    return set_lines(Group(layout), 0, width=10**9)


def print_genotype(genotype: t.Genotype) -> str:
    """The canonical architecture string."""
    expressions = Expressions(Comments("", ()), plain=True)
    text = genotype.space
    if genotype.parameters:
        given = (
            f"{p.name}={set_lines(expressions.layout(p.value), 0)}" for p in genotype.parameters
        )
        text += f"({', '.join(given)})"
    return text + "".join(_group(group) for group in genotype.groups)


def _group(group: t.Group) -> str:
    name = ".".join([group.name, *map(str, group.index)])
    entries = (" ".join(map(_picks, entry.choices)) for entry in group.entries)
    return f"/{name}[{'; '.join(entries)}]"


def _picks(picks: t.Picks) -> str:
    return "+".join(map(_pick, picks.picks)) or "-"


def _pick(pick: t.Pick) -> str:
    return f"{pick.label}({' '.join(map(_picks, pick.inner))})" if pick.inner else pick.label


def format_text(text: str, name: str = "<text>") -> str:
    """What `fmt` writes: the text in the one layout, proven to mean the same.

    Raises ArchError for a text with errors, and E0901, without a result, if the printed text did
    not read back as the same tree with the same comments or would change when printed again.
    """
    return formatted(parse(text, name), name)


def formatted(before: t.Document, name: str = "<text>") -> str:
    """What `fmt` writes for a text that is read already. Raises E0901 as `format_text` does."""
    printed = print_document(before)
    after = parse(printed, name)
    kept = Counter(c.text for c in before.comments) == Counter(c.text for c in after.comments)
    if before != after or not kept or print_document(after) != printed:
        raise fault(
            "E0901",
            "the formatter would have changed this text, and left it alone",
            before.span,
            hint="please report it with the text",
        )
    return printed
