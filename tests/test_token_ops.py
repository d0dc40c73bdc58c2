"""Operations on tokens against PyTorch's own modules, and against the formulas of the papers."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archdsl.ir.types import TensorType
from archdsl.ops import Operation, OperationError
from archdsl.ops.normalisation import BatchNorm
from archdsl.ops.token_attention import CrossAttention, SelfAttention
from archdsl.ops.token_convolution import LightConv, TokenConv, TokenDepthwiseConv
from archdsl.ops.tokens import GLU, ClassToken
from tests.operation_module import build, values

TOKENS = (TensorType((10, 12)),)


def built(operation: Operation, folder: Path) -> tuple[nn.Module, dict[str, Tensor], Tensor]:
    """The operation, its weights under their own names, and tokens (2, 10, 12)."""
    net = build(operation, TOKENS, folder)
    state = {name.removeprefix("op."): value for name, value in net.state_dict().items()}
    return net, state, values(TOKENS, 0)[0]


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_that_of_torch_with_its_weights_copied(tmp_path: Path, causal: bool) -> None:
    net, state, x = built(SelfAttention(heads=3, causal=causal), tmp_path)
    reference = nn.MultiheadAttention(12, 3, batch_first=True).double()
    reference.load_state_dict(
        {
            "in_proj_weight": state["qkv.weight"],
            "in_proj_bias": state["qkv.bias"],
            "out_proj.weight": state["out.weight"],
            "out_proj.bias": state["out.bias"],
        }
    )
    mask = torch.ones(10, 10, dtype=torch.bool).triu(1) if causal else None
    expected, _ = reference(x, x, x, attn_mask=mask, need_weights=False)
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-11)


def test_relative_positions_are_those_of_the_formula(tmp_path: Path) -> None:
    """Written out pair by pair: keys and values get a vector for rows and one for columns."""
    reach, heads, head = 1, 2, 5
    operation = SelfAttention(heads=heads, head=head, pos="relative", reach=reach)
    net, state, x = built(operation, tmp_path)
    qkv = F.linear(x, state["qkv.weight"], state["qkv.bias"]).view(2, 10, 3, heads, head)

    def place(table: str, query: int, key: int) -> Tensor:
        rows, columns = state[f"{table}_positions.rows"], state[f"{table}_positions.columns"]
        if 0 in (query, key):
            return rows[0] + columns[0]
        (row, column), (other, beside) = divmod(query - 1, 3), divmod(key - 1, 3)
        down, right = (max(-reach, min(reach, d)) for d in (other - row, beside - column))
        return rows[down + reach + 1] + columns[right + reach + 1]

    outputs = torch.zeros(2, 10, heads, head, dtype=torch.float64)
    for image in range(2):
        for part in range(heads):
            q, k, v = qkv[image, :, :, part].unbind(1)
            for i in range(10):
                logits = torch.stack([q[i] @ (k[j] + place("key", i, j)) for j in range(10)])
                weights = (logits / head**0.5).softmax(0)
                seen = torch.stack([v[j] + place("value", i, j) for j in range(10)])
                outputs[image, i, part] = weights @ seen
    expected = F.linear(outputs.flatten(2), state["out.weight"], state["out.bias"])
    torch.testing.assert_close(net(x), expected, rtol=0, atol=1e-11)


def test_token_conv_and_norm_are_those_of_torch_over_the_last_axis(tmp_path: Path) -> None:
    net, state, x = built(TokenDepthwiseConv(k=5), tmp_path)
    expected = F.conv1d(x.mT, state["weight"], state["bias"], padding=2, groups=12).mT
    torch.testing.assert_close(net(x), expected)
    net, state, x = built(TokenConv(channels=6, k=3), tmp_path)
    expected = F.conv1d(x.mT, state["weight"], state["bias"], padding=1).mT
    torch.testing.assert_close(net(x), expected)
    net, state, x = built(BatchNorm(), tmp_path)
    reference = nn.BatchNorm1d(12).double()
    reference.load_state_dict(state)
    for mode in (False, True):
        net.train(mode)
        reference.train(mode)
        torch.testing.assert_close(net(x), reference(x.mT).mT)


def test_glu_gates_the_first_half(tmp_path: Path) -> None:
    net, _, x = built(GLU(), tmp_path)
    torch.testing.assert_close(net(x), x[:, :, :6] * x[:, :, 6:].sigmoid())


def test_class_token_stands_first(tmp_path: Path) -> None:
    net, state, x = built(ClassToken(), tmp_path)
    assert torch.equal(net(x)[:, 1:], x)
    assert torch.equal(net(x)[:, 0], state["token"][0].expand(2, -1))


def test_wrong_arguments_are_refused() -> None:
    for wrong in (
        {"heads": 0},
        {"heads": 2, "head": 0},
        {"heads": 2, "pos": "relative", "reach": 0},
        {"heads": 2, "pos": "relative", "causal": True},
    ):
        with pytest.raises(OperationError):
            SelfAttention(**wrong)  # type: ignore[arg-type]
    with pytest.raises(OperationError):
        TokenConv(channels=4, k=4)


def test_lightweight_kernels_are_shared_and_add_up_to_one(tmp_path: Path) -> None:
    net, state, x = built(LightConv(k=3, share=4), tmp_path)
    kernels = state["weight"].softmax(2)  # (3, 1, 3)
    wide = torch.cat([kernels[i // 4 : i // 4 + 1] for i in range(12)])
    torch.testing.assert_close(net(x), F.conv1d(x.mT, wide, padding=1, groups=12).mT)
    torch.testing.assert_close(net(torch.ones_like(x))[:, 1:-1], torch.ones(2, 8, 12).double())


@pytest.mark.parametrize(
    "operation",
    [
        SelfAttention(heads=3, causal=True),
        TokenConv(channels=5, k=4, causal=True),
        TokenDepthwiseConv(k=5, causal=True),
        LightConv(k=7, causal=True),
    ],
)
def test_causal_operations_do_not_look_ahead(operation: Operation, tmp_path: Path) -> None:
    net, _, x = built(operation, tmp_path)
    other = torch.cat((x[:, :6], x[:, 6:] + 1), dim=1)
    before, after = net(x), net(other)
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.isclose(before[:, 6:], after[:, 6:]).all(dim=2).any()


def test_cross_attention_is_that_of_torch(tmp_path: Path) -> None:
    operation, inputs = CrossAttention(heads=3), (*TOKENS, TensorType((7, 6)))
    net = build(operation, inputs, tmp_path)
    state = {name.removeprefix("op."): value for name, value in net.state_dict().items()}
    x, memory = values(inputs, 0)
    reference = nn.MultiheadAttention(12, 3, kdim=6, vdim=6, batch_first=True).double()
    k, v = state["kv.weight"].chunk(2)
    reference.load_state_dict(
        {
            "q_proj_weight": state["q.weight"],
            "k_proj_weight": k,
            "v_proj_weight": v,
            "in_proj_bias": torch.cat((state["q.bias"], state["kv.bias"])),
            "out_proj.weight": state["out.weight"],
            "out_proj.bias": state["out.bias"],
        }
    )
    expected, _ = reference(x, memory, memory, need_weights=False)
    torch.testing.assert_close(net(x, memory), expected, rtol=0, atol=1e-11)
