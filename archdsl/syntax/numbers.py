"""The spelling of numbers: one way to read them and one way to write them."""

from __future__ import annotations

FACTORS = {"K": 3, "M": 6, "G": 9}
MAX_DIGITS = 9
MAX_SIGNIFICANT = 18


def number_value(text: str) -> int | float:
    """`12` -> 12, `1.5M` -> 1500000, `0.5` -> 0.5; exact where the result is whole."""
    zeros = FACTORS.get(text[-1:], 0)
    if not zeros:
        return int(text[:32]) if text.lstrip("-").isdigit() else float(text)
    whole, _, fraction = text[:-1].partition(".")
    scaled = int(whole + fraction) * int(10**zeros)
    denominator = int(10 ** len(fraction))
    return scaled // denominator if scaled % denominator == 0 else scaled / denominator


def number_text(value: int | float) -> str:
    """The canonical spelling, which reads back as the same value."""
    sign, size = ("-", -value) if value < 0 else ("", value)
    if isinstance(size, int):
        if size < 10**MAX_DIGITS:
            return f"{sign}{size}"
        whole, rest = divmod(size, 10**9)
        return f"{sign}{f'{whole}.{rest:09d}'.rstrip('0').rstrip('.')}G"
    spelling = repr(float(size))
    if "e" in spelling or size < 10**MAX_DIGITS:
        return sign + spelling
    whole_part, _, fraction = spelling.partition(".")
    digits = (whole_part + fraction).rstrip("0")
    return f"{sign}{f'{digits[0]}.{digits[1:]}'.rstrip('.')}e{len(whole_part) - 1}"


def too_many_digits(text: str) -> bool:
    """Whether a number has more digits than its spelling allows: 9 before the point, 18 in all.

    Leading zeros are free up to a point: `0.00012` has two digits.
    """
    mantissa = text.lstrip("-").rstrip("KMG").lower().partition("e")[0]
    whole, _, fraction = mantissa.partition(".")
    significant = len((whole + fraction).lstrip("0"))
    return (
        len(whole.lstrip("0")) > MAX_DIGITS
        or significant > MAX_SIGNIFICANT
        or len(mantissa) > 2 * MAX_SIGNIFICANT
    )
