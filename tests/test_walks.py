"""Walks through graphs: what computes the same has the same, and nothing else is looked at."""

from __future__ import annotations

import random
import time

import pytest

from archdsl.space.walks import Walks
from tests.shipped import shipped, written
from tests.verify_spaces import names, tiny

SEVERAL = """
archdsl 1
space several() {
  cell mix(x, y) {
    a = sum(x, any of {y = y -> relu | z = x -> {id | none | tanh}})
    b = sum(2 of {x = x | a = a | act = a -> gelu})
    return concat(b, x -> conv(4))
  }
  net network(image: 4 x 4 x 4) {
    r = image -> relu
    return mix(image, r) -> global_pool -> linear(2)
  }
}
"""


def runs(cell: str) -> dict[tuple[str, ...], int]:
    space = shipped("nas_bench_201")
    return dict(Walks(space).of(space.parse(f"nas_bench_201/infer[{cell}]").choices))


def test_the_words_of_a_cell() -> None:
    name = "infer"
    assert runs("nor_conv_3x3; none avg_pool_3x3; skip_connect none nor_conv_1x1") == {
        (name, "x", "return 0"): 1,
        (name, "x", "nor_conv_3x3"): 1,
        (name, "x", "nor_conv_3x3", "avg_pool_3x3"): 1,
        (name, "nor_conv_3x3", "avg_pool_3x3"): 1,
        (name, "nor_conv_3x3", "avg_pool_3x3", "nor_conv_1x1"): 1,
        (name, "avg_pool_3x3", "nor_conv_1x1"): 1,
        (name, "avg_pool_3x3", "nor_conv_1x1", "return 0"): 1,
        (name, "nor_conv_1x1", "return 0"): 1,
    }


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # nothing comes in, so nothing goes out
        ("none; {0} none; skip_connect none {0}", "none; {0} nor_conv_3x3; skip_connect none {0}"),
        # nothing reads it
        ("{0}; none none; nor_conv_1x1 none none", "none; none none; nor_conv_1x1 none none"),
        # the same cell with its nodes the other way round
        ("{0}; none none; none nor_conv_1x1 none", "none; {0} none; none none nor_conv_1x1"),
        # what is only passed on
        ("skip_connect; none {0}; none none {0}", "none; {0} none; none none {0}"),
    ],
)
def test_what_computes_the_same_has_the_same_walks(one: str, other: str) -> None:
    assert runs(one.format("avg_pool_3x3")) == runs(other.format("avg_pool_3x3"))


def test_several_taken_results_and_inputs() -> None:
    space = written(SEVERAL)
    walks = Walks(space, length=4)

    def words(text: str) -> set[tuple[str, ...]]:
        return set(walks.of(space.parse(f"several/mix[{text}]").choices))

    found = words("y + z(tanh); a + act")
    assert ("mix", "y", "y", "return 0") in found
    assert ("mix", "y", "y", "act", "return 0") in found
    assert ("mix", "x", "tanh", "act", "return 0") in found, "z itself does nothing"
    assert ("mix", "x", "return 0") in found, "past the holes"
    assert not any("none" in run for run in words("z(none); x + a"))
    assert not any("z" in run for run in words("z(id); x + a")), "passed on as it is"


@pytest.mark.parametrize("name", names())
def test_every_space_has_walks_quickly(name: str) -> None:
    space = tiny(name)
    walks = Walks(space)
    drawn = [space.sample(random.Random(i)) for i in range(10)]
    begun = time.process_time()
    found = [walks.of(one.choices) for one in drawn]
    assert time.process_time() - begun < 5, "exponential, it would not end"
    assert all(count > 0 for each in found for count in each.values())
    assert all(2 <= len(run) - 1 <= 3 for each in found for run in each)
    if space.free:
        assert any(found)
