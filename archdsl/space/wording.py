"""Words for messages: lists, counts, near misses, places."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archdsl.syntax.tree import Span

MAX_LISTED = 8
READABLE = 10**100
SPELLED = 10**4000
"""Python refuses to read or write numbers of more than 4,300 digits."""


def listed(items: Iterable[str], last: str = "or") -> str:
    """`1, 2 or 3`; a long list is cut."""
    names = list(items)
    if len(names) > MAX_LISTED:
        return f"{', '.join(names[: MAX_LISTED - 1])} {last} {len(names) - MAX_LISTED + 1} more"
    return f" {last} ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def count(number: int, noun: str) -> str:
    """`1 entry`, `2 entries`."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number} {noun if number == 1 else plural}"


def short(value: int) -> str:
    """`15,625`; what is too long for a column as `about 1.2e18`."""
    return number(value, 10**12)


def number(value: int, readable: int = READABLE) -> str:
    """`15,625`; what is too long to read as `about 1.2e5418`."""
    if value < readable:
        return f"{value:,}"
    digits = math.floor((value.bit_length() - 1) * math.log10(2))  # perhaps one too few
    leading = value // 10 ** (digits - 1)
    power = len(str(leading)) - 1
    return f"about {leading / 10**power:.1f}e{digits - 1 + power}"


def percent(part: int, whole: int) -> str:
    """`12.5 %`, `0.00031 %`, `3.5e-15`: a part of a whole."""
    share = part / whole  # of integers of any size
    return share_text(share) if share or not part else "less than 1e-300"


def share_text(share: float) -> str:
    """`12.5 %`, `0.00031 %`, `3.5e-15`: three digits, or two of a small one."""
    if not share:
        return "0 %"
    if share < 1e-6:
        return f"{share:.1e}"
    decimals = max(0, 2 - math.floor(math.log10(share * 100)))
    return f"{100 * share:.{min(decimals, 6)}f} %"


def exact(value: int) -> int | str:
    """A number as JSON carries it: exact, unless no program would read that many digits."""
    return value if value < SPELLED else number(value)


def similar(name: str, known: Iterable[str]) -> str:
    """A hint at what may have been meant."""
    close = closest(name, known)
    return f"did you mean {close}?" if close else ""


def closest(name: str, known: Iterable[str]) -> str:
    """The nearest of some names: nearly the same, or the only one that begins or ends so."""
    names = list(known)
    close = get_close_matches(name, names, n=1)
    longer = [other for other in names if other.startswith(name) or other.endswith(name)]
    return close[0] if close else longer[0] if len(longer) == 1 and len(name) > 1 else ""


def first_part(span: Span, length: int) -> Span:
    """The first characters of a place."""
    return replace(span, end=min(span.end, span.start + length))
