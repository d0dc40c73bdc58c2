"""The MetaFormer of Zhang and Liu with its released layout, written by hand.

A mixer goes through its nodes one by one, as its text says: each takes an earlier node, may pool
it, and mixes positions with a perceptron of its own; the nodes that none takes are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Nodes = Sequence[tuple[int, bool]]
"""For each node behind the first: the node that it takes, from 1, and whether it pools."""


class Edge(nn.Module):
    def __init__(self, positions: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(positions, positions // 2)
        self.fc2 = nn.Linear(positions // 2, positions)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x.flatten(2)))).view_as(x)


class Mixer(nn.Module):
    def __init__(self, positions: int, nodes: Nodes) -> None:
        super().__init__()
        self.nodes = nodes
        self.edges = nn.ModuleList(Edge(positions) for _ in nodes)
        self.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for (source, pooled), edge in zip(self.nodes, self.edges, strict=True):
            y = features[source - 1]
            features.append(edge(self.pool(y) - y if pooled else y))
        taken = {source for source, _ in self.nodes}
        leaves = [y for number, y in enumerate(features, 1) if number not in taken]
        return torch.stack(leaves).mean(0)


class LayerScale(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim, 1, 1), 1e-5))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x


class Encoder(nn.Module):
    def __init__(self, dim: int, positions: int, nodes: Nodes) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(1, dim)
        self.mixer = Mixer(positions, nodes)
        self.scale1 = LayerScale(dim)
        self.norm2 = nn.GroupNorm(1, dim)
        self.mlp = nn.Sequential(nn.Conv2d(dim, 4 * dim, 1), nn.GELU(), nn.Conv2d(4 * dim, dim, 1))
        self.scale2 = LayerScale(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.scale1(self.mixer(self.norm1(x)))
        return x + self.scale2(self.mlp(self.norm2(x)))


class MetaFormer(nn.Module):
    """Four stages at 224 pixels: 16, 8, 4 and 2 positions a side."""

    def __init__(self, nodes: Nodes, classes: int = 102) -> None:
        super().__init__()
        widths, depths = (64, 128, 320, 512), (2, 2, 6, 2)
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.Conv2d(32, widths[0], 14, stride=14),
        )
        stages: list[nn.Module] = []
        for stage, (dim, depth) in enumerate(zip(widths, depths, strict=True)):
            if stage:
                stages.append(nn.Conv2d(widths[stage - 1], dim, 3, stride=2, padding=1))
            positions = (16 >> stage) ** 2
            stages += [Encoder(dim, positions, nodes) for _ in range(depth)]
        self.stages = nn.Sequential(*stages)
        self.norm = nn.GroupNorm(1, widths[-1])
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.stages(self.stem(x))).mean((2, 3)))
