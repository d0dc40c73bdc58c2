"""Level 2: the same outputs in evaluation, weights and network written together or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from archdsl.ir.graph import Program
from archdsl.library import Library
from archdsl.load import imported, load_network
from archdsl.passes import collapse_affine, fold_norm, laws
from archdsl.passes.driver import DEPLOYMENT, optimise
from archdsl.passes.weights import Law, OneWay
from archdsl.verify.compare import verify_optimised
from archdsl.verify.equal import randomise
from tests.shipped import written
from tests.test_cli import run
from tests.verify_spaces import names, tiny

SMALL = "resnet18(width=8, size=32, classes=4)"
TEXT = """archdsl 1
space small {
  net network(image: 3 x 16 x 16) {
    a = image -> relu -> bn -> conv(8, k=3, p=0, groups=1)
    b = a -> relu -> conv(8, k=3, groups=2) -> bn(eps=0.3) -> relu
    c = b + (b -> conv(8, k=3, bias=no) -> bn -> scale(0.5) -> dropout(0.2))
    d = c -> bn -> conv(8, k=3) -> relu
    return d -> conv(24, k=3) -> conv(8, k=2, s=2, p=0) -> global_pool -> linear(4)
  }
}
"""


def program(text: str = TEXT) -> Program:
    return written(text).program


@pytest.mark.parametrize("name", names())
def test_outputs_of_every_space(name: str) -> None:
    space = tiny(name)
    network = space.resolve(space.sample(Random(0)))
    optimised = optimise(network, DEPLOYMENT)
    verdict = verify_optimised(network, optimised, build=load_network)
    assert verdict.ok, str(verdict)


def test_everything_that_can_be_is_folded() -> None:
    optimised = optimise(program(), DEPLOYMENT)
    used = [n.kind.operation.keyword for n in optimised.program.net.nodes if n.path]  # type: ignore[union-attr]
    assert used.count("bn") == 1, "the shift before a padded convolution stays"
    assert "scale" not in used and "dropout" not in used
    assert used.count("conv") == 5, "two convolutions in a row are one"


Slip = Callable[[pytest.MonkeyPatch], None]


def _law(name: str, apply: Callable[..., Tensor], *modules: object) -> Slip:
    def slip(patch: pytest.MonkeyPatch) -> None:
        for module in (laws, *modules):
            if hasattr(module, name):
                patch.setattr(module, name, Law(name, apply))

    return slip


def _operation(method: str, result: object) -> Slip:
    from archdsl.ops.convolution import Conv

    return lambda patch: patch.setattr(Conv, method, lambda *_: result)


SLIPS: dict[str, Slip] = {
    "eps forgotten": lambda patch: patch.setattr(
        laws, "inverse_root", lambda _: Law("inverse_root", lambda parts: parts[0].rsqrt())
    ),
    "root forgotten": lambda patch: patch.setattr(
        laws, "inverse_root", lambda eps: Law("inverse_root", lambda parts: 1 / (parts[0] + eps))
    ),
    "mean added": _law("MINUS", lambda parts: parts[0].flatten()),
    "factor on inputs": _law("ROWS", laws.COLUMNS.apply, fold_norm),
    "factor on outputs": _law("COLUMNS", laws.ROWS.apply, fold_norm),
    "bias dropped": _law("SUM", lambda parts: parts[1].flatten(), fold_norm, collapse_affine),
    "bias twice": _law("SUM", lambda parts: 2 * parts[0].flatten() + parts[1].flatten(), fold_norm),
    "shift not passed on": _law("THROUGH", lambda parts: 0 * parts[0].flatten(1).sum(1), fold_norm),
    "one tap of the shift": _law(
        "THROUGH", lambda parts: laws.COLUMNS.apply(parts).flatten(2)[..., 0].sum(1), fold_norm
    ),
    "forward into padding": _operation("reads_whole", True),
    "kernels correlated": lambda patch: patch.setattr(
        collapse_affine,
        "composed",
        lambda stride: Law(
            "composed",
            lambda parts: (
                laws.composed(stride).apply([parts[0], parts[1].flip(2, 3)])
                if parts[0].dim() == 4
                else parts[0] @ parts[1]
            ),
        ),
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_noticed(slip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = program()
    SLIPS[slip](monkeypatch)
    assert not verify_optimised(plain, optimise(plain, DEPLOYMENT)).ok


def test_computed_weights_do_not_go_back() -> None:
    optimised = optimise(program(), DEPLOYMENT)
    state = load_network(optimised.program).state_dict()
    with pytest.raises(OneWay):
        optimised.weights.backward(state)


def test_the_network_evaluates_only() -> None:
    network = load_network(optimise(program(), DEPLOYMENT).program)
    assert not network.training and not network.eval().training
    with pytest.raises(RuntimeError, match="-O1"):
        network.train()


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights of the small network as a training run would save them."""
    monkeypatch.chdir(tmp_path)
    network = load_network(Library().find(SMALL).network())
    randomise(network, torch.Generator().manual_seed(0))
    save_file(network.state_dict(), "w.safetensors")
    return Path("w.safetensors")


@pytest.mark.parametrize("level", [0, 1, 2])
def test_network_and_weights_are_written_together(weights: Path, level: int) -> None:
    told = run("compile", SMALL, "-O", level, "--weights", weights, "-o", "out")
    assert told.stdout.split() == ["out/network.py", "out/weights.safetensors"]
    images = torch.randn(7, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    plain = load_network(Library().find(SMALL).network())
    plain.load_state_dict(load_file(weights))
    with imported(Path("out/network.py").read_text()) as module:
        network = list(vars(module).values())[-1]()
    network.load_state_dict(load_file("out/weights.safetensors"))
    for batch in (1, 7):
        expected, found = plain.eval()(images[:batch]), network.eval()(images[:batch])
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_weights_of_level_1_are_taken_too(weights: Path) -> None:
    run("compile", SMALL, "-O", 1, "--weights", weights, "-o", "one")
    run("compile", SMALL, "-O", 2, "--weights", "one/weights.safetensors", "-o", "two")
    run("compile", SMALL, "-O", 2, "--weights", weights, "-o", "direct")
    two, direct = (load_file(f"{name}/weights.safetensors") for name in ("two", "direct"))
    assert all(torch.equal(two[name], direct[name]) for name in two | direct)


def test_weights_that_cannot_be_got_back_are_not_replaced(weights: Path) -> None:
    run("compile", SMALL, "-O", 1, "--weights", weights, "-o", "out")
    before = Path("out/weights.safetensors").read_bytes()
    given = ("--weights", "out/../out/weights.safetensors", "-o", "out")
    found = run("compile", SMALL, "-O", 2, *given, code=2)
    assert "E0709" in found.stderr and Path("out/weights.safetensors").read_bytes() == before


def test_foreign_weights_are_refused_by_name(weights: Path) -> None:
    state = load_file(weights)
    name = sorted(state)[0]
    save_file({k: v for k, v in state.items() if k != name}, "less.safetensors")
    found = run("compile", SMALL, "-O", 2, "--weights", "less.safetensors", "-o", "out", code=2)
    assert "E0812" in found.stderr and name in found.stderr and not Path("out").exists()


@pytest.mark.parametrize(
    ("value", "level", "code"), [("nan", 0, "E0812"), ("inf", 2, "E0812"), ("3e38", 2, "E0814")]
)
def test_weights_that_overflow_are_refused(
    weights: Path, value: str, level: int, code: str
) -> None:
    state = {n: t.fill_(float(value)) if t.dim() > 1 else t for n, t in load_file(weights).items()}
    save_file(state, "wild.safetensors")
    found = run("compile", SMALL, "-O", level, "--weights", "wild.safetensors", "-o", "out", code=2)
    assert code in found.stderr and not Path("out").exists()


def test_short_floats_are_not_rounded_again(weights: Path) -> None:
    state = load_file(weights)
    short = {n: t.half() if t.is_floating_point() else t for n, t in state.items()}
    save_file(short, "half.safetensors")
    save_file(
        {n: t.float() if t.dtype is torch.half else t for n, t in short.items()}, "long.safetensors"
    )
    for name in ("half", "long"):
        run("compile", SMALL, "-O", 2, "--weights", f"{name}.safetensors", "-o", name)
    half, long = (load_file(f"{name}/weights.safetensors") for name in ("half", "long"))
    assert half.keys() == long.keys() and all(torch.equal(half[n], long[n]) for n in long)
    run("compile", SMALL, "-O", 1, "--weights", "half.safetensors", "-o", "one")
    assert {t.dtype for t in load_file("one/weights.safetensors").values()} == {
        torch.half,
        torch.int64,
    }


@pytest.mark.parametrize("kind", [torch.int8, torch.bool, torch.complex64])
def test_weights_of_other_numbers_are_refused(weights: Path, kind: torch.dtype) -> None:
    state = load_file(weights)
    name = next(n for n in state if n.endswith("weight"))
    save_file({**state, name: state[name].to(kind)}, "other.safetensors")
    found = run("compile", SMALL, "-O", 2, "--weights", "other.safetensors", "-o", "out", code=2)
    assert "E0812" in found.stderr and name in found.stderr and not Path("out").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_what_level_2_made_is_not_taken_again(tmp_path: Path) -> None:
    """Names and shapes may be those of the text, with a pool folded into the weights."""
    text = tmp_path / "pooled.arch"
    text.write_text(
        "archdsl 1\nspace s { net n(x: 4 x 6 x 6) { return x -> avg_pool(3) -> tokens_linear } }"
    )
    first, second = tmp_path / "first", tmp_path / "second"
    save_file(load_network(Library().find(str(text)).network()).state_dict(), tmp_path / "w.st")
    run("compile", text, "-O", 2, "--weights", tmp_path / "w.st", "-o", first)
    made = first / "weights.safetensors"
    for command in (
        ("compile", text, "-O", 2, "--weights", made, "-o", second),
        ("export", text, "--weights", made, "-o", tmp_path / "e.pt2"),
        ("inherit", made, "--from", text, "--to", text, "-o", tmp_path / "i.st"),
    ):
        found = run(*command, code=2)
        assert "E0812" in found.stderr and "-O 2" in found.stderr
    run("inherit", tmp_path / "w.st", "--from", text, "--to", text, "-O", 2, "-o", tmp_path / "i")
    assert "E0812" in run("compile", text, "--weights", tmp_path / "i", "-o", second, code=2).stderr


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "weights.", "module._orig_mod."])
def test_prefixes_and_counts_of_batches_are_no_matter(weights: Path, prefix: str) -> None:
    state = {n: t for n, t in load_file(weights).items() if "num_batches" not in n}
    save_file({prefix + n: t for n, t in state.items()}, "other.safetensors")
    run("compile", SMALL, "-O", 0, "--weights", "other.safetensors", "-o", "out")
    found = load_file("out/weights.safetensors")
    assert all(torch.equal(found[n], state[n] if n in state else torch.tensor(0)) for n in found)


def test_a_weight_may_be_called_weights(tmp_path: Path) -> None:
    text = tmp_path / "s.arch"
    text.write_text(
        "archdsl 1\nspace s { net n(x: 4 x 6 x 6) {"
        " a = x -> conv(4)@weights -> relu -> conv(4)@weights return a -> conv(4) } }"
    )
    save_file(load_network(Library().find(str(text)).network()).state_dict(), tmp_path / "w.st")
    run("compile", text, "--weights", tmp_path / "w.st", "-o", tmp_path / "out")


def test_a_pipe_is_not_waited_for(weights: Path) -> None:
    os.mkfifo("pipe.safetensors")
    found = run("compile", SMALL, "-O", 2, "--weights", "pipe.safetensors", "-o", "out", code=2)
    assert "E0708" in found.stderr and "a pipe" in found.stderr


def test_both_files_or_none(weights: Path) -> None:
    os.makedirs("out/network.py")
    found = run("compile", SMALL, "-O", 2, "--weights", weights, "-o", "out", code=2)
    assert "E0707" in found.stderr and os.listdir("out") == ["network.py"]


def test_files_before_stay_where_one_cannot_be_written(weights: Path) -> None:
    """An older network keeps the weights that fit it."""
    os.makedirs("out/weights.safetensors")
    Path("out/network.py").write_text("before")
    run("compile", SMALL, "-O", 2, "--weights", weights, "-o", "out", code=2)
    assert Path("out/network.py").read_text() == "before"


@pytest.mark.parametrize(
    "arguments", [(SMALL, "-O", 2), ("nas_bench_201", "-O", 2, "--weights", "w.safetensors")]
)
def test_level_2_needs_an_architecture_and_its_weights(arguments: tuple[str, ...]) -> None:
    assert "--weights" in run("compile", *arguments, "-o", "out", code=2).stderr
