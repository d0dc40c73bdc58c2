"""AutoFormer's subnets: the YAML that its code retrains, and the dictionary that NNI keeps.

    RETRAIN: {MLP_RATIO: [3.5, ...], NUM_HEADS: [3, ...], DEPTH: 13, EMBED_DIM: 192}
    {'embed_dim': 192, 'depth': 13, 'mlp_ratio_0': 3.5, 'num_head_0': 3, ...}

A YAML file may describe its supernet too (`SUPERNET`, `SEARCH_SPACE`), which is not read. NNI's
dictionary goes on to the deepest network; what stands there for layers beyond the depth means
nothing, is not kept, and is written as the last layer's.

Chen et al., "AutoFormer", and its code; microsoft/nni.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archdsl.formats.base import Ours
from archdsl.formats.literal import Checked, Fields, Value, read_python, read_yaml

NETWORK, LAYERS = "network", "encoder"
LOW = 3
"""The ratio that `low=yes` adds to the smallest space."""
LOWERED = "autoformer_tiny"
DEEPEST = {"autoformer_tiny": 14, "autoformer_small": 14, "autoformer_base": 16}
BESIDE = ("SUPERNET", "SEARCH_SPACE")
KEYS = ("MLP_RATIO", "NUM_HEADS", "DEPTH", "EMBED_DIM")

Layer = tuple[int, float]
"""Heads and ratio."""


def read(text: str, space: str) -> str:
    """Our string for a YAML text. Raises ArchError: E0640."""
    check = Checked("a YAML text with RETRAIN")
    value = read_yaml(text, "<autoformer>", check.what)
    top = _fields(check, value)
    for name, other in top.items():
        if name not in (*BESIDE, "RETRAIN"):
            check.refuse(other, f"RETRAIN, {', '.join(BESIDE)}", found=name)
    if "RETRAIN" not in top:
        check.refuse(value, "a field RETRAIN")
    ratios, heads, depth, width = check.fields(top["RETRAIN"], *KEYS)
    count = check.integer(depth, 1)
    layers = [
        (check.integer(h, 1), check.number(r))
        for h, r in zip(check.items(heads, count), check.items(ratios, count), strict=True)
    ]
    return _spelled(space, check.integer(width, 1), layers)


def _fields(check: Checked, value: Value) -> Mapping[str, Value]:
    if not isinstance(value, Fields) or value.name:
        check.refuse(value, "fields")
    return dict(value.fields)


def read_nni(text: str, space: str) -> str:
    """Our string for NNI's dictionary. Raises ArchError: E0640."""
    check = Checked("a dictionary with embed_dim, depth, mlp_ratio_0, num_head_0, ...")
    value = read_python(text, "<nni>", check.what)
    count = (len(_fields(check, value)) - 2) // 2
    ratios = [f"mlp_ratio_{i}" for i in range(count)]
    heads = [f"num_head_{i}" for i in range(count)]
    width, depth, *rest = check.fields(value, "embed_dim", "depth", *ratios, *heads)
    kept = check.integer(depth, 1, count)
    layers = [
        (check.integer(h, 1), check.number(r))
        for r, h in zip(rest[:count], rest[count:], strict=True)
    ]
    return _spelled(space, check.integer(width, 1), layers[:kept])


def _spelled(space: str, width: int, layers: Sequence[Layer]) -> str:
    if space == LOWERED and any(ratio == LOW for _, ratio in layers):
        space = f"{space}(low=yes)"
    rows = "; ".join(f"{heads} {ratio:g}" for heads, ratio in layers)
    return f"{space}/{NETWORK}[{width}; {len(layers)}]/{LAYERS}[{rows}]"


def write(ours: Ours) -> str:
    """The YAML text for one of ours, on one line."""
    width, layers = _layers(ours)
    ratios = ", ".join(f"{ratio:g}" for _, ratio in layers)
    heads = ", ".join(str(head) for head, _ in layers)
    return (
        f"RETRAIN: {{MLP_RATIO: [{ratios}], NUM_HEADS: [{heads}], "
        f"DEPTH: {len(layers)}, EMBED_DIM: {width}}}"
    )


def write_nni(ours: Ours) -> str:
    """NNI's dictionary for one of ours."""
    width, layers = _layers(ours)
    padded = [*layers, *layers[-1:] * (DEEPEST[ours.space] - len(layers))]
    fields: dict[str, int | float] = {"embed_dim": width, "depth": len(layers)}
    fields |= {f"mlp_ratio_{i}": ratio for i, (_, ratio) in enumerate(padded)}
    fields |= {f"num_head_{i}": heads for i, (heads, _) in enumerate(padded)}
    return str(fields)


def _layers(ours: Ours) -> tuple[int, list[Layer]]:
    for argument in ours.genotype.parameters:
        if argument.name not in ("low", "classes", "size"):
            raise ours.refuse(argument, argument.name or "", "the sizes of the released networks")
    width, _ = ours.labels(NETWORK)
    layers = [
        (int(ours.one(heads).label), float(ours.one(ratio).label))
        for heads, ratio in ours.entries(LAYERS)
    ]
    return int(width), layers
