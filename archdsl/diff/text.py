"""A diff for a reader: what changed, then what it costs."""

from __future__ import annotations

from collections.abc import Iterator

from archdsl.diff.edits import Change, Diff
from archdsl.ir.types import Cost

ROWS = (
    ("parameters", "params"),
    ("MACs", "macs"),
    ("activation bytes", "activation_bytes"),
    ("peak bytes", "peak_bytes"),
)


def as_text(diff: Diff) -> str:
    """The two strings, one line a change, and a table of the costs; ends with a newline."""
    if not diff:
        return "no difference\n"
    lines = [f"--- {diff.before.genotype}", f"+++ {diff.after.genotype}", ""]
    lines += [as_line(change) for change in diff.changes]
    lines += ["", *_table(diff.before.cost, diff.after.cost)]
    return "".join(f"{line}\n" for line in lines)


def as_line(change: Change) -> str:
    """`mixer: node 3: input 1 -> 2`, `stage 2: 2 -> 3 blocks`, `mixer: node 5: + pool of 3`."""
    head = ": ".join(part for part in (change.where, change.what) if part)
    if change.before and change.after:
        values = f"{change.before} -> {change.after}"
    elif change.before or change.after:
        values = f"- {change.before}" if change.before else f"+ {change.after}"
    else:
        return head
    glue = " " if _is_word(change.what) else ": "
    return f"{head}{glue}{values} {change.unit}".rstrip()


def _is_word(what: str) -> bool:
    """Whether values follow directly (`input 1 -> 2`) and not behind a colon (`node 2: a -> b`)."""
    return what.rpartition(": ")[2] in ("input", "inputs")


def _table(before: Cost, after: Cost) -> Iterator[str]:
    rows = [("", "before", "after", "change")]
    for name, field in ROWS:
        old, new = getattr(before, field), getattr(after, field)
        rows.append((name, f"{old:,}", f"{new:,}", _relative(old, new)))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for name, *cells in rows:
        shown = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join((name.ljust(widths[0]), *shown)).rstrip()


def _relative(old: int, new: int) -> str:
    """`+1,234 (+0.5 %)`."""
    if old == new:
        return "same"
    share = f" ({(new - old) / old:+.1%})" if old else ""
    return f"{new - old:+,}{share}"
