"""Published counts, reached from the text alone.

MetaFormer-NAS: Zhang and Liu, their Table 1 and released code. NAS-Bench-201: every architecture
of the benchmark. Counts of torch itself on sampled networks of each space.
"""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from random import Random

import pytest

from archdsl.formats.nas_bench_201 import read
from archdsl.ir.cost import cost
from archdsl.ir.graph import Static
from archdsl.library import Library
from archdsl.syntax.tree import Quantity
from benchmarks import graphs
from tests.shipped import shipped
from tests.torch_counts import differing

TABLE = Path(__file__).parents[2] / "shared" / "data" / "nb201.csv.gz"
FOUND = {
    4: "mixer[id; 1 pool; 1 id; 3 pool]",
    7: "mixer[id; 1 pool; 2 pool; 3 pool; 3 pool; 4 pool; 3 pool]",
}
SEVEN = FOUND[7].replace("[id", "[pool")
DEPTHS = ("depth1", "depth2", "depth3", "depth4")
LINEAR = {"edge": "linear"}
NO_ENTRY = {"entry": False}
RELEASED = {"semantics": "as_released", "classes": 1000}

SMALL = {"size": 32, "patch": 2, "width3": 64, "width4": 64, **dict.fromkeys(DEPTHS, 1)}


def named(nodes: int) -> str:
    """The architecture that the paper found for a number of nodes (its Figure 6)."""
    return FOUND[4] if nodes == 4 else SEVEN


def figures(nodes: int, **parameters: Static) -> tuple[int, int]:
    space = shipped("metaformer_nas", nodes=nodes, **parameters)
    head = space.unrank(0).text.split("/")[0]
    spent = cost(space.resolve(space.parse(f"{head}/{named(nodes)}")))
    return spent.params, spent.macs


@pytest.mark.parametrize(
    ("nodes", "parameters", "expected"),
    [
        (4, {}, (16_238_062, 419_580_928)),
        (7, {}, (16_663_906, 449_416_192)),
        (4, NO_ENTRY, (12_415_222, 331_435_008)),
        (7, NO_ENTRY, (12_841_066, 361_270_272)),
    ],
)
def test_found_networks(
    nodes: int, parameters: dict[str, Static], expected: tuple[int, int]
) -> None:
    assert figures(nodes, **parameters) == expected


@pytest.mark.parametrize(
    ("nodes", "parameters", "params"),
    [(4, LINEAR, 16_235_830), (7, LINEAR, 16_660_558), (4, RELEASED, 12_733_948)],
)
def test_found_networks_of_other_kinds(
    nodes: int, parameters: dict[str, Static], params: int
) -> None:
    assert figures(nodes, **parameters)[0] == params


@pytest.mark.parametrize(
    ("nodes", "parameters", "params"),
    [
        (4, {}, 16_663_906),
        (7, {}, 18_793_126),
        (4, NO_ENTRY, 12_841_066),
        (7, NO_ENTRY, 14_970_286),
        (7, RELEASED, 13_159_792),
    ],
)
def test_supernets(nodes: int, parameters: dict[str, Static], params: int) -> None:
    assert cost(shipped("metaformer_nas", nodes=nodes, **parameters).program).params == params


@pytest.mark.parametrize(
    ("parameters", "params", "macs"),
    [
        ({"mixer": "pool"}, 11_847_430, 291_654_656),
        ({"mixer": "mlp"}, 11_989_378, 301_599_744),
        ({"mixer": "attention"}, 15_393_286, 369_855_488),
        ({"mixer": "attention", "position": "sincos"}, 15_386_374, None),
    ],
)
def test_baselines(parameters: dict[str, Static], params: int, macs: int | None) -> None:
    spent = cost(shipped("metaformer", **parameters).program)
    assert spent.params == params
    assert macs is None or spent.macs == macs


RANDWIRE = {"ws": {}, "er": {"p": 0.2}, "ba": {}}


@pytest.mark.parametrize("generator", RANDWIRE)
def test_randwire_costs_what_its_paper_says(generator: str) -> None:
    """5.6M +- 0.1M parameters and 583M +- 6.2M multiply-adds over its samples (Table 2)."""
    space = shipped("randwire", generator=generator, **RANDWIRE[generator])
    costs = [cost(space.resolve(space.unrank(124 * i // 4))) for i in range(5)]
    assert sum(c.params for c in costs) / 5 == pytest.approx(5.6e6, abs=0.2e6)
    assert sum(c.macs for c in costs) / 5 == pytest.approx(583e6, rel=0.02)


IMAGENET = {"imagenet": True, "size": 224, "classes": 1000, "scales": 4, "first": 32, "growth": 16}


@pytest.mark.parametrize(
    ("parameters", "params", "macs"),
    [
        ({}, 3_067_960, 75_487_744),
        ({"classes": 10}, 2_986_690, 75_407_104),
        ({"blocks": 5, "growing": True, "base": 1, "step": 1}, 2_078_924, 58_087_936),
        ({"blocks": 5, "step": 4, **IMAGENET}, 23_958_440, 1_355_606_016),
    ],
)
def test_msdnet_is_the_released_one(parameters: dict[str, Static], params: int, macs: int) -> None:
    """Counted by torch on the authors' PyTorch code, in the settings of its README."""
    spent = cost(shipped("msdnet", **parameters).program)
    assert (spent.params, spent.macs) == (params, macs)


V2 = (
    "normal[0(sep_conv_3x3)+1(sep_conv_3x3); 0(sep_conv_3x3)+1(sep_conv_3x3); "
    "0(skip_connect)+1(sep_conv_3x3); 0(skip_connect)+2(dil_conv_3x3)]/"
    "reduce[0(max_pool_3x3)+1(max_pool_3x3); 1(max_pool_3x3)+2(skip_connect); "
    "0(max_pool_3x3)+2(skip_connect); 1(max_pool_3x3)+2(skip_connect)]"
)
AMOEBANET = (
    "stride.1[0(avg_pool_3x3) 1(max_pool_3x3); 0(sep_conv_3x3) 2(sep_conv_5x5); "
    "0(sep_conv_3x3) 3(avg_pool_3x3); 1(sep_conv_3x3) 1(skip_connect); "
    "0(skip_connect) 1(avg_pool_3x3)]/"
    "stride.2[0(avg_pool_3x3) 1(sep_conv_3x3); 0(max_pool_3x3) 2(sep_conv_7x7); "
    "0(sep_conv_7x7) 1(avg_pool_3x3); 0(max_pool_3x3) 1(max_pool_3x3); "
    "0(conv_7x1_1x7) 5(sep_conv_3x3)]"
)
"""Genotypes that the code of DARTS has under the names DARTS_V2 and AmoebaNet."""


@pytest.mark.parametrize(
    ("name", "found", "params", "macs"),
    [
        ("darts_cifar", V2, 3_349_342, 528_359_040),
        ("darts_imagenet", V2, 4_718_752, 529_911_552),
        ('nasnet(operations="amoebanet")', AMOEBANET, 3_145_078, 488_931_552),
    ],
)
def test_cells_cost_what_they_do_in_the_code_of_darts(
    name: str, found: str, params: int, macs: int
) -> None:
    spent = cost(Library().find(f"{name}/{found}").network())
    assert (spent.params, spent.macs) == (params, macs)


def test_the_network_that_darts_searches() -> None:
    """Parameters, and gates: one for each operation on each edge of both cells."""
    space = shipped("darts_search")
    assert cost(space.program).params == 1_930_618
    holes = [decision.hole for decision in space.decisions]
    gates = sum(len(hole.labels) for hole in holes if hole.quantity is Quantity.ONE)
    assert gates == 2 * 14 * 8 == 224


def test_sizes_of_cells() -> None:
    """Beside what the papers say.

    DARTS counts 1e18 pairs of cells: two of the edges into each node, seven operations. PNAS has
    5.6e14 cells of five blocks (normal and reduction alike); so have we. ENAS's macro space has
    1.6e29 networks. Its micro space has, by the paper, (5 x 5!)^4 = 1.3e11 networks; its own five
    operations and seven nodes give what stands here: each block takes two sources and two
    operations on its own, in both cells. NASNet's 13 operations have no number in its paper.
    """
    edges = 1 * 3 * 6 * 10
    assert shipped("darts_cifar").size == (edges * 7**8) ** 2 == 1_076_746_950_455_072_400
    assert shipped("darts_imagenet").size == shipped("darts_cifar").size
    assert shipped("darts_search").size == (edges * 8**8) ** 2
    sources = (2 * 3 * 4 * 5 * 6) ** 2
    for operations, count in (("enas", 5), ("pnas", 8), ("amoebanet", 8), ("nasnet", 13)):
        assert shipped("nasnet", operations=operations).size == (sources * count**10) ** 2
    assert sources * 8**10 == pytest.approx(5.6e14, rel=0.01)
    assert shipped("enas_macro").size == 6**12 * 2**66 == pytest.approx(1.6e29, rel=0.01)
    assert shipped("nas_rl").size == 10 * 64**15 * 2**105


@pytest.mark.parametrize("vertices", [2, 3, 4])
def test_graphs_of_nas_bench_101(vertices: int) -> None:
    """Different graphs, told apart by their ids; `benchmarks/graphs.py` counts larger ones."""
    assert graphs.count(vertices, pool=False)[1] == graphs.PUBLISHED[vertices]


UNITS = ("shuffle_3x3", "shuffle_5x5", "shuffle_7x7", "xception")
SPOS_FOUND = "0 0 3 1 1 1 0 0 2 0 2 1 1 0 2 0 2 1 3 2"


def spos(blocks: str) -> tuple[int, int]:
    """Parameters and MACs of a path trained on its own, whose batch norms have weights."""
    space = shipped("spos_shufflenet", affine=True)
    entries = "; ".join(UNITS[int(block)] for block in blocks.split())
    spent = cost(space.resolve(space.parse(f"spos_shufflenet(affine=yes)/layer[{entries}]")))
    return spent.params, spent.macs


def test_spos_supernet() -> None:
    space = shipped("spos_shufflenet")
    assert space.size == 4**20
    assert cost(space.program).params == 8_388_176


@pytest.mark.parametrize(
    ("unit", "params"), [(0, 3_154_880), (1, 3_211_968), (2, 3_297_600), (3, 3_870_816)]
)
def test_spos_paths_of_one_unit(unit: int, params: int) -> None:
    assert spos(" ".join([str(unit)] * 20))[0] == params


def test_spos_found_path() -> None:
    assert spos(SPOS_FOUND) == (3_345_088, 318_729_024)


MNASNET = ((3, 3, 3), (3, 5, 3), (3, 5, 6), (2, 3, 6), (4, 5, 6), (1, 3, 6))
"""mnasnet1_0 of torchvision: the layers of each stage, their kernel and expansion."""


def test_mnasnet_is_in_mbconv() -> None:
    space = shipped("mbconv")
    layers = "; ".join(
        f"{k} {expansion} no" + (" yes" if layer else "")
        for count, k, expansion in MNASNET
        for layer in range(count)
    )
    depths = "; ".join(str(count) for count, _, _ in MNASNET)
    spent = cost(space.resolve(space.parse(f"mbconv/network[{depths}]/layer[{layers}]")))
    assert (spent.params, spent.macs) == (4_383_312, 314_415_872)


def test_sizes() -> None:
    assert shipped("metaformer_nas").size == 96
    assert shipped("metaformer_nas", nodes=7).size == 92_160
    assert shipped("nas_bench_201").size == 15_625
    assert shipped("randwire").size == 5**3
    assert shipped("hierarchical").size == 7 ** (6 * 6) * 7**10


@pytest.mark.skipif(not TABLE.is_file(), reason="the table of NAS-Bench-201 is not beside us")
def test_every_architecture_of_nas_bench_201() -> None:
    space = shipped("nas_bench_201")
    with gzip.open(TABLE, "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == space.size
    wrong = []
    for row in rows:
        spent = cost(space.resolve(space.parse(read(row["arch"], "nas_bench_201"))))
        params = round(float(row["params_M"]) * 1e6)
        macs = round(float(row["flops_M"]) * 1e6) - 10  # the classifier's bias is counted there
        if (spent.params, spent.macs) != (params, macs):
            wrong.append(row["arch"])
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("nas_bench_201", {"cells": 1, "width": 4}),
        ("metaformer_nas", SMALL),
        ("metaformer_nas", {**SMALL, "semantics": "as_intended", "nodes": 6}),
    ],
)
def test_torch_counts_the_same(name: str, parameters: dict[str, Static]) -> None:
    assert differing(shipped(name, **parameters), 20, Random(0)) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", (11_689_512, 1_814_073_344)),
        ("resnet50", (25_557_032, 4_089_184_256)),
        ("vgg11_bn", (132_868_840, 7_609_090_048)),
        ("mobilenet_v2", (3_504_872, 300_774_272)),
        ("densenet121", (7_978_856, 2_834_161_664)),
        ("squeezenet1_1", (1_235_496, 349_151_936)),
        ("shufflenet_v2_x1_0", (2_278_604, 144_907_992)),
        ("efficientnet_b0", (5_288_548, 385_814_752)),
        ("poolformer_s12", (11_915_176, 1_812_267_008)),
    ],
)
def test_plain_networks(name: str, expected: tuple[int, int]) -> None:
    """The parameters that torchvision and timm document, and torch's own count of MACs."""
    space = shipped(name)
    assert space.size == 1
    spent = cost(space.resolve(space.unrank(0)))
    assert (spent.params, spent.macs) == expected
