"""Files for torch.export and ONNX: what they compute, what they tell, and what is refused."""

from __future__ import annotations

import io
import json
import logging
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random

import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from archdsl.codegen import network_source
from archdsl.load import load_network
from archdsl.passes.driver import optimise
from archdsl.run import export, exporters
from archdsl.syntax.errors import ArchError
from archdsl.verify.equal import randomise
from tests.shipped import written
from tests.test_cli import run
from tests.verify_deploy import FORMS, compared, sampled
from tests.verify_spaces import tiny

SMALL = "small.arch"
TEXT = """archdsl 1

space small {
  net network(image: 3 x 8 x 8) {
    a = image -> conv(8, k=3, bias=no) -> bn -> relu
    b = a + (a -> conv(8, k=3) -> bn -> relu)
    return b -> global_pool -> linear(4)
  }
}
"""
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of the small network as a training run would save them."""
    monkeypatch.chdir(tmp_path)
    Path(SMALL).write_text(TEXT)
    network = load_network(written(TEXT).program)
    randomise(network, torch.Generator().manual_seed(0))
    save_file(network.state_dict(), "w.safetensors")
    return Path("w.safetensors")


# --- what the files compute ------------------------------------------------------------------

# A class token; two inputs, indices, two outputs; three outputs.
SPACES = ("vit_b_16", "rnn_darts", "msdnet")


@pytest.mark.parametrize("name", SPACES)
def test_every_form_is_the_network(name: str) -> None:
    rows = list(compared(next(sampled(name, 1))))
    assert [row.form for row in rows[::2]] == list(FORMS)
    assert all(row.ok for row in rows), "\n".join(map(str, rows))


ONE_CALL = """n[1] = b
    n[2] = b -> max_pool(3)
    n[3] = b -> avg_pool(3)
    return sum(n[i] -> conv(4, k=3)@head -> relu -> global_pool for i in 1..3)"""
NO_CHANNELS = "return concat(b, b -> none -> conv(4, bias=no)) -> global_pool -> linear(4)"


@pytest.mark.parametrize(("end", "code"), [(ONE_CALL, "split("), (NO_CHANNELS, "new_zeros(")])
def test_code_that_reads_the_batch_takes_any(end: str, code: str) -> None:
    program = written(TEXT.replace("return b -> global_pool -> linear(4)", end)).program
    assert code in network_source(optimise(program, 2).program)
    rows = list(compared(program))
    assert all(row.ok for row in rows), "\n".join(map(str, rows))


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_files_hold_the_network(weights: Path, level: int) -> None:
    told = run("export", SMALL, "-O", level, "--weights", weights, "-o", "a/net.pt2")
    assert (told.stdout, told.stderr) == ("a/net.pt2\n", "")
    images = torch.randn(7, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    plain = load_network(written(TEXT).program).eval()
    plain.load_state_dict(load_file(weights))
    read = torch.export.load("a/net.pt2").module()
    for batch in (1, 3, 7):
        expected, found = plain(images[:batch]), read(images[:batch])
        assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()
    norms = [n for n in read.graph.nodes if "batch_norm" in str(n.target)]
    assert bool(norms) is (level < 2), "level 2 folds them"


def test_a_network_that_jumps_is_held_to_its_own_jumps() -> None:
    program = next(sampled("haq", 1))
    plain = load_network(program).eval()
    randomise(plain, torch.Generator().manual_seed(0))

    def run(change: Callable[[Tensor], Tensor]) -> bool:
        apart, allowed = export.distance(
            program, plain, lambda *x: exporters.outputs_of(change(plain(*x))), 7
        )
        return apart <= allowed

    assert run(lambda y: y) and not run(lambda y: y.flip(1)) and not run(torch.zeros_like)


# --- what the files tell ---------------------------------------------------------------------


def test_files_are_reproducible_and_tell_nothing_of_the_machine(weights: Path) -> None:
    for folder in ("one", "two"):
        files = [f"{folder}/net.pt2", f"{folder}/net.onnx"]
        told = run("export", SMALL, "--weights", weights, "-o", files[0], "-o", files[1])
        assert told.stdout.split() == files
    for name in ("net.pt2", "net.onnx"):
        content = Path("one", name).read_bytes()
        assert content == Path("two", name).read_bytes()
        for trace in (tempfile.gettempdir(), str(ROOT), "site-packages", "generated.py"):
            assert trace.encode() not in content, trace
    model = onnx.load("one/net.onnx")
    onnx.checker.check_model(model, full_check=True)
    (image,), (output,) = model.graph.input, model.graph.output
    axes = [axis.dim_param or axis.dim_value for axis in image.type.tensor_type.shape.dim]
    assert (image.name, axes) == ("image", ["batch", 3, 8, 8])
    axes = [axis.dim_param or axis.dim_value for axis in output.type.tensor_type.shape.dim]
    assert (output.name, axes) == ("output", ["batch", 4])
    about = {prop.key: prop.value for prop in model.metadata_props}
    assert (about["architecture"], about["space"]) == ("small", TEXT)
    kept: dict[str, str] = {"archdsl.json": ""}
    torch.export.load("one/net.pt2", extra_files=kept)
    assert json.loads(kept["archdsl.json"]) == about


def test_torch_is_kept_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    with exporters._refusals("torch"):
        print("chatter")
        warnings.warn("chatter", stacklevel=1)
        logging.getLogger("torch.onnx").error("chatter")
    assert capfd.readouterr() == ("", "")


# --- what is refused -------------------------------------------------------------------------


def refused(code: str, *arguments: object) -> str:
    """The message of an export that must fail and leave nothing behind."""
    before = sorted(Path().iterdir())
    found = run("export", *arguments, code=2)
    assert code in found.stderr and sorted(Path().iterdir()) == before
    return found.stderr


def test_fresh_weights_are_refused(weights: Path) -> None:
    assert "--weights" in refused("Missing option", SMALL, "-o", "net.pt2")


def test_a_space_is_refused(weights: Path) -> None:
    refused("name an architecture", "nas_bench_201", "--weights", weights, "-o", "net.pt2")


@pytest.mark.parametrize("file", ["net.pt", "net", "out/", ".onnx"])
def test_suffixes_are_told(weights: Path, file: str) -> None:
    found = refused("E0709", SMALL, "--weights", weights, "-o", "net.pt2", "-o", file)
    assert "expected: .pt2, .onnx" in found


def test_foreign_weights_are_refused_by_name(weights: Path) -> None:
    state = load_file(weights)
    name = sorted(state)[0]
    save_file({k: v for k, v in state.items() if k != name}, "less.safetensors")
    assert name in refused("E0812", SMALL, "--weights", "less.safetensors", "-o", "net.pt2")
    Path("other.arch").write_text(TEXT.replace("linear(4)", "linear(5)"))
    found = refused("E0812", "other.arch", "--weights", weights, "-o", "net.pt2")
    assert "linear.weight" in found and "(5, 8)" in found


@pytest.mark.parametrize(("value", "code"), [("nan", "E0812"), ("3e38", "E0815")])
def test_weights_that_overflow_are_refused(weights: Path, value: str, code: str) -> None:
    state = {n: t.fill_(float(value)) if t.dim() > 1 else t for n, t in load_file(weights).items()}
    save_file(state, "wild.safetensors")
    refused(code, SMALL, "--weights", "wild.safetensors", "-o", "net.pt2")


@pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
def test_another_function_is_refused(
    weights: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One weight a thousandth off: of both formats neither is written."""
    write = export.FORMATS[suffix]

    def wrong(program: torch.export.ExportedProgram, *others: object) -> exporters.Exported:
        with torch.no_grad():
            program.state_dict["linear.weight"].mul_(1.001)
        made = write(program, *others)  # type: ignore[arg-type]
        with torch.no_grad():
            program.state_dict["linear.weight"].div_(1.001)
        return made if suffix == ".onnx" else exporters.Exported(made.content, _read(made))

    monkeypatch.setattr(export, "FORMATS", {**export.FORMATS, suffix: wrong})
    found = refused("E0815", SMALL, "--weights", weights, "-o", "n.pt2", "-o", "n.onnx")
    assert f"the {suffix} file" in found


def _read(made: exporters.Exported) -> Callable[..., tuple[Tensor, ...]]:
    read = torch.export.load(io.BytesIO(made.content)).module()
    return lambda *inputs: exporters.outputs_of(read(*inputs))


def test_missing_packages_are_told(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        exporters, "find_spec", lambda name: None if name == "onnxscript" else object()
    )
    found = refused("E0817", SMALL, "--weights", weights, "-o", "net.onnx")
    assert "missing: onnxscript\n" in found and "pip install 'archdsl[export]'" in found
    run("export", SMALL, "--weights", weights, "-o", "net.pt2")


def test_what_is_too_large_for_onnx_is_refused(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporters, "LARGEST_ONNX", 1000)
    found = refused("E0816", SMALL, "--weights", weights, "-o", "net.pt2", "-o", "net.onnx")
    assert "write a .pt2 file" in found


class Undecided(nn.Module):
    """Control flow that no graph holds."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def test_what_torch_cannot_trace_is_refused_in_one_line() -> None:
    with pytest.raises(ArchError) as caught:
        exporters.traced(Undecided(), (torch.ones(2, 3),))
    (told,) = caught.value.diagnostics
    assert told.code == "E0816" and "torch.export cannot write" in told.message
    assert told.found and "\n" not in told.found


def test_a_batch_of_its_own_size_is_no_dynamic_batch() -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * len(x)

    with pytest.raises(ArchError, match="cannot write"):
        exporters.traced(Fixed(), (torch.ones(2, 3),))


def test_operations_that_round_inputs_jump() -> None:
    assert export._jumps(next(sampled("haq", 1)))
    space = tiny("resnet18")
    assert not export._jumps(space.resolve(space.sample(Random(0))))
