"""Other people's architecture strings: one file a family, and the table of formats.

A format reads one text of theirs into our string, and writes ours as theirs. Adding one is adding
its file and its row. Formats handle text only; whether a string is in its space is the space's own
check. What one side cannot say is refused with the reason, never approximated.
"""

from __future__ import annotations

from archdsl.formats import darts, metaformer_nas, nas_bench_201
from archdsl.formats.base import Format
from archdsl.formats.timm import TIMM
from archdsl.formats.torchvision import TORCHVISION
from archdsl.formats.weights import Library

DARTS = ("darts_cifar", "darts_imagenet", "darts_search")

FORMATS: dict[str, Format] = {
    "nb201": Format(
        about="NAS-Bench-201: |nor_conv_3x3~0|+|none~0|skip_connect~1|+...",
        spaces=("nas_bench_201",),
        read=nas_bench_201.read,
        write=nas_bench_201.write,
    ),
    "naslib201": Format(
        about="NASLib's operations of NAS-Bench-201: (4, 0, 3, 1, 4, 3)",
        spaces=("nas_bench_201",),
        read=nas_bench_201.read_tuple,
        write=nas_bench_201.write_tuple,
    ),
    "darts": Format(
        about="DARTS and PC-DARTS: Genotype(normal=[('sep_conv_3x3', 0), ...], ...)",
        spaces=DARTS,
        read=darts.read,
        write=darts.write,
    ),
    "nb301": Format(
        about="NAS-Bench-301 and NASLib: ([(0, 6), (1, 2), ...], [...])",
        spaces=DARTS,
        read=darts.read_pairs,
        write=darts.write_pairs,
    ),
    "metaformer": Format(
        about="MetaFormer-NAS: [(0, 'Id'), (1, 'Pool'), ...]",
        spaces=("metaformer_nas",),
        read=metaformer_nas.read,
        write=metaformer_nas.write,
    ),
}

LIBRARIES: dict[str, Library] = {library.name: library for library in (TORCHVISION, TIMM)}
"""Whose weights can be converted."""

__all__ = ["FORMATS", "LIBRARIES", "Format"]
