"""Audits: agreement by definition, samples of all scores, and that a killed audit goes on."""

from __future__ import annotations

import json
import math
import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path
from statistics import fmean

import pytest

from archdsl.report import report_html
from archdsl.run import agreement as statistics
from archdsl.run.agreement import advantage, agreement, parts
from archdsl.run.audit import audit, sampled
from archdsl.run.audited import Agreement, read_audit, said
from archdsl.run.ledger import read_ledger
from archdsl.run.record import Score, read_record
from archdsl.run.settings import AuditSettings
from archdsl.syntax.errors import ArchError
from tests.finished_runs import EVERY, change, make
from tests.test_cli import run

QUICK = ("--samples", 3, "--epochs", 1, "--threads", 1)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {kind: make(kind, folder / kind, folder) for kind in ("shared", "gates", "explored")}


def code_of(caught: pytest.ExceptionInfo[ArchError]) -> str:
    return caught.value.diagnostics[0].code


# --- agreement -------------------------------------------------------------------------------


def tau(xs: list[float], ys: list[float]) -> float:
    """Kendall's tau-b pair by pair (Kendall 1945)."""
    pairs = list(combinations(range(len(xs)), 2))
    signs = [
        ((xs[i] > xs[j]) - (xs[i] < xs[j]), (ys[i] > ys[j]) - (ys[i] < ys[j])) for i, j in pairs
    ]
    both = sum(a * b for a, b in signs)
    untied = (sum(a != 0 for a, _ in signs), sum(b != 0 for _, b in signs))
    return both / math.sqrt(untied[0] * untied[1])


def test_tau_by_its_definition() -> None:
    rng = random.Random(0)
    for size in (3, 8, 25):
        xs = [float(rng.randrange(size)) for _ in range(size)]
        ys = [float(rng.randrange(size)) for _ in range(size)]
        found = agreement(xs, ys, seed=0)
        assert found.value == pytest.approx(tau(xs, ys)) and found.count == size
        assert (found.low is None) == (found.high is None) == (size < 10)
        if found.low is not None and found.high is not None:
            assert -1 <= found.low <= found.value <= found.high <= 1


def test_the_same_order_the_reverse_and_none() -> None:
    xs = [float(i) for i in range(12)]
    same, reverse = agreement(xs, xs, seed=0), agreement(xs, xs[::-1], seed=0)
    assert (same.value, same.low, same.high) == pytest.approx((1, 1, 1))
    assert (reverse.value, reverse.low, reverse.high) == pytest.approx((-1, -1, -1))
    constant = agreement([1.0] * 12, xs, seed=0)
    assert (constant.value, constant.low, constant.high) == (None, None, None)
    assert advantage(xs, xs[::-1], xs, seed=0).value == pytest.approx(2)
    assert advantage(xs, [1.0] * 12, xs, seed=0).value is None


def test_intervals_hold_what_they_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of normal pairs with correlation r the true tau is 2 / pi asin r."""
    monkeypatch.setattr(statistics, "RESAMPLES", 200)
    rng, inside, r = random.Random(1), 0, 0.6
    for repeat in range(40):
        xs = [rng.gauss(0, 1) for _ in range(40)]
        ys = [r * x + math.sqrt(1 - r * r) * rng.gauss(0, 1) for x in xs]
        found = agreement(xs, ys, seed=repeat)
        assert found.low is not None and found.high is not None
        inside += found.low <= 2 / math.pi * math.asin(r) <= found.high
    assert inside >= 34


def test_fewer_than_ten_have_no_interval() -> None:
    """Resamples of three in one order all say 1, whatever the truth."""
    found = agreement([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], seed=0)
    assert found == Agreement(value=pytest.approx(1.0), low=None, high=None, count=3)
    assert said(found) == "+1.00 (too few for an interval)"
    many = [float(i) for i in range(10)]
    assert agreement(many, many, seed=0).low is not None
    assert advantage(many[:9], many[:9], many[8::-1], seed=0).low is None


def test_a_sample_is_above_all_by_no_more_than_docs_say() -> None:
    rng, count, repeats = random.Random(2), 10, 40
    samples, wholes = [], []
    for seed in range(repeats):
        xs = [rng.gauss(0, 1) for _ in range(200)]
        ys = [0.8 * x + 0.6 * rng.gauss(0, 1) for x in xs]
        scores = {f"{i}": Score(reward=x, step=i, times=1, values={}) for i, x in enumerate(xs)}
        drawn = [int(text) for text in sampled(scores, count, seed)]
        samples.append(tau([xs[i] for i in drawn], [ys[i] for i in drawn]))
        wholes.append(tau(xs, ys))
    sample, whole = fmean(samples), fmean(wholes)
    assert whole < sample < whole * (1 + 1.5 / count)


def test_parts_are_the_best_by_the_truth() -> None:
    truth = [float(i) for i in range(100)]
    found = parts(truth)
    assert found["best half"] == list(range(50, 100))
    assert found["best tenth"] == list(range(90, 100))
    assert list(parts(truth[:20])) == ["all", "best half"]
    assert list(parts(truth[:19])) == ["all", "best half"]  # ten of nineteen
    assert list(parts(truth[:18])) == ["all"]
    tied = parts([0.0] * 30 + [1.0] * 15)
    assert tied["best tenth"] == list(range(30, 45)) and "best half" not in tied


# --- what is sampled -------------------------------------------------------------------------


def scored(count: int) -> dict[str, Score]:
    return {f"{i:03d}": Score(reward=i / count, step=i, times=1, values={}) for i in range(count)}


def test_samples_are_of_all_ranges() -> None:
    scores = scored(103)
    chosen = sampled(scores, 10, seed=0)
    assert [int(text) * 10 // 103 for text in chosen] == list(range(10))
    assert chosen == sampled(dict(reversed(scores.items())), 10, seed=0)
    assert chosen != sampled(scores, 10, seed=1)
    assert sampled(scores, 500, seed=0) == sorted(scores)
    drawn = {text for seed in range(300) for text in sampled(scores, 10, seed=seed)}
    assert len(drawn) == 103


# --- whole audits ----------------------------------------------------------------------------


def truth(path: Path, values: dict[str, float]) -> str:
    path.write_text("architecture,good\n" + "".join(f"{t},{v}\n" for t, v in values.items()))
    return f'table(file="{path}", reward="good")'


def test_an_evaluator_that_knows(runs: dict[str, Path], tmp_path: Path) -> None:
    record = read_record(runs["explored"])
    scores = record.scores()
    assert set(scores) == set(EVERY[1:])
    known = {text: float(i * i % 7) for i, text in enumerate(EVERY[1:])}
    settings = AuditSettings(truth=truth(tmp_path / "t.csv", known))
    summary = audit(record, out=tmp_path / "audit", settings=settings, quiet=True)
    (all_,) = summary.compared
    order = [one.architecture for one in summary.architectures]
    assert sorted(order) == sorted(known)
    ys = [known[text] for text in order]
    assert all_.score.value == pytest.approx(tau([scores[t].reward for t in order], ys))
    from archdsl.ir.cost import cost

    prices = [cost(record.network(record.architecture(text))) for text in order]
    assert all_.params.value == pytest.approx(tau([p.params for p in prices], ys))
    assert all_.macs.value == pytest.approx(tau([p.macs for p in prices], ys))
    assert all_.over_params.value == pytest.approx(all_.score.value - all_.params.value)
    first = max(order, key=lambda text: scores[text].reward)
    assert summary.place == 1 + sum(value > known[first] for value in known.values())
    assert read_audit(tmp_path / "audit") == summary


def test_what_cannot_be_measured_is_told(runs: dict[str, Path], tmp_path: Path) -> None:
    known = {text: float(i) for i, text in enumerate(EVERY[1:4])}
    given = truth(tmp_path / "t.csv", known)
    folder = runs["explored"]
    done = run("audit", folder, "-o", tmp_path / "a", "--truth", given)
    assert "failed" in done.stdout and "has no row for it" in done.stdout
    summary = read_audit(tmp_path / "a")
    assert summary is not None and (summary.failed, len(summary.architectures)) == (2, 3)
    nothing = truth(tmp_path / "n.csv", {EVERY[0]: 1.0})
    done = run("audit", folder, "-o", tmp_path / "n", "--truth", nothing, code=1)
    summary = read_audit(tmp_path / "n")
    assert summary is not None and (summary.compared, summary.place) == ([], 0)


@pytest.fixture(scope="module")
def audited(runs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a run, audited by retraining."""
    folder = shutil.copytree(runs["shared"], tmp_path_factory.mktemp("audited") / "run")
    done = run("audit", folder, *QUICK)
    assert done.stdout == (folder / "audit/summary.txt").read_text()
    return folder


def test_retraining_is_the_truth(audited: Path) -> None:
    summary = read_audit(audited / "audit")
    assert summary is not None and summary.truth == "test accuracy after 1 epoch on digits"
    record = read_record(audited)
    assert summary.scored == len(record.scores())
    for step, one in enumerate(summary.architectures):
        own = read_record(audited / "audit/networks" / f"{step:03d}")
        assert own.trained is not None and own.trained.text == one.architecture
        told = json.loads((own.folder / "summary.json").read_text())
        assert (told["test"], told["params"], told["macs"]) == (one.truth, one.params, one.macs)
        assert record.scores()[one.architecture].reward == one.score


def test_a_killed_audit_goes_on(audited: Path, tmp_path: Path) -> None:
    """Killed in its second network, and again; what was told stays, and the end is the same."""
    folder = shutil.copytree(audited, tmp_path / "run")
    shutil.rmtree(folder / "audit")
    command = [sys.executable, "-m", "archdsl", "audit", folder, *QUICK]
    for network in ("001", "002"):
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL)
        while not (folder / "audit/networks" / network / "settings.json").exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    first = folder / "audit/networks/000/summary.json"
    before = first.stat().st_mtime_ns
    run("audit", folder, *QUICK)
    assert first.stat().st_mtime_ns == before
    whole, broken = (json.loads((f / "audit/summary.json").read_text()) for f in (audited, folder))
    assert broken | {"seconds": 0} == whole | {"seconds": 0}
    assert [(e.step, e.text, e.reward) for e in read_ledger(folder / "audit/ledger.sqlite")] == [
        (e.step, e.text, e.reward) for e in read_ledger(audited / "audit/ledger.sqlite")
    ]


def test_other_settings_and_other_scores_are_refused(audited: Path, tmp_path: Path) -> None:
    other = run("audit", audited, *QUICK, "--seed", 7, code=2)
    assert "E0809" in other.stderr and "seed" in other.stderr
    folder = shutil.copytree(audited, tmp_path / "run")
    change(folder, "UPDATE ledger SET reward = 0.5 WHERE kind = 'final'")
    went_on = run("audit", folder, *QUICK, code=2)
    assert "E0809" in went_on.stderr and "scores" in went_on.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--samples", 2), "E0810"),
        (("--truth", "oracle(x=1)"), "E0820"),
        (("--truth", 'table(file="nothing.csv", reward="x")'), "E0819"),
        (("--truth", "score", "--epochs", 3), "is for retraining, not for --truth"),
        (("--recipe", "nothing"), "E0831"),
        (("--data", "cifar10:nowhere"), "E0803"),
    ],
)
def test_what_means_nothing(
    runs: dict[str, Path], tmp_path: Path, arguments: tuple[object, ...], said: str
) -> None:
    assert said in run("audit", runs["shared"], "-o", tmp_path / "a", *arguments, code=2).stderr
    assert not (tmp_path / "a").exists()  # else the right command would be refused there


def test_gates_score_one_alone(runs: dict[str, Path], tmp_path: Path) -> None:
    done = run("audit", runs["gates"], "-o", tmp_path / "a", code=2)
    assert "E0832" in done.stderr and not (tmp_path / "a").exists()
    assert "E0807" in run("audit", tmp_path / "nothing", code=2).stderr


# --- in the report ---------------------------------------------------------------------------


def test_the_report_has_it(audited: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(audited, tmp_path / "run")
    html = report_html(folder)
    assert '<section id="audit">' in html and "scores over parameters" in html
    path = folder / "audit/summary.json"
    told = json.loads(path.read_text())
    wrong = ({"compared": [{}]}, {"place": {}}, {"seconds": 10**400})
    for broken in ("[]", "{", *(json.dumps(told | one) for one in wrong)):
        path.write_text(broken)
        with pytest.raises(ArchError) as caught:
            report_html(folder)
        assert code_of(caught) == "E0807"
    path.write_text(json.dumps(told | {"truth": "<script>alert(1)</script>"}))
    assert "&lt;script&gt;alert(1)" in report_html(folder)
    path.unlink()  # an audit in progress
    assert '<section id="audit">' not in report_html(folder)
