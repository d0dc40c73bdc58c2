"""Once-for-All's settings of a subnet, and the configuration of the network that it is.

    {"ks": [3, 5, ...], "e": [6, 4, ...], "d": [4, 3, 2, 4, 4]}      20 layers, 5 depths
    {"name": "MobileNetV3", "bn": {...}, "first_conv": {...}, "blocks": [...], ...}

Settings say something of layers beyond a stage's depth too; nothing depends on it, so it is not
kept, and written as the smallest sizes. A configuration is read by its depths, kernels and
expansions, and every other field must be what the network with these has.

Cai et al., "Once-for-All", and its released code (MobileNetV3 at width 1.0).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from archdsl.formats.base import Ours
from archdsl.formats.literal import Checked, Fields, Items, Scalar, Value, read_python

NETWORK, LAYERS = "network", "layer"
KERNELS, EXPANSIONS, DEPTHS = (3, 5, 7), (3, 4, 6), (2, 3, 4)
MOST = 4
DIVISOR = 8

Plain: TypeAlias = "int | float | str | bool | list[Plain] | dict[str, Plain] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What does not vary in the layers of a stage."""

    width: int
    stride: int
    act: str
    se: bool


FIRST = Stage(width=16, stride=1, act="relu", se=False)
STAGES = (
    Stage(width=24, stride=2, act="relu", se=False),
    Stage(width=40, stride=2, act="relu", se=True),
    Stage(width=80, stride=2, act="h_swish", se=False),
    Stage(width=112, stride=1, act="h_swish", se=True),
    Stage(width=160, stride=2, act="h_swish", se=True),
)
EXPANDED, FEATURES, CLASSES = 960, 1280, 1000

Layer = tuple[int, int]
"""Kernel and expansion."""


# --- settings --------------------------------------------------------------------------------


def read(text: str, space: str) -> str:
    """Our string for settings. Raises ArchError: E0640, E0641."""
    check = Checked("settings of a subnet, with ks, e and d")
    value = read_python(text, "<ofa>", check.what)
    kernels, expansions, depths = check.fields(_with_width(value), "ks", "e", "d")
    chosen = [_one(check, depth, DEPTHS) for depth in check.items(depths, len(STAGES))]
    count = MOST * len(STAGES)
    ks = [_one(check, k, KERNELS) for k in check.items(kernels, count)]
    es = [_one(check, e, EXPANSIONS) for e in check.items(expansions, count)]
    layers = [list(zip(ks, es, strict=True))[MOST * s :][:depth] for s, depth in enumerate(chosen)]
    return _spelled(space, layers)


def _with_width(value: Value) -> Value:
    """Settings without a width that is none: what samples of released subnets write too."""
    if not isinstance(value, Fields):
        return value
    kept = [
        (name, inner)
        for name, inner in value.fields
        if not (name == "wid" and isinstance(inner, Scalar) and inner.value is None)
    ]
    return replace(value, fields=tuple(kept))


def _one(check: Checked, value: Value, among: Sequence[int]) -> int:
    number = check.integer(value)
    if number not in among:
        check.refuse(value, " or ".join(map(str, among)), code="E0641")
    return number


def _spelled(space: str, stages: Sequence[Sequence[Layer]]) -> str:
    depths = "; ".join(str(len(layers)) for layers in stages)
    rows = "; ".join(f"{k} {e}" for layers in stages for k, e in layers)
    return f"{space}/{NETWORK}[{depths}]/{LAYERS}[{rows}]"


def write(ours: Ours) -> str:
    """The settings for one of ours."""
    stages = _stages(ours)
    padded = [
        (*layers, *((KERNELS[0], EXPANSIONS[0]),) * (MOST - len(layers))) for layers in stages
    ]
    return json.dumps(
        {
            "ks": [k for layers in padded for k, _ in layers],
            "e": [e for layers in padded for _, e in layers],
            "d": [len(layers) for layers in stages],
        }
    )


def _stages(ours: Ours) -> list[list[Layer]]:
    """The layers of every stage."""
    if ours.genotype.parameters:
        given = ours.genotype.parameters[0]
        raise ours.refuse(given, given.name or "", "the sizes of the released network")
    layers = [(int(ours.one(k).label), int(ours.one(e).label)) for k, e in ours.entries(LAYERS)]
    stages = []
    for depth in map(int, ours.labels(NETWORK)):
        stages.append(layers[:depth])
        layers = layers[depth:]
    return stages


# --- the network's configuration -------------------------------------------------------------


def read_config(text: str, space: str) -> str:
    """Our string for a network's configuration.

    Raises:
        ArchError: E0640 where it is none; E0643 for a field that the network of these depths,
            kernels and expansions does not have so.
    """
    check = Checked("the configuration of a MobileNetV3 of Once-for-All")
    value = read_python(text, "<ofa>", check.what)
    top = _known(check, value)
    stages: list[list[Layer]] = []
    for block in check.items(top.get("blocks", value))[1:]:
        conv = _known(check, _known(check, block).get("conv", block))
        width = check.integer(conv.get("in_channels", block), 1)
        if check.integer(conv.get("out_channels", block), 1) != width:
            stages.append([])
        if not stages:
            check.refuse(block, "a stage that begins with a wider layer")
        kernel = _one(check, conv.get("kernel_size", block), KERNELS)
        stages[-1].append((kernel, _one(check, conv.get("expand_ratio", block), EXPANSIONS)))
    if [len(layers) in DEPTHS for layers in stages] != [True] * len(STAGES):
        check.refuse(
            value,
            f"{len(STAGES)} stages of {' or '.join(map(str, DEPTHS))} layers",
            found=", ".join(str(len(layers)) for layers in stages),
        )
    _compare(check, value, _config(stages))
    return _spelled(space, stages)


def _known(check: Checked, value: Value) -> Mapping[str, Value]:
    if not isinstance(value, Fields) or value.name:
        check.refuse(value, "fields")
    return dict(value.fields)


def _compare(check: Checked, found: Value, expected: Plain) -> None:
    """Refuse whatever is not as expected."""
    match expected, found:
        case dict(), Fields(name=""):
            _compare_fields(check, found, expected)
        case list(), Items(items=items) if len(items) == len(expected):
            for value, other in zip(items, expected, strict=True):
                _compare(check, value, other)
        case int(), Items(items=(Scalar(value=value),)) if value == expected:
            pass  # older releases write the widths of shortcuts as lists
        case _, Scalar(value=value) if value == expected:
            pass
        case _:
            check.refuse(found, json.dumps(expected)[:60], code="E0643")


def _compare_fields(check: Checked, found: Fields, expected: Mapping[str, Plain]) -> None:
    """What is not expected at all must be null, and what is null may be missing."""
    for name, value in found.fields:
        if name == "bn":  # how statistics are kept is no part of the architecture
            continue
        if name in expected:
            _compare(check, value, expected[name])
        elif not isinstance(value, Scalar) or value.value is not None:
            check.refuse(value, f"no field {name}", found=name, code="E0643")
    known = dict(found.fields)
    for name, value_expected in expected.items():
        if name not in known and value_expected is not None:
            check.refuse(found, f"a field {name}", code="E0643")


def write_config(ours: Ours) -> str:
    """The configuration of the network for one of ours."""
    return json.dumps(_config(_stages(ours)))


def _config(stages: Sequence[Sequence[Layer]]) -> dict[str, Plain]:
    blocks = [_block(FIRST.width, FIRST, FIRST.stride, 3, 1)]
    width = FIRST.width
    for stage, layers in zip(STAGES, stages, strict=True):
        for number, (kernel, expansion) in enumerate(layers):
            blocks.append(_block(width, stage, 1 if number else stage.stride, kernel, expansion))
            width = stage.width
    return {
        "name": "MobileNetV3",
        "bn": {"momentum": 0.1, "eps": 1e-5},
        "first_conv": _conv(3, FIRST.width, kernel=3, stride=2),
        "blocks": list(blocks),
        "final_expand_layer": _conv(width, EXPANDED),
        "feature_mix_layer": _conv(EXPANDED, FEATURES, bn=False),
        "classifier": {
            "name": "LinearLayer",
            "in_features": FEATURES,
            "out_features": CLASSES,
            "bias": True,
            "use_bn": False,
            "act_func": None,
            "dropout_rate": 0.1,
            "ops_order": "weight_bn_act",
        },
    }


def _block(width: int, stage: Stage, stride: int, kernel: int, expansion: int) -> Plain:
    same = stride == 1 and width == stage.width
    return {
        "name": "ResidualBlock",
        "conv": {
            "name": "MBConvLayer",
            "in_channels": width,
            "out_channels": stage.width,
            "kernel_size": kernel,
            "stride": stride,
            "expand_ratio": expansion,
            "mid_channels": _divisible(width * expansion) if expansion > 1 else None,
            "act_func": stage.act,
            "use_se": stage.se,
        },
        "shortcut": _identity(width) if same else None,
    }


def _divisible(channels: int) -> int:
    """The nearest multiple of 8; what is used here is never more than a tenth below."""
    return (channels + DIVISOR // 2) // DIVISOR * DIVISOR


def _identity(width: int) -> Plain:
    return {
        "name": "IdentityLayer",
        "in_channels": width,
        "out_channels": width,
        "use_bn": False,
        "act_func": None,
        "dropout_rate": 0,
        "ops_order": "weight_bn_act",
    }


def _conv(before: int, width: int, kernel: int = 1, stride: int = 1, bn: bool = True) -> Plain:
    return {
        "name": "ConvLayer",
        "kernel_size": kernel,
        "stride": stride,
        "dilation": 1,
        "groups": 1,
        "bias": False,
        "has_shuffle": False,
        "use_se": False,
        "in_channels": before,
        "out_channels": width,
        "use_bn": bn,
        "act_func": "h_swish",
        "dropout_rate": 0,
        "ops_order": "weight_bn_act",
    }
