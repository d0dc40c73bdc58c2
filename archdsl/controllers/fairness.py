"""How the weight of a space's gates is shared between skips and kinds of operations.

"DASViT: Differentiable Architecture Search for Vision Transformer", section III-D: the mean weight
of skip connections, and the weight of each type of operation, are kept within bounds.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from archdsl.space.alternatives import Numbers, kind_of, zeros
from archdsl.space.view import SearchSpace
from archdsl.syntax.tree import Quantity


class Fairness:
    """Which alternatives are skips, and which are operations of which kind.

    Decisions count that take one of several and have a skip among them. `none` and skips are of
    no kind.
    """

    def __init__(self, space: SearchSpace, skips: Numbers) -> None:
        nothing = zeros(space)
        self.skips: dict[str, frozenset[int]] = {}
        self.kinds: dict[str, dict[str, list[int]]] = {}
        for one in space.decisions:
            if one.hole.quantity is not Quantity.ONE or not skips[one.key]:
                continue
            self.skips[one.key] = skips[one.key]
            for number, label in enumerate(one.hole.labels):
                if number not in skips[one.key] | nothing[one.key]:
                    kinds = self.kinds.setdefault(kind_of(label), {})
                    kinds.setdefault(one.key, []).append(number)

    def shares(self, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The mean weight of skips over the decisions, and that of each kind, (kinds,)."""
        count = max(len(self.skips), 1)
        skipping = [weights[key][sorted(some)].sum() for key, some in self.skips.items()]
        kinds = [
            torch.stack([weights[key][some].sum() for key, some in where.items()]).sum() / count
            for where in self.kinds.values()
        ]
        none = torch.zeros(1)
        return (
            torch.stack(skipping).mean() if skipping else none.sum(),
            torch.stack(kinds) if kinds else none[:0],
        )
