"""How the weights of several operations lie in those of a fused one."""

from __future__ import annotations

from collections.abc import Sequence

from archdsl.ir.graph import Path
from archdsl.ops.base import Operation, Types
from archdsl.ops.mlp import TokensMLP
from archdsl.passes.draft import weight_name
from archdsl.passes.weights import Concat, Keep, Same, Source, Stack


def stem_of(what: str, source: str) -> str:
    """A name for operations fused behind a value: `mlps_n1`."""
    return f"{what}_{source}" if source else what


def wide_rows(path: Path, parts: Sequence[tuple[Path, Operation, Types]]) -> dict[str, Source]:
    """Operations side by side over their outputs: every tensor joined along its first axis.

    Tensors without axes are counters, of which one stands for all.
    """
    rows: dict[str, Source] = {}
    _, first, inputs = parts[0]
    for index, weight in enumerate(first.weights(inputs)):
        keeps = tuple(Keep(weight_name(part, weight.name)) for part, _, _ in parts)
        name = weight_name(path, weight.name)
        if not weight.shape:
            rows[name] = Same(keeps, exact=False)
            continue
        sizes = tuple(operation.weights(types)[index].shape[0] for _, operation, types in parts)
        rows[name] = Concat(0, keeps, sizes)
    return rows


def depthwise_rows(
    operation: Operation, inputs: Types, path: Path, parts: Sequence[Path]
) -> dict[str, Source]:
    """Depthwise convolutions as one: their filters side by side for each channel."""
    rows: dict[str, Source] = {}
    for weight in operation.weights(inputs):
        keeps = tuple(Keep(weight_name(part, weight.name)) for part in parts)
        whole = Stack(keeps) if len(weight.shape) == 1 else Concat(1, keeps, (1,) * len(parts))
        rows[weight_name(path, weight.name)] = whole
    return rows


def mlp_rows(
    mlp: TokensMLP, inputs: Types, path: Path, parts: Sequence[Path], *, summed: bool
) -> dict[str, Source]:
    """Perceptrons of one input: first layers joined; second layers joined (summed) or stacked."""
    hidden = mlp.weights(inputs)[0].shape[0]
    sizes = (hidden,) * len(parts)

    def keeps(weight: str) -> tuple[Source, ...]:
        return tuple(Keep(weight_name(part, weight)) for part in parts)

    second = keeps("fc2.weight")
    return {
        weight_name(path, "weight"): Concat(1, second, sizes) if summed else Stack(second),
        weight_name(path, "bias"): Stack(keeps("fc2.bias")),
        weight_name(path, "fc1.weight"): Concat(0, keeps("fc1.weight"), sizes),
        weight_name(path, "fc1.bias"): Concat(0, keeps("fc1.bias"), sizes),
    }
