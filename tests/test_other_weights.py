"""The plain networks against torchvision's and timm's, with their own random weights copied in."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torchvision import models
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
from torchvision.ops import StochasticDepth
from typer.testing import CliRunner

from archdsl.cli.main import app
from archdsl.formats import LIBRARIES
from archdsl.formats.weights import Rule, Rules, assign, rules
from archdsl.ir.cost import cost
from archdsl.ir.graph import Program
from archdsl.load import load_network
from archdsl.passes.names import network_weights
from archdsl.syntax.errors import ArchError
from archdsl.verify.compare import still
from tests.operation_module import import_file
from tests.shipped import shipped
from tests.torch_counts import torch_macs


@dataclass(frozen=True)
class Reference:
    """A network of another library and its text here."""

    library: str
    name: str
    size: int = 64

    def build(self) -> nn.Module:
        if self.library == "timm":
            net: nn.Module = timm.create_model(self.name)
            return net
        net = getattr(models, self.name)()
        return net

    def __str__(self) -> str:
        return self.name


REFERENCES = [
    *(Reference("torchvision", name) for name in (
        "resnet18", "resnet50", "vgg11_bn", "mobilenet_v2", "densenet121", "squeezenet1_1",
        "shufflenet_v2_x1_0", "efficientnet_b0")),
    Reference("timm", "poolformer_s12"),
]  # fmt: skip


ALSO_IN_TIMM = {
    "resnet18": "resnet18",
    "resnet50": "resnet50",
    "densenet121": "densenet121",
    "mobilenet_v2": "mobilenetv2_100",
    "efficientnet_b0": "efficientnet_b0",
    "vit_b_16": "vit_base_patch16_224",
}
"""Networks of torchvision that timm has, too, under its own names."""


def test_every_network_of_a_library_is_tested() -> None:
    known = {(name, space) for name, library in LIBRARIES.items() for space in library.spaces}
    tested = {(reference.library, reference.name) for reference in REFERENCES}
    tested |= {("timm", name) for name in ALSO_IN_TIMM}
    assert known - tested == {("torchvision", "vit_b_16")}  # by tests/test_vit.py


@pytest.mark.parametrize("reference", REFERENCES, ids=str)
def test_parameters_and_macs_are_theirs(reference: Reference) -> None:
    with torch.device("meta"):
        net, image = reference.build().eval(), torch.empty(1, 3, 224, 224)
        macs = torch_macs(net, image)
    spent = cost(shipped(reference.name).program)
    assert (spent.params, spent.macs) == (sum(p.numel() for p in net.parameters()), macs)


def without_chance(net: nn.Module) -> nn.Module:
    """Dropout and stochastic depth drop nothing."""
    for module in net.modules():
        if isinstance(module, nn.Dropout | StochasticDepth):
            module.p = 0.0
    return net


def pair(reference: Reference) -> tuple[nn.Module, nn.Module]:
    """Their network and the one generated at -O0, with the same weights."""
    torch.manual_seed(0)
    theirs = without_chance(reference.build())
    program = still(shipped(reference.name, size=reference.size).program)
    rules_ = LIBRARIES[reference.library].spaces[reference.name]
    return theirs, with_weights_of(theirs, program, rules_)


def with_weights_of(theirs: nn.Module, program: Program, rules_: Rules) -> nn.Module:
    """The network of a program with another library's weights."""
    state = theirs.state_dict()
    ours = {name: weight.shape for name, weight in network_weights(program).items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    sources = assign(rules_, shapes, ours, "state")
    net = load_network(program)
    net.load_state_dict({name: state[sources[name]].reshape(shape) for name, shape in ours.items()})
    return net


@pytest.mark.parametrize("name", ALSO_IN_TIMM)
def test_outputs_are_those_of_timm(name: str) -> None:
    torch.manual_seed(0)
    size = 224 if name == "vit_b_16" else 64
    theirs = timm.create_model(ALSO_IN_TIMM[name])
    with torch.no_grad():
        for parameter in theirs.parameters():  # some start at zero, which hides what they do
            parameter.add_(0.02 * torch.randn_like(parameter))
    program = still(shipped(name, size=size).program)
    ours = with_weights_of(theirs, program, LIBRARIES["timm"].spaces[name])
    image = torch.randn(2, 3, size, size)
    with torch.no_grad():
        # Batch statistics, so that no signal fades; dropout has p = 0 in timm.
        expected, found = (net.train(name != "vit_b_16")(image) for net in (theirs, ours))
    assert largest(expected) > 0
    assert largest(found - expected) <= 1e-5 * max(1.0, largest(expected))


def largest(tensor: Tensor) -> float:
    return tensor.abs().max().item()


@pytest.mark.parametrize("reference", REFERENCES, ids=str)
def test_outputs_and_input_gradients_are_theirs(reference: Reference) -> None:
    theirs, ours = pair(reference)
    image = torch.randn(2, 3, reference.size, reference.size)
    for training in (False, True):
        with torch.no_grad():
            expected, found = (net.train(training)(image) for net in (theirs, ours))
        assert largest(expected) > 0
        assert largest(found - expected) <= 1e-5 * min(1.0, largest(expected))
    for training in (False, True):
        gradients = []
        for net in (theirs, ours):
            leaf = image.double().requires_grad_()
            output = net.double().train(training)(leaf)
            mixture = torch.sin(torch.arange(1.0, output.numel() + 1, dtype=torch.float64))
            (gradient,) = torch.autograd.grad((output.flatten() * mixture).sum(), leaf)
            gradients.append(gradient)
        expected, found = gradients
        assert largest(expected) > 0
        assert largest(found - expected) <= 1e-12 * largest(expected)


# ---- the command -----------------------------------------------------------------------------


def archdsl(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    return result.exit_code, result.output


def tiny(block: type[BasicBlock | Bottleneck] = Bottleneck) -> nn.Module:
    torch.manual_seed(1)
    return ResNet(block, [1, 2, 1, 1], num_classes=5)


TINY = "resnet50(depth1=1, depth2=2, depth3=1, depth4=1, classes=5, size=64)"


@pytest.mark.parametrize("level", ["0", "1"])
def test_converted_weights_load_into_the_generated_file(level: str, tmp_path: Path) -> None:
    theirs, weights, out = tiny().eval(), tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    for name, buffer in theirs.named_buffers():  # no two statistics alike
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    save_file(theirs.state_dict(), weights)
    assert archdsl("compile", TINY, "-o", tmp_path, "-O", level)[0] == 0
    code, told = archdsl(
        "convert", TINY, "--weights", weights, "--from", "torchvision", "-o", out, "-O", level
    )
    assert code == 0, told
    ours = import_file(tmp_path / "network.py").ResNet50().eval()
    ours.load_state_dict(load_file(out))
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), theirs(image), rtol=1e-5, atol=1e-5)


def drop(state: dict[str, Tensor]) -> None:
    del state["layer2.1.bn3.running_var"]


def add(state: dict[str, Tensor]) -> None:
    state["layer5.0.conv1.weight"] = torch.zeros(3)


def round_off(state: dict[str, Tensor]) -> None:
    state["fc.weight"] = (100 * state["fc.weight"]).to(torch.int32)


def reshape(state: dict[str, Tensor]) -> None:
    state["fc.weight"] = torch.zeros(7, 2048)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (drop, "stage2.1.residual.7.running_var"),
        (add, "layer5.0.conv1.weight"),
        (reshape, "7 x 2048"),
        (round_off, "int32"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    change: Callable[[dict[str, Tensor]], None], named: str, tmp_path: Path
) -> None:
    state = dict(tiny().state_dict())
    change(state)
    weights, out = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    save_file(state, weights)
    code, told = archdsl("convert", TINY, "--weights", weights, "--from", "torchvision", "-o", out)
    assert code == 1
    assert "E0647" in told and named in told
    assert not out.exists()


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    weights, out = tmp_path / "in.safetensors", tmp_path / "out.safetensors"
    save_file(tiny(BasicBlock).state_dict(), weights)
    given = ("--weights", weights, "-o", out)
    code, told = archdsl("convert", TINY, *given, "--from", "torchvision")
    assert code == 1 and told.count("E0647") > 1 and "another shape" in told
    code, told = archdsl("convert", "metaformer", *given, "--from", "torchvision")
    assert code == 1 and "E0646" in told
    code, told = archdsl("convert", TINY, *given, "--from", "darts")
    assert code == 2 and "E0709" in told and "timm" in told
    code, told = archdsl("convert", TINY, "--weights", weights, "--from", "torchvision")
    assert code == 2 and "found: no -o\n" in told
    assert f"convert '{TINY}' --from torchvision --weights {weights} -o ours.safetensors\n" in told
    weights.write_bytes(b"no weights")
    code, told = archdsl("convert", TINY, *given, "--from", "torchvision")
    assert code == 2 and "E0708" in told
    assert not out.exists()


def test_what_is_missing_is_said_with_the_command() -> None:
    code, told = archdsl("convert", "resnet18", "--from", "torchvision")
    assert code == 2 and "E0709" in told and "found: no --weights and no -o\n" in told
    command = "archdsl convert resnet18 --from torchvision --weights theirs.safetensors -o "
    assert f"hint: {command}ours.safetensors\n" in told
    code, told = archdsl("convert", "resnet18", "-o", "a.safetensors")
    assert code == 2 and "--from LIBRARY --weights theirs.safetensors -o a.safetensors" in told
    code, told = archdsl("convert", "resnet18", "--to", "torchvision")
    assert code == 2 and "weights of torchvision are read, not written" in told
    code, told = archdsl("convert", "resnet18", "--to", "dart")
    assert code == 2 and "did you mean darts?" in told


def test_a_pickled_file_is_answered_with_how_to_rewrite_it(tmp_path: Path) -> None:
    """The command that the hint prints makes the file that is then read; we unpickle nothing."""
    pickled, out = tmp_path / "it's.pth", tmp_path / "out.safetensors"
    torch.save(tiny(BasicBlock).state_dict(), pickled)
    given = ("convert", TINY, "--from", "torchvision", "-o", out, "--weights")
    code, told = archdsl(*given, pickled)
    assert code == 2 and "E0708" in told and not out.exists()
    (hint,) = re.findall(r"hint: .*? (python -c .*)", told)
    run = shlex.split(hint)
    subprocess.run([sys.executable, *run[1:]], check=True)
    code, told = archdsl(*given, pickled.with_suffix(".safetensors"))
    assert "E0708" not in told
    pickled.write_bytes(b"neither")
    assert "python -c" in archdsl(*given, pickled)[1]  # what else has this name is pickled too
    assert "python -c" not in archdsl(*given, tmp_path / "none.pth")[1]


def test_rules_rename_whole_names_only() -> None:
    rule = Rule("layer{i}.{j}.conv.", "stage{i-1}.{j+2}.first.")
    assert rule.rename("layer12.0.conv.weight") == "stage11.2.first.weight"
    assert rule.rename("layer12.0.conv.deep.weight") is None
    assert rule.rename("layer012.0.conv.weight") is None
    assert rule.rename("xlayer1.0.conv.weight") is None
    assert rule.rename("layer1.0xconv.weight") is None
    assert Rule("token", "a.token").rename("token") == "a.token"


def test_two_tensors_for_one_place_are_refused() -> None:
    table = rules("a. -> x.\nb. -> x.")
    with pytest.raises(ArchError, match="twice"):
        assign(table, {"a.w": (2,), "b.w": (2,)}, {"x.w": (2,)}, "file")
    assert assign(table, {"a.w": (2, 1, 1)}, {"x.w": (2,)}, "file") == {"x.w": "a.w"}
    with pytest.raises(ArchError, match="another shape"):
        assign(table, {"a.w": (2, 3)}, {"x.w": (3, 2)}, "file")
