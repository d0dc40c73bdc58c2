"""Operations as running modules, for tests: their code written to a file and imported."""

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from archdsl.ir.types import TensorType
from archdsl.ops import Operation
from archdsl.ops.base import Argument, Code

HEADER = """\
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


"""

NUMBERS = itertools.count()  # no file is written twice, so no compiled file is stale


def import_file(path: Path) -> ModuleType:
    """A Python file as a module that no other test sees."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def module_source(operation: Operation, inputs: tuple[TensorType, ...], *, stored: bool) -> str:
    """A file with one class: the stored module, or the expression of `forward`."""
    code = operation.code(inputs)
    sources = {helper.name: helper.source for helper in operation.helpers}
    names = [f"x{i}" for i in range(len(inputs))]
    call = "self.op({all})" if stored or not code.expression else code.expression
    call = call.replace("{self}", "self.op").format(*names, all=", ".join(names))
    init = f"        self.op = {constructor(code)}\n" if code.constructor else ""
    return (
        HEADER
        + "\n\n".join(f"{sources[name]}" for name in code.helpers)
        + "\n\nclass Net(nn.Module):\n    def __init__(self) -> None:\n        super().__init__()\n"
        + init
        + f"\n    def forward(self, {', '.join(names)}):\n        return {call}\n"
    )


def constructor(code: Code) -> str:
    return f"{code.constructor}({', '.join(map(written, code.arguments))})"


def written(argument: Argument) -> str:
    value = repr(argument.value)
    return value if argument.keyword is None else f"{argument.keyword}={value}"


def forms(operation: Operation, inputs: tuple[TensorType, ...]) -> list[bool]:
    """Which forms the code offers: the expression (False), the stored module (True)."""
    code = operation.code(inputs)
    either = code.constructor and code.expression and "{self}" not in code.expression
    return [False, True] if either else [False]


def build(
    operation: Operation,
    inputs: tuple[TensorType, ...],
    folder: Path,
    *,
    stored: bool = False,
    seed: int = 0,
) -> nn.Module:
    """The operation as a module in float64, in evaluation, every weight drawn at random.

    Weights at their initial values would hide what biases and running statistics do.
    """
    path = folder / f"net_{next(NUMBERS)}.py"
    path.write_text(module_source(operation, inputs, stored=stored), encoding="utf-8")
    net: nn.Module = import_file(path).Net().double().eval()
    generator = torch.Generator().manual_seed(seed)
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=generator).double())
    return net


def values(inputs: tuple[TensorType, ...], seed: int, batch: int = 2) -> tuple[Tensor, ...]:
    """Random inputs of these types."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn((batch, *value.shape), generator=generator, dtype=torch.float64)
        if value.below is None
        else torch.randint(value.below, (batch, *value.shape), generator=generator)
        for value in inputs
    )
