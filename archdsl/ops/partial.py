"""A part of the tokens: those that all attend to most are taken, the rest pass by."""

from __future__ import annotations

from dataclasses import dataclass

from archdsl.ir.types import TensorType, Weight
from archdsl.ops.base import Argument, Code, Helper, Operation, Types
from archdsl.ops.shapes import axes, option

SELECTION = '''\
class TokenSelection(nn.Module):
    """The `count` tokens with the highest mean attention of all; the first `always` among them."""

    def __init__(self, dim: int, count: int, always: int = 0) -> None:
        super().__init__()
        self.count = count
        self.always = always
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # (B, N, C)
        logits = self.query(x) @ self.key(x).transpose(1, 2) * x.shape[2] ** -0.5  # (B, N, N)
        scores = logits.softmax(2).mean(1)[:, self.always :]  # over the queries
        scores = F.pad(scores, (self.always, 0), value=1.0)  # (B, N), none higher than 1
        index = scores.topk(self.count).indices.sort().values
        best = x.gather(1, index[..., None].expand(-1, -1, x.shape[2]))
        return best, index, scores.gather(1, index)
'''

PUT_BACK = '''\
def put_back(x: Tensor, best: Tensor, index: Tensor, scores: Tensor) -> Tensor:
    """x with new values for its best tokens, whose scores get the gradient of being chosen."""
    index, x = index[..., None].expand_as(best), x.to(best.dtype)
    chosen = (scores - scores.detach())[..., None]  # zero, with a gradient: straight-through
    return x.scatter(1, index, best + chosen * (best - x.gather(1, index)))
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSelection(Operation):
    """The best tokens, their positions and their scores.

    A token's score is what all tokens attend to it, on the mean: softmax(Q K' / sqrt(C)) over the
    queries. `always`: so many first tokens are taken whatever their score (a class token).
    "DASViT: Differentiable Architecture Search for Vision Transformer", section III-C, equations
    13 to 15.
    """

    keyword = "token_selection"
    attribute = "selection"
    helpers = (Helper(name="TokenSelection", source=SELECTION),)

    count: int
    always: int = 0

    def infer(self, inputs: Types) -> Types:
        tokens, channels = axes(self.keyword, inputs, 2)
        best = TensorType((self.count, channels))
        return best, TensorType((self.count,), below=tokens), TensorType((self.count,))

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        shape = (inputs[0].channels, inputs[0].channels)
        return tuple(Weight(name=f"{name}.weight", shape=shape) for name in ("query", "key"))

    def macs(self, inputs: Types) -> int:
        tokens, channels = inputs[0].shape
        return 2 * tokens * channels**2 + tokens**2 * channels

    def code(self, inputs: Types) -> Code:
        dim, count = Argument(inputs[0].channels, "dim"), Argument(self.count, "count", "count")
        arguments = (dim, count, *option("always", self.always, 0))
        name = "TokenSelection"
        return Code(constructor=name, arguments=arguments, helpers=(name,))


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBack(Operation):
    """Tokens, of which the best have new values.

    The choice of a token has no derivative; straight-through, its score gets that of a factor m
    in x + m (best - x), which is 1.
    """

    keyword = "put_back"
    attribute = "put_back"
    arity = 4
    takes_indices = True
    helpers = (Helper(name="put_back", source=PUT_BACK),)

    def infer(self, inputs: Types) -> TensorType:
        return inputs[0]

    def code(self, inputs: Types) -> Code:
        return Code(expression="put_back({all})", helpers=("put_back",))
