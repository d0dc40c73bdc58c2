"""What fusions have to pay on: rates of devices, their files, and what passes say they did."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import archdsl
from archdsl.cli.main import app
from archdsl.compiler import Mode, Options, source
from archdsl.evaluate import timing
from archdsl.ir.elaborate import elaborate
from archdsl.ir.graph import Program
from archdsl.ir.types import TensorType
from archdsl.library import Library
from archdsl.load import load_network
from archdsl.ops.convolution import Conv
from archdsl.ops.gradients import in_parts
from archdsl.passes import driver
from archdsl.passes.device import BATCH, CPU, GPU, Device, device_of, written
from archdsl.passes.driver import optimise
from archdsl.passes.explain import explained
from archdsl.run import tune as measuring
from archdsl.run.inherit import inherit
from archdsl.syntax.errors import ArchError
from archdsl.syntax.parse import parse
from archdsl.verify.compare import verify_optimised

TEXT = """archdsl 1
space wide {
  net network(image: 3 x 32 x 32) {
    x = image -> conv(16, k=3)
    a = x -> conv(16) -> bn -> relu
    b = x -> conv(64) -> bn -> relu
    return concat(a, b) -> global_pool -> linear(4)
  }
}"""
"""Two convolutions whose results are five times what they read: apart on a cpu."""


def program() -> Program:
    return elaborate(parse(TEXT, "wide").spaces[0])


def names(device: object) -> set[str]:
    assert isinstance(device, type(CPU))
    return {one.step for one in explained(program(), 1, device) if one.fired}


def test_what_pays_depends_on_the_device() -> None:
    assert "fuse_siblings" not in names(CPU)
    assert "fuse_siblings" in names(GPU)
    assert "fuse_siblings" in names(replace(CPU, call=1.0))


def test_fused_for_another_device_is_the_same_network() -> None:
    verdict = verify_optimised(program(), optimise(program(), device=GPU))
    assert verdict.ok, str(verdict)


def test_weights_of_another_device_are_inherited(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = load_network(program()).state_dict()
    fused = optimise(program(), device=GPU)
    save_file(fused.weights.forward(plain), tmp_path / "gpu.safetensors")
    report = inherit(
        tmp_path / "gpu.safetensors", program(), program(), tmp_path / "out", device=GPU
    )
    assert len(report.carried) == len(plain)
    with pytest.raises(ArchError, match="does not hold the weights"):
        inherit(tmp_path / "gpu.safetensors", program(), program(), tmp_path / "out")


def test_explained() -> None:
    (fusion,) = (one for one in explained(program(), 1, GPU) if one.step == "fuse_siblings")
    assert (fusion.module, fusion.line, fusion.times) == ("network", 5, 1)
    assert fusion.gone == ("conv 1x1", "batch norm", "relu") * 2
    assert fusion.made == ("conv 1x1", "batch norm", "relu", "split")
    assert fusion.saved == pytest.approx(saved_by_hand(), rel=1e-9)


def test_what_is_left_apart_is_told() -> None:
    (left,) = (one for one in explained(program(), 1, CPU) if not one.fired)
    assert (left.step, left.module, left.line, left.times) == ("fuse_siblings", "network", 5, 1)
    assert (left.gone, left.made) == (("conv 1x1", "batch norm", "relu") * 2, ())
    channel = 4 * 16 * 32 * 32
    loss = (80 * channel - 16 * channel - 4) / CPU.bandwidth - 3 * CPU.call
    assert left.saved == pytest.approx(-loss, rel=1e-9)


DEPTHWISE = """archdsl 1
space depthwise {
  net network(image: 3 x 32 x 32) {
    x = image -> conv(32, k=3)
    a = x -> dwconv(k=3) -> conv(32)
    b = x -> dwconv(k=3) -> conv(32)
    return concat(a, b) -> global_pool -> linear(4)
  }
}"""


def test_depthwise_siblings_go_by_their_rates() -> None:
    given = elaborate(parse(DEPTHWISE, "depthwise").spaces[0])

    def fires(device: Device) -> bool:
        return any(one.fired and one.step == "fuse_siblings" for one in explained(given, 1, device))

    assert not fires(CPU)
    assert fires(replace(CPU, multiplied=CPU.depthwise, call=1e-3))
    assert fires(GPU)
    assert not fires(replace(GPU, multiplied=GPU.depthwise / 100))


def saved_by_hand() -> float:
    """One input is read less, of 16 x 32 x 32, and one norm's counter; three calls are fewer, and
    80 channels are copied."""
    channel = 4 * 16 * 32 * 32  # bytes for a batch
    return 3 * GPU.call + (16 * channel + 4 - 80 * channel) / GPU.bandwidth


def test_command(tmp_path: Path) -> None:
    (tmp_path / "wide.arch").write_text(TEXT)
    given = ["compile", str(tmp_path / "wide.arch"), "-o", str(tmp_path), "--explain"]
    told = CliRunner().invoke(app, [*given, "--device", "gpu", "--json"])
    assert told.exit_code == 0, told.output
    path, *firings = map(json.loads, told.stdout.splitlines())
    assert path == {"path": str(tmp_path / "network.py")}
    assert [one["step"] for one in firings] == ["fuse_siblings", "in_place"]
    (left,) = (
        line
        for line in CliRunner().invoke(app, given).stdout.splitlines()
        if line.startswith("fuse_siblings")
    )
    assert left.endswith("-> left apart, one would take longer")


def test_explained_is_the_run_that_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wide.arch").write_text(TEXT)
    runs = []
    right = driver._optimised

    def counted(*given: Any) -> Program:
        runs.append(given)
        return right(*given)

    monkeypatch.setattr(driver, "_optimised", counted)
    given = ["compile", str(tmp_path / "wide.arch"), "-o", str(tmp_path), "--explain"]
    assert CliRunner().invoke(app, given).exit_code == 0
    assert len(runs) == 1


def test_a_file_names_its_device(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(written(GPU))
    line = "Optimised for the device"
    assert line not in archdsl.compile(TEXT)
    assert f"\n{line} gpu.\n" in archdsl.compile(TEXT, device="gpu")
    assert f"\n{line} none.\n" in archdsl.compile(TEXT, device="none")
    assert f"\n{line} mine.\n" in archdsl.compile(TEXT, device=tmp_path / "mine.toml")
    assert line not in archdsl.compile(TEXT, level=0, device="gpu")
    (tmp_path / "cpu.toml").write_text(written(GPU))
    assert f"\n{line} cpu.toml.\n" in archdsl.compile(TEXT, device=tmp_path / "cpu.toml")
    archdsl.compile(TEXT, tmp_path, device="gpu")
    assert (tmp_path / "network.py").read_text() == archdsl.compile(TEXT, device="gpu")


def test_from_python() -> None:
    def weights(**given: Any) -> set[str]:
        return set(archdsl.load(TEXT, **given).state_dict())

    assert "convs_x.weight" in weights(level=1, device="gpu")
    assert "convs_x.weight" not in weights(level=1)
    assert weights(device="gpu") == weights()
    with pytest.raises(ArchError, match="no such device"):
        archdsl.load(TEXT, device="tpu")
    with pytest.raises(ArchError, match="no such device"):
        archdsl.compile(TEXT, device="tpu")


def test_command_refuses_what_it_has_no_use_for(tmp_path: Path) -> None:
    for given in (
        ["--emit", "ir-opt", "--explain"],
        ["--emit", "code", "--device", "nosuch"],
        ["-o", str(tmp_path), "--explain"],
    ):
        told = CliRunner().invoke(app, ["compile", "nas_bench_201", *given])
        assert told.exit_code == 2, told.output
    assert not list(tmp_path.iterdir())


def test_a_file_of_rates(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(written(GPU))
    assert device_of(str(path)) == replace(GPU, name="mine")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call = ", "Invalid value"),
        (written(CPU).replace("call", "calls"), "call"),
        (written(CPU) + "more = 1\n", "more is not known"),
        (written(CPU).replace("1e+10", "0"), "bandwidth = 0 is no number above 0"),
        (written(CPU).replace("1e+10", "inf"), "bandwidth = inf"),
        (written(CPU).replace("1e+10", "true"), "bandwidth = True"),
        (written(CPU).replace("1e+10", "1" + 400 * "0"), "bandwidth = 1000"),
        (written(CPU).replace("1e+10", "1" + 5000 * "0"), "integer string conversion"),
        (written(CPU).replace("1e+10", "'fast'"), "bandwidth = fast"),
    ],
)
def test_broken_files(text: str, found: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ArchError) as raised:
        device_of(str(path))
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code == "E0711"
    assert found in (diagnostic.found or "")


def test_no_such_device() -> None:
    with pytest.raises(ArchError, match="no such device"):
        device_of("tpu")
    with pytest.raises(ArchError, match="cannot be read"):
        device_of("nothing.toml")


def test_tune(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "LONG", 1e-4)
    monkeypatch.setattr(timing, "RUNS", 1)
    found = measuring.tune("cpu")
    assert found.name == "cpu"
    assert found.call < 1 < found.bandwidth
    assert min(found.matrices, found.convolutions, found.depthwise, found.multiplied) > 1e6


def test_gradients_in_parts_save_what_is_slow_without() -> None:
    operation = Conv(channels=8, k=5, p=2, groups=8)
    inputs = (TensorType((8, 16, 16)),)
    parts = in_parts(operation, inputs)
    assert parts is not None
    values = BATCH * 8 * 16 * 16
    assert CPU.slow_gradients(operation, inputs) == 25 * values / CPU.wide
    assert CPU.slow_gradients(parts, inputs) == 2 * 2 * 4 * values / CPU.bandwidth
    assert CPU.seconds(operation, inputs, inputs) == CPU.seconds(parts, inputs, inputs)
    network = Library().find("efficientnet_b0").network()
    saved = [one.saved for one in explained(network) if one.step == "split_gradients"]
    assert min(saved) > 0


def test_a_mixture_is_explained(tmp_path: Path) -> None:
    given = ["compile", "darts_search", "--supernet", "--mode", "mixture", "-o", str(tmp_path)]
    told = CliRunner().invoke(app, [*given, "--explain", "--json"])
    assert told.exit_code == 0, told.output
    path, *firings = map(json.loads, told.stdout.splitlines())
    assert path == {"path": str(tmp_path / "supernet.py")}
    found = {(one["step"], one["module"]) for one in firings}
    assert {
        ("dedupe", "normal"),
        ("scale_norms", "reduce"),
        ("split_gradients", "sep_conv"),
    } <= found
    assert all(all(one["gone"] + one["made"]) for one in firings)
    gpu = CliRunner().invoke(app, [*given, "--explain", "--device", "gpu"]).stdout
    assert "dedupe " in gpu
    assert "split_gradients" not in gpu
    assert "Optimised for the device gpu." in (tmp_path / "supernet.py").read_text()


def test_mixtures_are_for_a_device() -> None:
    found = Library().find("darts_search")
    mixtures = [
        source(found, Options(supernet=True, mode=Mode.MIXTURE, device=device, format=False))
        for device in (CPU, GPU, None)
    ]
    assert ["DepthwiseConv2d(" in text for text in mixtures] == [True, False, False]
