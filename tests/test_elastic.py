"""Sizes that share one set of weights: counts, slices, inheritance, and what must be refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from archdsl.codegen import supernet_source
from archdsl.ir.cost import cost
from archdsl.library import Library
from archdsl.load import load_network, load_supernet
from archdsl.ops.base import Slice, Types
from archdsl.ops.token_attention import SelfAttention
from archdsl.passes.shares import shares
from archdsl.run.inherit import inherit
from archdsl.space.view import SearchSpace
from archdsl.verify.equal import randomise
from archdsl.verify.networks import Verifier
from tests.shipped import written
from tests.verify_spaces import tiny

AUTOFORMER = {
    # Chen et al., "AutoFormer": the released subnets (experiments/subnet of its code).
    "autoformer_tiny(low=yes)/network[192; 13]/encoder[3 3.5; 3 3.5; 3 3; 3 3.5; 3 3; 3 3; 3 4; "
    "3 4; 3 3.5; 3 4; 4 3.5; 3 4; 3 3.5]": (5_867_944, 1_481_938_432),
    "autoformer_small/network[384; 13]/encoder[6 3; 6 3.5; 5 3; 7 3.5; 5 4; 5 4; 5 4; 6 4; 6 4; "
    "7 4; 7 4; 6 3.5; 7 4]": (22_891_432, 5_161_400_832),
    "autoformer_base/network[576; 14]/encoder[9 3.5; 9 3.5; 9 4; 9 3.5; 9 4; 10 3.5; 9 3.5; 9 3; "
    "10 4; 9 4; 10 3; 9 4; 9 3; 10 3.5]": (53_691_688, 11_691_179_008),
}

OFA = {
    # Computed with the released code of "Once-for-All" (its `get_active_subnet`, 224 pixels):
    # the largest, the smallest, and two drawn at random. Stages, then kernels and expansions.
    (4, 4, 4, 4, 4): ("7" * 20, "6" * 20, 7_664_760, 566_170_656),
    (2, 2, 2, 2, 2): ("3" * 20, "3" * 20, 3_410_792, 121_278_672),
    (3, 4, 3, 2, 4): ("55357555557373533757", "66343636446344466364", 5_316_280, 293_339_712),
    (4, 3, 3, 2, 4): ("33757773755375733733", "36433464346463646366", 5_630_936, 293_704_224),
}


@pytest.mark.parametrize("text", AUTOFORMER, ids=lambda text: text.split("/")[0])
def test_released_autoformers_have_their_counts(text: str) -> None:
    found = Library().find(text)
    total = cost(found.network())
    assert (total.params, total.macs) == AUTOFORMER[text]


def test_once_for_all_has_the_counts_of_its_code() -> None:
    space = Library().find("ofa_mobilenet_v3").space
    assert space.size == (9**2 + 9**3 + 9**4) ** 5
    assert cost(space.program).params == 7_678_880  # learned matrices included
    for depths, (kernels, expansions, params, macs) in OFA.items():
        taken = [4 * stage + i for stage, depth in enumerate(depths) for i in range(depth)]
        layers = "; ".join(f"{kernels[i]} {expansions[i]}" for i in taken)
        text = f"ofa_mobilenet_v3/network[{'; '.join(map(str, depths))}]/layer[{layers}]"
        total = cost(space.resolve(space.parse(text)))
        assert (total.params, total.macs) == (params, macs)


@pytest.mark.parametrize("name", ["ofa_mobilenet_v3", "autoformer_tiny"])
def test_inherited_weights_make_the_network_the_supernet_path(name: str, tmp_path: Path) -> None:
    space, rng = tiny(name), random.Random(5)
    supernet = load_supernet(space)
    randomise(supernet.module, torch.Generator().manual_seed(1))
    supernet.module.double().eval()
    weights, out = tmp_path / "supernet.safetensors", tmp_path / "network.safetensors"
    save_file({k: v.contiguous() for k, v in supernet.module.state_dict().items()}, weights)
    (given,) = (space.program.net.nodes[i].type.shape for i in space.program.net.inputs)
    x = torch.randn(2, *given, dtype=torch.float64)
    for _ in range(3):
        architecture = space.sample(rng)
        program = space.resolve(architecture)
        report = inherit(weights, space.program, program, out, level=0)
        assert not report.fresh and not report.reshaped and report.carried_params == report.params
        network = load_network(program).double().eval()
        network.load_state_dict(load_file(out))
        assert torch.allclose(network(x), supernet(x, architecture), rtol=0, atol=1e-12)


SMALL = """
archdsl 1

space small elastic {
  block layer(x; c) {
    mid = c * {2 | 3}
    y = x -> conv(mid, bias=no) -> bn -> relu -> dwconv(k={3 | 5 | 7}) -> bn -> conv(c)
    return x + y
  }
  net network(image: 3 x 8 x 8) {
    w = {4 | 6 | 8}
    return image -> conv(w) -> layer(c=w)^{1..3} -> global_pool -> linear(10)
  }
}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> SearchSpace:
    file = tmp_path_factory.mktemp("small") / "small.arch"
    file.write_text(SMALL)
    return Library([file]).find("small").space


def test_sizes_decided_outside_and_inside_are_equal_to_networks(small: SearchSpace) -> None:
    assert small.size == 3 * (6 + 6**2 + 6**3)
    verifier, rng = Verifier(small, steps=False), random.Random(2)
    for _ in range(6):
        verdict = verifier(small.sample(rng))
        assert verdict.ok, str(verdict)


def test_supernet_reads_as_if_written_by_hand(small: SearchSpace) -> None:
    """What the use decides is a parameter, what is computed a table, a depth one loop."""
    source = supernet_source(small.program)
    assert "def forward(self, x: Tensor, c: int, choice: LayerChoice) -> Tensor" in source
    assert "channels=self.mid[c, choice.mid]" in source
    assert "for layer, inner in zip(self.layer[: choice.depth], choice.layer" in source
    assert "x = layer(x, choice.w, inner)" in source


PRODUCTS = """
archdsl 1

space products elastic {
  op widened(c, m) = conv(c * m) -> relu -> conv(c + m) -> relu
  block layer(x; c, m, r) = x + (x -> widened(c, m) -> conv(floor(c * r) * m) -> bn -> conv(c))
  net network(image: 3 x 8 x 8) {
    w = {4 | 8}
    a = image -> conv(w) -> layer(c=w, m={1 | 2}, r={0.5 | 1.5})
    return a -> layer(c=w, m=3, r=1) -> global_pool -> linear(5)
  }
}
"""


def check_all(space: SearchSpace) -> None:
    verifier = Verifier(space, steps=False)
    for i in range(space.size):
        verdict = verifier(space.unrank(i))
        assert verdict.ok, str(verdict)


def test_sizes_that_several_parameters_decide() -> None:
    """A product is written as one, anything more is a table of the fewest that decide it."""
    space = written(PRODUCTS)
    check_all(space)
    source = supernet_source(space.program)
    assert "channels=c * m" in source
    assert "self.channels = {(4, 1): 5, (4, 2): 6, (8, 1): 9, (8, 2): 10}" in source
    assert "channels=self.channels[c, m, r]" in source


INSIDE = """
archdsl 1

space inside elastic {
  block layer(x; c) = x -> conv(c * {1 | 3}) -> relu -> conv(c)
  net network(image: 3 x 8 x 8) {
    return image -> conv({2 | 4}) -> layer(c={4 | 8 | 12}) -> global_pool -> linear(5)
  }
}
"""


def test_a_use_has_more_sizes_than_a_hole_inside_has_alternatives() -> None:
    check_all(written(INSIDE))


def weight_of(space: SearchSpace, text: str, name: str, state: dict[str, Tensor]) -> Tensor:
    network = space.resolve(space.parse(text))
    return shares(space.program, network).forward(state)[name]


def test_small_kernels_are_centres_times_matrices() -> None:
    space = tiny("ofa_mobilenet_v3")
    state = {n: torch.randn(t.shape) for n, t in load_supernet(space).module.state_dict().items()}
    text = f"{space.program.genotype}/network[1; 1; 1; 1; 1]/layer[3 3; 7 6; 7 6; 7 6; 7 6]"
    name = "layer1_1.dwconv"
    whole = state[f"{name}.weight"][:12]  # 4 channels, three times as wide
    five = whole[..., 1:6, 1:6].flatten(2) @ state[f"{name}.mix5"].T
    five = five.view(12, 1, 5, 5)
    three = (five[..., 1:4, 1:4].flatten(2) @ state[f"{name}.mix3"].T).view(12, 1, 3, 3)
    assert torch.equal(weight_of(space, text, f"{name}.weight", state), three)


def test_queries_keys_and_values_are_every_third_row() -> None:
    space = tiny("autoformer_tiny")
    state = {n: torch.randn(t.shape) for n, t in load_supernet(space).module.state_dict().items()}
    text = f"{space.program.genotype}/network[192; 1]/encoder[3 4]"
    name = "encoder.0.attention.qkv"
    rows, width = 3 * 3 * 4, 192 // 12
    whole = state[f"{name}.weight"]
    expected = torch.cat([whole[i:rows:3, :width] for i in range(3)])
    assert torch.equal(weight_of(space, text, f"{name}.weight", state), expected)
    bias = weight_of(space, text, f"{name}.bias", state)
    assert torch.equal(bias, state[f"{name}.bias"][:rows])


def test_wrong_slices_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first rows of the matrix are not those that AutoFormer's module takes."""

    def contiguous(self: SelfAttention, inputs: Types, shared: object) -> dict[str, Slice]:
        return dict(super(SelfAttention, self).slices(inputs, ()))

    space = tiny("autoformer_tiny")
    text = f"{space.program.genotype}/network[192; 1]/encoder[3 4]"
    verifier = Verifier(space, steps=False)
    assert verifier(space.parse(text)).ok
    monkeypatch.setattr(SelfAttention, "slices", contiguous)
    wrong = {row.subject for row in verifier(space.parse(text)).mismatches}
    assert wrong == {"supernet path"}
