"""Published counts of vision transformers and their spaces, reached from the text alone.

ViT-B/16: torchvision. DASViT: the encoder that its paper found, twelve deep at width 768. GLiT: the
released GLiT-Tiny; of the others the paper gives parameters, rounded. Evolved Transformer: the
Transformer that it starts from, as in torch.
"""

from __future__ import annotations

from math import prod
from random import Random

import pytest
import torch

from archdsl.ir.cost import cost
from archdsl.ir.graph import Static
from tests.shipped import shipped
from tests.torch_counts import differing
from tests.verify_spaces import tiny

DASVIT = "edge[mlp_1; mlp_1; none; mlp_1; msa_3]"

GLIT = (
    "layer[global(0.5 4); local(31 2); mixed.1(4 6); global(1 4); local(45 4); mixed.1(4 6); "
    "global(1 2); mixed.1(4 2); local(45 4); global(1 4); local(31 4); global(2 6)]"
)

# Two blocks of the encoder and three of the decoder are one layer each.
TRANSFORMER = (
    "network[6; 6]/encoder[0 0 add; 1 1 add]/branch["
    "norm attention.8 linear; plain identity linear; norm mlp linear; plain identity linear; "
    "norm attention.8 linear; plain identity linear; norm attend.8 linear; "
    "plain identity linear; norm mlp linear; plain identity linear]"
    "/decoder[0 0 add; 1 1 add; 2 2 add]"
)


def figures(name: str, groups: str, **parameters: Static) -> tuple[int, int]:
    """Parameters and MACs of an architecture; `groups` follow the name in its string."""
    space = shipped(name, **parameters)
    head = space.unrank(0).text.split("/")[0]
    spent = cost(space.resolve(space.parse(f"{head}/{groups}" if groups else head)))
    return spent.params, spent.macs


@pytest.mark.parametrize(
    ("name", "groups", "parameters", "expected"),
    [
        ("vit_b_16", "", {}, (86_567_656, 17_563_828_224)),
        ("vit_b_16", "", {"classes": 10}, (85_806_346, 17_563_067_904)),
        ("dasvit", DASVIT, {}, (50_449_162, 10_591_348_224)),
        ("dasvit", DASVIT, {"classes": 100}, (50_518_372, 10_591_417_344)),
        ("dasvit", DASVIT, {"norm": False}, (50_375_434, 10_591_348_224)),
        ("glit_tiny", GLIT, {}, (7_264_456, 1_472_873_280)),
    ],
)
def test_networks(
    name: str, groups: str, parameters: dict[str, Static], expected: tuple[int, int]
) -> None:
    assert figures(name, groups, **parameters) == expected


def test_heads_do_not_change_the_count_of_an_encoder() -> None:
    """The paper's encoders for two data sets differ in heads only: 8 or 12."""
    other = DASVIT.replace("msa_3", "msa_2")
    assert figures("dasvit", other) == figures("dasvit", DASVIT)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
def test_the_evolved_transformer_starts_from_the_transformer() -> None:
    with torch.device("meta"):
        reference = torch.nn.Transformer(512, 8, 6, 6, 2048)
    layers = sum(parameter.numel() for parameter in reference.parameters())
    tables = 32_000 * 512 + 2 * 64 * 512
    found = figures("evolved_transformer", TRANSFORMER, encoder_blocks=2, decoder_blocks=3)
    assert found[0] == layers + tables


def test_evolved_transformer_has_the_size_of_the_paper_but_for_the_widths() -> None:
    """The paper's space has about 10^115 members; 28 branches choose among ten widths there.

    A branch of block i: i inputs, 2 norms, 25 layers (26 in the decoder), 4 activations; a block
    has 3 combiners, and there are 1 to 6 cells on either side.
    """
    encoder = prod((i * 2 * 25 * 4) ** 2 * 3 for i in range(1, 7))
    decoder = prod((i * 2 * 26 * 4) ** 2 * 3 for i in range(1, 9))
    size = shipped("evolved_transformer").size
    assert size == encoder * decoder * 6 * 6
    assert len(str(size * 10**28)) == 116


def test_torch_counts_the_same() -> None:
    for name in ("glit_tiny", "dasvit", "evolved_transformer"):
        assert differing(tiny(name), 5, Random(0)) == []


def test_sizes() -> None:
    assert shipped("vit_b_16").size == 1
    assert shipped("dasvit").size == 8**5
    assert {shipped(f"glit_{size}").size for size in ("tiny", "small", "base")} == {36**12}


@pytest.mark.parametrize(("name", "reported"), [("glit_small", 24.6e6), ("glit_base", 96.1e6)])
def test_the_larger_glits_have_room_for_what_was_found(name: str, reported: float) -> None:
    """The paper does not give these architectures; they fit between smallest and largest."""
    small = figures(name, f"layer[{'; '.join(['mixed.2(1 2)'] * 12)}]")[0]
    large = figures(name, f"layer[{'; '.join(['global(2 6)'] * 12)}]")[0]
    assert small < reported < large
