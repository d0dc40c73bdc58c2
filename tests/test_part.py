"""Parts of spaces: the same networks, weights and strings, fewer of them, and nothing else left."""

from __future__ import annotations

import random
import re

import pytest
import torch

from archdsl.codegen import network_source
from archdsl.load import batch_of, load_mixture, load_paths, load_supernet
from archdsl.part import restricted
from archdsl.space.alternatives import skips, zeros
from archdsl.space.kept import whole_kept
from archdsl.space.view import SearchSpace
from archdsl.space.walks import Walks
from archdsl.syntax.errors import ArchError
from archdsl.syntax.tree import Quantity
from tests.shipped import shipped, written
from tests.test_levels import NESTED
from tests.verify_spaces import drawn, names, tiny

COUNTED = 20_000
"""Architectures that are all looked at."""


def least(decision):
    return {Quantity.ONE: 1, Quantity.SOME: decision.hole.count, Quantity.ANY: 0}[
        decision.hole.quantity
    ]


def some_of(space, rng):
    """For most decisions some of their alternatives, at random."""
    found = {}
    for one in space.decisions:
        count = len(one.hole.labels)
        if rng.random() < 0.7:
            found[one.key] = sorted(rng.sample(range(count), rng.randint(least(one), count)))
    return found


def part_of(space, rng):
    """A random part; what leaves nothing is drawn again."""
    for _ in range(50):
        kept = some_of(space, rng)
        try:
            return restricted(space, kept), kept
        except ArchError as error:
            assert [one.code for one in error.diagnostics] == ["E0625"]
    raise AssertionError("every part was empty")


def inside(architecture, kept):
    return all(
        set(taken) <= set(kept.get(k, taken)) for k, taken in architecture.assignment.items()
    )


def results(supernet, inputs, architecture):
    """Outputs, and the gradient of every weight."""
    found = supernet(*inputs, architecture)
    found = found if isinstance(found, tuple) else (found,)
    supernet.module.zero_grad()
    sum((one * one).sum() for one in found if one.is_floating_point()).backward()
    return found, {n: p.grad for n, p in supernet.module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", names())
def test_a_part_is_the_same_on_what_is_left(name):
    torch.manual_seed(0)
    space, rng = tiny(name), random.Random(1)
    part, kept = part_of(space, rng)
    if space.size <= COUNTED:
        every = [a.text for a in map(space.unrank, range(space.size)) if inside(a, kept)]
        assert sorted(a.text for a in map(part.unrank, range(part.size))) == sorted(every)
    whole_net, part_net = load_supernet(space), load_supernet(part)
    weights = whole_net.module.state_dict()
    shapes = {name: one.shape for name, one in part_net.module.state_dict().items()}
    assert all(weights[name].shape == shape for name, shape in shapes.items())
    part_net.module.load_state_dict({name: weights[name] for name in shapes})
    for net in (whole_net, part_net):
        net.module.double().eval()
    generator = torch.Generator().manual_seed(0)
    inputs = [
        x.double() if x.is_floating_point() else x for x in batch_of(space.program, 2, generator)
    ]
    for one in drawn(part, 3, seed=2):
        same = space.parse(one.text)
        assert same.text == one.text == part.parse(one.text).text
        assert inside(same, kept)
        assert network_source(part.resolve(one)) == network_source(space.resolve(same))
        ours, our_gradients = results(part_net, inputs, one)
        theirs, their_gradients = results(whole_net, inputs, same)
        for a, b in zip(ours, theirs, strict=True):
            assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)
        assert our_gradients.keys() == their_gradients.keys() & shapes.keys()
        for weight, gradient in our_gradients.items():
            scale = max(1.0, float(their_gradients[weight].abs().max()))
            assert (gradient - their_gradients[weight]).abs().max() <= 1e-12 * scale, weight


@pytest.mark.parametrize("name", ["darts_search", "nas_bench_201", "dasvit", "hierarchical"])
def test_parts_are_weighed_and_looked_through(name):
    space, rng = tiny(name), random.Random(3)
    part, _ = part_of(space, rng)
    architecture = part.sample(rng)
    inputs = batch_of(space.program, 2, torch.Generator().manual_seed(0))
    path, mixture, paths = load_supernet(part), load_mixture(part), load_paths(part)
    weights = path.module.state_dict()
    with torch.no_grad():
        path.module.eval()
        expected = path(*inputs, architecture)
        mixture.module.load_state_dict(weights)
        paths.module.load_state_dict(weights)
        mixture.module.eval()
        found = mixture(*inputs, mixture.one_hot(architecture))
    assert torch.allclose(found, expected, atol=1e-4)
    assert set(mixture.sizes) <= {one.key for one in part.decisions}
    for numbers in (skips, zeros):
        for one in part.decisions:
            labels = {one.hole.labels[i] for i in numbers(part)[one.key]}
            assert labels <= {label for d in space.decisions for label in d.hole.labels}
    assert Walks(part).of(architecture.choices) == Walks(space).of(
        space.parse(architecture.text).choices
    )


def test_a_part_of_a_part_is_a_part():
    space = shipped("nas_bench_201", width=4, cells=1)
    first, *_ = keys = [one.key for one in space.decisions]
    once = restricted(space, {first: [0, 1, 2, 4]})
    twice = restricted(once, {first: [1, 3], keys[1]: [2]})
    directly = restricted(space, {first: [1, 4], keys[1]: [2]})
    texts = [{a.text for a in map(s.unrank, range(s.size))} for s in (twice, directly)]
    assert texts[0] == texts[1] and len(texts[0]) == 2 * 5**4


def test_an_architecture_is_the_part_that_fixes_everything():
    space = shipped("darts_search", layers=2, width=4)
    architecture = space.sample(random.Random(0))
    part = restricted(space, architecture.assignment)
    kept = dict(architecture.assignment)
    outside = [one.key for one in space.decisions if one.key not in kept]
    assert len(outside) > 0 and part.size == 1
    assert part.unrank(0).text == architecture.text
    weights = set(load_supernet(part).module.state_dict())
    assert weights <= set(load_supernet(space).module.state_dict())


def test_what_stands_inside_is_gone():
    space = written(NESTED)
    tops = [one for one in space.decisions if one.parent is None]
    labels = tops[0].hole.labels
    part = restricted(space, {tops[0].key: [labels.index("a")]})
    below = [one for one in part.decisions if one.scope.key == tops[0].scope.key]
    assert [one.hole.labels for one in below] == [("a",)]
    assert part.size * 7 == space.size  # a, gelu, silu -> (id | tanh), three pairs: seven
    other = [one for one in part.decisions if one.scope.key == tops[1].scope.key]
    assert len(other) == 4


def test_what_nothing_can_use_is_decided_all_the_same():
    """A motif belongs to no edge, so strings have it whether an edge takes it or not."""
    space = shipped("hierarchical", motifs=2, nodes2=3, nodes3=3, width=4, size=8)
    edges = [one for one in space.decisions if len(one.hole.labels) == 3]
    part = restricted(space, {one.key: [0, 1] for one in edges})
    assert part.size == space.size * 2**3 // 3**3
    assert [one.key for one in part.decisions] == [one.key for one in space.decisions]
    text = part.sample(random.Random(0)).text
    assert space.parse(text).text == text and "/motif.2.2[" in text
    second = re.compile(r"\.motif_\d_\d_2\.")
    assert not any(map(second.search, load_supernet(part).module.state_dict()))
    assert any(map(second.search, load_supernet(space).module.state_dict()))


def test_governors_and_governed_go_together():
    space = tiny("auto_deeplab")
    governed = [one for one in space.decisions if one.hole.governor]
    part = restricted(space, {governed[-1].key: [len(governed[-1].hole.labels) - 1]})
    for number in range(0, part.size, max(1, part.size // 50)):
        assert space.parse(part.unrank(number).text)
    assert 0 < part.size < space.size


def test_constraints_hold_in_a_part():
    text = NESTED.replace("space s {", 'space s {\n  where count("a") <= 1')
    space = written(text)
    part = restricted(space, {space.decisions[0].key: [0, 1]})
    rng = random.Random(0)
    assert part.accept is not None
    for _ in range(30):
        assert space.accept(space.parse(part.sample(rng).text))


WRONG = {
    "nobody": {"nobody:op": [0]},
    "outside": {0: [7]},
    "negative": {0: [-1]},
    "empty": {0: []},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_leaves_nothing_is_refused(wrong):
    space = written(NESTED)
    keys = [one.key for one in space.decisions]
    kept = {keys[k] if isinstance(k, int) else k: v for k, v in WRONG[wrong].items()}
    with pytest.raises(ArchError) as caught:
        restricted(space, kept)
    assert caught.value.diagnostics[0].code == "E0625"


def test_decisions_that_are_not_named_keep_all():
    space = written(NESTED)
    assert isinstance(restricted(space, {}), SearchSpace)
    assert restricted(space, {}).size == space.size
    assert whole_kept(space, {}) == {
        one.key: tuple(range(len(one.hole.labels))) for one in space.decisions
    }


def test_a_set_needs_as_many_as_it_takes():
    space = written(NESTED)
    pairs = next(one for one in space.decisions if one.hole.quantity is Quantity.SOME)
    assert restricted(space, {pairs.key: [0, 2]}).size < space.size
    with pytest.raises(ArchError) as caught:
        restricted(space, {pairs.key: [0]})
    assert "at least 2" in caught.value.diagnostics[0].expected
