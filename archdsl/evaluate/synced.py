"""Batch norm whose statistics are those of the slices of all processes.

torch's SyncBatchNorm is for GPUs alone and wants other modules; this takes the place of
`F.batch_norm` wherever a network calls it, on any device, for as long as it is entered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Added = Callable[[Tensor], Tensor]
"""The sum of a tensor over all processes, in place."""


class SyncedNorms(TorchFunctionMode):
    """While entered, training's `F.batch_norm` takes the statistics of all processes."""

    def __init__(self, added: Added) -> None:
        super().__init__()
        self.added = added

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        given: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
    ) -> Any:
        if function is not F.batch_norm:
            return function(*given, **(named or {}))
        return self._norm(function, *given, **(named or {}))

    def _norm(
        self,
        function: Callable[..., Tensor],
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return function(x, running_mean, running_var, weight, bias, False, momentum, eps)
        wide = x if x.dtype == torch.float64 else x.float()
        count, mean, var = self._statistics(wide.detach())
        if running_mean is not None and running_var is not None:
            with torch.no_grad():
                running_mean.lerp_(mean.to(running_mean), momentum)
                running_var.lerp_((var * (count / (count - 1))).to(running_var), momentum)
        scale = (var + eps).rsqrt()
        normal: Tensor = _Normal.apply(wide, mean, scale, count, self.added)
        sizes = (1, -1, *[1] * (x.dim() - 2))
        normal = normal if weight is None else normal * weight.view(sizes)
        normal = normal if bias is None else normal + bias.view(sizes)
        return normal.to(x.dtype)

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How many numbers a channel (C,) has in all processes, their mean and variance."""
        var, mean = torch.var_mean(x, [0, *range(2, x.dim())], correction=0)
        var, mean, count = var.double(), mean.double(), x.numel() // x.shape[1]
        moments = torch.cat([mean, var + mean.square(), mean.new_ones(1)])
        common, square, total = self.added(count * moments).split([len(mean), len(mean), 1])
        common, square = common / total, square / total
        return total.to(x.dtype), common.to(x.dtype), (square - common.square()).to(x.dtype)


class _Normal(torch.autograd.Function):
    """(x - mean) scale, whose gradient knows that both come from all of x."""

    @staticmethod
    def forward(
        context: Any, x: Tensor, mean: Tensor, scale: Tensor, count: Tensor, added: Added
    ) -> Tensor:
        sizes = (1, -1, *[1] * (x.dim() - 2))
        normal = (x - mean.view(sizes)) * scale.view(sizes)
        context.save_for_backward(normal, scale.view(sizes))
        context.count, context.added = count, added
        return normal

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """g -> scale (g - mean of g - x mean of g x), with means over all processes."""
        (gradient,) = gradients
        normal, scale = context.saved_tensors
        over = [0, *range(2, normal.dim())]
        both = torch.stack([gradient.sum(over), (gradient * normal).sum(over)])
        means = context.added(both) / context.count
        first, second = (one.view(scale.shape) for one in means)
        return scale * (gradient - first - normal * second), None, None, None, None
