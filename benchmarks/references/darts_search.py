"""The search network of DARTS by hand, in the structure of its authors' code.

Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", section 2.2 and appendix A.1.1:
every edge mixes eight operations, each computed on its own; batch norms have no weights. With
`parts` an edge runs on the first 1/parts of its channels, as in Xu et al., "PC-DARTS: Partial
Channel Connections for Memory-Efficient Architecture Search", section 3.2 and the authors' code.
`own_name` gives the name that a weight has in the mixture supernet of `darts_search`.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEPS = 4
OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, affine=False)


class Zero(nn.Module):
    """Nothing, at the resolution that the edge has."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, :: self.stride, :: self.stride] * 0.0


class Halve(nn.Module):
    """A map of half the size: two 1x1 convolutions, one of them a pixel further."""

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.first = nn.Conv2d(channels, out // 2, 1, stride=2, bias=False)
        self.second = nn.Conv2d(channels, out // 2, 1, stride=2, bias=False)
        self.norm = norm(out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(x)
        return self.norm(torch.cat([self.first(x), self.second(x[:, :, 1:, 1:])], dim=1))


def separable(channels: int, kernel: int, stride: int, dilation: int) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    return [
        nn.ReLU(),
        nn.Conv2d(
            channels,
            channels,
            kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=channels,
            bias=False,
        ),
        nn.Conv2d(channels, channels, 1, bias=False),
        norm(channels),
    ]


def operation(name: str, channels: int, stride: int) -> nn.Module:
    match name:
        case "none":
            return Zero(stride)
        case "max_pool_3x3":
            return nn.Sequential(nn.MaxPool2d(3, stride, padding=1), norm(channels))
        case "avg_pool_3x3":
            pool = nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)
            return nn.Sequential(pool, norm(channels))
        case "skip_connect":
            return nn.Identity() if stride == 1 else Halve(channels, channels)
        case "sep_conv_3x3" | "sep_conv_5x5":
            kernel = int(name[-1])
            first = separable(channels, kernel, stride, 1)
            return nn.Sequential(*first, *separable(channels, kernel, 1, 1))
        case _:
            return nn.Sequential(*separable(channels, int(name[-1]), stride, 2))


class MixedOperation(nn.Module):
    """All operations of an edge, each times its weight, on the first 1/parts of the channels."""

    def __init__(self, channels: int, stride: int, parts: int = 1) -> None:
        super().__init__()
        self.stride, self.parts, self.first = stride, parts, channels // parts
        self.operations = nn.ModuleList(operation(name, self.first, stride) for name in OPERATIONS)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        if self.parts == 1:
            return self.mixed(x, weights)
        past = x[:, self.first :]
        if self.stride > 1:
            past = F.max_pool2d(past, 2, 2)
        return shuffled(torch.cat([self.mixed(x[:, : self.first], weights), past], 1), self.parts)

    def mixed(self, x: Tensor, weights: Tensor) -> Tensor:
        return sum(w * f(x) for w, f in zip(weights, self.operations, strict=True))


def shuffled(x: Tensor, groups: int) -> Tensor:
    """The channels of all groups, dealt out in turn."""
    batch, channels, height, width = x.shape
    x = x.view(batch, groups, channels // groups, height, width)
    return x.transpose(1, 2).contiguous().view(batch, channels, height, width)


class Cell(nn.Module):
    """Four nodes, each the sum of a mixed operation on everything before."""

    def __init__(
        self,
        before: tuple[int, int],
        channels: int,
        reduction: bool,
        after_reduction: bool,
        parts: int = 1,
    ) -> None:
        super().__init__()
        self.first = (
            Halve(before[0], channels)
            if after_reduction
            else nn.Sequential(
                nn.ReLU(), nn.Conv2d(before[0], channels, 1, bias=False), norm(channels)
            )
        )
        self.second = nn.Sequential(
            nn.ReLU(), nn.Conv2d(before[1], channels, 1, bias=False), norm(channels)
        )
        self.edges = nn.ModuleList(
            MixedOperation(channels, 2 if reduction and source < 2 else 1, parts)
            for node in range(STEPS)
            for source in range(2 + node)
        )

    def forward(self, a: Tensor, b: Tensor, weights: Tensor, edges: Tensor | None = None) -> Tensor:
        states = [self.first(a), self.second(b)]
        for node in range(STEPS):
            start = sum(2 + before for before in range(node))
            mixed = [
                self.edges[start + i](state, weights[start + i]) for i, state in enumerate(states)
            ]
            if edges is not None:
                mixed = [edges[start + i] * value for i, value in enumerate(mixed)]
            states.append(sum(mixed))
        return torch.cat(states[-STEPS:], dim=1)


class SearchNetwork(nn.Module):
    """The relaxed network: `forward(images, normal, reduce)` with weights (14, 8) each.

    `edges`: a weight (14,) besides for every edge of either kind of cell, as in PC-DARTS.
    """

    REDUCTIONS = (2, 5)
    """The cells that reduce, of the eight that are the default."""

    def __init__(self, width: int = 16, layers: int = 8, classes: int = 10, parts: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 3 * width, 3, padding=1, bias=False), nn.BatchNorm2d(3 * width)
        )
        before, channels, after = (3 * width, 3 * width), width, False
        cells = []
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            channels *= 2 if reduction else 1
            cells.append(Cell(before, channels, reduction, after, parts))
            before, after = (before[1], STEPS * channels), reduction
        self.cells = nn.ModuleList(cells)
        self.reductions = (layers // 3, 2 * layers // 3)
        self.classifier = nn.Linear(before[1], classes)

    def forward(
        self,
        image: Tensor,
        normal: Tensor,
        reduce: Tensor,
        edges: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        a = b = self.stem(image)
        for layer, cell in enumerate(self.cells):
            reduces = layer in self.reductions
            weights = None if edges is None else edges[reduces]
            a, b = b, cell(a, b, reduce if reduces else normal, weights)
        return self.classifier(b.mean((2, 3)))


# --- names in the generated mixture --------------------------------------------------------------

EDGES = tuple((source, node) for node in range(2, 2 + STEPS) for source in range(node))
SEPARABLE = {1: "dwconv", 2: "conv", 3: "norm", 5: "dwconv", 6: "conv", 7: "norm"}
HALVE = {"first": "conv1", "second": "conv2", "norm": "norm"}


def own_name(name: str, reductions: tuple[int, ...]) -> str:
    """The name in the generated mixture of what this network calls `name`."""
    if name.startswith("classifier."):
        return name.replace("classifier", "linear")
    found = re.fullmatch(r"cells\.(\d+)\.(.*)", name)
    if not found:
        return name
    layer = int(found[1])
    cell = f"{'reduce' if layer in reductions else 'normal'}_{layer + 1}"
    return f"{cell}.{_inside(found[2], layer - 1 in reductions)}"


def _inside(name: str, halved: bool) -> str:
    match name.split("."):
        case ["edges", edge, "operations", number, *rest]:
            source, node = EDGES[int(edge)]
            kind = OPERATIONS[int(number)]
            return f"{kind}_{node}_{source}.{_member(kind, rest)}"
        case ["first", part, *rest] if halved:
            return ".".join(("halve", HALVE[part], *rest))
        case [which, number, *rest]:
            index = "" if halved else {"first": "_0", "second": "_1"}[which]
            return ".".join((f"relu_conv_bn{index}", SEPARABLE[1 + int(number)], *rest))
        case _:
            return name


def _member(kind: str, rest: list[str]) -> str:
    if kind == "skip_connect":
        return ".".join((HALVE[rest[0]], *rest[1:]))
    if kind.startswith("sep_conv"):
        number = int(rest[0])
        return ".".join((f"separable{1 + number // 4}", SEPARABLE[number], *rest[1:]))
    if kind.startswith("dil_conv"):
        return ".".join((SEPARABLE[int(rest[0])], *rest[1:]))
    return ".".join(rest)
