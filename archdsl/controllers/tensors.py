"""State as plain named tensors, so that safetensors can hold it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def pack_optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Copies of all its tensors: `INDEX.NAME`, the index counting parameters in order."""
    return {
        f"{index}.{name}": value.detach().clone()
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def unpack_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put the tensors of `pack_optimizer` into an optimiser over the same parameters."""
    whole = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = tensor.clone()
    optimizer.load_state_dict({"state": state, "param_groups": whole["param_groups"]})


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with the prefix, without it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
