"""Runs: what the ledger holds, that runs repeat, go on, and refuse what they must."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file

from archdsl.evaluate.checkpoint import Checkpoint, serialised
from archdsl.evaluate.data import open_data
from archdsl.evaluate.norms import calibrated
from archdsl.evaluate.shared import SharedWeights
from archdsl.library import Library
from archdsl.recipes import Recipe
from archdsl.run.folder import run_folder
from archdsl.run.ledger import Entry, open_ledger, read_ledger
from archdsl.run.retrain import retrain
from archdsl.run.search import search
from archdsl.run.settings import RetrainSettings, SearchSettings
from archdsl.run.stop import Interrupted
from archdsl.run.summary import measure_signal
from archdsl.syntax.errors import ArchError
from tests.kills import rows_of
from tests.shipped import shipped

ROOT = Path(__file__).resolve().parent.parent
SEARCH = SearchSettings(
    epochs=2, controller_steps=5, derive_samples=3, measure_samples=3, threads=1
)
RETRAIN = RetrainSettings(epochs=4, checkpoint_every=2, threads=1)


def space():
    return shipped("nas_bench_201", width=4, cells=1, size=8)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder where a search has ended, and its summary."""
    folder = tmp_path_factory.mktemp("runs") / "search"
    return folder, search(space(), out=folder, settings=SEARCH)


def code_of(caught) -> str:
    return caught.value.diagnostics[0].code


# ---- what a search leaves ------------------------------------------------------------------------


def test_the_ledger_holds_every_string_in_order(finished):
    folder, _ = finished
    entries = read_ledger(folder / "ledger.sqlite")
    assert [entry.step for entry in entries] == list(range(len(entries)))
    epoch = ["train", *["search"] * 5]
    assert [e.kind for e in entries] == [*epoch, *epoch, *["derive"] * 3, "final", *["measure"] * 3]
    assert [e.epoch for e in entries] == [0] * 6 + [1] * 6 + [2] * 7
    names = space()
    for entry in entries:
        assert names.parse(entry.text).text == entry.text
        if entry.kind == "train":
            assert entry.reward is None
            assert entry.detail["loss"] > 0
        else:
            hits = entry.detail["hits"]
            assert entry.reward == sum(h for h, _ in hits) / sum(n for _, n in hits)
            assert sum(n for _, n in hits) == (450 if entry.kind in ("final", "measure") else 128)
    measured = [e.text for e in entries if e.kind == "measure"]
    assert len(set(measured)) == 3


def test_the_best_of_the_derived_wins(finished):
    folder, summary = finished
    entries = read_ledger(folder / "ledger.sqlite")
    derived = [e for e in entries if e.kind == "derive"]
    (final,) = (e for e in entries if e.kind == "final")
    best = max(derived, key=lambda e: e.reward)
    assert final.text == best.text == summary.best
    assert (summary.reward, summary.accuracy) == (best.reward, final.reward)
    assert summary.asked == len(entries)
    assert summary.size == 15625


def test_the_folder_holds_everything(finished):
    folder, summary = finished
    files = {path.name for path in folder.iterdir()}
    assert files >= {"space.arch", "settings.json", "supernet.py", "network.py", "summary.txt",
                     "summary.json", "ledger.sqlite", "checkpoint.safetensors"}  # fmt: skip
    program = space().program
    assert (folder / "space.arch").read_text() == program.text
    assert Library().find(f"{folder}:best").architecture.text == summary.best
    told = json.loads((folder / "summary.json").read_text())
    assert told["best"] == summary.best
    assert told["signal"]["verdict"] in ("distinguishable", "not distinguishable")
    read = " ".join((folder / "summary.txt").read_text().split())  # long lines are wrapped
    assert summary.best.partition("/")[2] in read
    with safe_open(folder / "checkpoint.safetensors", framework="pt") as file:
        metadata = file.metadata()
    assert (metadata["space"], metadata["hash"]) == (program.text, program.hash)
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["settings"]["threads"] == 1
    assert settings["environment"]["torch"] == str(torch.__version__)


def test_the_generated_network_runs_by_itself(finished):
    folder, _ = finished
    done = subprocess.run([sys.executable, folder / "network.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("controller", ["random", "reinforce"])
def test_a_seed_gives_one_ledger(controller, tmp_path):
    settings = replace(SEARCH, controller=controller, epochs=1)
    ledgers = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        search(space(), out=tmp_path / name, settings=replace(settings, seed=seed))
        ledgers.append(read_ledger(tmp_path / name / "ledger.sqlite"))
    assert ledgers[0] == ledgers[1] != ledgers[2]


def test_a_finished_search_is_left_as_it_is(finished):
    folder, summary = finished
    before = read_ledger(folder / "ledger.sqlite")
    assert search(space(), out=folder, settings=SEARCH) == summary
    assert read_ledger(folder / "ledger.sqlite") == before


def test_small_spaces_are_measured_whole(tmp_path):
    small = shipped("metaformer_nas", nodes=2, **SMALL)
    assert small.size == 4
    settings = replace(SEARCH, epochs=1, controller_steps=2, measure_samples=9, as_released=True)
    summary = search(small, out=tmp_path / "run", settings=settings)
    assert summary.signal.architectures == 4


SMALL = {
    "classes": 10, "size": 16, "patch": 1, "stem_width": 4, "width1": 8, "width2": 8, "width3": 8,
    "width4": 16, "depth1": 1, "depth2": 1, "depth3": 1, "depth4": 1,
}  # fmt: skip


# ---- stopping and going on -----------------------------------------------------------------------


@contextmanager
def interrupt_at(ready):
    """Ctrl-C for this process, once, as soon as `ready()` holds."""
    over = threading.Event()

    def watch():
        while not over.is_set():
            if ready():
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("row", [1, 4, 13])
def test_ctrl_c_saves_and_the_same_command_goes_on(row, finished, tmp_path):
    out = tmp_path / "run"
    with (
        pytest.raises(Interrupted, match="the same command goes on"),
        interrupt_at(lambda: rows_of(out) >= row),
    ):
        search(space(), out=out, settings=SEARCH)
    assert row <= rows_of(out) < 19
    search(space(), out=out, settings=SEARCH)
    assert read_ledger(out / "ledger.sqlite") == read_ledger(finished[0] / "ledger.sqlite")
    same, other = (load_file(f / "checkpoint.safetensors") for f in (out, finished[0]))
    assert all(torch.equal(same[name], other[name]) for name in other)


@pytest.mark.parametrize("way", ["proposals", "gates"])
def test_kills_change_nothing(way):
    """Five SIGKILLs here; `python -m tests.kills` does 25."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.kills", "5", "0", way],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "5 kills" in done.stdout
    assert "no difference" in done.stdout


def test_a_full_disk_loses_nothing(finished, tmp_path):
    """A limit on the size of files stands for it: writing fails half way through a checkpoint."""
    out = tmp_path / "run"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        with pytest.raises(ArchError, match="cannot be written") as caught:
            search(space(), out=out, settings=SEARCH)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code_of(caught) in ("E0707", "E0806")
    assert not list(out.glob(".*.part"))
    search(space(), out=out, settings=SEARCH)
    assert read_ledger(out / "ledger.sqlite") == read_ledger(finished[0] / "ledger.sqlite")


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"epochs": 3}, {"controller": "random"}, {"threads": 2}, {"learning_rate": 1.0}],
)
def test_other_settings_are_refused(change, finished):
    (name,) = change
    with pytest.raises(ArchError, match=f"other settings: {name}\n") as caught:
        search(space(), out=finished[0], settings=replace(SEARCH, **change))
    assert code_of(caught) == "E0809"


def test_another_space_is_refused(finished):
    other = shipped("nas_bench_201", width=8, cells=1, size=8)
    with pytest.raises(ArchError, match="parameter width") as caught:
        search(other, out=finished[0], settings=SEARCH)
    assert code_of(caught) == "E0809"


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"learning_rate": float("nan")}, {"device": "abacus"}]
)
def test_settings_that_mean_nothing_are_refused(change, tmp_path):
    with pytest.raises(ArchError) as caught:
        search(space(), out=tmp_path / "run", settings=replace(SEARCH, **change))
    assert code_of(caught) == "E0810"
    assert not (tmp_path / "run").exists()


def test_a_folder_belongs_to_one_process(finished):
    with run_folder(finished[0]), pytest.raises(ArchError, match="another process") as caught:
        search(space(), out=finished[0], settings=SEARCH)
    assert code_of(caught) == "E0805"


def test_a_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchError, match="cannot be written") as caught:
        search(space(), out=tmp_path / "file" / "run", settings=SEARCH)
    assert code_of(caught) == "E0806"


@pytest.mark.parametrize("name", ["checkpoint.safetensors", "ledger.sqlite", "settings.json"])
def test_broken_files_are_named(name, tmp_path):
    search(space(), out=tmp_path, settings=replace(SEARCH, epochs=1, controller_steps=0))
    (tmp_path / name).write_bytes(b"not what was here" * 100)
    with pytest.raises(ArchError) as caught:
        search(space(), out=tmp_path, settings=replace(SEARCH, epochs=1, controller_steps=0))
    assert code_of(caught) == "E0807"


def test_a_ledger_of_another_run_is_noticed(tmp_path):
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.ask(0, 0, "search", "a")
        ledger.tell(0, 0.5, {"hits": [[1, 2]]})
        asked = Entry(
            step=0, epoch=0, kind="search", text="a", reward=0.5, detail={"hits": [[1, 2]]}
        )
        assert ledger.ask(0, 0, "search", "a") == asked
        with pytest.raises(ArchError, match="does not fit this run at step 0") as caught:
            ledger.ask(0, 0, "search", "b")
    assert code_of(caught) == "E0808"


# ---- retraining ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    names = space()
    cell = "nor_conv_3x3; nor_conv_3x3 skip_connect; nor_conv_1x1 none avg_pool_3x3"
    text = f"{names.program.genotype}/infer[{cell}]"
    return names.resolve(names.parse(text))


@pytest.fixture(scope="module")
def retrained(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrain") / "run"
    return folder, retrain(network, out=folder, settings=RETRAIN)


def test_retraining_tests_the_best(retrained, network):
    folder, summary = retrained
    assert summary.best_epoch in (2, 4)
    assert summary.test_images == 450
    assert summary.validation > 0.15
    with safe_open(folder / "best.safetensors", framework="pt") as file:
        metadata = file.metadata()
        names = set(file.keys())
    assert metadata["architecture"] == network.genotype
    assert metadata["hash"] == network.hash
    assert json.loads(metadata["values"])["epoch"] == summary.best_epoch
    assert json.loads((folder / "summary.json").read_text())["test"] == summary.test
    from archdsl.load import load_network

    model = load_network(network)
    assert names == set(model.state_dict())
    model.load_state_dict(load_file(folder / "best.safetensors"))
    model.eval()
    data = open_data("digits", shape=(3, 8, 8), classes=10)
    with torch.no_grad():
        hits = sum(int((model(x).argmax(1) == y).sum()) for x, y in data.test_batches())
    assert hits / 450 == summary.test


def test_retraining_goes_on_in_the_middle_of_an_epoch(retrained, network, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(Interrupted), interrupt_at(lambda: (out / "network.py").exists()):
        retrain(network, out=out, settings=RETRAIN)
    summary = retrain(network, out=out, settings=RETRAIN)
    assert replace(summary, seconds=0) == replace(retrained[1], seconds=0)
    same, other = (load_file(f / "checkpoint.safetensors") for f in (out, retrained[0]))
    assert same.keys() == other.keys()
    assert all(torch.equal(same[name], other[name]) for name in other)


def test_inherited_weights_are_the_supernets(finished, network, tmp_path):
    settings = replace(RETRAIN, epochs=1, learning_rate=1e-12, weight_decay=0.0)
    weights = finished[0] / "checkpoint.safetensors"
    retrain(network, out=tmp_path / "run", settings=settings, inherit=weights)
    ours = load_file(tmp_path / "run" / "best.safetensors")
    theirs = load_file(weights)
    for name, tensor in ours.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(tensor, theirs[f"shared.weights.{name}"])
    other = shipped("nas_bench_201", width=8, cells=1, size=8)
    wide = other.resolve(other.unrank(0))
    with pytest.raises(ArchError, match="tensors are not in") as caught:
        retrain(wide, out=tmp_path / "wide", settings=settings, inherit=weights)
    assert code_of(caught) == "E0811"


def test_a_checkpoint_has_one_form():
    """The same bytes whenever it is written: metadata in order, tensors as they were."""
    tensors = {"b.weight": torch.randn(3, 5), "a.count": torch.tensor(7), "c": torch.ones(3) > 0}
    one = Checkpoint(tensors=tensors, text="é\n\x7f", hash="h", genotype="g", values={"b": 1})
    (content,) = {serialised(one) for _ in range(8)}
    loaded = load(content)
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    header = content[8 : 8 + int.from_bytes(content[:8], "little")]
    assert not len(header) % 8
    known = list(json.loads(header)["__metadata__"].items())
    assert known == sorted(known) and ("space", one.text) in known


def test_an_architecture_has_its_own_folder(retrained):
    names = space()
    with pytest.raises(ArchError, match="other settings: architecture"):
        retrain(names.resolve(names.unrank(0)), out=retrained[0], settings=RETRAIN)


# ---- shared weights ------------------------------------------------------------------------------


@pytest.fixture
def shared():
    return SharedWeights(
        space(), open_data("digits", shape=(3, 8, 8), classes=10), recipe=Recipe(), seed=1
    )


def test_training_moves_only_the_path(shared):
    """No gradient, no step: what was not chosen keeps its weights, to the bit."""
    names = space().program.genotype
    text = f"{names}/infer[none; none skip_connect; none none nor_conv_1x1]"
    before = {k: v.detach().clone() for k, v in shared.model.named_parameters()}
    shared.train_step([text], 0, 0)
    moved = {k for k, v in shared.model.named_parameters() if not torch.equal(v, before[k])}
    assert any("1x1" in name for name in moved)
    assert not any("3x3" in name for name in moved)


def test_judging_leaves_no_trace(shared):
    texts = [space().unrank(i).text for i in (15624, 7000)]
    shared.train_step(texts[:1], 0, 0)
    before = {k: v.clone() for k, v in shared.model.state_dict().items()}
    batches = shared.data.reward_batches
    first = shared.judge(texts[1], batches)
    shared.judge(texts[0], batches)
    assert shared.judge(texts[1], batches) == first
    after = shared.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_calibration_is_the_average_of_the_batches():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.Dropout(0.5))
    images = [torch.randn(8, 3, 4, 4) * 2 + 1 for _ in range(3)]
    model[0].running_mean.fill_(7)
    with calibrated(model, model, images):
        assert not model.training and not model[0].training
        mean = torch.stack([x.mean((0, 2, 3)) for x in images]).mean(0)
        torch.testing.assert_close(model[0].running_mean, mean)
        variance = torch.stack([x.transpose(0, 1).flatten(1).var(1) for x in images]).mean(0)
        torch.testing.assert_close(model[0].running_var, variance)
    assert (model[0].running_mean == 7).all()
    assert model.training and model[0].momentum == 0.1


def test_signal_of_known_numbers():
    """Two batches of 100: architecture means 0.5 and 0.7, a deviation within each of 0.1 and 0."""
    entries = [
        Entry(step=0, epoch=0, kind="measure", text="a", reward=0.5,
              detail={"hits": [[50 + 5 * 2**0.5, 100], [50 - 5 * 2**0.5, 100], [5, 10]]}),
        Entry(step=1, epoch=0, kind="measure", text="b", reward=0.7,
              detail={"hits": [[70, 100], [70, 100]]}),
        Entry(step=2, epoch=0, kind="search", text="b", reward=0.1),
    ]  # fmt: skip
    signal = measure_signal(entries, 100)
    assert signal.spread == pytest.approx(0.2 / 2**0.5)
    assert signal.noise == pytest.approx(0.1 / 2**0.5)
    assert signal.ratio == pytest.approx(2)
    assert signal.architectures == 2
