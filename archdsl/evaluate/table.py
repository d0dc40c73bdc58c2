"""Values that somebody has measured: a CSV file with one architecture a row.

Ying et al. 2019, "NAS-Bench-101", made searches comparable so; a row costs nothing to read.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from archdsl.evaluate.evaluator import Failed
from archdsl.formats import FORMATS
from archdsl.formats.base import Format
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.space.wording import similar
from archdsl.syntax.errors import ArchError, fault


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSettings:
    """`file` is a CSV file, or one packed by gzip, whose first line names the columns. `text` is
    the column of architectures, in our spelling or in a `format` (`archdsl formats`), `reward`
    the column to make large. All other numbers are kept as well.
    """

    keyword: ClassVar[str] = "table"

    file: str
    reward: str
    text: str = "architecture"
    format: str = ""

    def over(self, space: SearchSpace) -> Table:
        """The rows of a space. Raises ArchError E0819 where the file is not that table."""
        return Table(space, self)


class Table:
    """What the rows say, by the canonical string of their architecture."""

    def __init__(self, space: SearchSpace, settings: TableSettings) -> None:
        self._path = Path(settings.file)
        self._space = space
        self._settings = settings
        self._format = self._named(settings.format) if settings.format else None
        self.rows: dict[str, dict[str, float]] = dict(self._read())

    def __call__(self, architecture: Architecture, step: int) -> Mapping[str, float]:
        row = self.rows.get(architecture.text)
        if row is None:
            raise Failed("missing", f"{self._path} has no row for it")
        return row

    def _read(self) -> Iterator[tuple[str, dict[str, float]]]:
        reader = csv.DictReader(io.StringIO(self._content()))
        columns = list(reader.fieldnames or ())
        for column in (self._settings.text, self._settings.reward):
            if column not in columns:
                raise self._refused(
                    f"there is no column {column}",
                    found=", ".join(columns[:20]) or "no first line",
                    expected=column,
                    hint=similar(column, columns),
                )
        for row in reader:
            number = reader.line_num
            values = {name: x for name in columns if (x := _number(row[name])) is not None}
            if self._settings.reward not in values:
                raise self._refused(
                    f"line {number} has no number for {self._settings.reward}",
                    found=repr(row[self._settings.reward]),
                    expected="a number",
                )
            values["reward"] = values[self._settings.reward]
            yield self._architecture(row[self._settings.text] or "", number), values

    def _content(self) -> str:
        try:
            data = self._path.read_bytes()
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            return data.decode("utf-8")
        except (OSError, EOFError, gzip.BadGzipFile, UnicodeDecodeError) as error:
            raise self._refused(
                f"it cannot be read: {error}", found=str(self._path), expected="a CSV file"
            ) from None

    def _architecture(self, text: str, number: int) -> str:
        """The canonical string of a row's architecture."""
        try:
            if self._format is not None:
                text = self._format.ours(text, self._space.program.genotype)
            return self._space.parse(text).text
        except ArchError as error:
            first = error.diagnostics[0]
            raise self._refused(
                f"line {number} is of no architecture of {self._space.program.space}: "
                f"{first.message}",
                found=text[:80],
                expected=first.expected,
                hint=first.hint,
            ) from None

    def _named(self, name: str) -> Format:
        if name not in FORMATS:
            raise self._refused(
                f"no format is called {name}",
                found=name,
                expected=", ".join(FORMATS),
                hint=similar(name, FORMATS),
            )
        return FORMATS[name]

    def _refused(self, why: str, found: str, expected: str, hint: str = "") -> ArchError:
        return fault("E0819", f"{self._path}: {why}", found=found, expected=expected, hint=hint)


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
