"""Evaluators: training, scores, and what users bring along."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from archdsl.evaluate.evaluator import Evaluator, Failed
from archdsl.evaluate.evaluators import evaluator_of
from archdsl.evaluate.scratch import promised
from archdsl.ir.cost import cost
from archdsl.run.explore import explore
from archdsl.run.ledger import read_ledger
from archdsl.run.search import search
from archdsl.run.settings import ExploreSettings, SearchSettings
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace
from archdsl.syntax.errors import ArchError
from tests.shipped import written
from tests.test_explore import EVERY, TEXT

DIGITS = """archdsl 1

space digits() {
  net network(image: 1 x 8 x 8) {
    a = image -> {wide = conv(8, k=3) | narrow = conv(2, k=3)} -> bn -> relu
    b = a -> {sees = flatten | blind = global_pool}
    return b -> linear(10)
  }
}
"""
SHARED = SearchSettings(
    epochs=2, controller_steps=2, derive_samples=2, measure_samples=3, threads=1
)
GELUS = DIGITS.replace("relu", "gelu")


@pytest.fixture(scope="module")
def digits() -> SearchSpace:
    return written(DIGITS)


def ready(text: str, space: SearchSpace) -> Evaluator:
    return evaluator_of(text).over(space)


def of(space: SearchSpace, text: str) -> Architecture:
    return space.parse(f"digits/network[{text}]")


# --- training --------------------------------------------------------------------------------


def test_training_tells_good_from_bad(digits: SearchSpace) -> None:
    train = ready("train(epochs=8, learning_rate=0.01)", digits)
    good, bad = (train(of(digits, one), 0, 0) for one in ("wide; sees", "narrow; blind"))
    assert good["accuracy"] > bad["accuracy"] + 0.2
    assert good["reward"] == good["accuracy"] and good["epochs"] == 8


def test_training_is_the_same_at_any_step(digits: SearchSpace) -> None:
    train = ready("train(epochs=1)", digits)
    state = torch.get_rng_state()
    first = train(of(digits, "wide; blind"), 0, 0)
    assert train(of(digits, "wide; blind"), 7, 0) == first
    assert torch.equal(torch.get_rng_state(), state), "nothing else draws otherwise for it"
    assert ready("train(epochs=1, seed=1)", digits)(of(digits, "wide; blind"), 0, 0) != first


def test_what_is_asked_for_again_is_trained_longer(digits: SearchSpace) -> None:
    train = ready("train(epochs=1, grow=2.0, share=0.3)", digits)
    epochs = [train(of(digits, "narrow; blind"), 0, again)["epochs"] for again in range(3)]
    assert epochs == [1, 2, 4]


def test_a_curve_is_extrapolated(digits: SearchSpace) -> None:
    curve = [0.9 - 0.5 * n**-0.7 for n in range(1, 9)]
    assert promised(curve, 100) == pytest.approx(0.9 - 0.5 * 100**-0.7, abs=1e-3)
    assert promised([0.1, 0.7], 100) == 0.7
    assert 0 <= promised([0.1, 0.1, 0.1, 0.9], 1000) <= 1
    found = ready("train(epochs=4, horizon=50)", digits)(of(digits, "wide; blind"), 0, 0)
    assert found["reward"] >= found["accuracy"] - 0.02


def test_a_loss_that_is_no_number_fails(digits: SearchSpace) -> None:
    train = ready("train(epochs=5, learning_rate=1000000.0, weight_decay=1e6)", digits)
    with pytest.raises(Failed, match="the loss") as caught:
        train(of(digits, "wide; sees"), 0, 0)
    assert caught.value.kind == "not a number"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("train(epochs=0)", "E0818"),
        ("train(share=0.0)", "E0818"),
        ('train(data="nothing")', "E0802"),
        ('score(score="luck")', "E0818"),
        ('score(data="cifar10:nowhere")', "E0803"),
    ],
)
def test_refused(digits: SearchSpace, text: str, code: str) -> None:
    with pytest.raises(ArchError) as caught:
        ready(text, digits)
    assert caught.value.diagnostics[0].code == code


# --- scores ----------------------------------------------------------------------------------


def test_params_are_those_of_the_text(digits: SearchSpace) -> None:
    score = ready('score(score="params")', digits)
    for one in ("wide; sees", "narrow; blind"):
        network = of(digits, one)
        assert score(network, 0, 0)["reward"] == cost(digits.resolve(network)).params


@pytest.mark.parametrize("name", ["naswot", "synflow", "grad_norm"])
def test_scores_are_numbers_of_the_network_alone(digits: SearchSpace, name: str) -> None:
    score = ready(f'score(score="{name}")', digits)
    wide = score(of(digits, "wide; sees"), 0, 0)["reward"]
    assert score(of(digits, "wide; sees"), 9, 1)["reward"] == wide
    assert score(of(digits, "narrow; blind"), 0, 0)["reward"] != wide


def test_naswot_counts_relus_that_agree() -> None:
    """By hand: the codes of a network of one layer."""
    space = written(
        "archdsl 1\nspace one() {\n  net network(image: 1 x 8 x 8) = image -> flatten -> "
        "{a = linear(40) | b = linear(41)} -> relu -> linear(10)\n}\n"
    )
    score = ready("score(batch_size=5)", space)
    from archdsl.evaluate.candidate import Candidate
    from archdsl.evaluate.data import open_data

    architecture = space.unrank(0)
    network = Candidate(space, architecture, 0, 0).network()
    data = open_data("digits", shape=(1, 8, 8), classes=10, batch_size=5)
    images, _ = data.training_batch(0, 0, 0)
    first = next(m for m in network.modules() if isinstance(m, torch.nn.Linear))
    codes = (first(images.flatten(1)) > 0).double()
    agree = (codes[:, None] == codes[None]).sum(2).double()
    expected = torch.linalg.slogdet(agree).logabsdet.item()
    assert score(architecture, 0, 0)["reward"] == pytest.approx(expected)


def test_naswot_needs_relus() -> None:
    space = written(GELUS)
    with pytest.raises(Failed, match="none"):
        ready("score", space)(of(space, "wide; blind"), 0, 0)


# --- shared weights of a finished search -----------------------------------------------------


@pytest.fixture(scope="module")
def weights(digits: SearchSpace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search with shared weights."""
    folder = tmp_path_factory.mktemp("shared") / "run"
    search(digits, out=folder, settings=SHARED, quiet=True)
    return folder


def test_a_supernet_judges_as_its_search_did(digits: SearchSpace, weights: Path) -> None:
    rows = list(read_ledger(weights / "ledger.sqlite"))
    judged = [row for row in rows if row.kind in ("final", "measure")]
    supernet = ready(f'supernet(run="{weights}", calibration=2)', digits)
    assert len(judged) > 2
    for row in judged:
        assert supernet(digits.parse(row.text), 0, 0)["reward"] == row.reward


def test_one_shot_search_in_two_stages(digits: SearchSpace, weights: Path, tmp_path: Path) -> None:
    settings = ExploreSettings(
        controller="generations(population=2, parents=2)",
        evaluator=f'supernet(run="{weights}")',
        budget=6,
    )
    found = explore(digits, out=tmp_path / "run", settings=settings, quiet=True)
    assert found.best and 0 < (found.reward or 0) < 1


def test_no_supernet(digits: SearchSpace, weights: Path, tmp_path: Path) -> None:
    def refused(text: str, space: SearchSpace) -> str:
        with pytest.raises(ArchError) as caught:
            ready(text, space)
        return caught.value.diagnostics[0].code

    assert refused(f'supernet(run="{tmp_path}")', digits) == "E0807"
    assert refused(f'supernet(run="{weights}")', written(GELUS)) == "E0812"
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "checkpoint.safetensors").write_bytes((weights / "checkpoint.safetensors").read_bytes())
    assert refused(f'supernet(run="{copy}")', digits) == "E0807"
    assert ready(f'supernet(run="{copy}", data="digits")', digits)
    (copy / "checkpoint.safetensors").write_bytes(b"no weights")
    assert refused(f'supernet(run="{copy}")', digits) == "E0807"


# --- what users bring along ------------------------------------------------------------------


def searched(tmp_path: Path, evaluator: str, budget: int = 5) -> list[object]:
    """Rewards, or how it failed, of a random search."""
    settings = ExploreSettings(controller="random", evaluator=evaluator, budget=budget)
    explore(written(TEXT), out=tmp_path / "run", settings=settings, quiet=True)
    return [
        (row.detail or {}).get("failed", row.reward)
        for row in read_ledger(tmp_path / "run/ledger.sqlite")
    ]


def program(way: str, **settings: object) -> str:
    given = "".join(f", {name}={value}" for name, value in settings.items())
    return f'exec(command="{sys.executable} -m tests.somebodys {way}"{given})'


def test_a_function(tmp_path: Path) -> None:
    texts = [len(text) / 100 for text in EVERY]
    assert set(searched(tmp_path, 'call(function="tests.somebodys:length")')) <= set(texts)


def test_a_function_that_takes_the_module(tmp_path: Path) -> None:
    searched(tmp_path, 'call(function="tests.somebodys:parameters")')
    space = written(TEXT)
    for row in read_ledger(tmp_path / "run/ledger.sqlite"):
        assert row.reward == cost(space.resolve(space.parse(row.text))).params


def test_a_function_that_gives_no_number(tmp_path: Path) -> None:
    assert searched(tmp_path, 'call(function="tests.somebodys:worse")') == ["error"] * 5


@pytest.mark.parametrize(
    "name", ["tests.somebodys", "tests.somebodys:nobody", "no.such:thing", ":", ""]
)
def test_no_function(name: str) -> None:
    with pytest.raises(ArchError) as caught:
        ready(f'call(function="{name}")', written(TEXT))
    assert caught.value.diagnostics[0].code == "E0825"


def test_a_program(tmp_path: Path) -> None:
    settings = ExploreSettings(controller="random", evaluator=program("length"), budget=6)
    explore(written(TEXT), out=tmp_path / "run", settings=settings, quiet=True)
    for row in read_ledger(tmp_path / "run/ledger.sqlite"):
        assert row.reward == len(row.text) / 100


def test_a_program_gets_the_source_where_it_is_wanted(tmp_path: Path) -> None:
    assert all(value > 1000 for value in searched(tmp_path, program("source", network="yes")))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("way", "failed"),
    [("refuse", "memory"), ("garble", "error"), ("end", "error"), ("sleep", "timeout")],
)
def test_programs_that_fail(tmp_path: Path, way: str, failed: str) -> None:
    seconds = 1.0 if way == "sleep" else 60.0
    assert searched(tmp_path, program(way, timeout=seconds), budget=2) == [failed] * 2


def test_a_program_that_does_not_start(tmp_path: Path) -> None:
    assert searched(tmp_path, 'exec(command="no-such-program")', budget=1) == ["error"]
    (row,) = read_ledger(tmp_path / "run/ledger.sqlite")
    assert row.detail is not None and "does not start" in row.detail["message"]
