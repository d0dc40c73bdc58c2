"""Normalisations and the learned factor of a channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import (
    Argument,
    ChannelAffine,
    Code,
    Elastic,
    Helper,
    Operation,
    OperationError,
    Traits,
    Types,
)
from archdsl.ops.growth import ONE, ZERO, Along, Start
from archdsl.ops.shapes import at_least, axes, divides, map_axes, only, option, positive
from archdsl.ops.sharing import helpers as helpers_of
from archdsl.ops.sharing import shared

SCALE = '''\
class Scale(nn.Module):
    """One learned factor a channel."""

    def __init__(self, dim: int, initial: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim, 1, 1), initial))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        return self.weight * x
'''

TOKEN_SCALE = '''\
class TokenScale(nn.Module):
    """One learned factor a channel, on the last axis."""

    def __init__(self, dim: int, initial: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim,), initial))

    def forward(self, x: Tensor) -> Tensor:  # (B, ..., C)
        return self.weight * x
'''

TOKEN_BATCH_NORM = '''\
class TokenBatchNorm(nn.BatchNorm1d):
    """Batch normalisation of tokens: statistics of a channel over all tokens."""

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C)
        return super().forward(x.transpose(1, 2)).transpose(1, 2)
'''


def _affine(dim: int) -> tuple[Weight, Weight]:
    return Weight(name="weight", shape=(dim,)), Weight(name="bias", shape=(dim,))


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm(Operation):
    """Batch normalisation of maps, tokens and vectors (Ioffe and Szegedy, 2015)."""

    keyword = "bn"
    attribute = "norm"
    helpers = (
        Helper(name="TokenBatchNorm", source=TOKEN_BATCH_NORM),
        *helpers_of("ElasticBatchNorm1d", "ElasticBatchNorm2d"),
    )

    affine: bool = True
    eps: float = 1e-5
    momentum: float = 0.1

    def __post_init__(self) -> None:
        positive("bn", "eps", self.eps)
        if not 0 <= self.momentum <= 1:
            raise OperationError(
                "momentum of bn is out of range", f"momentum={self.momentum}", "0 to 1"
            )

    def infer(self, inputs: Types) -> TensorType:
        return only("bn", inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        dim = inputs[0].channels
        return (
            *(_affine(dim) if self.affine else ()),
            Weight(name="running_mean", shape=(dim,), buffer=True),
            Weight(name="running_var", shape=(dim,), buffer=True),
            Weight(name="num_batches_tracked", shape=(), buffer=True),
        )

    def code(self, inputs: Types) -> Code:
        name = ("nn.BatchNorm1d", "TokenBatchNorm", "nn.BatchNorm2d")[len(inputs[0].shape) - 1]
        return Code(
            constructor=name,
            arguments=(
                Argument(inputs[0].channels, "dim"),
                *option("eps", self.eps, 1e-5),
                *option("momentum", self.momentum, 0.1),
                *option("affine", self.affine, True),
            ),
            helpers=(name,) if name == "TokenBatchNorm" else (),
        )

    def channel_affine(self, inputs: Types) -> ChannelAffine:
        factor, shift = ("weight", "bias") if self.affine else ("", "")
        return ChannelAffine(
            factor=factor, shift=shift, mean="running_mean", var="running_var", eps=self.eps
        )

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        names = ("weight", "bias", "running_mean", "running_var")
        return {**dict.fromkeys(names, (Along.CHANNELS,)), "num_batches_tracked": ()}

    def identity(self, inputs: Types) -> Mapping[str, Start]:
        """Statistics that change nothing in evaluation; training measures its own."""
        own = {"weight": ONE, "bias": ZERO} if self.affine else {}
        return {**own, "running_mean": ZERO, "running_var": Start(1 - self.eps)}

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        axes = len(inputs[0].shape)
        return None if axes == 2 else shared(self, inputs, f"ElasticBatchNorm{(axes + 1) // 2}d")

    def traits(self, inputs: Types) -> Traits:
        whole = len(inputs[0].shape) != 2  # those of tokens give a view
        return Traits(per_channel=True, batch_statistics=True, fresh=whole)

    def describe(self) -> str:
        return "batch norm"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupNorm(Operation):
    """Normalisation over groups of channels and all positions (Wu and He, 2018)."""

    keyword = "group_norm"
    attribute = "norm"

    groups: int = 1
    eps: float = 1e-5

    def __post_init__(self) -> None:
        at_least("group_norm", "groups", self.groups, 1)
        positive("group_norm", "eps", self.eps)

    def infer(self, inputs: Types) -> TensorType:
        dim = map_axes("group_norm", inputs, hint="for vectors and tokens, use layer_norm")[0]
        divides("group_norm", "groups", self.groups, dim)
        return inputs[0]

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return _affine(inputs[0].channels)

    def code(self, inputs: Types) -> Code:
        dim = Argument(inputs[0].channels, "dim")
        groups = Argument(self.groups, "groups")
        return Code(
            constructor="nn.GroupNorm", arguments=(groups, dim, *option("eps", self.eps, 1e-5))
        )

    def traits(self, inputs: Types) -> Traits:
        return Traits(per_channel=self.groups == inputs[0].channels, fresh=True)

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        return dict.fromkeys(("weight", "bias"), (Along.CHANNELS,))

    def even(self, inputs: Types) -> bool:
        return self.groups == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNorm(Operation):
    """Normalisation over the channels of each token, or of a vector (Ba et al., 2016)."""

    keyword = "layer_norm"
    attribute = "norm"
    helpers = helpers_of("ElasticLayerNorm")

    eps: float = 1e-5

    def __post_init__(self) -> None:
        positive("layer_norm", "eps", self.eps)

    def infer(self, inputs: Types) -> TensorType:
        axes("layer_norm", inputs, 1, 2, hint="for maps, use group_norm(1)")
        return inputs[0]

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        return _affine(inputs[0].channels)

    def code(self, inputs: Types) -> Code:
        dim = Argument(inputs[0].channels, "dim")
        return Code(constructor="nn.LayerNorm", arguments=(dim, *option("eps", self.eps, 1e-5)))

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        return shared(self, inputs, "ElasticLayerNorm")

    def traits(self, inputs: Types) -> Traits:
        return Traits(per_position=True, fresh=True)

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        return dict.fromkeys(("weight", "bias"), (Along.CHANNELS,))

    def even(self, inputs: Types) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(Operation):
    """One learned factor a channel (CaiT's LayerScale; Touvron et al., 2021)."""

    keyword = "scale"
    attribute = "scale"
    helpers = (
        Helper(name="Scale", source=SCALE),
        Helper(name="TokenScale", source=TOKEN_SCALE),
        *helpers_of("ElasticScale", "ElasticTokenScale"),
    )

    initial: float = 1e-5

    def infer(self, inputs: Types) -> TensorType:
        return only("scale", inputs)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        ones = (1, 1) if len(inputs[0].shape) == 3 else ()
        return (Weight(name="weight", shape=(inputs[0].channels, *ones)),)

    def channel_affine(self, inputs: Types) -> ChannelAffine:
        return ChannelAffine(factor="weight")

    def along(self, inputs: Types) -> Mapping[str, tuple[Along, ...]]:
        ones = (Along.REST, Along.REST) if len(inputs[0].shape) == 3 else ()
        return {"weight": (Along.CHANNELS, *ones)}

    def identity(self, inputs: Types) -> Mapping[str, Start]:
        return {"weight": ONE}

    def code(self, inputs: Types) -> Code:
        name = "Scale" if len(inputs[0].shape) == 3 else "TokenScale"
        dim = Argument(inputs[0].channels, "dim")
        initial = option("initial", self.initial, 1e-5)
        return Code(constructor=name, arguments=(dim, *initial), helpers=(name,))

    def elastic(self, inputs: Types, sizes: Sequence[Operation]) -> Elastic | None:
        own = "Scale" if len(inputs[0].shape) == 3 else "TokenScale"
        return shared(self, inputs, f"Elastic{own}", own)

    def traits(self, inputs: Types) -> Traits:
        return Traits(linear=True, affine=True, zero=True, per_channel=True, per_position=True)
