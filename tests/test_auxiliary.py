"""Networks with auxiliary heads: outputs behind the first, which training listens to as well."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional as F

from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.gates import Gates
from archdsl.evaluate.data import open_data
from archdsl.evaluate.followed import Followed
from archdsl.evaluate.relaxed import RelaxedWeights
from archdsl.evaluate.shared import SharedWeights
from archdsl.evaluate.training import correct
from archdsl.ir.cost import cost
from archdsl.load import load_network
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import SGD
from archdsl.run.inherit import inherit
from archdsl.run.retrain import retrain
from archdsl.run.settings import RetrainSettings
from archdsl.syntax.errors import ArchError
from tests.shipped import shipped, written

SPACE = """archdsl 1

space headed(auxiliary=yes, other=10) {
  op head(count) = global_pool -> linear(count)

  net network(image: 1 x 8 x 8) {
    a = image -> conv(6) -> relu
    b = a -> {work = conv(6, k=3) -> relu | pass = id}
    c = b -> {work = conv(6, k=3) -> tanh | pass = id}
    if auxiliary {
      return c -> global_pool -> linear(10), b -> head(other)
    } else {
      return c -> global_pool -> linear(10)
    }
  }
}
"""


def space(**parameters):
    return written(SPACE, **parameters)


def digits():
    return open_data("digits", shape=(1, 8, 8), classes=10, batch_size=64)


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_losses_of_heads_count_for_what_the_recipe_says(weight):
    network = load_network(space().resolve(space().unrank(0)))
    images, labels = digits().training_batch(0, 0, 0)
    recipe = Recipe(auxiliary=weight, optimizer=SGD(learning_rate=0.1))
    followed = Followed(recipe, network.parameters(), steps=1, classes=10)
    first, second = network(images)
    expected = F.cross_entropy(first, labels) + weight * F.cross_entropy(second, labels)
    assert torch.equal(followed.loss(network, images, labels), expected)
    gradients = torch.autograd.grad(expected, tuple(network.parameters()))
    before = [p.detach().clone() for p in network.parameters()]
    followed.train([network], (images, labels), 0, 0, seed=0)
    for was, now, gradient in zip(before, network.parameters(), gradients, strict=True):
        assert torch.allclose(now, was - 0.1 * gradient, atol=1e-6)


def test_the_first_output_is_judged():
    network = load_network(space().resolve(space().unrank(0)))
    batch = digits().validation_batches[0]
    expected = int((network(batch[0])[0].argmax(1) == batch[1]).sum())
    assert correct(network, [batch]) == [(expected, len(batch[1]))]


def test_a_head_is_trained_with_its_network_and_left_behind(tmp_path):
    headed, plain = (one.resolve(one.unrank(0)) for one in (space(), space(auxiliary=False)))
    settings = RetrainSettings(threads=1)
    recipe = Recipe(epochs=2, judge_every=1, optimizer=SGD(learning_rate=0.1))
    found = retrain(headed, out=tmp_path / "run", settings=settings, recipe=recipe, quiet=True)
    assert 0 < found.test <= 1
    best = tmp_path / "run" / "best.safetensors"
    inherit(best, headed, plain, tmp_path / "plain.safetensors")
    weights = load_file(tmp_path / "plain.safetensors")
    network, whole = load_network(plain).eval(), load_network(headed).eval()
    network.load_state_dict(weights)
    whole.load_state_dict(load_file(best))
    images = digits().validation_batches[0][0]
    assert torch.equal(network(images), whole(images)[0])


def test_supernets_train_their_heads_too():
    data, one = digits(), space()
    shared = SharedWeights(one, data, recipe=Recipe(), seed=0)
    head = shared.supernet.module.get_parameter("head.linear.weight")
    before = head.detach().clone()
    text = one.unrank(0).text
    shared.train_step([text, one.unrank(3).text], 0, 0, distill=True)
    assert not torch.equal(head, before)
    assert len(shared.judge(text, data.validation_batches)) == len(data.validation_batches)


@pytest.mark.parametrize("relaxation", ["softmax", "two_paths"])
def test_gates_learn_from_their_heads_too(relaxation):
    data, one = digits(), space()
    settings = DartsSettings(relaxation=relaxation)

    def learned(auxiliary: float) -> list[torch.Tensor]:
        gates = Gates(one, settings, seed=0)
        relaxed = RelaxedWeights(one, data, gates, recipe=Recipe(auxiliary=auxiliary), seed=0)
        relaxed.learn_gates(0, 0)
        relaxed.train_step(0, 0)
        assert relaxed.judge(one.unrank(0).text, data.validation_batches[:1])
        return [logits.grad.clone() for logits in gates.logits.values()]

    pairs = zip(learned(0.0), learned(0.4), strict=True)
    assert any(not torch.equal(alone, both) for alone, both in pairs)


def test_outputs_that_are_no_scores_of_the_same_classes_are_refused(tmp_path):
    program = space(other=3).resolve(space(other=3).unrank(0))
    with pytest.raises(ArchError) as caught:
        retrain(program, out=tmp_path / "run", settings=RetrainSettings(), quiet=True)
    (found,) = caught.value.diagnostics
    assert found.code == "E0804"
    assert found.found == "1 x 8 x 8 in, 10, 3 out"
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("name", "extra"),
    # A conv 1x1 to 128 with its norm, a conv 2x2 to 768 (and its norm), and a layer to classes,
    # behind maps of 576 and of 768 channels.
    [
        ("darts_cifar", 576 * 128 + 2 * 128 + 128 * 768 * 4 + 2 * 768 + 769 * 10),
        ("darts_imagenet", 768 * 128 + 2 * 128 + 128 * 768 * 4 + 769 * 1000),
    ],
)
def test_heads_of_darts_have_the_size_of_the_authors(name, extra):
    sizes = [
        cost(one.resolve(one.unrank(5))).params
        for one in (shipped(name), shipped(name, auxiliary=True))
    ]
    assert sizes[1] - sizes[0] == extra
