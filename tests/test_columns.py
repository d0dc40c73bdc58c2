"""The columns of speed tables: what they time, what they show, and whom they call slower."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import torch
from torch import nn

from archdsl.library import Library
from archdsl.load import load_mixture
from archdsl.verify.compare import still
from benchmarks import darts_step, levels, metaformer
from benchmarks.columns import COMPILED, LAST, OURS, PLAIN, Columns, runs_and_names
from benchmarks.pairs import inference, training_step
from benchmarks.partial_tokens import cell, tokens
from tests.verify_spaces import tiny


@pytest.fixture(autouse=True)
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """torch.compile traces, and leaves what it traced as it is: no C++ compiler has to be there."""
    torch.set_num_threads(1)
    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    yield
    torch.compiler.reset()


class Refused(nn.Module):
    """What torch.compile makes of a network where it fails when it is called."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *_: object) -> object:
        raise RuntimeError("no compiler | here\nat all")


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


# --- what is timed -------------------------------------------------------------------------------


def test_a_network_is_timed_in_every_form() -> None:
    seen: list[bool] = []
    network = small()
    hook = lambda _, given: seen.append(given[0].is_contiguous(memory_format=torch.channels_last))  # noqa: E731
    network[0].register_forward_pre_hook(hook)  # type: ignore[operator]
    works = Columns(compiled=True).ways("net", network, (torch.randn(2, 3, 8, 8),), inference)
    assert list(works) == ["net", "net" + COMPILED, "net" + LAST]
    for work in works.values():
        work()
    assert seen == [False, False, True]
    assert network[0].weight.is_contiguous()  # type: ignore[index]


def test_a_compiled_step_trains_the_same_weights() -> None:
    network = small()
    before = network[0].weight.detach().clone()  # type: ignore[index]
    works = Columns(compiled=True).ways("net", network, (torch.randn(2, 3, 8, 8),), training_step)
    works["net" + COMPILED]()
    assert not network[0].weight.equal(before)  # type: ignore[index]


def test_what_has_no_maps_has_no_channels_last() -> None:
    works = Columns(compiled=False).ways("net", nn.Linear(3, 2), (torch.ones(4, 3),), inference)
    assert list(works) == ["net"]


def test_without_a_compiler_there_are_no_such_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", Refused)
    with pytest.warns(UserWarning, match="no compiler"):
        kept = Columns(compiled=True)
    assert kept.forms == ("", LAST)
    assert any("no C++ compiler" in note for note in kept.notes())


def test_eager_is_said() -> None:
    assert any("--eager" in note for note in Columns(compiled=False).notes())


# --- what is shown -------------------------------------------------------------------------------

TIMES = {
    "plain": [1.0, 1.1, 0.9, 1.0],
    "plain" + COMPILED: [0.5, 0.55, 0.45, 0.5],
    "plain" + LAST: [0.8, 0.88, 0.72, 0.8],
    "better": [0.5, 0.55, 0.45, 0.5],
    "better" + COMPILED: [0.6, 0.66, 0.54, 0.6],
    "better" + LAST: [0.4, 0.44, 0.36, 0.4],
}


def test_cells_of_known_times() -> None:
    kept = Columns(compiled=True)
    cells = kept.cells("a row", TIMES, "plain", "better")
    assert cells == {
        "-O0, s": 1.0,
        "ours, s": 0.5,
        "-O0 + compile, s": 0.5,
        "ours + compile, s": 0.6,
        "-O0, channels last, s": 0.8,
        "ours, channels last, s": 0.4,
        "-O0 / ours": "2.00 (2.00 to 2.00)",
        "-O0 / (-O0 + compile)": "2.00 (2.00 to 2.00)",
        "-O0 / (ours + compile)": "1.67 (1.67 to 1.67)",
        "(-O0 + compile) / (ours + compile)": "0.83 (0.83 to 0.83)",
        "(-O0, channels last) / (ours, channels last)": "2.00 (2.00 to 2.00)",
    }
    assert kept.slower == ["a row + compile 0.83 (0.83 to 0.83)"]
    assert "a row + compile" in kept.notes()[-1]


def test_cells_in_milliseconds_of_what_was_timed() -> None:
    times = {PLAIN: [1.0, 1.0], OURS: [0.98, 0.98]}
    cells = Columns(compiled=False, unit="ms").cells("a row", times)
    assert cells == {"-O0, ms": 1e3, "ours, ms": 980, "-O0 / ours": "1.02 (1.02 to 1.02)"}


@pytest.mark.parametrize(("factor", "told"), [(1.02, False), (1.04, True)])
def test_ours_may_be_three_in_a_hundred_slower(factor: float, told: bool) -> None:
    kept = Columns(compiled=False)
    kept.cells("a row", {PLAIN: [1.0, 1.0], OURS: [factor, factor]})
    assert bool(kept.slower) == told


def test_runs_and_names() -> None:
    assert runs_and_names(["3", "a", "b"], 10) == (3, ["a", "b"])
    assert runs_and_names(["a"], 10) == (10, ["a"])
    assert runs_and_names([], 10) == (10, [])


def test_rows_of_parts_have_the_columns_beside_level_0() -> None:
    times = {
        metaformer.HAND: [3.0, 3.0],
        "-O 0": [2.0, 2.0],
        "-O 0" + COMPILED: [1.5, 1.5],
        "-O 1": [1.0, 1.0],
        "-O 1" + COMPILED: [0.5, 0.5],
    }
    rows = metaformer._rows("part", times, (metaformer.HAND,), Columns(compiled=True))
    assert [(row["reference"], row["ours"], row["ratio"]) for row in rows] == [
        ("by hand", "-O 0", 1.5),
        ("by hand", "-O 1", 3.0),
        ("-O 0", "-O 1", 2.0),
    ]
    assert rows[-1]["(-O0 + compile) / (ours + compile)"] == "3.00 (3.00 to 3.00)"


# --- the other side ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nas_bench_201", "metaformer_nas", "mbconv"])
def test_the_plain_mixture_is_the_mixture_with_more_to_do(name: str) -> None:
    program = still(tiny(name).program)
    plain, mixture = load_mixture(program, level=0), load_mixture(program)
    mixture.module.load_state_dict(plain.module.state_dict())  # strict: the same names
    plain.module.load_state_dict(mixture.module.state_dict())  # some are one weight there
    generator = torch.Generator().manual_seed(0)
    gates = {key: torch.rand(size, generator=generator) for key, size in mixture.sizes.items()}
    shape = program.net.nodes[program.net.inputs[0]].type.shape
    images = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    plain.module.double(), mixture.module.double()
    gates = {key: gate.double() for key, gate in gates.items()}
    wanted, found = plain(images, plain.gates(gates)), mixture(images, mixture.gates(gates))
    torch.testing.assert_close(found, wanted)


def test_the_plain_cell_compiled_is_the_cell() -> None:
    one, other = cell(None, 24, name=OURS), cell(None, 24, name=PLAIN + COMPILED)
    other.module.load_state_dict(one.module.state_dict())
    given = tokens(1, 24)
    torch.testing.assert_close(other(*given), one(*given), rtol=1e-4, atol=1e-4)


def test_few_cells_have_the_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    def once(sides, data, runs):
        for side in sides.values():
            side.backward(*data[0])
        return {name: [1.0] * runs for name in sides}

    monkeypatch.setattr(darts_step, "BATCH", 1)
    monkeypatch.setattr(darts_step, "measured", once)
    program = Library().find("darts_search(layers=1, width=4)").space.program
    cells = darts_step.few_cells(program, 2, Columns(compiled=False, last=False), "few")
    assert cells == {"-O0, s": 1, "ours, s": 1, "-O0 / ours": "1.00 (1.00 to 1.00)"}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "SHORT", 0.0)


@pytest.mark.usefixtures("short")
def test_levels_under_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "FORMS", {"step": training_step})
    (row,) = levels.compiled("vgg11_bn", 2, Columns(compiled=True, unit="ms"))
    assert (row["space"], row["what"]) == ("vgg11_bn", "step")
    assert {"ours + compile, ms", "(-O0 + compile) / (ours + compile)"} <= row.keys()
    assert "failed" not in row


@pytest.mark.usefixtures("short")
def test_a_space_that_does_not_compile_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Columns(compiled=True)
    monkeypatch.setattr(torch, "compile", Refused)
    monkeypatch.setattr(levels, "FORMS", {"inference": inference})
    (row,) = levels.compiled("rnn_darts", 2, kept)
    assert row["failed"] == "-O0 + compile: RuntimeError: no compiler / here"
    assert "-O0 / ours" in row and "ours + compile, s" not in row
