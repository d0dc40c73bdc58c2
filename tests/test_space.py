"""The view of a space: counted, numbered, drawn and changed, against brute force."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from time import perf_counter

import pytest
from scipy.stats import chisquare

from archdsl.ir.graph import Program
from archdsl.ir.scopes import decisions
from archdsl.space.architecture import Architecture
from archdsl.space.forest import Forest, Place
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from tests.space_programs import (
    ANY,
    BLOCK,
    NET,
    ONE,
    SOME,
    Draft,
    edges,
    every_filling,
    mixer,
    program,
    random_program,
    rich,
)


def random_spaces(count: int, largest: int) -> Iterator[tuple[Program, list]]:
    """Random programs with all their assignments; those that scopes refuses are left out."""
    made, seed = 0, 0
    while made < count:
        seed += 1
        text = random_program(Random(seed))
        try:
            decisions(text)
        except ArchError as error:
            assert error.diagnostics[0].code == "E0506"
            continue
        fillings = []
        for filling in every_filling(text):
            fillings.append(filling)
            if len(fillings) > largest:
                break
        else:
            made += 1
            yield text, fillings


RANDOM = list(random_spaces(150, 3000))
SMALL = [text for text, fillings in RANDOM if len(fillings) <= 300]


def everything(space: SearchSpace) -> list[Architecture]:
    return [space.unrank(i) for i in range(space.size)]


def test_random_spaces_are_worth_testing() -> None:
    quantities = Counter(d.hole.quantity for text, _ in RANDOM for d in decisions(text))
    assert min(quantities[ONE], quantities[SOME], quantities[ANY]) > 50
    assert sum(any(len((d.parent or ("", ()))[1]) > 1 for d in decisions(t)) for t, _ in RANDOM) > 5
    assert sum(len(fillings) > 20 for _, fillings in RANDOM) > 40


def test_sizes_are_those_of_the_searches_they_stand_for() -> None:
    assert SearchSpace(mixer(4)).size == 96
    assert SearchSpace(mixer(7)).size == 92_160
    assert SearchSpace(edges()).size == 15_625
    # 3 pairs with their inner holes, sets, layers (2 or 3 of them), and the two tails.
    layer = (2 + 2 + 2) * 3
    assert SearchSpace(rich()).size == (2 * 2 + 2 + 2) * 4 * (layer**2 + layer**3) * (2 + 2)


def test_sizes_match_enumeration() -> None:
    for text, fillings in RANDOM:
        assert SearchSpace(text).size == len(fillings)


def test_numbers_are_a_bijection_onto_all_architectures() -> None:
    for text, fillings in RANDOM:
        space = SearchSpace(text)
        made = everything(space)
        assert [space.rank(a) for a in made] == list(range(space.size))
        expected = {tuple(sorted(filling.items())) for filling in fillings}
        assert {tuple(sorted(a.assignment.items())) for a in made} == expected
        assert len({a.text for a in made}) == space.size


def test_number_zero_takes_the_first_of_everything() -> None:
    for text, _ in RANDOM:
        space = SearchSpace(text)
        for taken, decision in zip(space.unrank(0).choices, space.decisions, strict=True):
            least = {ONE: (0,), SOME: tuple(range(decision.hole.count)), ANY: ()}
            assert taken in (None, least[decision.hole.quantity])


def test_numbers_of_any_size() -> None:
    layer = Draft("layer", BLOCK).hole("kind", "a b c").hole("set", "1 2 3 4 5 6 7 8", SOME, 4)
    layer.hole("inner", "x y", inside=("kind", (1,))).hole("any", "1 2 3", ANY)
    net = Draft("network", NET)
    for _ in range(60):
        net.use("layer")
    space = SearchSpace(program(layer, net))
    assert space.size == (4 * 70 * 8) ** 60
    rng = Random(3)
    for number in (0, space.size - 1, *(rng.randrange(space.size) for _ in range(20))):
        assert space.rank(space.unrank(number)) == number
    for wrong in (-1, space.size):
        with pytest.raises(ArchError, match="no architecture has this number"):
            space.unrank(wrong)


def test_deep_chains_need_no_recursion() -> None:
    places = [Place(quantity=ONE, alternatives=2)]
    places += [Place(quantity=ONE, alternatives=2, parent=i, when=(1,)) for i in range(1499)]
    forest = Forest(places)
    assert forest.size == 1501
    assert [forest.rank(forest.unrank(i)) for i in range(0, 1501, 100)] == [*range(0, 1501, 100)]


def test_decisions_come_behind_what_they_depend_on() -> None:
    for text, _ in RANDOM:
        space = SearchSpace(text)
        assert {d.key for d in space.decisions} == {d.key for d in decisions(text)}
        seen: set[str] = set()
        for decision in space.decisions:
            assert decision.parent is None or decision.parent[0] in seen
            seen.add(decision.key)


def test_a_block_used_early_waits_for_what_its_later_uses_depend_on() -> None:
    layer = Draft("layer", BLOCK).hole("op", "a b")
    motif = Draft("motif").hole("kind", "plain deep")
    motif.use("layer", motif.inside("kind", (1,)))
    net = Draft("network", NET).use("layer").use("motif")
    space = SearchSpace(program(layer, motif, net))
    assert sorted(a.text for a in everything(space)) == [
        "toy/motif[deep]/layer[a; a]",
        "toy/motif[deep]/layer[a; b]",
        "toy/motif[deep]/layer[b; a]",
        "toy/motif[deep]/layer[b; b]",
        "toy/motif[plain]/layer[a]",
        "toy/motif[plain]/layer[b]",
    ]


def test_sampling_is_uniform_over_architectures() -> None:
    rng = Random(20)
    tested = 0
    for text in SMALL:
        space = SearchSpace(text)
        if not 5 <= space.size <= 60:
            continue
        tested += 1
        counts = Counter(space.rank(space.sample(rng)) for _ in range(40 * space.size))
        observed = [counts[i] for i in range(space.size)]
        assert chisquare(observed).pvalue > 1e-5, text
    assert tested > 20


@pytest.mark.parametrize("text", [mixer(4), edges(4)], ids=["mixer", "edges"])
def test_sampling_is_uniform_on_spaces_people_use(text: Program) -> None:
    space, rng = SearchSpace(text), Random(1)
    counts = Counter(space.rank(space.sample(rng)) for _ in range(50 * space.size))
    assert chisquare([counts[i] for i in range(space.size)]).pvalue > 1e-3


def test_sampling_tokens_is_uniform_over_tokens_only() -> None:
    net = Draft("network", NET).hole("op", "plain rich").hole("n", "1 2 3", inside=("op", (1,)))
    space, rng = SearchSpace(program(net)), Random(4)
    by_token = Counter(space.sample_tokens(rng).text for _ in range(12_000))
    by_architecture = Counter(space.sample(rng).text for _ in range(12_000))
    inner = [f"toy/network[rich({n})]" for n in (1, 2, 3)]
    plain = "toy/network[plain]"
    tokens = [by_token[plain], *(by_token[t] for t in inner)]
    assert chisquare(tokens, [6000, 2000, 2000, 2000]).pvalue > 1e-3
    assert chisquare([by_architecture[t] for t in (plain, *inner)]).pvalue > 1e-3


def test_neighbours_differ_in_one_decision() -> None:
    assert len(list(SearchSpace(edges()).neighbours(SearchSpace(edges()).unrank(7)))) == 24
    for text in SMALL[:60]:
        space, rng = SearchSpace(text), Random(5)
        a = space.sample(rng)
        near = list(space.neighbours(a))
        expected = 0
        for i in space.free:
            if a.choices[i] is not None:
                hole = space.decisions[i].hole
                values = {t.choices[i] for t in everything(space)} - {None}
                expected += len(values) - 1
                assert hole.quantity is not ONE or len(values) == len(hole.labels)
        assert len(near) == len(set(near)) == expected
        for b in near:
            assert space.build(b.choices) == b
            assert space.parse(b.text) == b
            both = zip(a.choices, b.choices, strict=True)
            changed = [i for i, (x, y) in enumerate(both) if x is not None and y not in (None, x)]
            assert len(changed) == 1


def test_mutation_moves_and_reaches_everything() -> None:
    for text in SMALL[:40]:
        space, rng = SearchSpace(text), Random(6)
        a = space.unrank(0)
        reached = {a}
        for _ in range(60 * space.size):
            b = space.mutate(a, rng)
            assert (b != a) or space.size == 1
            reached.add(b)
            a = b
        assert len(reached) == space.size
        assert space.build(space.mutate(a, rng, n=5).choices)


def test_mutation_is_uniform_over_decisions_and_values() -> None:
    space, rng = SearchSpace(edges(3)), Random(7)
    a = space.unrank(31)
    counts = Counter(space.mutate(a, rng).text for _ in range(12_000))
    assert len(counts) == 12
    assert chisquare(list(counts.values())).pvalue > 1e-3


def test_children_take_after_their_parents() -> None:
    for text in SMALL:
        space, rng = SearchSpace(text), Random(8)
        for _ in range(5):
            a, b = space.sample(rng), space.sample(rng)
            child = space.crossover(a, b, rng)
            assert space.build(child.choices) == child
            for taken, *parents in zip(child.choices, a.choices, b.choices, strict=True):
                assert taken is None or taken in parents or parents == [None, None]
            assert space.crossover(a, a, rng) == a


def test_constraints_are_kept_everywhere() -> None:
    def accept(a: Architecture) -> bool:
        return "none" not in a.text

    space, rng = SearchSpace(edges(3), accept), Random(9)
    a = b = space.sample(rng)
    for _ in range(100):
        drawn = (space.sample(rng), space.sample_tokens(rng), space.mutate(a, rng))
        assert all(map(accept, (*drawn, space.crossover(a, b, rng), *space.neighbours(a))))
        a, b = drawn[0], drawn[2]
    never = SearchSpace(edges(3), lambda _: False)
    with pytest.raises(ArchError, match="the constraints leave too little of toy_edges") as error:
        never.sample(rng)
    assert error.value.diagnostics[0].code == "E0521"


def test_seeds_decide_everything() -> None:
    for text in (mixer(7), rich()):
        space = SearchSpace(text)
        runs = []
        for _ in range(2):
            rng = Random(11)
            a = [space.sample(rng) for _ in range(20)]
            runs.append([*a, space.mutate(a[0], rng), space.crossover(a[1], a[2], rng)])
        assert runs[0] == runs[1]


def test_architectures_are_values() -> None:
    space = SearchSpace(mixer(4))
    a, b = space.unrank(5), space.unrank(5)
    assert a == b and hash(a) == hash(b) and len({a, b, space.unrank(6)}) == 2
    assert a.text == str(a) == "toy_mixer/mixer[id; 1 id; 1 id; 3 pool]"
    assert a.assignment["mixer:source_4"] == (2,)
    assert space.assign(a.assignment) == a
    with pytest.raises(AttributeError):
        a.text = ""  # type: ignore[misc]


def test_decisions_without_a_choice_are_written_but_not_free() -> None:
    space = SearchSpace(rich())
    fixed = {d.hole.name for i, d in enumerate(space.decisions) if i not in space.free}
    assert fixed == {"last"}
    assert "/motif.2[0.5; id]" in space.unrank(0).text


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ((), "a wrong number of choices"),
        (((0,), None, (0,)), "network:two cannot take"),
        ((None, None, (0, 1)), "network:op needs a choice"),
        (((0,), (0,), (0, 1)), "does not exist under the others"),
        (((1,), (0,), (1, 0)), "cannot take"),
        (((1,), (0,), (0,)), "cannot take"),
        (((1,), (0, 1), (0, 1)), "cannot take"),
        (((1,), (-1,), (0, 1)), "cannot take"),
        (((1,), None, (0, 1)), "needs a choice"),
    ],
)
def test_wrong_choices_are_refused(choices: tuple, message: str) -> None:
    net = Draft("network", NET).hole("op", "plain rich").hole("n", "1 2 3", inside=("op", (1,)))
    space = SearchSpace(program(net.hole("two", "a b c", SOME, 2)))
    assert space.build(((1,), (2,), (0, 2))).text == "toy/network[rich(3); a+c]"
    with pytest.raises(ArchError, match=message) as error:
        space.build(choices)
    assert error.value.diagnostics[0].code == "E0623"


def test_a_space_without_holes_has_one_architecture() -> None:
    space = SearchSpace(program(Draft("network", NET), changed={"size": 32}))
    assert space.size == 1
    assert space.sample(Random(0)).text == "toy(size=32)"
    assert space.parse("toy( size = 32 )") == space.unrank(0)
    assert space.mutate(space.unrank(0), Random(0)) == space.unrank(0)
    assert list(space.neighbours(space.unrank(0))) == []


def test_too_many_cases_are_refused_before_they_are_counted() -> None:
    n = 40
    places = [Place(quantity=ANY, alternatives=n)]
    places += [
        Place(quantity=ONE, alternatives=2, parent=0, when=(i, n - 1 - i)) for i in range(n // 2)
    ]
    with pytest.raises(ArchError, match="cannot be counted") as error:
        Forest(places)
    assert error.value.diagnostics[0].code == "E0520"


def test_sampling_is_fast_enough() -> None:
    for text in (edges(), mixer(7), rich()):
        space, rng = SearchSpace(text), Random(0)
        start = perf_counter()
        for _ in range(10_000):
            space.sample(rng)
        assert perf_counter() - start < 15  # 0.3 s on an idle machine
