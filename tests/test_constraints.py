"""`where`: what it accepts, how it guides drawing, how much of a space it leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from scipy.stats import chisquare

from archdsl.ir.conditions import COMPARISONS, METRICS, Count, Figure, value_of
from archdsl.ir.elaborate import elaborate
from archdsl.passes.constraints import Rules, constrained, rules, wilson
from archdsl.passes.figures import figures
from archdsl.space import guide
from archdsl.space.architecture import Architecture
from archdsl.space.guide import Guide
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from tests.verify_spaces import names, tiny

CHAIN = """archdsl 1
space chain(layers={layers}) {{
  {where}
  block layer(x; c) = x -> {{a = conv(c) | b = conv(c, k=3) | c = conv(c, k=5) | skip = id}}
  net network(image: 4 x 8 x 8) {{
    x[0] = image
    for i in 1..layers {{
      x[i] = x[i-1] -> layer(c=4)
    }}
    return x[layers]
  }}
}}
"""

NESTED = """archdsl 1
space nested {{
  {where}
  cell cells(x) {{
    y = x -> {{g = conv(4) | h = conv(4, k=3) | none}}
    n[1] = sum(x, any of {{e = y -> {{g = conv(4) | none}} | f = x -> conv(4, k=5)}})
    n[2] = n[1] -> {{deep = conv(4) -> {{conv(4) | relu}} | wide = conv(4, k=7)}}
    return sum(2 of {{x | n[1..2]}})
  }}
  net network(image: 4 x 8 x 8) = image -> cells -> cells
}}
"""


def opened(text: str, where: str = "", **given: object) -> SearchSpace:
    (tree,) = parse(text.format(where=where, **given)).spaces
    return constrained(elaborate(tree))


def everything(space: SearchSpace) -> list[str]:
    """The accepted architectures, by asking each network what it costs."""

    def satisfied(one: Architecture) -> bool:
        network = figures(space.resolve(one))

        def known(part: Figure | Count) -> int:
            if isinstance(part, Figure):
                return network[part.name]
            return sum(
                not part.labels or decision.hole.labels[i] in part.labels
                for decision, taken in zip(space.decisions, one.choices, strict=True)
                if {decision.scope.group, decision.hole.name.rstrip("_0123456789")}.issuperset(
                    part.names
                )
                for i in taken or ()
            )

        return all(value_of(c.condition, known) for c in space.program.constraints)

    return [one.text for one in map(space.unrank, range(space.size)) if satisfied(one)]


@pytest.mark.parametrize("name", names())
def test_sums_are_the_figures_of_networks(name: str) -> None:
    space = tiny(name)
    known, rng = Rules(space), Random(3)
    for _ in range(4):
        one = space.sample(rng)
        network, measured = figures(space.resolve(one)), known.measured(one)
        assert {figure: measured(Figure(figure)) for figure in METRICS} == network


@pytest.mark.parametrize(
    "where",
    [
        "where params <= 300",
        "where params > 700",
        "where macs == 64 * params",
        "where macs <= 60K, params >= 100",
        "where count(layer) == 4",
        'where count("skip") >= 2, count("c") <= 1',
        'where 100 * count("a") + params <= 500',
        'where params <= 200 or count("c") == 4',
        "where live_params < 250",
        "where params != 0",
    ],
)
def test_a_guide_loses_nothing(where: str) -> None:
    space = opened(CHAIN, where, layers=4)
    wanted = everything(space)
    if space.guide is not None:
        assert len(wanted) <= space.guide.size
    rng = Random(5)
    assert {space.sample(rng).text for _ in range(12 * len(wanted))} == set(wanted)
    assert rules(space).share().share == Fraction(len(wanted), space.size)


@pytest.mark.parametrize("where", ["where params <= 400", 'where count("f") == 1, macs <= 60K'])
def test_drawing_is_uniform_in_nested_spaces(where: str) -> None:
    space = opened(NESTED, where)
    wanted = everything(space)
    assert 10 < len(wanted) < space.size
    rng = Random(7)
    drawn = Counter(space.sample(rng).text for _ in range(40 * len(wanted)))
    assert set(drawn) == set(wanted)
    assert chisquare(list(drawn.values())).pvalue > 1e-3


def test_coarse_guides_are_uniform_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "MAX_SUMS", 5)
    space = opened(CHAIN, "where params <= 420", layers=4)
    wanted = everything(space)
    assert space.guide is not None
    assert not space.guide.exact
    assert len(wanted) < space.guide.size < space.size
    rng = Random(7)
    drawn = Counter(space.sample(rng).text for _ in range(40 * len(wanted)))
    assert set(drawn) == set(wanted)
    assert chisquare(list(drawn.values())).pvalue > 1e-3


def test_long_integers_multiply_as_pairs_do(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(2)
    for _ in range(20):
        a, b = ({rng.randrange(-9, 90): rng.randrange(1, 10**9) for _ in range(9)} for _ in "ab")
        pairs = guide._product(a, b)
        assert guide._dense_product(a, b) == pairs


def test_one_in_a_billion_is_found() -> None:
    """At least 28 of 30 layers are `skip`: 4,006 of 4^30, which no trying finds."""
    space = opened(CHAIN, 'where count("skip") >= 28', layers=30)
    share = rules(space).share()
    assert share.accepted == sum(n * 3**k for k, n in ((0, 1), (1, 30), (2, 435)))
    drawn = [space.sample(Random(seed)) for seed in range(20)]
    assert all(one.text.count("skip") >= 28 for one in drawn)
    assert [space.sample(Random(seed)) for seed in range(20)] == drawn


def test_children_and_neighbours_are_accepted() -> None:
    space = opened(CHAIN, "where params <= 100, macs >= 1K", layers=8)
    assert space.accept is not None
    rng = Random(1)
    a, b = space.sample(rng), space.sample(rng)
    for _ in range(30):
        child, mutant = space.crossover(a, b, rng), space.mutate(a, rng, 3)
        assert space.accept(child)
        assert space.accept(mutant)
        for taken, *parents in zip(child.choices, a.choices, b.choices, strict=True):
            assert taken in parents
        a, b = mutant, child
    assert all(map(space.accept, space.neighbours(a)))


FRACTIONS = """archdsl 1
space fractions {{
  {where}
  net network(x: 3) {{
    z = x -> {{l2 = linear(2) -> linear(4) | l4 = linear(4)}}
    y = z -> {{id | l = linear(4)}} -> {{id | l = linear(4)}}
    return y -> linear(5)
  }}
}}
"""


@pytest.mark.parametrize("operator", ["<=", "<", ">=", ">", "==", "!="])
@pytest.mark.parametrize(
    ("measure", "bound", "exactly"),
    [
        ("0.5 * params", "30.7", lambda params, macs: (params * 5, 307)),
        ("0.1 * params", "6.1", lambda params, macs: (params, 61)),
        ("0.1 * params", "0.2 + 5.9", lambda params, macs: (params, 61)),
        ("0.5 + 1.5 * params", "0.7 * macs + 47.3", lambda p, m: (15 * p - 7 * m, 468)),
        ("0 - 0.3 * params", "0 - 18.3", lambda params, macs: (-params, -61)),
    ],
)
def test_numbers_are_the_decimals_of_the_text(
    measure: str, operator: str, bound: str, exactly: Callable[[int, int], tuple[int, int]]
) -> None:
    space = opened(FRACTIONS, f"where {measure} {operator} {bound}")
    wanted = set()
    for one in map(space.unrank, range(space.size)):
        found = figures(space.resolve(one))
        if COMPARISONS[operator](*exactly(found["params"], found["macs"])):
            wanted.add(one.text)
    assert space.accept is not None
    assert {one.text for one in map(space.unrank, range(space.size)) if space.accept(one)} == wanted
    if space.guide is not None:
        assert (space.guide.size, space.guide.exact) == (len(wanted), True)
    if wanted:
        assert {space.sample(Random(seed)).text for seed in range(120)} == wanted


def test_few_are_found_among_sums_that_reach_far() -> None:
    """Next to the bound, numbers are small: their unit is not that of the whole range."""
    text = """archdsl 1
space far {{
  {where}
  net network(x: 3) {{
    y[0] = x
    for i in 1..100 {{ y[i] = y[i-1] -> {{relu | l = linear(3) | l2 = linear(i) -> linear(3)}} }}
    return y[100] -> linear(5)
  }}
}}
"""
    space = opened(text, "where macs <= 1000")
    assert space.guide is not None
    assert space.guide.exact
    assert rules(space).share().accepted == space.guide.size
    for seed in range(5):
        assert rules(space).measured(space.sample(Random(seed)))(Figure("macs")) <= 1000
    above = opened(text, "where macs >= 30K")  # of 30,318: counted from the most downwards
    assert above.guide is not None
    assert above.guide.exact
    assert rules(above).measured(above.sample(Random(1)))(Figure("macs")) >= 30_000


def test_one_guide_is_built_for_the_tightest_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    count = Guide._count

    def counting(self: Guide, *given: Any) -> None:
        built.append(self.name)
        count(self, *given)

    monkeypatch.setattr(Guide, "_count", counting)
    space = opened(CHAIN, 'where params <= 9K, count("skip") >= 25, macs >= 10', layers=30)
    space.sample(Random(0))
    assert built == ['count("skip") >= 25']


def test_what_leaves_nothing_is_told_at_once() -> None:
    space = opened(CHAIN, "where params <= 40, params >= 2M", layers=30)
    with pytest.raises(ArchError) as error:
        space.sample(Random(0))
    (finding,) = error.value.diagnostics
    assert (finding.code, finding.found) == ("E0521", "none: params >= 2,000,000 takes 0 to 12,120")
    assert rules(space).share().share == 0


def test_what_leaves_too_little_is_told_with_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdsl.space.view.MAX_TRIES", 50)
    space = opened(CHAIN, 'where count("skip") >= 28, live_macs > 1G', layers=30)
    with pytest.raises(ArchError) as error:
        space.sample(Random(0))
    (finding,) = error.value.diagnostics
    assert finding.found == (
        'none accepted in 50 draws, of the 4,006 (3.5e-15) left by count("skip") >= 28'
    )


def test_a_lonely_architecture_has_no_neighbours() -> None:
    space = opened(CHAIN, 'where count("skip") == 6', layers=6)
    one = space.sample(Random(0))
    assert list(space.neighbours(one)) == []
    assert space.mutate(one, Random(0)) == one, "drawn anew: there is no other"
    assert space.crossover(one, one, Random(0)) == one


def test_an_estimate_knows_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdsl.passes.constraints.MAX_LISTED", 100)
    where = "where live_params <= 400, macs >= 1K"
    space = opened(CHAIN, where, layers=4)
    share, accepted = rules(space).share(), len(everything(space))
    assert share.drawn
    assert share.low < Fraction(accepted, space.size) < share.high
    assert share.high - share.low < 0.07
    assert rules(opened(CHAIN, where, layers=4)).share() == share


def test_wilson() -> None:
    """The worked example of Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263."""
    low, high = wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 20)[0] == 0
    assert round(wilson(0, 20)[1], 4) == 0.1611


def test_a_guide_needs_takes_that_can_be_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "MAX_TAKES", 3)
    space = opened(CHAIN, "where params <= 100", layers=3)
    assert space.guide is None
    assert {space.sample(Random(i)).text for i in range(200)} == set(everything(space))
    assert not isinstance(space.guide, Guide)
