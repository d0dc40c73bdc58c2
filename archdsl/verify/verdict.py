"""What a verification found: one row for each comparison."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: of what (`subject`), on what (`check`), how far, and how far it may be."""

    subject: str
    check: str
    difference: float
    allowed: float

    @property
    def ok(self) -> bool:
        return self.difference <= self.allowed  # a NaN is not

    def __str__(self) -> str:
        mark = "ok" if self.ok else "MISMATCH"
        shown = f"{self.difference:.2e} (at most {self.allowed:.2e})"
        return f"{mark:8}  {self.subject}, {self.check}: {shown}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """All comparisons of one architecture."""

    architecture: str
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        return all(row.ok for row in self.rows)

    @property
    def mismatches(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.ok)

    def __str__(self) -> str:
        return "\n".join([self.architecture, *(f"  {row}" for row in self.rows)])
