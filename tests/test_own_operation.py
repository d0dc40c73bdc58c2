"""A user's own operation, installed beside archdsl: the example under docs/."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from archdsl.ir.types import TensorType
from archdsl.ops import ENTRY_POINTS, OperationError, lookup
from archdsl.ops.activation import ReLU
from archdsl.ops.binding import bind
from tests.operation_module import build, module_source, values

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "own_operation"


def install(folder: Path, entries: dict[str, str]) -> None:
    """What an installer leaves behind: a dist-info folder with entry points."""
    info = folder / "example-0.1.dist-info"
    info.mkdir()
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 0.1\n")
    lines = [f"[{ENTRY_POINTS}]", *(f"{name} = {value}" for name, value in entries.items())]
    info.joinpath("entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example as it would be after `pip install`, from its own pyproject.toml."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    install(tmp_path, project["entry-points"][ENTRY_POINTS])
    monkeypatch.syspath_prepend(EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("swish_gate", None)


@pytest.mark.usefixtures("installed")
def test_it_is_found_and_runs(tmp_path: Path) -> None:
    cls = lookup("swish_gate")
    assert cls is not None
    operation, inputs = bind(cls, (), {"initial": 2}), (TensorType((4, 3, 3)),)
    assert operation.infer(inputs) == inputs[0]
    net = build(operation, inputs, tmp_path)
    weights = {f"op.{weight.name}": weight.shape for weight in operation.weights(inputs)}
    assert weights == {name: tuple(value.shape) for name, value in net.state_dict().items()}
    (x,) = values(inputs, 0)
    beta = net.state_dict()["op.beta"]
    assert torch.allclose(net(x), x * torch.sigmoid(beta * x), rtol=1e-12)
    assert "SwishGate(4, initial=2.0)" in module_source(operation, inputs, stored=False)


def test_it_is_unknown_where_it_is_not_installed() -> None:
    assert lookup("swish_gate") is None


BROKEN = {
    "missing": ("no_such_module:Thing", "does not load"),
    "function": ("math:sqrt", "is no operation"),
    "other": ("archdsl.ops.activation:ReLU", "another keyword"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_packages_are_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, message = BROKEN[name]
    install(tmp_path, {name: value})
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(OperationError, match=message):
        lookup(name)


def test_built_in_operations_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, {"relu": "archdsl.ops.activation:GELU"})
    monkeypatch.syspath_prepend(tmp_path)
    assert lookup("relu") is ReLU
