"""The search cell of DASViT by hand, on all tokens or on a part of them.

"DASViT: Differentiable Architecture Search for Vision Transformer", sections III-A to III-C. Names
of weights are those of the mixture supernet of `dasvit`. Written for reading, token by token.
"""

from __future__ import annotations

from fractions import Fraction

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EDGES = ("2_0", "2_1", "3_0", "3_1", "3_2")
HEADS = (4, 8, 12)
RATIOS = (0.5, 1, 2)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        results = []
        q, k, v = self.qkv(x).chunk(3, dim=2)
        width = q.shape[2] // self.heads
        for head in range(self.heads):
            part = slice(head * width, (head + 1) * width)
            logits = torch.einsum("bqc,bkc->bqk", q[..., part], k[..., part]) / width**0.5
            results.append(torch.einsum("bqk,bkc->bqc", logits.softmax(2), v[..., part]))
        result: Tensor = self.out(torch.cat(results, dim=2))
        return result


class Perceptron(nn.Module):
    def __init__(self, width: int, ratio: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, int(width * ratio))
        self.fc2 = nn.Linear(int(width * ratio), width)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return result


class Selection(nn.Module):
    """Attention of one head, without values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:  # (B, N, C) -> (B, N)
        logits = torch.einsum("bqc,bkc->bqk", self.query(x), self.key(x)) / x.shape[2] ** 0.5
        attention = logits.softmax(dim=2)
        return attention.sum(dim=1) / x.shape[1]


class Edge(nn.Module):
    """Zero, identity, three attentions and three perceptrons, on the best tokens."""

    def __init__(self, width: int, share: Fraction | None) -> None:
        super().__init__()
        self.share = share
        if share is not None:
            self.selection = Selection(width)
        for number, heads in enumerate(HEADS, start=1):
            parts = (nn.LayerNorm(width, eps=1e-6), Attention(width, heads))
            self.add_module(f"msa_{number}", nn.Sequential(*parts))
        for number, ratio in enumerate(RATIOS, start=1):
            perceptron = (nn.LayerNorm(width, eps=1e-6), Perceptron(width, ratio))
            self.add_module(f"mlp_{number}", nn.Sequential(*perceptron))

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        if self.share is None:
            return self.mixed(x, weights)
        scores = self.selection(x)
        count = max(1, int((x.shape[1] - 1) * self.share))
        rows = []
        for tokens, score in zip(x, scores, strict=True):
            others = sorted(range(1, len(tokens)), key=lambda i: -score[i].item())
            best = [0, *sorted(others[:count])]
            new = self.mixed(tokens[best][None], weights)[0]
            row = list(tokens)
            for position, value in zip(best, new, strict=True):
                chosen = score[position] - score[position].detach() if position else 0
                row[position] = value + chosen * (value - tokens[position])
            rows.append(torch.stack(row))
        return torch.stack(rows)

    def mixed(self, x: Tensor, weights: Tensor) -> Tensor:
        operations = [
            self.get_submodule(f"{kind}_{i}") for kind in ("msa", "mlp") for i in (1, 2, 3)
        ]
        results = [torch.zeros_like(x), x, *(operation(x) for operation in operations)]
        return torch.stack([w * y for w, y in zip(weights, results, strict=True)]).sum(0)


class SearchCell(nn.Module):
    """`forward(earlier, last, weights)` with tokens (B, N, C) and weights (5, 8)."""

    def __init__(self, width: int, share: Fraction | None = None) -> None:
        super().__init__()
        for name in EDGES:
            self.add_module(f"edge_{name}", Edge(width, share))

    def forward(self, earlier: Tensor, last: Tensor, weights: Tensor) -> Tensor:
        nodes = [earlier, last]
        for node in (2, 3):
            names = [name for name in EDGES if name.startswith(str(node))]
            terms = [
                self.get_submodule(f"edge_{name}")(nodes[int(name[-1])], weights[EDGES.index(name)])
                for name in names
            ]
            nodes.append(torch.stack(terms).sum(0))
        return nodes[2] + nodes[3]
