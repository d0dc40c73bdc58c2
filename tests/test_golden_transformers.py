"""Published counts of vision transformers and their spaces, reached from the text alone.

ViT-B/16: torchvision. DASViT: the encoder that its paper found, twelve deep at width 768.
"""

from __future__ import annotations

import pytest

from archdsl.ir.cost import cost
from archdsl.ir.graph import Static
from tests.shipped import shipped

DASVIT = "edge[mlp_1; mlp_1; none; mlp_1; msa_3]"


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
