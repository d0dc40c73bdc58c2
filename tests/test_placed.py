"""The order in memory in which networks are trained: it changes nothing but the time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from archdsl.controllers.darts import DartsSettings
from archdsl.controllers.gates import Gates
from archdsl.evaluate import relaxed, shared
from archdsl.evaluate.data import Data, open_data
from archdsl.evaluate.images import MemoryImages
from archdsl.evaluate.placed import placed
from archdsl.evaluate.relaxed import RelaxedWeights
from archdsl.evaluate.shared import SharedWeights
from archdsl.load import load_network
from archdsl.recipes import Recipe
from archdsl.recipes.optimizers import SGD
from tests.shipped import shipped

RECIPE = Recipe(epochs=1, batch_size=64, optimizer=SGD(learning_rate=0.05, momentum=0.9))
STEPS = 5


def last(module: torch.nn.Module) -> int:
    """How many weights have their channels last, and are not also in the usual order."""
    return sum(
        p.dim() == 4
        and p.is_contiguous(memory_format=torch.channels_last)
        and not p.is_contiguous()
        for p in module.parameters()
    )


def test_convolutions_go_last_where_they_do_the_work_and_on_a_cpu():
    resnet = shipped("resnet18", classes=10, size=32).program
    encoder = shipped("vit_b_16", classes=10, size=32, patch=8, width=24, depth=1, heads=3).program
    assert last(load_network(resnet)) == 0
    assert last(placed(load_network(resnet), resnet)) == 17  # all but three of one position
    assert last(placed(load_network(encoder), encoder)) == 0
    assert last(placed(load_network(resnet), resnet, "meta")) == 0


@pytest.mark.parametrize("kind", ["paths", "gates", "one path by gates"])
def test_steps_of_both_orders_are_equal(kind, monkeypatch):
    first = trained(kind)
    with monkeypatch.context() as patched:
        for module in (shared, relaxed):
            patched.setattr(module, "placed", lambda network, program, device: network.to(device))
        usual = trained(kind)
    assert first.keys() == usual.keys()
    for name, tensor in first.items():
        apart = (tensor - usual[name]).abs().max() if tensor.numel() else torch.zeros(())
        assert apart <= 1e-10 * (1 + usual[name].abs().max()), name


def doubled(data: Data) -> Data:
    parts = {
        name: MemoryImages(part.images.double(), part.labels)
        for name in ("train", "validation", "test")
        if isinstance(part := getattr(data, name), MemoryImages)
    }
    assert len(parts) == 3
    return replace(data, **parts)


def trained(kind: str) -> dict[str, torch.Tensor]:
    """What steps of float64 make of weights, statistics, momenta and gates."""
    space = shipped("nas_bench_201", width=4, cells=1, size=8)
    data = doubled(open_data("digits", shape=(3, 8, 8), classes=10, batch_size=64))
    if kind == "paths":
        weights = SharedWeights(space, data, recipe=RECIPE, seed=0)
    else:
        how = "softmax" if kind == "gates" else "two_paths"
        gates = Gates(space, DartsSettings(relaxation=how, order=1), seed=0)
        weights = RelaxedWeights(space, data, gates, recipe=RECIPE, seed=0)
    weights.model.double()
    weights.restore(weights.state())  # the optimizer's memory in double as well
    for step in range(STEPS):
        if isinstance(weights, SharedWeights):
            weights.train_step([space.unrank(3001 * step).text], 0, step)
        else:
            weights.learn_gates(0, step)
            weights.train_step(0, step)
    found = {name: one.detach() for name, one in weights.state().items()}
    if isinstance(weights, RelaxedWeights):
        found |= {f"gates.{key}": one.detach() for key, one in weights.gates.logits.items()}
    return found
