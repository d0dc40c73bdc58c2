"""Networks of token spaces against PyTorch's own modules and formulas, under the same weights."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.load import load_network
from tests.shipped import shipped

TRANSFORMER = (
    "evolved_transformer(words=11, length=5, width=16, encoder_blocks=2, decoder_blocks=3, cells=2)"
    "/network[2; 2]/encoder[0 0 add; 1 1 add]/branch["
    "norm attention.8 linear; plain identity linear; norm mlp linear; plain identity linear; "
    "norm attention.8 linear; plain identity linear; norm attend.8 linear; "
    "plain identity linear; norm mlp linear; plain identity linear]"
    "/decoder[0 0 add; 1 1 add; 2 2 add]"
)
RENAMED = (
    (r"^encoder_(\d)\.branch1_1\.norm", r"encoder.\1.norm1"),
    (r"^encoder_(\d)\.branch1_1\.attention_8", r"encoder.\1.self_attn"),
    (r"^encoder_(\d)\.branch1_2\.norm", r"encoder.\1.norm2"),
    (r"^decoder_(\d)\.branch1_1\.norm", r"decoder.\1.norm1"),
    (r"^decoder_(\d)\.branch1_1\.attention_8", r"decoder.\1.self_attn"),
    (r"^decoder_(\d)\.branch1_2\.norm", r"decoder.\1.norm2"),
    (r"^decoder_(\d)\.branch1_2\.attend", r"decoder.\1.multihead_attn"),
    (r"^decoder_(\d)\.branch1_3\.norm", r"decoder.\1.norm3"),
    (r"^(..coder)_(\d)\.branch1_[23]\.mlp\.0", r"\1.\2.linear1"),
    (r"^(..coder)_(\d)\.branch1_[23]\.mlp\.2", r"\1.\2.linear2"),
    (r"\.qkv\.", ".in_proj_"),
    (r"\.out\.", ".out_proj."),
    (r"^norm1", "encoder.norm"),
    (r"^norm2", "decoder.norm"),
)


def random_weights(net: nn.Module) -> dict[str, Tensor]:
    """The state of a module, every number drawn anew: what starts at 0 or 1 hides mistakes."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = net.double().state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            least = 0.1 if name.endswith("running_var") else -0.4
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + least)
    return state


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our weights under torch's names; torch counts layers from 0 and joins q with k and v."""
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        for pattern, other in RENAMED:
            name = re.sub(pattern, other, name)
        name = re.sub(r"^(..coder)\.(\d)", lambda m: f"{m[1]}.layers.{int(m[2]) - 1}", name)
        found[name] = tensor
    for name in [name for name in found if ".q." in name]:
        rest = found.pop(name.replace(".q.", ".kv."))
        found[name.replace(".q.", ".in_proj_")] = torch.cat((found.pop(name), rest))
    return found


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_the_evolved_transformer_starts_from_the_transformer_of_torch() -> None:
    space = shipped("evolved_transformer", **{
        "words": 11, "length": 5, "width": 16, "encoder_blocks": 2, "decoder_blocks": 3, "cells": 2
    })  # fmt: skip
    ours = load_network(space.resolve(space.parse(TRANSFORMER))).eval()
    state = random_weights(ours)
    theirs = renamed(state)
    table = theirs.pop("table.weight")
    positions = [theirs.pop(f"positions{i}_0.positions") for i in (1, 2)]
    reference = nn.Transformer(
        16, 8, 2, 2, 64, dropout=0.0, batch_first=True, norm_first=True, dtype=torch.float64
    )
    reference.load_state_dict(theirs)
    source, target = torch.tensor([[0, 3, 10, 2, 2]]), torch.tensor([[5, 5, 1, 9, 0]])
    expected = reference(
        table[source] + positions[0],
        table[target] + positions[1],
        tgt_mask=nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64),
    )
    torch.testing.assert_close(ours(source, target), expected @ table.T, rtol=1e-11, atol=1e-11)


def normed(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    return F.layer_norm(x, (x.shape[-1],), state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)


def linear(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def attend(x: Tensor, state: dict[str, Tensor], name: str, heads: int) -> Tensor:
    """Queries, keys and values as the released code cuts them, scaled by the width of a head."""
    qkv = linear(x, state, f"{name}.qkv").view(*x.shape[:2], 3, heads, -1)
    q, k, v = (qkv[:, :, i].transpose(1, 2) for i in range(3))
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return linear((weights @ v).transpose(1, 2).flatten(2), state, f"{name}.out")


def local(x: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    """1x1, gate, depthwise along the tokens, batch norm in evaluation, swish, 1x1."""
    value, gate = linear(x, state, f"{name}.linear1").chunk(2, dim=2)
    y = (value * gate.sigmoid()).mT
    weight = state[f"{name}.dwconv.weight"]
    y = F.conv1d(
        y, weight, state[f"{name}.dwconv.bias"], padding=weight.shape[2] // 2, groups=y.shape[1]
    )
    mean, var = state[f"{name}.norm.running_mean"], state[f"{name}.norm.running_var"]
    scaled = (y.mT - mean) / (var + 1e-5).sqrt()
    y = scaled * state[f"{name}.norm.weight"] + state[f"{name}.norm.bias"]
    return linear(y * y.sigmoid(), state, f"{name}.linear2")


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("global(0.5 4)", ("norm1", "attention_0_5", "norm2", "mlp_4")),
        ("global(2 6)", ("norm1", "attention_2", "norm2", "mlp_6")),
        ("local(17 2)", ("norm3", "locality_17_2", "res.norm", "res.mlp")),
        ("mixed.1(4 2)", ("norm1_1", "mixture_1_4", "norm2_1", "mlp_1_2")),
        ("mixed.2(1 6)", ("norm1_2", "mixture_2_1", "norm2_2", "mlp_2_6")),
    ],
)
def test_layers_of_glit_are_the_formulas(kind: str, names: tuple[str, ...]) -> None:
    space = shipped("glit_tiny", depth=1, width=12, size=8, patch=4, classes=3)
    text = f"{space.unrank(0).text.split('/')[0]}/layer[{kind}]"
    net = load_network(space.resolve(space.parse(text))).eval()
    state = random_weights(net)
    (layer,) = [module for name, module in net.named_modules() if name == "layer.0"]
    mine = {n.removeprefix("layer.0."): t for n, t in state.items() if n.startswith("layer.0.")}
    first, mixer, second, mlp = names
    x = torch.rand(2, 5, 12, generator=torch.Generator().manual_seed(1)).double()
    y = normed(x, mine, first)
    if kind.startswith("global"):
        y = attend(y, mine, mixer, 3)
    elif kind.startswith("local"):
        y = local(y, mine, mixer)
    else:
        heads = int(kind[6])
        parts = y.split((heads * 4, 12 - heads * 4), dim=2)
        y = torch.cat((
            attend(parts[0], mine, f"{mixer}.attention", heads),
            local(parts[1], mine, f"{mixer}.locality"),
        ), dim=2)  # fmt: skip
    y = x + y
    hidden = F.gelu(linear(normed(y, mine, second), mine, f"{mlp}.fc1"))
    expected = y + linear(hidden, mine, f"{mlp}.fc2")
    torch.testing.assert_close(layer(x), expected, rtol=1e-11, atol=1e-11)
