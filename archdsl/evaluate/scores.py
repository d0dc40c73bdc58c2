"""Scores that need no training: what a network with fresh weights says of itself.

naswot      log |det K|, K how many ReLUs agree on two images     Mellor et al. 2021, equation 2
synflow     sum of |weight x gradient|, all weights made |weight|,
            of the sum of outputs for an input of ones            Tanaka et al. 2020; Abdelfattah
grad_norm   the norm of the gradient of the loss on a batch       et al. 2021, section 3.1
params      how many parameters it has
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from archdsl.controllers.settings import within
from archdsl.evaluate.candidate import Candidate
from archdsl.evaluate.evaluator import Failed
from archdsl.ops.binding import LIMIT
from archdsl.space.architecture import Architecture
from archdsl.space.view import SearchSpace

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSettings:
    """`score` on one batch of `batch_size` training images of `data`, with weights of `seed`."""

    keyword: ClassVar[str] = "score"

    score: Literal["naswot", "synflow", "grad_norm", "params"] = "naswot"
    data: str = "digits"
    batch_size: int = 64
    seed: int = 0
    threads: int = 1

    def __post_init__(self) -> None:
        within(self, 2, "batch_size")
        within(self, 0, "seed", most=LIMIT)
        within(self, 1, "threads")

    def over(self, space: SearchSpace) -> Scored:
        """Raises ArchError E0802 to E0804 where the data is not there or does not fit."""
        return Scored(space, self)


class Scored:
    """A batch, taken once for all networks of a space."""

    def __init__(self, space: SearchSpace, settings: ScoreSettings) -> None:
        from archdsl.evaluate.data import classifies, open_data

        image, classes = classifies(space.program.net)
        self.space = space
        self.settings = settings
        data = open_data(
            settings.data, shape=image, classes=classes, batch_size=settings.batch_size
        )
        self.images, self.labels = data.training_batch(settings.seed, 0, 0)

    def __call__(self, architecture: Architecture, step: int, again: int) -> Mapping[str, float]:
        from archdsl.evaluate.training import torch_settings

        with torch_settings(self.settings.threads):
            network = Candidate(self.space, architecture, self.settings.seed, 0).network()
            return {"reward": SCORES[self.settings.score](network, self.images, self.labels)}


def naswot(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Which ReLUs are on, as a code for each image; the log determinant of their agreement."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    aten = torch.ops.aten
    relus = {aten.relu.default, aten.relu_.default, aten.hardtanh.default, aten.hardtanh_.default}
    agreement = torch.zeros(len(images), len(images), dtype=torch.float64)
    known = False

    class Noted(TorchDispatchMode):
        """Notes every ReLU, called as a module or as a function."""

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = function(*args, **(kwargs or {}))
            nonlocal agreement, known
            if function in relus:
                on = (result > 0).flatten(1).float()
                agreement = agreement + (on @ on.T + (1 - on) @ (1 - on).T).double()
                known = True
            return result

    with torch.no_grad(), Noted():  # type: ignore[no-untyped-call]
        network(images)
    if not known:
        raise Failed("error", "naswot looks at ReLUs, and the network has none")
    return float(torch.linalg.slogdet(agreement).logabsdet)


def synflow(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """How much of an input of ones flows to the outputs through all weights, in float64."""
    import torch

    network.double().eval()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.abs_()
    network(torch.ones_like(images[:1], dtype=torch.float64)).sum().backward()
    flows = (p.detach() * p.grad for p in network.parameters() if p.grad is not None)
    return float(sum(flow.abs().sum() for flow in flows))


def grad_norm(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The norm of the gradient of the cross entropy."""
    import torch
    from torch.nn import functional as F

    F.cross_entropy(network(images), labels).backward()
    squares = [p.grad.square().sum() for p in network.parameters() if p.grad is not None]
    return float(torch.stack(squares).sum().sqrt()) if squares else 0.0


def params(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    return float(sum(p.numel() for p in network.parameters()))


SCORES: Mapping[str, Callable[[nn.Module, Tensor, Tensor], float]] = {
    "naswot": naswot,
    "synflow": synflow,
    "grad_norm": grad_norm,
    "params": params,
}
