"""How timm names the weights of networks that ship here as text too."""

from __future__ import annotations

from archdsl.formats.weights import Library, rules

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

TIMM = Library(name="timm", spaces={"poolformer_s12": POOLFORMER})
