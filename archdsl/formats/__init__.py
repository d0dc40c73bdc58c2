"""Other people's architecture strings: one file a format, and the table of them.

A format reads one line of theirs into our canonical string, and writes ours as theirs. Adding
one is adding its file and its row. Formats handle text only; whether a string is in its space
is the space's own check.
"""

from __future__ import annotations

from archdsl.formats import nas_bench_201
from archdsl.formats.base import Format

FORMATS: dict[str, Format] = {
    "nb201": Format(
        about="NAS-Bench-201: |nor_conv_3x3~0|+|none~0|skip_connect~1|+...",
        read=nas_bench_201.read,
        write=nas_bench_201.write,
    ),
}

__all__ = ["FORMATS", "Format"]
