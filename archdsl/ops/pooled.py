"""Maps over positions behind a pool, which goes over their weights instead; only passes make it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Code, Helper, Operation, Traits, Types
from archdsl.ops.fused import PositionLinears, PositionMLPs, PositionMLPSum
from archdsl.ops.hidden import MapToHidden
from archdsl.ops.mlp import TokensLinear, TokensMLP
from archdsl.ops.shapes import sides

POOLED_LINEAR = '''\
class PooledLinear(nn.Linear):
    """A linear map over pooled positions: W (P x) = (W P) x, and W has fewer rows than x."""

    def __init__(self, height: int, width: int, features: int, bias: bool = True) -> None:
        super().__init__(height * width, features, bias)
        self.size = height, width

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H*W)
        weight = self.weight.unflatten(1, self.size)  # (features, H, W)
        share = F.avg_pool2d(torch.ones_like(weight[:1]), 3, stride=1, padding=1)  # 1 inside
        weight = F.avg_pool2d(weight / share, 3, stride=1, padding=1) - weight
        return F.linear(x, weight.flatten(1), self.bias)
'''

POOLED_POSITION_LINEAR = '''\
class PooledPositionLinear(PooledLinear):
    """A linear map over the pooled positions of a map, the same for every channel."""

    def __init__(self, height: int, width: int, bias: bool = False) -> None:
        super().__init__(height, width, height * width, bias)

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return super().forward(x.flatten(2)).view_as(x)
'''

POOLED_POSITION_LINEARS = '''\
class PooledPositionLinears(PooledLinear):
    """Several linear maps over the pooled positions of one map, as one."""

    def __init__(self, height: int, width: int, count: int, bias: bool = False) -> None:
        super().__init__(height, width, count * height * width, bias)
        self.count = count

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:  # (B, C, H, W)
        y = super().forward(x.flatten(2))  # (B, C, count*H*W)
        return y.unflatten(2, (self.count, *x.shape[2:])).unbind(2)
'''

POOLED_POSITION_MLP = '''\
class PooledPositionMLP(PositionMLP):
    """A perceptron over the pooled positions of a map, the same for every channel."""

    def __init__(self, height: int, width: int, ratio: float = 0.5) -> None:
        super().__init__(height * width, ratio)
        self.fc1 = PooledLinear(height, width, self.fc1.out_features)
'''

POOLED_POSITION_MLPS = '''\
class PooledPositionMLPs(PositionMLPs):
    """Several perceptrons over the pooled positions of one map."""

    def __init__(self, height: int, width: int, count: int, ratio: float = 0.5) -> None:
        super().__init__(height * width, count, ratio)
        self.fc1 = PooledLinear(height, width, self.fc1.out_features)
'''

POOLED_POSITION_MLP_SUM = '''\
class PooledPositionMLPSum(PositionMLPSum):
    """The sum of several perceptrons over the pooled positions of one map."""

    def __init__(self, height: int, width: int, count: int, ratio: float = 0.5) -> None:
        super().__init__(height * width, count, ratio)
        self.fc1 = PooledLinear(height, width, self.fc1.out_features)
'''

POOLED_MAP_TO_HIDDEN = '''\
class PooledMapToHidden(PooledLinear):
    """The hidden units of perceptrons over the pooled positions of a map."""

    def __init__(self, height: int, width: int, count: int = 1, ratio: float = 0.5) -> None:
        super().__init__(height, width, count * int(height * width * ratio))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return F.gelu(super().forward(x.flatten(2)))  # (B, C, units)
'''

Positional: TypeAlias = TokensLinear | TokensMLP | PositionLinears | PositionMLPs | MapToHidden
"""What begins with a linear map over positions."""
POSITIONAL = (TokensLinear, TokensMLP, PositionLinears, PositionMLPs, MapToHidden)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled(Operation):
    """`pool`, and an operation over positions behind it, whose parameters these are.

    W (P x) = (W P) x: the pool goes over the first weight, which has fewer rows than the value.
    """

    keyword = "pooled"
    attribute = "pooled"
    helpers = (
        *TokensMLP.helpers,
        *PositionMLPs.helpers,
        *PositionMLPSum.helpers,
        Helper(name="PooledLinear", source=POOLED_LINEAR),
        Helper(name="PooledPositionLinear", source=POOLED_POSITION_LINEAR),
        Helper(name="PooledPositionLinears", source=POOLED_POSITION_LINEARS),
        Helper(name="PooledPositionMLP", source=POOLED_POSITION_MLP),
        Helper(name="PooledPositionMLPs", source=POOLED_POSITION_MLPS),
        Helper(name="PooledPositionMLPSum", source=POOLED_POSITION_MLP_SUM),
        Helper(name="PooledMapToHidden", source=POOLED_MAP_TO_HIDDEN),
    )

    operation: Positional

    def infer(self, inputs: Types) -> TensorType | Types:
        return self.operation.infer(inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return self.operation.weights(inputs)

    def macs(self, inputs: Types) -> int:
        return self.operation.macs(inputs)

    def code(self, inputs: Types) -> Code:
        _, height, width = inputs[0].shape
        code = self.operation.code(inputs)
        name = f"Pooled{code.constructor}"
        whole = isinstance(self.operation, TokensMLP | PositionMLPs)  # else it has no other class
        return replace(
            code,
            constructor=name,
            arguments=(*sides(height, width), *code.arguments[1:]),
            helpers=("PooledLinear", *(code.helpers if whole else ()), name),
        )

    def traits(self, inputs: Types) -> Traits:
        return self.operation.traits(inputs)

    def describe(self) -> str:
        return f"pooled {self.operation.describe()}"


def first_weight(operation: Positional, inputs: Types) -> Weight:
    """The weight of an operation that takes the positions, (outputs, positions)."""
    known = {weight.name: weight for weight in operation.weights(inputs)}
    return known.get("fc1.weight") or known["weight"]
