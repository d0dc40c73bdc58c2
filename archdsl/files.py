"""Files read with an explanation when that fails, and written whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from archdsl.syntax.errors import ArchError, fault

LARGEST = 64 * 1024 * 1024


def read_text(path: Path) -> str:
    """The text of a file in UTF-8; `-` is standard input.

    Raises ArchError E0708 where it is missing, no text, or larger than 64 MiB.
    """
    try:
        if str(path) == "-":
            raw = sys.stdin.buffer.read(LARGEST + 1) if sys.stdin else b""
        else:
            with path.open("rb") as file:
                raw = file.read(LARGEST + 1)  # asked for its size, a pipe would say nothing
        if len(raw) > LARGEST:
            raise fault("E0708", f"{path} is too large", expected="at most 64 MiB")
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise fault(
            "E0708",
            f"{path} is no text in UTF-8",
            found=f"byte {error.start} is 0x{error.object[error.start]:02x}",
        ) from None
    except OSError as error:
        raise fault(
            "E0708", f"{path} cannot be read: {error.strerror or error}", found=str(path)
        ) from None


def write_whole(path: Path, content: str | bytes) -> Path:
    """Replace a file, so that a crash leaves the old one or the new one, never a part.

    Folders are made as needed; a link stays a link, and permissions stay. Raises ArchError
    E0707 where it cannot be written; what was there is then intact. Halves of letters, which
    JSON can name and UTF-8 cannot say, are written as escapes.
    """
    raw = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(raw)  # a device or a pipe: nothing to replace
        else:
            _replace(path.resolve(), raw)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or error
        raise fault(
            "E0707",
            f"{path} cannot be written: {reason}",
            found=str(path),
            hint="what was there is intact",
        ) from None
    return path


def write_together(contents: Mapping[Path, str | bytes]) -> list[Path]:
    """Replace several files, all or none. Raises ArchError E0707 as `write_whole` does."""
    before = {path: path.read_bytes() if path.is_file() else None for path in contents}
    written: list[Path] = []
    try:
        for path, content in contents.items():
            written.append(write_whole(path, content))
    except BaseException:
        for path in written:
            old = before[path]
            with suppress(ArchError, OSError):
                path.unlink() if old is None else write_whole(path, old)
        raise
    return written


def _replace(path: Path, raw: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            part.chmod(path.stat().st_mode & 0o7777)
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
