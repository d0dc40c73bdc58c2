"""Paths of shared weights: fair, sandwiched, opening one kind after the other; steps along them."""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from archdsl.controllers import METHODS, make_controller
from archdsl.controllers.base import Told
from archdsl.evaluate.data import open_data
from archdsl.evaluate.paths import make_sampler
from archdsl.evaluate.placed import placed
from archdsl.evaluate.shared import SharedWeights
from archdsl.evaluate.supernet import SupernetSettings
from archdsl.ir.graph import Static
from archdsl.library import Library
from archdsl.load import load_network
from archdsl.passes.extremes import largest, smallest
from archdsl.passes.many import many
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import SGD
from archdsl.run.ledger import read_ledger
from archdsl.run.search import search
from archdsl.run.settings import SearchSettings
from archdsl.run.stop import Interrupted
from archdsl.syntax.errors import ArchError
from archdsl.syntax.tree import Quantity
from tests.shipped import shipped, written

SETS = """archdsl 1

space sets {
  net network(image: 1 x 8 x 8) {
    n[0] = image -> conv(4)
    n[1] = n[0] -> {zero = none | one = conv(4, k=3) | two = id}
    n[2] = sum(2 of {n[j] -> {zero = none | one = conv(4, k=3) | two = id} for j in 0..1})
    n[3] = sum(2 of {r = n[0] -> relu | c = n[1] -> conv(4) | t = n[2] -> tanh})
    n[4] = sum(n[0], any of {n[j] -> conv(4) for j in 1..3})
    return n[4] -> global_pool -> linear(10)
  }
}
"""
SEARCH = SearchSettings(
    controller="random",
    epochs=2,
    controller_steps=2,
    derive_samples=2,
    measure_samples=2,
    threads=1,
)


def small(**parameters: Static):
    return shipped("nas_bench_201", width=4, cells=1, size=8, **parameters)


def sampler(space, text: str, seed: int = 1):
    return make_sampler(text, space, make_controller("random", space, seed=seed), seed=seed)


def weights(recipe: Recipe | None = None) -> SharedWeights:
    data = open_data("digits", shape=(3, 8, 8), classes=10)
    return SharedWeights(small(), data, recipe=recipe or Recipe(), seed=1)


# ---- which paths ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", Library().names())
def test_fair_paths_take_every_alternative_as_often(name):
    """Of decisions that always exist; those that constraints cut or that stand inside are not."""
    space = shipped(name)
    if space.accept is not None:
        return
    drawn = sampler(space, "fair")
    made = [space.parse(text) for text in drawn.paths(0.0, 3)]
    assert len(made) == drawn.count
    for place, decision in zip(space.forest.places, space.decisions, strict=True):
        if place.parent >= 0 or place.governor >= 0 or not place.free:
            continue
        taken = Counter(i for one in made for i in one.assignment[decision.key])
        counts = [taken[i] for i in range(place.alternatives)]
        assert max(counts) - min(counts) <= 1, decision.key
        if place.quantity is Quantity.ONE and drawn.count % place.alternatives == 0:
            assert len(set(counts)) == 1


def test_fair_paths_of_sets():
    space = written(SETS)
    drawn = sampler(space, "fair")
    made = [space.parse(text) for text in drawn.paths(0.0, 0)]
    assert len(made) == 3
    two, any_ = (d for d in space.decisions if d.hole.quantity is not Quantity.ONE and
                 len(d.hole.labels) == 3)  # fmt: skip
    taken = Counter(i for one in made for i in one.assignment[two.key])
    assert set(taken.values()) == {2}, "two of three, three times: each twice"
    first, second, _ = (set(one.assignment[any_.key]) for one in made)
    assert first | second == {0, 1, 2} and not first & second


def test_paths_come_from_seed_and_number_alone():
    space = small()
    for text in ("fair", "uniform(count=3)", "sandwich"):
        drawn, again = sampler(space, text), sampler(space, text)
        assert [drawn.paths(0.5, n) for n in range(4)] == [again.paths(0.5, n) for n in range(4)]
        assert drawn.paths(0.5, 0) != drawn.paths(0.5, 1)
        assert drawn.paths(0.5, 0) != sampler(space, text, seed=2).paths(0.5, 0)


def test_constraints_hold_for_every_path(tmp_path):
    file = tmp_path / "bound.arch"
    file.write_text(
        "archdsl 1\n\nspace bound {\n  where macs <= 1M\n"
        "  net network(image: 1 x 8 x 8) {\n"
        "    a = image -> {x = conv(4) | y = conv(64, k=5) -> conv(4) | z = conv(4, k=3)}\n"
        "    b = a -> {x = conv(4) | y = conv(512, k=5) -> conv(4) | z = conv(4, k=3)}\n"
        "    return b -> global_pool -> linear(10)\n  }\n}\n"
    )
    space = Library([file]).space("bound", {})
    assert space.accept is not None
    for text in ("fair", "sandwich(drawn=4)", "uniform(count=3)"):
        drawn = sampler(space, text)
        for number in range(5):
            assert all(space.accept(space.parse(one)) for one in drawn.paths(1.0, number))


@pytest.mark.parametrize("name", ["nas_bench_201", "metaformer_nas"])
def test_extremes_are_those_of_the_whole_space(name):
    space = shipped(name)
    macs = [one["macs"] for one in many(space).costs([*map(space.unrank, range(space.size))])]
    (most,), (least,) = many(space).costs([largest(space)]), many(space).costs([smallest(space)])
    assert (most["macs"], least["macs"]) == (max(macs), min(macs))


def test_an_elastic_space_is_largest_where_all_is():
    space = shipped("ofa_mobilenet_v3")
    assert set(largest(space).text.split("/", 1)[1]) <= set("network[4; ]/layer[7 6; 7 6]")
    assert "7" not in smallest(space).text.split("/", 1)[1]
    drawn = sampler(space, "sandwich(drawn=3)").paths(0.0, 0)
    assert drawn[0] == largest(space).text and drawn[-1] == smallest(space).text
    assert len(set(drawn)) == 5


def test_decisions_open_one_kind_after_the_other():
    """Once-for-All: first the largest alone, then kernels, then depths, then widths."""
    space = shipped("ofa_mobilenet_v3")
    drawn = sampler(space, 'sandwich(drawn=8, smallest=no, shrink="kernel, depth, expand")')
    whole = space.parse(largest(space).text)
    assert drawn.paths(0.0, 0) == [whole.text]
    for share, opened in ((0.3, {"kernel"}), (0.6, {"kernel", "depth"}),
                          (0.8, {"kernel", "depth", "expand"})):  # fmt: skip
        made = [space.parse(text) for text in drawn.paths(share, 5)]
        moved = {
            decision.hole.name.split("_")[0]
            for one in made
            for decision in space.decisions
            if one.assignment.get(decision.key) not in (None, whole.assignment[decision.key])
        }
        assert moved == opened


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("unfair", "E0801", "there is no paths 'unfair'"),
        ("uniform(count=0)", "E0818", "count cannot be 0"),
        ('sandwich(shrink="kernel")', "E0818", "has no hole kernel"),
        ('uniform(each="day")', "E0818", "each"),
    ],
)
def test_what_is_no_way_to_draw_paths(text, code, words):
    with pytest.raises(ArchError, match=words) as caught:
        sampler(small(), text)
    assert caught.value.diagnostics[0].code == code


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.keyword)
def test_a_path_leaves_a_controller_as_it_was(method):
    """What it proposes later does not depend on paths; what replays remembers them instead."""
    space = small()
    first, second = (make_controller(method.keyword, space, seed=3) for _ in range(2))
    for number in range(12):
        path = first.path(number)
        assert space.parse(path).text == path
        if getattr(first, "replays", False):
            continue
        (text,), (same,) = first.ask(1), second.ask(1)
        assert text == same
        told = [Told(text, space.rank(space.parse(text)) % 97 / 97)]
        first.tell(told)
        second.tell(told)


# ---- steps along them ----------------------------------------------------------------------------


def test_a_step_along_several_paths_adds_their_gradients():
    """With plain SGD at rate 1 the step is the gradient, so it is checked against autograd's."""
    recipe = Recipe(optimizer=SGD(learning_rate=1.0, momentum=0.0))
    shared, apart = weights(recipe), weights(recipe)
    paths = [small().unrank(number).text for number in (15000, 9000, 12000)]
    before = {k: v.detach().clone() for k, v in shared.model.named_parameters()}
    shared.train_step(paths, 0, 0)
    images, labels = apart.data.training_batch(1, 0, 0)
    apart.model.train()
    for path in paths:
        F.cross_entropy(
            apart.supernet.module(images, apart.supernet.choice(path)), labels
        ).backward()
    for name, weight in apart.model.named_parameters():
        gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
        moved = before[name] - dict(shared.model.named_parameters())[name]
        torch.testing.assert_close(moved, gradient, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_all_but_the_first_learn_its_scores(smoothing):
    """As they are: labels alone are smoothed."""
    sgd = SGD(learning_rate=1.0, momentum=0.0)
    recipe = Recipe(optimizer=sgd, label_smoothing=smoothing)
    shared, apart = weights(recipe), weights(recipe)
    paths = [small().unrank(number).text for number in (15000, 9000)]
    before = {k: v.detach().clone() for k, v in shared.model.named_parameters()}
    shared.train_step(paths, 0, 0, distill=True)
    images, labels = apart.data.training_batch(1, 0, 0)
    apart.model.train()
    first, second = (apart.supernet.module(images, apart.supernet.choice(p)) for p in paths)
    wanted = first.detach().softmax(1)
    hard = F.cross_entropy(first, labels, label_smoothing=smoothing)
    loss = hard - (wanted * second.log_softmax(1)).sum(1).mean()
    loss.backward()
    for name, weight in apart.model.named_parameters():
        gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
        moved = before[name] - dict(shared.model.named_parameters())[name]
        torch.testing.assert_close(moved, gradient, atol=1e-6, rtol=1e-4)


# ---- searches ------------------------------------------------------------------------------------


@pytest.mark.parametrize("paths", ['controller(each="batch")', "fair", "sandwich(drawn=1)"])
def test_a_stopped_search_goes_on_along_the_same_paths(tmp_path, monkeypatch, paths):
    settings = replace(SEARCH, paths=paths, controller="reinforce")
    whole = search(small(), out=tmp_path / "whole", settings=settings, quiet=True)
    train_step, steps = SharedWeights.train_step, []

    def counted(self, *given, **named):
        steps.append(given)
        if len(steps) == 5:
            signal.raise_signal(signal.SIGINT)
        return train_step(self, *given, **named)

    monkeypatch.setattr(SharedWeights, "train_step", counted)
    with pytest.raises(Interrupted):
        search(small(), out=tmp_path / "part", settings=settings, quiet=True)
    part = search(small(), out=tmp_path / "part", settings=settings, quiet=True)
    assert part.best == whole.best
    rows = [
        [
            (e.kind, e.text, e.reward, e.detail)
            for e in read_ledger(tmp_path / name / "ledger.sqlite")
        ]
        for name in ("whole", "part")
    ]
    assert rows[0] == rows[1]
    saved = [load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "part")]
    assert all(torch.equal(saved[0][key], saved[1][key]) for key in saved[0])


def test_a_controller_learns_on_under_frozen_weights(tmp_path):
    settings = replace(SEARCH, controller="evolution(population=4, sample=2)", frozen=10)
    found = search(small(), out=tmp_path, settings=settings, quiet=True)
    rows = [e for e in read_ledger(tmp_path / "ledger.sqlite") if e.kind == "derive"]
    assert len(rows) == 10
    assert all(sum(n for _, n in (row.detail or {})["hits"]) == 450 for row in rows)
    best = max(rows, key=lambda row: row.reward or 0.0)
    assert (found.best, found.accuracy) == (best.text, best.reward)
    later = [small().parse(row.text) for row in rows[4:]]
    earlier = {small().parse(row.text) for row in rows}
    near = [any(one in small().neighbours(other) for other in earlier) for one in later]
    assert sum(near) >= 4, "children of what was told"


def test_shared_weights_follow_a_recipe(tmp_path):
    """Another recipe, other weights; a run goes on with the same one only."""
    recipe = Library().recipe("darts_search")
    short = replace(recipe, epochs=1, batch_size=256)
    search(small(), out=tmp_path, settings=SEARCH, recipe=short, quiet=True)
    rows = list(read_ledger(tmp_path / "ledger.sqlite"))
    assert [e.kind for e in rows].count("train") == 1
    with pytest.raises(ArchError, match="other settings"):
        search(small(), out=tmp_path, settings=SEARCH, quiet=True)


# ---- weights from a hypernetwork -----------------------------------------------------------------


def hyper(recipe: Recipe | None = None) -> SharedWeights:
    data = open_data("digits", shape=(3, 8, 8), classes=10)
    return SharedWeights(small(), data, recipe=recipe or Recipe(), seed=1, code=4)


def test_weights_are_worked_out_from_the_architecture():
    """A network of its own with those weights gives the same scores."""
    shared = hyper()
    assert shared.hyper is not None
    images, _ = shared.data.training_batch(1, 0, 0)
    scores = []
    for number in (15000, 9000):
        architecture = small().unrank(number)
        given = shared.hyper.weights(architecture)
        network = load_network(small().resolve(architecture))
        state = network.state_dict()
        known = dict(shared.supernet.module.state_dict()) | given
        network.load_state_dict({name: known[name].detach() for name in state})
        with torch.no_grad():
            scores.append(shared._path(architecture.text)(images))
            torch.testing.assert_close(network(images), scores[-1], atol=1e-5, rtol=1e-5)
    name = next(name for name in given if "1x1" in name)
    other = shared.hyper.weights(small().unrank(15000))[name]
    assert not torch.allclose(given[name], other), "another architecture, other weights"


def test_a_weight_of_one_number_can_be_worked_out():
    space = written(
        "archdsl 1\n\nspace one {\n  net network(image: 1 x 8 x 8) {\n"
        "    return image -> {a = conv(1, k=1) | b = conv(1, k=3)} -> global_pool -> linear(10)\n"
        "  }\n}\n"
    )
    data = open_data("digits", shape=(1, 8, 8), classes=10)
    shared = SharedWeights(space, data, recipe=Recipe(), seed=1, code=4)
    assert all(one.isfinite().all() for one in shared.model.parameters())


def test_gradients_reach_the_hypernetwork():
    """d loss / d M = d loss / d W times the code, for the weights of the path and no others."""
    shared = hyper(Recipe(optimizer=SGD(learning_rate=1.0, momentum=0.0)))
    assert shared.hyper is not None
    architecture = small().parse(
        f"{small().program.genotype}/infer[nor_conv_1x1; none skip_connect; none none nor_conv_1x1]"
    )
    code = shared.hyper.coded(shared.hyper._taken(architecture)).detach()
    images, labels = shared.data.training_batch(1, 0, 0)
    program = small().resolve(architecture)
    network = placed(load_network(program), program)  # what runs alike is rounded alike
    known = dict(shared.supernet.module.state_dict()) | shared.hyper.weights(architecture)
    network.load_state_dict({name: known[name].detach() for name in network.state_dict()})
    F.cross_entropy(network(images), labels).backward()
    before = [one.detach().clone() for one in shared.hyper.maps]
    perceptron = [one.detach().clone() for one in shared.hyper.coded.parameters()]
    shared.train_step([architecture.text], 0, 0)
    used = dict(network.named_parameters())
    for name, then, now in zip(shared.hyper.names, before, shared.hyper.maps, strict=True):
        gradient = used[name].grad if name in used else None
        if gradient is None:
            assert torch.equal(then, now)
            continue
        wanted = gradient.flatten()[:, None] * code
        torch.testing.assert_close(then - now, wanted, atol=1e-6, rtol=1e-4)
    moved = zip(perceptron, shared.hyper.coded.parameters(), strict=True)
    assert all(not torch.equal(then, now) for then, now in moved)


def test_a_search_by_a_hypernetwork(tmp_path):
    """It is trained, and its folder judges as it did."""
    settings = replace(SEARCH, hypernetwork=4, paths="uniform", epochs=3)
    found = search(small(), out=tmp_path, settings=settings, quiet=True)
    losses = [
        e.detail["loss"] for e in read_ledger(tmp_path / "ledger.sqlite") if e.kind == "train"
    ]
    assert losses[-1] < losses[0]
    judge = SupernetSettings(run=str(tmp_path), calibration=2).over(small())
    assert judge(small().parse(found.best), 0, 0)["accuracy"] == found.accuracy
