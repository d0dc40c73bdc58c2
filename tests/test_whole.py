"""Whole runs: searched by a method, retrained by a recipe, compared; gone on with and refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from math import sqrt
from pathlib import Path

import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from archdsl.cli.main import app
from archdsl.evaluate.evaluators import evaluator_of
from archdsl.library import Library
from archdsl.load import load_network
from archdsl.part import fixed, left, restricted
from archdsl.report import report_html
from archdsl.run.judge import Judge
from archdsl.run.ledger import read_ledger
from archdsl.run.settings import explored
from archdsl.syntax.errors import ArchError
from tests.kills import compare_runs, rows_of
from tests.shipped import shipped
from tests.small_runs import RUNS, words
from tests.test_report import report
from tests.test_run import interrupt_at


def told(out: Path) -> dict:
    return json.loads((out / "summary.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Every run at its end, made when it is asked for."""
    folder, outputs = tmp_path_factory.mktemp("whole"), {}

    def get(name: str) -> tuple[Path, str]:
        if name not in outputs:
            result = CliRunner().invoke(app, words(name, folder / name))
            assert result.exit_code == 0, result.output
            outputs[name] = result.output
        return folder / name, outputs[name]

    return get


# ---- what a run leaves ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_a_string_a_file_weights_and_a_table(name, done):
    out, printed = done(name)
    summary = told(out)
    library = Library()
    best = library.find(f"{out}:best")
    assert best.architecture.text == summary["best"] == summary["searches"][-1]["best"]
    assert (out / "space.arch").read_text() == best.space.program.text
    check = subprocess.run([sys.executable, out / "network.py"], capture_output=True, text=True)
    assert check.returncode == 0, check.stderr
    titles = [one["title"] for one in summary["networks"]]
    assert titles[0] == "found" and len(titles) == 1 + sum("--against" in w for w in RUNS[name])
    for one in summary["networks"]:
        folder = out / ("found" if one["title"] == "found" else f"against/{one['title']}")
        network = library.find(str(folder / "network.py"))
        assert network.architecture.text == one["architecture"]
        weights = load_file(folder / "best.safetensors")
        load_network(network.network()).load_state_dict(weights)
        assert 0 <= one["test"] <= 1 and one["epochs"] == 2
    assert printed == (out / "summary.txt").read_text()
    for word in (*titles, *(stage["stage"] for stage in summary["searches"]), "accuracy"):
        assert word in printed


def test_others_are_made_for_the_same_images(done):
    out, printed = done("metaformer_nas")
    _, pooling, mlp = told(out)["networks"]
    for one, mixer in ((pooling, "pool"), (mlp, "mlp")):
        program = Library().find(one["architecture"]).program
        assert program.parameters["mixer"] == mixer
        assert [program.parameters[k] for k in ("classes", "size", "width4")] == [10, 9, 8]
    assert "From pooling to what was found" in printed and "cell mixer" in printed


def test_kinds_are_fixed_and_details_searched_in_a_new_supernet(done):
    out, _ = done("glit")
    stages = {one["stage"]: one["best"] for one in told(out)["searches"]}
    space = shipped("glit_tiny", classes=10, size=8, patch=2, width=12, depth=2)
    kinds, details = (space.parse(stages[name]) for name in ("kinds", "details"))
    assert space.outer(kinds, 1) == space.outer(details, 1)
    part = fixed(space, kinds, 1)
    assert part.size < space.size
    for name in ("details_weights", "details"):
        settings = json.loads((out / name / "settings.json").read_text())["settings"]
        assert settings["kept"] == left(part.program)
        for entry in read_ledger(out / name / "ledger.sqlite"):
            assert part.parse(entry.text).text == entry.text
    sizes = [
        len(load_file(out / f"{name}_weights/checkpoint.safetensors"))
        for name in ("kinds", "details")
    ]
    assert sizes[1] < sizes[0]


def test_evolution_on_two_levels_judges_by_the_weights_before_it(done):
    """What the ledger says is what the weights say, as a worker would find them."""
    out, _ = done("glit")
    for name in ("kinds", "details"):
        judge = Judge(*explored(out / name))
        for entry in read_ledger(out / name / "ledger.sqlite")[:2]:
            assert judge(entry.text, entry.step, entry.epoch).reward == entry.reward


# ---- going on ------------------------------------------------------------------------------------


def test_a_finished_run_says_the_same_again(done):
    out, printed = done("tnas")
    before = told(out)
    result = CliRunner().invoke(app, words("tnas", out))
    assert result.exit_code == 0 and told(out) == before
    assert result.output == printed


@pytest.mark.parametrize("row", [3, 15])
def test_stopped_anywhere_the_same_command_goes_on(row, done, tmp_path):
    reference, _ = done("glit")
    out = tmp_path / "run"
    with interrupt_at(lambda: rows_of(out) >= row):
        stopped = CliRunner().invoke(app, words("glit", out))
    assert stopped.exit_code == 130, stopped.output
    assert not (out / "summary.json").exists()
    again = CliRunner().invoke(app, words("glit", out))
    assert again.exit_code == 0, again.output
    compare_runs(out, reference)


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--set=frozen=9",), "E0809"),
        (("--set=train.epochs=3",), "E0809"),
        (("--against=resnet18",), "E0809"),
        (("--seed=1",), "E0809"),
        (("--against=nas_bench_201",), "E0705"),
        (("--against=a=nowhere",), "E0701"),
        (("--against=a=resnet18", "--against=a=resnet50"), "E0863"),
        (("--against=" + "a" * 300 + "=resnet18",), "E0863"),
        (("--method=nobody",), "E0861"),
        (("--recipe=nobody",), "E0831"),
        (("--set=paths=nobody",), "E0801"),
        (("--data=nothing",), "E0802"),
        (("--against=resnet18(classes=7)",), "E0804"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(more, code, done):
    out, _ = done("tnas")
    before = {path: path.read_bytes() for path in out.rglob("*.json")}
    result = CliRunner().invoke(app, ["--json", *words("tnas", out), *more])
    assert result.exit_code in (1, 2)
    assert code in result.output, result.output
    assert {path: path.read_bytes() for path in out.rglob("*.json")} == before


def test_a_method_of_two_levels_needs_a_space_of_two(tmp_path):
    line = ["run", "nas_bench_201(width=4, cells=1, size=8)", "--method=glit", "--recipe=darts"]
    result = CliRunner().invoke(app, [*line, "-o", str(tmp_path / "run")])
    assert result.exit_code == 2 and "E0864" in result.output
    assert not (tmp_path / "run").exists()


def test_a_stage_that_finds_nothing_ends_the_run(tmp_path):
    text = 'archdsl 1\n\nmethod m {\n  evaluator = "call:tests.somebodys:worse"\n  budget = 2\n}\n'
    path = tmp_path / "m.arch"
    path.write_text(text)
    line = ["run", "nas_bench_201", f"--method={path}", "--recipe=darts", "-o", str(tmp_path / "r")]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 2 and "E0862" in result.output


def test_what_was_refused_before_it_began_leaves_nothing_behind(tmp_path):
    out = tmp_path / "run"
    for more, code in (
        ("--data=nothing", "E0802"),
        ('--set=controller=darts(keep="3, 2")', "E0850"),
    ):
        result = CliRunner().invoke(app, [*words("dasvit", out), more])
        assert result.exit_code in (1, 2) and code in result.output
    assert CliRunner().invoke(app, words("dasvit", out)).exit_code == 0


def test_audits_are_of_parts(done):
    out, _ = done("tnas")
    result = CliRunner().invoke(app, ["audit", str(out)])
    assert result.exit_code == 2 and "E0807" in result.output
    assert "is a whole run" in result.output and str(out / "search") in result.output
    assert str(out / "found") not in result.output


# ---- reports -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RUNS)
def test_a_report_has_what_came_out_and_each_search(name, done):
    out, _ = done(name)
    page, summary = report(out), told(out)
    stages = [f"stage-{one['stage']}" for one in summary["searches"]]
    begin = ["outcome", "found", "changes", "costs", "retraining"]
    assert page.sections == [*begin, *stages, "settings", "space", "code"]
    for one in summary["networks"]:
        error = 100 * sqrt(one["test"] * (1 - one["test"]) / one["test_images"])
        told_ = f"{one['title']} {100 * one['test']:.1f} % ± {error:.1f} "
        assert told_ in page.text and f"{one['params']:,} {one['macs']:,}" in page.text
    assert f"found {summary['best']} space" in page.text
    assert all(verdict in page.text for verdict in summary["verdicts"])
    if len(summary["networks"]) > 1:
        assert f"--- {summary['networks'][1]['architecture']} +++ {summary['best']}" in page.text
    assert all(one["best"] in page.text for one in summary["searches"])
    assert report_html(out) == report_html(out)


def test_a_report_of_a_run_that_was_cut_off_has_what_there_is(done, tmp_path):
    whole, _ = done("glit")
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    for gone in ("against", "details"):
        shutil.rmtree(out / gone)
    (out / "summary.json").unlink()
    (out / "found" / "summary.json").unlink()
    page = report(out)
    assert "This run is not finished" in page.text and "found not yet" in page.text
    assert "best so far" in page.text and told(whole)["searches"][1]["best"] in page.text
    assert "stage-kinds" in page.sections and "stage-details" not in page.sections
    shutil.rmtree(out / "found")
    for stage in ("kinds_weights", "kinds", "details_weights"):
        shutil.rmtree(out / stage)
    assert "nothing yet" in report(out).text


def setting(name: str, value: object, file: str = "settings.json"):
    """Somebody's change of a run."""

    def change(out: Path) -> None:
        whole = json.loads((out / file).read_text())
        (whole["settings"] if file == "settings.json" else whole)[name] = value
        (out / file).write_text(json.dumps(whole))

    return change


def moved(one: str, other: str):
    def change(out: Path) -> None:
        shutil.rmtree(out / other)
        shutil.copytree(out / one, out / other)

    return change


@pytest.mark.parametrize(
    "change",
    [
        setting("method", "archdsl 1\nmethod a { nothing = 1 }"),
        setting("method", "archdsl 1\nmethod a { epochs = 1 } method b { epochs = 1 }"),
        setting("method", 3),
        setting("space", "nobody"),
        setting("parameter depth", 3),
        setting("parameter depth", None),
        setting("verdicts", 5, "summary.json"),
        setting("verdicts", [None], "summary.json"),
        moved("kinds", "found"),
        moved("found", "kinds"),
        moved("kinds_weights", "against/vit"),
    ],
)
def test_a_report_of_a_run_that_somebody_changed_is_refused(change, done, tmp_path):
    whole, _ = done("glit")
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    change(out)
    with pytest.raises(ArchError) as caught:
        report_html(out)
    (finding,) = caught.value.diagnostics
    assert finding.code == "E0807" and "\n" not in finding.message


def test_a_report_has_retrainings_of_one_s_own(done, tmp_path):
    whole, _ = done("glit")
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    shutil.copytree(out / "found", out / "longer")
    assert report(out).text.count("longer architecture") == 1


def test_somebody_else_s_folder_stays_as_it_is(tmp_path):
    """A search of its own, and files that somebody wrote, are not a run that has not begun."""
    out = tmp_path / "searched"
    line = ["search", "nas_bench_201(cells=1, width=2)", '--evaluator=score(score="params")']
    line += ["--controller=random", "--budget=3", "-o", str(out)]
    assert CliRunner().invoke(app, line).exit_code == 0
    own = tmp_path / "own"
    own.mkdir()
    (own / "space.arch").write_text("archdsl 1\n# mine\n")
    for folder, code in ((out, "E0809"), (own, "E0806")):
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.name != "lock"}
        result = CliRunner().invoke(app, words("tnas", folder))
        assert result.exit_code == 2 and code in result.output, result.output
        after = {path: path.read_bytes() for path in folder.rglob("*") if path.name != "lock"}
        assert after == before
    result = CliRunner().invoke(app, [*line[:-1], str(own)])
    assert result.exit_code == 2 and "E0806" in result.output


def test_a_file_of_two_methods_names_none(tmp_path):
    """Nor is the one that ships under the name of the space taken in their place."""
    path = tmp_path / "mine.arch"
    path.write_text(
        "archdsl 1\n\nspace tnas(classes=10) { net n(x: 3 x 8 x 8) = "
        "x -> {a = conv(4) | b = conv(4, k=3)} -> global_pool -> linear(classes) }\n"
        "method a { epochs = 1 }\nmethod b { epochs = 2 }\n"
    )
    result = CliRunner().invoke(
        app, ["run", str(path), "--recipe=darts", "-o", str(tmp_path / "r")]
    )
    assert result.exit_code == 2 and "E0861" in result.output and "2 methods" in result.output


def test_texts_are_found_beside_the_space_or_by_its_name(tmp_path):
    path = tmp_path / "mine.arch"
    net = "x -> {a = conv(4) | b = conv(4, k=3)} -> global_pool -> linear(classes)"
    path.write_text(
        f"archdsl 1\n\nspace dasvit(classes=10) {{ net n(x: 3 x 8 x 8) = {net} }}\n"
        "method here { controller = random epochs = 1 controller_steps = 0 derive_samples = 1 }\n"
    )
    out = tmp_path / "r"
    line = ["run", str(path), "--set=train.epochs=1", "--threads=1", "-o", str(out)]
    result = CliRunner().invoke(app, line)
    assert result.exit_code == 0, result.output
    assert (told(out)["method"], told(out)["recipe"]) == ("here", "dasvit")


def test_weights_of_a_larger_part_judge_and_those_of_a_smaller_do_not(done):
    out, _ = done("glit")
    space = shipped("glit_tiny", classes=10, size=8, patch=2, width=12, depth=2)
    kinds = space.parse(told(out)["searches"][1]["best"])
    part = fixed(space, kinds, 1)
    one = part.unrank(0)
    reward = evaluator_of('supernet(run="kinds_weights")', out)
    whole, smaller = (reward.over(each)(each.parse(one.text), 0, 0) for each in (space, part))
    assert whole == smaller
    with pytest.raises(ArchError) as caught:
        evaluator_of('supernet(run="details_weights")', out).over(space)
    assert caught.value.diagnostics[0].code == "E0812"


def test_parts_are_made_again_from_what_is_left_of_them():
    space = shipped("glit_tiny", classes=10, size=8, patch=2, width=12, depth=2)
    first, second = (one.key for one in space.decisions if one.parent is None)
    part = restricted(restricted(space, {first: [1, 3]}), {first: [1], second: [0]})
    assert left(space.program) == {}
    again = restricted(space, left(part.program))
    assert left(again.program) == left(part.program)
    assert left(part.program)[first] == [3]
    assert again.size == part.size
