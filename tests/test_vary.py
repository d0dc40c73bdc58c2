"""Rules over whole networks, and the texts that they come with."""

from pathlib import Path
from random import Random

import pytest
import torch

from archdsl.ir.cost import cost
from archdsl.ir.elaborate import elaborate
from archdsl.library import Library
from archdsl.load import load_network
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from tests.torch_counts import differing
from tests.verify_spaces import tiny

PLAIN = """\
archdsl 1
space plain(width=8) {
  op unit(c) = conv(c, k=3) -> relu
  block pair(x; hidden) { return x + (x -> conv(hidden) -> relu -> conv(width)) }
  net network(image: 3 x 8 x 8) = image -> unit(width) -> pair(hidden=16)^2 -> conv(4)
}
"""


def space(rule: str, text: str = PLAIN) -> SearchSpace:
    made = text.replace("space plain(width=8) {", f"space plain(width=8) {{ {rule}")
    return SearchSpace(elaborate(parse(made).spaces[0]))


def test_every_application_decides_on_its_own() -> None:
    made = space("vary conv(channels=if it == hidden then it * {1 | 2} else it) in pair")
    assert made.size == 2**2
    assert space("vary conv(k={1 | 3}, d={1 | 2}) in pair").size == 4**4
    assert space("vary conv(k={1 | 3})").size == 2**6
    assert space("vary conv(k={1 | 3}) in unit, network").size == 2**2


def test_a_rule_makes_what_one_would_write() -> None:
    """The network under a rule costs what the text does that says so itself."""
    varied = space("vary conv(channels=if it == hidden then it * {1 | 2} else it) in pair")
    wide = space("", PLAIN.replace("hidden=16", "hidden=32"))
    taken = varied.resolve(varied.parse("plain/pair[2; 2]"))
    assert cost(taken).params == cost(wide.program).params
    assert cost(taken).macs == cost(wide.program).macs


def test_a_rule_without_a_hole_rewrites() -> None:
    made = space("vary conv(bias=no)")
    assert made.size == 1
    assert cost(made.program).params == cost(space("").program).params - (8 + 2 * (16 + 8) + 4)


def test_what_residual_sums_join_is_refused() -> None:
    with pytest.raises(ArchError) as caught:
        space("vary conv(channels=it * {1 | 2}) in pair")
    assert caught.value.diagnostics[0].code == "E0401"


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("vary convolution(channels=it)", "E0301"),
        ("vary unit(c=it)", "E0301"),
        ("vary conv(width=it)", "E0304"),
        ("vary conv(it)", "E0304"),
        ("vary conv(channels=it) in nowhere", "E0301"),
        ("vary conv(weight_bits=it)", "E0301"),
        ("vary conv(weight_bits=1)", "E0304"),
    ],
)
def test_rules_about_nothing_are_refused(rule: str, code: str) -> None:
    with pytest.raises(ArchError) as caught:
        space(rule)
    assert caught.value.diagnostics[0].code == code


def test_a_space_brings_net_and_parameters_of_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "plain.arch").write_text(PLAIN)
    file = tmp_path / "thin.arch"
    file.write_text("archdsl 1\nuse plain\nspace thin { vary conv(k={1 | 3}) in pair }\n")
    found = Library().find(str(file))
    assert found.space.size == 2**4
    text = found.space.program.text
    assert "use" not in text and "block pair" in text and "width=8" in text
    again = Library().text(text)  # needs no other file
    assert again.space.program.hash == found.space.program.hash
    assert Library([file]).space("thin", {"width": 4}).size == 2**4


def test_a_constant_of_its_own_stands_before_those_that_speak_of_it(tmp_path: Path) -> None:
    (tmp_path / "base.arch").write_text(
        "archdsl 1\nspace base(w=8) { half = w // 2 quarter = half // 2\n"
        "  net network(image: 3 x 8 x 8) = image -> conv(quarter) -> global_pool -> linear(5) }"
    )
    user = tmp_path / "user.arch"
    user.write_text("archdsl 1\nuse base\nspace user { half = more * 2 more = 10 }")
    program = Library().find(str(user)).program
    assert cost(program).params == 3 * 10 + 10 + 10 * 5 + 5


def test_spaces_that_use_each_other_are_refused(tmp_path: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.arch").write_text(
            f"archdsl 1\nuse {other}\nspace {name} {{ net n(x: 3) = x -> relu }}\n"
        )
    with pytest.raises(ArchError) as caught:
        Library().find(str(tmp_path / "a.arch"))
    assert caught.value.diagnostics[0].code == "E0311"


def test_shipped_compressions() -> None:
    amc, haq = Library().find("amc").space, Library().find("haq").space
    assert amc.size == 4**16
    assert haq.size == 7**104  # 16 bottlenecks of 3 convolutions, 4 shortcuts, 2 numbers each
    whole = amc.parse("amc/inverted_bottleneck[" + "; ".join(["1"] * 16) + "]")
    assert cost(amc.resolve(whole)).params == 3_504_872  # torchvision's mobilenet_v2


@pytest.mark.parametrize("name", ["amc", "haq"])
def test_torch_counts_the_same(name: str) -> None:
    assert differing(tiny(name), 2, Random(1)) == []


def test_rounding_leaves_few_values_and_all_of_the_gradient() -> None:
    text = "archdsl 1\nspace s { net n(x: 8) = x -> linear(4, bias=no, weight_bits=2) }"
    network = load_network(elaborate(parse(text).spaces[0]))
    outputs = network(torch.eye(8))
    for column in outputs.T:
        largest = column.abs().max()
        assert all(min(abs(v - largest * k) for k in (-1, 0, 1)) < 1e-6 for v in column)
    outputs.sum().backward()
    (weight,) = network.parameters()
    assert weight.grad is not None and torch.equal(weight.grad, torch.ones(4, 8))
