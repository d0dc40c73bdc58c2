"""The spelling of numbers: one way to read them and one way to write them."""

from __future__ import annotations

SUFFIXES = {"K": 10**3, "M": 10**6, "G": 10**9}


def number_value(text: str) -> int | float:
    """`12` -> 12, `1.5M` -> 1500000, `0.5` -> 0.5; exact where the result is whole."""
    factor = SUFFIXES.get(text[-1:], 0)
    if factor:
        value = number_value(text[:-1]) * factor
        return round(value) if abs(value - round(value)) < 1e-6 else value
    if text.lstrip("-").isdigit():
        return int(text[:32])
    return float(text)


def number_text(value: int | float) -> str:
    """The canonical spelling: the shortest that reads back as the same value."""
    return str(value) if isinstance(value, int) else repr(float(value))
