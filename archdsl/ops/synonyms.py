"""What operations are called elsewhere, and how they are written here."""

from __future__ import annotations

import re

from archdsl.ops import OPERATIONS

ELSEWHERE = {
    "dwconv(k=3)": "depthwise depthwiseconv depthconv convdw dw",
    "dwconv(k=3) -> conv(64)": "sepconv separable separableconv depthwiseseparable dsconv",
    "conv(64)": "conv1x1 pointwise pointwiseconv pwconv convolution",
    "conv(64, k=3)": "conv3x3",
    "conv(64, k=5)": "conv5x5",
    "conv(64, k=3, d=2)": "dilconv dilatedconv atrousconv",
    "conv(64, k=3, groups=4)": "groupconv groupedconv",
    "bn": "batchnorm batchnormalization batchnormalisation",
    "layer_norm": "ln layernormalization",
    "group_norm(32)": "gn groupnormalization",
    "linear(10)": "fc dense fullyconnected",
    "max_pool(3)": "maxpooling mp",
    "avg_pool(3)": "averagepool averagepooling avgpooling ap",
    "global_pool": "gap globalavgpool globalaveragepool globalaveragepooling globalpooling",
    "adaptive_pool(7)": "adaptiveavgpool adaptiveaveragepool",
    "silu": "swish",
    "hard_swish": "hswish",
    "hard_sigmoid": "hsigmoid",
    "leaky_relu": "lrelu",
    "id": "identity skip skipconnect skipconnection noop",
    "none": "zero zeros zeroise",
    "resize(2)": "upsample upsampling interpolate",
    "drop_path(0.1)": "stochasticdepth",
    "scale(1e-5)": "layerscale",
    "attention": "selfattention",
    "msa": "multiheadattention multiheadselfattention mha mhsa",
    "mlp(4)": "ffn feedforward",
    "sum": "add",
    "concat": "cat concatenate",
    "product": "mul multiply",
    "mean": "average",
    "embedding": "embed",
    "positions": "positionalencoding positionalembedding positionembedding posembed",
    "shuffle(2)": "channelshuffle",
}
"""How an operation is written -> its other names, without capitals, `_` and a final `2d`."""

_WRITTEN = {name: written for written, names in ELSEWHERE.items() for name in names.split()}


def written_here(name: str) -> str:
    """How an operation of another tool's name is written; empty for a name that is unknown."""
    plain = _plain(name)
    own = {_plain(operation.keyword): operation.keyword for operation in OPERATIONS}
    return own.get(plain) or _WRITTEN.get(plain, "")


def _plain(name: str) -> str:
    return re.sub(r"[123]d$", "", name.lower().replace("_", ""))
