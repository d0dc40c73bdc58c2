"""Several processes in training find what one finds, and survive the loss of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

from archdsl.cli.main import app
from archdsl.controllers import make_controller
from archdsl.evaluate.ranks import Ranks, heard, joined, placed
from archdsl.evaluate.synced import SyncedNorms
from archdsl.evaluate.training import gathered
from archdsl.library import Library
from archdsl.run.ledger import read_ledger
from archdsl.run.proposals import OneController
from archdsl.syntax.errors import ArchError, fault
from tests.kills import compare
from tests.ranks import GATES, LONG, NETWORK, WAYS
from tests.shipped import shipped

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of one, two and three processes."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    ranks(str(folder))
    return folder


def ranks(*words: str) -> str:
    """What `python -m tests.ranks` says."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.ranks", *words],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def distance(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The largest difference, over the largest number."""
    assert found.keys() == expected.keys()
    apart = max(float((found[k].double() - expected[k].double()).abs().max()) for k in found)
    return apart / max(float(one.double().abs().max()) for one in expected.values())


# ---- gradients -----------------------------------------------------------------------------------


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("norm", ["id", "bn"])
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-6), ("float64", 1e-14)])
def test_gradients_and_statistics_are_those_of_one_process(left, world, norm, dtype, bound):
    """On an uneven batch, mixed (in float32), smoothed and clipped; measured 4e-7 and 2e-15."""
    found, expected = (
        load_file(left / f"gradients-{count}" / f"{norm}-{dtype}.safetensors")
        for count in (world, 1)
    )
    assert any(one.abs().max() > 1e-2 for one in expected.values())
    assert distance(found, expected) <= bound


NORMS = (
    (nn.BatchNorm2d(3), (4, 3, 5, 6)),
    (nn.BatchNorm2d(3, affine=False, momentum=None), (4, 3, 5, 6)),
    (nn.BatchNorm1d(3), (7, 3)),
    (nn.BatchNorm1d(3, track_running_stats=False), (7, 3, 2)),
)


@pytest.mark.parametrize(("norm", "shape"), NORMS)
def test_a_norm_that_nobody_shares_is_torch_own(norm, shape):
    """Outputs, gradients and running statistics, while training and while judging."""
    torch.manual_seed(0)
    x = 100 + torch.randn(shape, dtype=torch.float64)
    found, expected = (
        _of_norm(deepcopy(norm).double(), x, mode)
        for mode in (SyncedNorms(lambda one: one), nullcontext())
    )
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def _of_norm(model: nn.Module, x: Tensor, mode: AbstractContextManager[object]) -> list[Tensor]:
    x = x.clone().requires_grad_()
    with mode:
        trained = model(x)
        judged = model.eval()(x)
    (trained.sin().sum() + judged.cos().sum()).backward()
    found = [trained, judged, x.grad, *(p.grad for p in model.parameters()), *model.buffers()]
    return [one for one in found if one is not None]


def test_a_norm_of_short_numbers_is_worked_out_in_long_ones():
    x = (100 + torch.randn(64, 3)).bfloat16()
    with SyncedNorms(lambda one: one):
        found = F.batch_norm(x, None, None, training=True)
    assert found.dtype == torch.bfloat16
    exact = F.batch_norm(x.double(), None, None, training=True)
    assert (found.double() - exact).abs().max() < 2**-7


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [2, 5, 13, 14, 64])
def test_parts_make_up_the_batch(world, count):
    batch = torch.arange(float(count)), torch.arange(count)
    parts, shares = [], 0.0
    for rank in range(world):
        with Ranks(rank=rank, world=world).part(*batch, 0) as (images, labels, share):
            assert torch.equal(images.long(), labels) and len(images) >= 2
            parts.append(images)
            shares += share
    assert shares == pytest.approx(1)
    if world > 1 and count < 2 * world:  # too few: all take all
        assert all(len(part) == count for part in parts)
    else:
        assert torch.equal(torch.cat(parts), batch[0])


def test_what_is_drawn_differs_between_processes():
    drawn = []
    for rank in (0, 1):
        with Ranks(rank=rank, world=2).part(torch.zeros(8), torch.zeros(8), 5):
            drawn.append(torch.rand(4))
    assert not torch.equal(*drawn)


def test_one_process_judges_all():
    assert gathered([(1, 2), (3, 4)], Ranks()) == [(1, 2), (3, 4)]
    assert Ranks().own([1, 2, 3]) == [1, 2, 3]
    assert Ranks(rank=1, world=2).own([1, 2, 3]) == [2]


# ---- runs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [*WAYS, *GATES])
def test_runs_of_two_processes_end_as_those_of_one(left, way):
    """Float32, batch norm, 24 or more steps: weights, gates, optimizers; measured 1.3e-6."""
    found, expected = (
        load_file(left / f"{way}-{world}" / "checkpoint.safetensors") for world in (2, 1)
    )
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        assert (found[name].double() - one.double()).abs().max() <= 4e-6, name


@pytest.mark.parametrize("way", [*WAYS, *GATES])
def test_ledgers_of_two_processes_say_what_that_of_one_says(left, way):
    two, one = (read_ledger(left / f"{way}-{world}" / "ledger.sqlite") for world in (2, 1))
    assert [(e.kind, e.text, e.reward) for e in two] == [(e.kind, e.text, e.reward) for e in one]
    assert len(one) > 2
    for found, expected in zip(two, one, strict=True):
        if "loss" in (expected.detail or {}):
            assert found.detail["loss"] == pytest.approx(expected.detail["loss"], abs=1e-6)


@pytest.mark.parametrize("way", ["retrain", "proposals"])
def test_ctrl_c_for_all_saves_and_the_same_command_goes_on(left, way):
    compare(left / f"{way}-stopped", left / f"{way}-2")


def test_whole_runs_of_two_processes_find_what_one_finds(left):
    """Searches by evaluators, which the first process runs alone, and all others that train."""
    one, two = (left / f"whole-{world}" for world in (1, 2))
    parts = sorted(path.parent.relative_to(one) for path in one.rglob("ledger.sqlite"))
    assert len(parts) == 3  # two stages, and what was found
    for part in parts:
        found, expected = (read_ledger(path / part / "ledger.sqlite") for path in (two, one))
        assert [(e.kind, e.text, e.reward) for e in found] == [
            (e.kind, e.text, e.reward) for e in expected
        ]
    assert (two / "network.py").read_text() == (one / "network.py").read_text()


def test_the_number_of_processes_is_recorded_and_may_change(left):
    settings = [(left / f"retrain-{world}" / "settings.json").read_text() for world in (1, 2)]
    assert '"processes": "2"' in settings[1]
    assert settings[0].replace('"processes": "1"', '"processes": "2"') == settings[1]
    stopped = read_ledger(left / "changed" / "ledger.sqlite")
    assert [e.reward for e in stopped] == [
        e.reward for e in read_ledger(left / "retrain-1" / "ledger.sqlite")
    ]


def test_kills_of_one_process_change_nothing():
    """Three here; `python -m tests.ranks` does 25."""
    assert ranks("3", "0", "retrain").endswith("no difference\n")


def test_torchrun_begins_again_where_one_is_killed(left, tmp_path):
    """Of the real one: a process dies, all go on from the checkpoint, and end as undisturbed."""
    (tmp_path / "plain.arch").write_text(NETWORK.format(norm="bn"))
    broken = tmp_path / "broken"
    with torchrun(tmp_path, broken) as agent:
        victim = wait_for(lambda: (broken / "checkpoint.safetensors").exists() and last_of(agent))
        os.kill(victim, signal.SIGKILL)
        output, errors = agent.communicate(timeout=240)
    assert agent.returncode == 0, errors
    assert "exitcode: -9" in errors and output.count("test accuracy") == 1
    compare(broken, left / "long")


def torchrun(folder: Path, out: Path) -> subprocess.Popen[str]:
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]
    command += ["-m", "archdsl", "retrain", str(folder / "plain.arch"), "-o", str(out)]
    return subprocess.Popen(
        [sys.executable, "-m", *command, f"--epochs={LONG}", "--checkpoint-every=1", "--threads=1"],
        env={**os.environ, **ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def last_of(agent: subprocess.Popen[str]) -> int:
    """The process of the highest rank, which does not hold the folder."""
    children = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    ranked = {}
    for child in children:
        told = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        ranked |= {one: int(child) for one in told if one.startswith(b"RANK=")}
    return ranked[max(ranked)] if ranked else 0


def wait_for(ready: Callable[[], int | bool]) -> int:
    over = time.monotonic() + 240
    while time.monotonic() < over:
        if found := ready():
            return int(found)
        time.sleep(0.005)
    raise AssertionError("nothing to kill")


# ---- places, proposals, words --------------------------------------------------------------------


def test_places(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    assert placed() == Ranks()
    monkeypatch.setenv("RANK", "2")
    assert placed() == Ranks()
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert placed() == Ranks(rank=2, world=3, local=2)
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert placed() == Ranks(rank=2, world=3, local=0)


@pytest.mark.parametrize("told", [("3", "3"), ("-1", "2"), ("x", "2"), ("0", "many")])
def test_no_place(monkeypatch, told):
    monkeypatch.setenv("RANK", told[0])
    monkeypatch.setenv("WORLD_SIZE", told[1])
    with pytest.raises(ArchError, match="torchrun sets"):
        placed()


def test_alone_without_torchrun(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    with joined("cpu") as ranks:
        assert not ranks.several and ranks.spread(b"a") == b"a" and ranks.sums([2.0]) == [2.0]


def test_devices_of_several_processes():
    two = Ranks(rank=5, world=8, local=1)
    assert (str(two.device("cuda")), str(two.device("cpu"))) == ("cuda:1", "cpu")
    assert str(two.device("cuda:3")) == "cuda:3"
    assert str(Ranks().device("cuda")) == "cuda"


def test_what_torch_says_of_a_lost_process_is_told_plainly():
    with pytest.raises(ArchError) as caught, heard():
        raise RuntimeError("[/a/b/pair.cc:561] Connection closed by peer [::1]:1. This is typical")
    (found,) = caught.value.diagnostics
    assert (found.code, found.found) == ("E0880", "Connection closed by peer [::1]:1")


def test_the_first_process_alone_has_a_controller():
    space = shipped("nas_bench_201", width=4, cells=1, size=8)
    own = make_controller("random", space, seed=0)
    one = OneController(lambda: make_controller("random", space, seed=0), Ranks())
    assert one.ask(3) == own.ask(3) and one.path(7) == own.path(7)
    assert one.state() == own.state()
    other = OneController(lambda: pytest.fail("made twice"), Ranks(rank=1, world=2))
    other.tell([])
    other.new_epoch()
    assert not other.state().tensors and not other.state().values


def test_searches_that_measure_elsewhere_are_not_for_torchrun(monkeypatch, tmp_path):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    command = ["search", "nas_bench_201", "--evaluator", "score", "-o", str(tmp_path / "run")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2 and "--workers" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("rank", "said"), [("0", True), ("1", True)])
def test_what_one_process_knows_it_says(monkeypatch, tmp_path, rank, said):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", "2")
    command = ["retrain", "resnet18", "--data", "nothing", "-o", str(tmp_path / "run")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2 and ("E0802" in done.stderr) is said


@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt("stopped; saved"), 130), (fault("E0880", "lost"), 2)]
)
def test_what_all_know_the_first_says(monkeypatch, rank, error, code):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Library, "find", fail)
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", "2")
    done = CliRunner().invoke(app, ["retrain", "resnet18", "-o", "nowhere"])
    assert done.exit_code == code and bool(done.stderr) is (rank == "0")
