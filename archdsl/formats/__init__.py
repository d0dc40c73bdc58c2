"""Other people's architecture strings: one file a family, and the table of formats.

A format reads one text of theirs into our string, and writes ours as theirs. Adding one is adding
its file and its row. Formats handle text only; whether a string is in its space is the space's own
check. What one side cannot say is refused with the reason, never approximated.
"""

from __future__ import annotations

from archdsl.formats import (
    autoformer,
    darts,
    enas,
    glit,
    metaformer_nas,
    nas_bench_101,
    nas_bench_201,
    ofa,
    spos,
    timm,
)
from archdsl.formats.base import Format
from archdsl.formats.weights import Library
from archdsl.formats.weights_timm import TIMM
from archdsl.formats.weights_torchvision import TORCHVISION

AUTOFORMER = ("autoformer_tiny", "autoformer_small", "autoformer_base")
DARTS = ("darts_cifar", "darts_imagenet", "darts_search")

GENOTYPE = r"(\w+\s*=\s*)?(\w+\.)?Genotype\(\s*normal\b"

FORMATS: dict[str, Format] = {
    "nb201": Format(
        about="NAS-Bench-201: |nor_conv_3x3~0|+|none~0|skip_connect~1|+...",
        head=r"\|\w+~",
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
        head=GENOTYPE,
        spaces=DARTS,
        read=darts.read,
        write=darts.write,
    ),
    "nb301": Format(
        about="NAS-Bench-301 and NASLib: ([(0, 6), (1, 2), ...], [...])",
        head=r"\(\s*\[\s*\(\s*\d",
        spaces=DARTS,
        read=darts.read_pairs,
        write=darts.write_pairs,
    ),
    "darts-blocks": Format(
        about="NASNet and AmoebaNet as DARTS writes them: Genotype(normal=[...], ...)",
        head=GENOTYPE,
        spaces=("nasnet",),
        read=darts.read_blocks,
        write=darts.write_blocks,
    ),
    "darts-rnn": Format(
        about="DARTS' recurrent cells: Genotype(recurrent=[('relu', 0), ...], concat=...)",
        head=r"(\w+\s*=\s*)?(\w+\.)?Genotype\(\s*recurrent\b",
        spaces=("rnn_darts",),
        read=darts.read_recurrent,
        write=darts.write_recurrent,
    ),
    "enas-micro": Format(
        about="ENAS's two cells: 0 2 0 0 0 4 0 1 ...",
        spaces=("nasnet",),
        parameters='operations="enas"',
        read=enas.read_micro,
        write=enas.write_micro,
    ),
    "enas-rnn": Format(
        about="ENAS's recurrent cells: 0 0 0 1 1 2 1 2 ...",
        spaces=("rnn_enas",),
        read=enas.read_recurrent,
        write=enas.write_recurrent,
    ),
    "enas-macro": Format(
        about="ENAS's layers: 0 3 0 0 1 0 2 0 0 1 ...",
        spaces=("enas_macro",),
        read=enas.read_macro,
        write=enas.write_macro,
    ),
    "nb101": Format(
        about="NAS-Bench-101: ([[0, 1, ...], ...], ['input', 'conv3x3-bn-relu', ..., 'output'])",
        head=r"(\w+\s*=\s*)?((\w+\.)?ModelSpec\(|\(?\s*\[\s*\[[01]\s*,)",
        spaces=("nas_bench_101",),
        read=nas_bench_101.read,
        write=nas_bench_101.write,
    ),
    "autoformer": Format(
        about="AutoFormer: RETRAIN: {MLP_RATIO: [3.5, ...], NUM_HEADS: [...], DEPTH: 13, ...}",
        head=r"(RETRAIN|MLP_RATIO):",
        spaces=AUTOFORMER,
        read=autoformer.read,
        write=autoformer.write,
    ),
    "nni-autoformer": Format(
        about="NNI's AutoFormer: {'embed_dim': 192, 'depth': 13, 'mlp_ratio_0': 3.5, ...}",
        head=r"\{\s*['\"]embed_dim['\"]",
        spaces=AUTOFORMER,
        read=autoformer.read_nni,
        write=autoformer.write_nni,
    ),
    "ofa": Format(
        about='Once-for-All: {"ks": [3, 5, ...], "e": [6, 4, ...], "d": [4, 3, ...]}',
        head=r"\{\s*['\"](ks|wid|e|d)['\"]:",
        spaces=("ofa_mobilenet_v3",),
        read=ofa.read,
        write=ofa.write,
    ),
    "ofa-config": Format(
        about='Once-for-All: {"name": "MobileNetV3", ..., "blocks": [...], ...}',
        head=r"\{\s*['\"]name['\"]:",
        spaces=("ofa_mobilenet_v3",),
        read=ofa.read_config,
        write=ofa.write_config,
    ),
    "spos": Format(
        about="Single-path one-shot: (0, 0, 3, 1, ...)",
        spaces=("spos_shufflenet",),
        read=spos.read,
        write=spos.write,
    ),
    "timm": Format(
        about='timm: [["ds_r1_k3_s1_e1_c16"], ["ir_r2_k3_s2_e6_c24_se0.25"], ...]',
        head=r"\[\s*\[\s*['\"](ds|ir|cn|er)_r\d",
        spaces=("mbconv",),
        read=timm.read,
        write=timm.write,
    ),
    "glit": Format(
        about="GLiT: kinds and details, [3, 0, 1, ...], [1, 4, 8, ...]",
        spaces=("glit_tiny", "glit_small", "glit_base"),
        read=glit.read,
        write=glit.write,
    ),
    "metaformer": Format(
        about="MetaFormer-NAS: [(0, 'Id'), (1, 'Pool'), ...]",
        head=r"\[\s*\(\s*\d+\s*,\s*['\"]",
        spaces=("metaformer_nas",),
        read=metaformer_nas.read,
        write=metaformer_nas.write,
    ),
}

LIBRARIES: dict[str, Library] = {library.name: library for library in (TORCHVISION, TIMM)}
"""Whose weights can be converted."""

__all__ = ["FORMATS", "LIBRARIES", "Format"]
