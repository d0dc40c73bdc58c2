"""How timm names the weights of networks that ship here as text too."""

from __future__ import annotations

from archdsl.formats.weights import Library, Rules, rules
from archdsl.formats.weights_torchvision import BASIC, BOTTLENECKS, DENSENET

# The first stage is behind the stem, the others begin with a convolution of their own.
POOLFORMER = rules("""
    stem.conv. -> stage1.0.
    stages.{i}.downsample.conv. -> stage{i+1}.0.
    stages.{i}.blocks.{j}.norm{k}. -> stage{i+1}.{j+1}.norm{k}.
    stages.{i}.blocks.{j}.layer_scale{k}.scale -> stage{i+1}.{j+1}.scale{k}.weight
    stages.{i}.blocks.{j}.mlp.fc{k}. -> stage{i+1}.{j+1}.mlp.fc{k}.
    head.norm. -> norm.
    head.fc. -> linear.
""")

VISION_TRANSFORMER = rules("""
    patch_embed.proj. -> embedding.0.
    cls_token -> embedding.2.token
    pos_embed -> embedding.3.positions
    blocks.{i}.norm{k}. -> encoder.{i}.norm{k}.
    blocks.{i}.attn.qkv. -> encoder.{i}.attention.qkv.
    blocks.{i}.attn.proj. -> encoder.{i}.attention.out.
    blocks.{i}.mlp.fc{k}. -> encoder.{i}.mlp.fc{k}.
    norm. -> norm.
    head. -> linear.
""")

ENDS = """
    conv_stem. -> stem.0.
    bn1. -> stem.1.
    conv_head. -> head.1.
    bn2. -> head.2.
    classifier. -> linear.
"""


def _inverted() -> str:
    """Blocks of a stage; the first has no shortcut around it, the last stage is one block."""
    return "".join(
        f"""
        {theirs}.conv_pw. -> {ours}.expanded.0.
        {theirs}.bn1. -> {ours}.expanded.1.
        {theirs}.conv_dw. -> {ours}.filtered.0.
        {theirs}.bn2. -> {ours}.filtered.1.
        {theirs}.se.conv_reduce. -> {ours}.excitation.weight.1.
        {theirs}.se.conv_expand. -> {ours}.excitation.weight.3.
        {theirs}.conv_pwl. -> {ours}.conv.
        {theirs}.bn3. -> {ours}.norm.
        """
        for theirs, ours in (
            ("blocks.6.0", "head.0"),
            ("blocks.{i}.0", "stage{i+1}.0"),
            ("blocks.{i}.{j}", "stage{i+1}.{j}.inverted_bottleneck"),
        )
    )


def _inverted_network(first: str) -> Rules:
    return rules(ENDS + first + _inverted())


MOBILENET = _inverted_network("""
    blocks.0.0.conv_dw. -> stage1.0.
    blocks.0.0.bn1. -> stage1.1.
    blocks.0.0.conv_pw. -> stage1.3.
    blocks.0.0.bn2. -> stage1.4.
""")

EFFICIENTNET = _inverted_network("""
    blocks.0.0.conv_dw. -> stage1.0.
    blocks.0.0.bn1. -> stage1.1.
    blocks.0.0.se.conv_reduce. -> stage1.3.weight.1.
    blocks.0.0.se.conv_expand. -> stage1.3.weight.3.
    blocks.0.0.conv_pw. -> stage1.4.
    blocks.0.0.bn2. -> stage1.5.
""")

TIMM = Library(
    name="timm",
    spaces={
        "poolformer_s12": POOLFORMER,
        "vit_b_16": VISION_TRANSFORMER,
        # These have torchvision's names in timm, too.
        "resnet18": BASIC,
        "resnet50": BOTTLENECKS,
        "densenet121": DENSENET,
        "mobilenet_v2": MOBILENET,
        "efficientnet_b0": EFFICIENTNET,
    },
)
