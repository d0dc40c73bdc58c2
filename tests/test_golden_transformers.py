"""Published counts of vision transformers and their spaces, reached from the text alone.

ViT-B/16: torchvision. DASViT: the encoder that its paper found, twelve deep at width 768. GLiT: the
released GLiT-Tiny; of the others the paper gives parameters, rounded.
"""

from __future__ import annotations

import pytest

from archdsl.ir.cost import cost
from archdsl.ir.graph import Static
from tests.shipped import shipped

DASVIT = "edge[mlp_1; mlp_1; none; mlp_1; msa_3]"

GLIT = (
    "layer[global(0.5 4); local(31 2); mixed.1(4 6); global(1 4); local(45 4); mixed.1(4 6); "
    "global(1 2); mixed.1(4 2); local(45 4); global(1 4); local(31 4); global(2 6)]"
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
