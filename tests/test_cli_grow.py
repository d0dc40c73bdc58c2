"""The commands `grow` and `inherit`: a network that computes the same, and its weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from archdsl.library import Library
from archdsl.load import batch_of, load_network
from tests.preserved import ALLOWED, apart, disturbed
from tests.test_cli import run
from tests.test_startup import HEAVY, loaded

X = "nas_bench_201(cells=1, width=4, size=8)/infer[nor_conv_3x3; none none; none none nor_conv_1x1]"
STEM, N3 = "network.stem", "infer.n3"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_text_shows_the_places(here: Path) -> None:
    text = run("grow", X).stdout
    assert "space nas_bench_201_grown" in text and "n3 = sum(" in text and "stem = stem_0" in text
    Path("same.arch").write_text(text)
    ours, theirs = (json.loads(run("cost", x, "--json").stdout) for x in (X, "same.arch"))
    assert (ours["params"], ours["macs"]) == (theirs["params"], theirs["macs"])
    assert run("grow", "same.arch").stdout == text


@pytest.mark.parametrize(
    "edit",
    [
        ("deepen", "--at", N3, "--do", "conv(4, k=3) -> bn"),
        ("deepen",),
        ("widen", "--at", "infer.nor_conv_1x1_3_2_conv", "--channels", "7"),
        ("widen", "--seed", "3"),
        ("skip", "--source", "infer.x", "--at", N3),
        ("skip", "--source", "infer.x", "--at", "infer.nor_conv_1x1_3_2_relu", "--concat"),
        ("insert", "--at", N3, "--do", "relu -> dwconv(3) -> bn"),
    ],
    ids=" ".join,
)
def test_an_edit_with_its_weights_computes_the_same(here: Path, edit: tuple[str, ...]) -> None:
    assert run("grow", X, *edit, "-o", "child.arch").stdout == "child.arch\n"
    parent, child = (Library().find(x).network() for x in (X, "child.arch"))
    network = load_network(parent)
    disturbed(network, torch.Generator().manual_seed(0))
    save_file(network.state_dict(), "w.safetensors")
    told = run(
        "inherit", "w.safetensors", "--from", X, "--to", "child.arch", "-O", "0", "-o", "c.st"
    )
    assert "it computes what --from does, in evaluation" in told.stderr
    grown = load_network(child)
    grown.load_state_dict(load_file("c.st"))
    images = batch_of(parent, 2, torch.Generator().manual_seed(1))
    assert apart(network.eval(), grown.eval(), images) <= ALLOWED


def test_what_changes_is_told(here: Path) -> None:
    other = X.replace("nor_conv_1x1]", "skip_connect]")
    save_file(load_network(Library().find(X).network()).state_dict(), "w.safetensors")
    told = run("inherit", "w.safetensors", "--from", X, "--to", other, "-o", "c.st")
    assert "it computes something else, first at" in told.stderr
    report = json.loads(
        run("inherit", "w.safetensors", "--from", X, "--to", other, "-o", "c.st", "--json").stdout
    )
    assert report["changed"] and report["carried"] and report["dropped"] and not report["fresh"]


@pytest.mark.parametrize(
    ("code", "exit_code", "arguments"),
    [
        ("E0840", 2, ("deepen", "--at", STEM, "--do", "conv(4, k=3) -> tanh")),
        ("E0840", 2, ("widen", "--at", STEM, "--channels", 99_999_999_999)),
        ("E0840", 2, ("widen", "--at", STEM, "--units", 99_999_999_999)),
        ("E0841", 2, ("deepen", "--at", "infer.nobody", "--do", "id")),
        ("E0841", 2, ("insert", "--at", N3, "--do", "(id + relu)")),
        ("E0301", 1, ("deepen", "--at", N3, "--do", "conv3(4)")),
        ("E0201", 1, ("deepen", "--at", N3, "--do", "conv(4) ->")),
        ("--do says", 2, ("insert", "--at", N3)),
        ("--channels or --units", 2, ("widen", "--at", N3)),
        ("whole space", 2, ()),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(
    here: Path, code: str, exit_code: int, arguments: tuple[str, ...]
) -> None:
    named = X if arguments else "nas_bench_201"
    told = run("grow", named, *arguments, "-o", "child.arch", code=exit_code)
    assert code in told.stderr
    assert not Path("child.arch").exists()


def test_it_needs_no_tensor_library() -> None:
    assert not loaded(["grow", X, "widen", "--seed", "1"]) & set(HEAVY)
