"""Values that somebody has measured: a CSV file with one architecture a row.

Ying et al. 2019, "NAS-Bench-101", made searches comparable so; a row costs nothing to read.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
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
    the column to make large. All other numbers are kept as well, and those of a second file that
    `join` names, whose rows have the same in the column `on`.
    """

    keyword: ClassVar[str] = "table"

    file: str
    reward: str
    text: str = "architecture"
    format: str = ""
    join: str = ""
    on: str = "index"

    def over(self, space: SearchSpace) -> Table:
        """The rows of a space. Raises ArchError E0819 where the file is not that table."""
        return Table(space, self)


class Table:
    """What the rows say, by the canonical string of their architecture."""

    def __init__(self, space: SearchSpace, settings: TableSettings) -> None:
        self._space = space
        self._settings = settings
        self._format = self._named(settings.format) if settings.format else None
        more: dict[str, dict[str, float]] = {}
        if settings.join:
            joined = _File(Path(settings.join), (settings.on,))
            more = {row[settings.on] or "": joined.numbers(row) for _, row in joined.rows}
        self.rows: dict[str, dict[str, float]] = {}
        for text, values in self._read(more):
            if text in self.rows:
                raise _refused(
                    settings.file,
                    f"{text} has two rows",
                    found=text,
                    expected="one row for each architecture: the mean of several, for example",
                )
            self.rows[text] = values

    def __call__(self, architecture: Architecture, step: int, again: int) -> Mapping[str, float]:
        row = self.rows.get(architecture.text)
        if row is None:
            raise Failed("missing", f"{self._settings.file} has no row for it")
        return row

    def _read(
        self, more: Mapping[str, Mapping[str, float]]
    ) -> Iterator[tuple[str, dict[str, float]]]:
        settings = self._settings
        needed = (settings.text, settings.reward, *((settings.on,) if settings.join else ()))
        file = _File(Path(settings.file), needed)
        for number, row in file.rows:
            values = file.numbers(row)
            if settings.reward not in values:
                raise file.refused(
                    f"line {number} has no number for {settings.reward}",
                    found=repr(row[settings.reward]),
                    expected="a number",
                )
            if settings.join:
                values = {**more.get(row[settings.on] or "", {}), **values}
            values["reward"] = values[settings.reward]
            yield self._architecture(file, row[settings.text] or "", number), values

    def _architecture(self, file: _File, text: str, number: int) -> str:
        """The canonical string of a row's architecture."""
        try:
            if self._format is not None:
                text = self._format.ours(text, self._space.program.genotype)
            return self._space.parse(text).text
        except ArchError as error:
            first = error.diagnostics[0]
            raise file.refused(
                f"line {number} is of no architecture of {self._space.program.space}: "
                f"{first.message}",
                found=text[:80],
                expected=first.expected,
                hint=first.hint,
            ) from None

    def _named(self, name: str) -> Format:
        if name not in FORMATS:
            raise _refused(
                self._settings.file,
                f"no format is called {name}",
                found=name,
                expected=", ".join(FORMATS),
                hint=similar(name, FORMATS),
            )
        return FORMATS[name]


class _File:
    """The rows of a CSV file, each with its line. Raises ArchError E0819 where it is none."""

    def __init__(self, path: Path, needed: Sequence[str]) -> None:
        self.path = path
        reader = csv.DictReader(io.StringIO(self._content()))
        try:
            self.columns = list(reader.fieldnames or ())
            self.rows = [(reader.line_num, row) for row in reader]
        except csv.Error as error:
            raise self.refused(
                f"line {reader.line_num + 1} cannot be read: {error}",
                found=str(path),
                expected="a CSV file",
            ) from None
        for column in needed:
            if column not in self.columns:
                raise self.refused(
                    f"there is no column {column}",
                    found=", ".join(self.columns[:20]) or "no first line",
                    expected=column,
                    hint=similar(column, self.columns),
                )

    def numbers(self, row: Mapping[str, str | None]) -> dict[str, float]:
        """What of a row is a number."""
        return {name: x for name in self.columns if (x := _number(row[name])) is not None}

    def refused(self, why: str, found: str, expected: str, hint: str = "") -> ArchError:
        return _refused(str(self.path), why, found, expected, hint)

    def _content(self) -> str:
        try:
            data = self.path.read_bytes()
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            return data.decode("utf-8")
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise self.refused(
                f"it cannot be read: {error}", found=str(self.path), expected="a CSV file"
            ) from None


def _refused(path: str, why: str, found: str, expected: str, hint: str = "") -> ArchError:
    return fault("E0819", f"{path}: {why}", found=found, expected=expected, hint=hint)


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
