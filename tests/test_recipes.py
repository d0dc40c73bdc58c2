"""Recipes: text, errors, rates, and networks that follow them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from archdsl.evaluate.checkpoint import load_checkpoint
from archdsl.evaluate.data import open_data
from archdsl.evaluate.followed import DropPaths, Followed
from archdsl.library import Library
from archdsl.ops.binding import signature
from archdsl.recipes import Recipe, whole_recipe
from archdsl.recipes.augment import AUGMENTS, Cutout
from archdsl.recipes.optimizers import OPTIMIZERS, SCHEDULES, SGD, Cosine, Linear, Steps
from archdsl.recipes.read import PARTS
from archdsl.recipes.recipe import Plain
from archdsl.resources import shipped_recipe, shipped_recipes
from archdsl.run.retrain import retrain
from archdsl.run.running import CHECKPOINT
from archdsl.run.settings import RetrainSettings
from archdsl.run.stop import Interrupted
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from archdsl.syntax.printer import format_text
from tests.killed import killed_at
from tests.shipped import shipped
from tests.test_run import interrupt_at

MINE = """archdsl 1

train mine {
  epochs = 4
  batch_size = 96
  warmup = 1
  optimizer = sgd(learning_rate=0.05, momentum=0.9, nesterov=yes)
  schedule = cosine(by_step=yes)
  augment = crop(border=1) -> cutout(side=2)
  mixup = 0.2
  cutmix = 1.0
  label_smoothing = 0.1
  clip = 5
  judge_every = 2
}
"""


def recipe(text: str) -> Recipe:
    (written,) = parse(text).recipes
    return whole_recipe(written)


def train(*settings: str) -> str:
    return "archdsl 1\n\ntrain mine {\n  " + "\n  ".join(settings) + "\n}\n"


# ---- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_are_whole(name):
    found = Library().recipe(name)
    assert found.name == name
    assert recipe(found.text) == found
    text = shipped_recipe(name)
    assert format_text(text, name) == text


def test_spaces_and_recipes_share_a_file(tmp_path):
    space = "space s {\n  net n(x: 3 x 8 x 8) = x -> global_pool -> linear(10)\n}\n"
    path = tmp_path / "both.arch"
    path.write_text(MINE + "\n" + space, encoding="utf-8")
    assert format_text(path.read_text(), "both") == path.read_text()
    assert [type(one).__name__ for one in Library().all_in(path)] == ["Found", "Recipe"]
    assert Library([path]).recipe("mine") == recipe(MINE)
    assert Library().find(str(path)).program.space == "s"


@pytest.mark.parametrize(
    ("settings", "line", "says"),
    [
        (("epochs = 0",), 4, "epochs cannot be 0"),
        (("epochs = 1.5",), 4, "epochs cannot be this value"),
        (("epochs = image",), 4, "a setting is a number, yes, no or a text"),
        (("epoch = 3",), 4, "a recipe has no setting epoch"),
        (("epochs = 3", "optimizer = adamw(rate=1)"), 5, "there is no argument rate"),
        (("optimizer = adamw(1e-3)",), 4, "settings of adamw have names"),
        (("optimizer = sgd -> adamw",), 4, "a recipe has one optimizer"),
        (("optimizer = 3",), 4, "optimizer is a name"),
        (("schedule = cosin",), 4, "there is no schedule cosin"),
        (("augment = crop -> blur(3)",), 4, "there is no augment blur"),
        (("augment = erase(p=2.0)",), 4, "p is a probability"),
        (("augment = resized_crop(least=0.0)",), 4, "least is a share of the area"),
        (("drop_path = 1.0",), 4, "drop_path cannot be 1.0"),
        (("label_smoothing = 1.0",), 4, "label_smoothing cannot be 1.0"),
        (('precision = "float8"',), 4, "precision cannot be this value"),
    ],
)
def test_wrong_recipes_are_refused_at_their_place(settings, line, says):
    with pytest.raises(ArchError) as caught:
        recipe(train(*settings))
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0830"
    assert says in finding.message
    text = finding.span.source.text
    assert text[: finding.span.start].count("\n") + 1 == line


def test_every_finding_is_told():
    with pytest.raises(ArchError) as caught:
        recipe(train("epochs = 0", "schedule = x", "nothing = 1"))
    assert len(caught.value.diagnostics) == 3


def test_recipes_that_are_not_there(tmp_path):
    empty = tmp_path / "two.arch"
    empty.write_text(MINE + MINE.removeprefix("archdsl 1\n").replace("mine", "other"))
    for named in ("nobody", str(empty)):
        with pytest.raises(ArchError) as caught:
            Library().recipe(named)
        assert caught.value.diagnostics[0].code == "E0831"
    with pytest.raises(ArchError) as caught:
        Library().find(str(empty))  # a file without a space is none
    assert caught.value.diagnostics[0].code == "E0704"


# ---- rates ---------------------------------------------------------------------------------------


def rates(found: Recipe, steps: int) -> list[float]:
    followed = Followed(found, [nn.Parameter(torch.zeros(1))], steps=steps, classes=2)
    return [followed.move(e, s) for e in range(found.epochs) for s in range(steps)]


def test_rates_are_those_of_torch():
    one = nn.Parameter(torch.zeros(1))
    made = {
        "steps": (Steps(every=3, by=0.5), torch.optim.lr_scheduler.StepLR, (3, 0.5)),
        "cosine": (Cosine(), torch.optim.lr_scheduler.CosineAnnealingLR, (10,)),
    }
    for schedule, kind, given in made.values():
        optimizer = torch.optim.SGD([one], lr=0.2)
        theirs = kind(optimizer, *given)
        expected = []
        for _ in range(10):
            expected.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            theirs.step()
        found = Recipe(epochs=10, optimizer=SGD(learning_rate=0.2), schedule=schedule)
        assert rates(found, 1) == pytest.approx(expected)


def test_warmup_leads_to_the_full_rate_and_the_schedule_follows():
    found = Recipe(epochs=6, warmup=2, optimizer=SGD(learning_rate=1.0), schedule=Linear())
    got = rates(found, 2)
    assert got[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert got[4:] == pytest.approx([1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])


@pytest.mark.parametrize("part", OPTIMIZERS)
def test_optimizers_learn(part):
    weight = nn.Parameter(torch.ones(3))
    followed = Followed(Recipe(optimizer=part()), [weight], steps=1, classes=3)
    loss = [
        followed.train((lambda x: x * weight,), (torch.eye(3), torch.arange(3)), 0, i, seed=i)
        for i in range(20)
    ]
    assert loss[-1] < loss[0]


def test_parameters_of_one_axis_need_not_decay():
    network = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    rates = {"learning_rate": 0.1, "weight_decay": 0.5}
    moved = {}
    for decays in (True, False):
        model = deepcopy(network)
        recipe = Recipe(optimizer=SGD(momentum=0.0, **rates), decay_vectors=decays)
        followed = Followed(recipe, model.parameters(), steps=1, classes=3)
        followed.train((lambda x, m=model: 0 * m(x),), (torch.eye(3), torch.arange(3)), 0, 0, 0)
        moved[decays] = {name: p.detach() for name, p in model.named_parameters()}
    for name, before in network.named_parameters():
        assert torch.allclose(moved[True][name], 0.95 * before)
        left = 0.95 if before.ndim > 1 else 1.0
        assert torch.allclose(moved[False][name], left * before)


def test_every_schedule_stays_between_nothing_and_the_rate():
    for part in SCHEDULES:
        assert all(0 <= part().factor(epoch / 4, 5) <= 1 for epoch in range(21))


# ---- images --------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", AUGMENTS)
def test_augmentations_keep_shapes_and_follow_their_seed(part):
    data = open_data("digits", shape=(3, 12, 12), classes=10, batch_size=16)
    changed = data.augmented_by([part()])
    one, other = (changed.training_batch(0, 0, 0)[0] for _ in range(2))
    assert one.shape == (16, 3, 12, 12)
    assert one.dtype == torch.float32
    assert torch.equal(one, other)
    assert float(one.min()) >= 0 and float(one.max()) <= 1
    batches = zip((data.training_batch(0, 0, s)[0] for s in range(4)),
                  (changed.training_batch(0, 0, s)[0] for s in range(4)), strict=True)  # fmt: skip
    assert any((a - b).abs().max() > 0.05 for a, b in batches)
    assert torch.equal(changed.validation_batches[0][0], data.validation_batches[0][0])


@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_a_cut_square_has_the_side_that_is_said(side):
    cut = Cutout(side=side).transform((12, 12))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        areas = [int((cut(torch.ones(1, 12, 12)) == 0).sum()) for _ in range(40)]
    assert max(areas) == side * side


def test_mixed_batches_mix_images_and_labels():
    images, labels = torch.rand(8, 1, 6, 6), torch.arange(8)
    seen, weight = [], nn.Parameter(torch.ones(8))

    def forward(given):
        seen.append(given)
        return given.flatten(1)[:, :8] * weight

    for setting in ("mixup", "cutmix"):
        followed = Followed(Recipe(**{setting: 1.0}), [weight], steps=1, classes=8)
        followed.train((forward,), (images, labels), 0, 0, seed=3)
        assert not torch.equal(seen[-1], images)
        assert seen[-1].shape == images.shape


def test_drop_paths_rise_with_the_epochs():
    program = shipped("efficientnet_b0").program
    from archdsl.load import load_network

    model = load_network(program)
    paths = DropPaths(replace(Recipe(), epochs=10, drop_path=0.2), model)
    paths.rise(5)
    assert {m.p for m in paths.modules} == {0.1}
    with pytest.raises(ArchError) as caught:
        DropPaths(Recipe(drop_path=0.2), nn.Linear(1, 1))
    assert caught.value.diagnostics[0].code == "E0810"
    DropPaths(Recipe(), nn.Linear(1, 1)).rise(1)  # nothing said, nothing done


# ---- retraining ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    space = shipped("nas_bench_201", width=4, cells=1, size=8)
    return space.resolve(space.unrank(7_777))


def test_retraining_by_a_recipe_goes_on_to_the_same_weights(network, tmp_path):
    settings, found = RetrainSettings(threads=1), recipe(MINE)
    whole = retrain(network, out=tmp_path / "whole", settings=settings, recipe=found, quiet=True)
    assert whole.epochs == 4
    out = tmp_path / "stopped"
    with pytest.raises(Interrupted), interrupt_at(lambda: (out / "network.py").exists()):
        retrain(network, out=out, settings=settings, recipe=found, quiet=True)
    again = retrain(network, out=out, settings=settings, recipe=found, quiet=True)
    assert replace(again, seconds=0) == replace(whole, seconds=0)
    ours, theirs = (load_file(f / "best.safetensors") for f in (out, tmp_path / "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    with pytest.raises(ArchError) as caught:  # another recipe is another run
        retrain(network, out=out, settings=settings, recipe=recipe(train("epochs = 4")), quiet=True)
    assert caught.value.diagnostics[0].code == "E0809"


def test_retraining_killed_between_judgements_goes_on_from_there(network, tmp_path, monkeypatch):
    settings, found = RetrainSettings(threads=1), recipe(MINE)
    whole = retrain(network, out=tmp_path / "whole", settings=settings, recipe=found, quiet=True)
    monkeypatch.setattr("archdsl.run.retrain.CHECKPOINT_BATCHES", 4)

    def again():
        return retrain(network, out=tmp_path / "run", settings=settings, recipe=found, quiet=True)

    killed_at(monkeypatch, 2, again, saved=True)
    assert load_checkpoint(tmp_path / "run" / CHECKPOINT).values["place"]["batch"] == 8
    assert replace(again(), seconds=0) == replace(whole, seconds=0)
    ours, theirs = (load_file(tmp_path / f / "best.safetensors") for f in ("run", "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_low_precision_trains(network, tmp_path):
    found = recipe(train("epochs = 2", 'precision = "bfloat16"', "judge_every = 1"))
    summary = retrain(
        network, out=tmp_path / "low", settings=RetrainSettings(threads=1), recipe=found, quiet=True
    )
    assert 0 <= summary.test <= 1
    state = load_file(Path(tmp_path) / "low" / "best.safetensors")
    assert {t.dtype for t in state.values() if t.is_floating_point()} == {torch.float32}


def test_documentation_names_every_setting_and_part():
    text = (Path(__file__).resolve().parents[1] / "docs" / "runs.md").read_text(encoding="utf-8")
    parts = [part.keyword for kind in PARTS.values() for part in kind]
    names = [*parts, *PARTS, *(one.name for one in signature(Plain)), *shipped_recipes()]
    assert [name for name in names if f"`{name}" not in text] == []
