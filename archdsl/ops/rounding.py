"""Simulated quantisation: layers whose weights and inputs are rounded to few bits.

Training sees what rounding does while weights stay real: gradients pass rounding as if it were
not there (Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons",
section 4; Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 3).
"""

from __future__ import annotations

from dataclasses import replace

from archdsl.ops.base import Argument, Code, Helper, OperationError, Traits, Types

MOST_BITS = 16

ROUND_WEIGHT = '''\
def round_weight(weight: Tensor, bits: int) -> Tensor:
    """Weights in steps of the same size on both sides of zero, one size for each output."""
    largest = weight.detach().abs().flatten(1).amax(1).clamp(min=1e-12)
    step = (largest / (2 ** (bits - 1) - 1)).view(-1, *[1] * (weight.dim() - 1))
    return weight + (torch.round(weight / step) * step - weight).detach()
'''

ROUND_INPUT = '''\
def round_input(x: Tensor, bits: int) -> Tensor:
    """Activations in equal steps from the smallest to the largest of each input of the batch."""
    low, high = torch.aminmax(x.detach().flatten(1), dim=1)
    shape = (-1, *[1] * (x.dim() - 1))
    step = ((high - low).clamp(min=1e-12) / (2**bits - 1)).view(shape)
    low = low.view(shape)
    return x + (torch.round((x - low) / step) * step + low - x).detach()
'''

ROUNDED_CONV = '''\
class RoundedConv2d(nn.Conv2d):
    """A convolution whose weights and inputs are rounded to few bits, 0 for as they are."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        weight_bits: int = 0,
        input_bits: int = 0,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )
        self.weight_bits = weight_bits
        self.input_bits = input_bits

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        weight = round_weight(self.weight, self.weight_bits) if self.weight_bits else self.weight
        x = round_input(x, self.input_bits) if self.input_bits else x
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
'''

ROUNDED_LINEAR = '''\
class RoundedLinear(nn.Linear):
    """A linear map whose weights and inputs are rounded to few bits, 0 for as they are."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        weight_bits: int = 0,
        input_bits: int = 0,
    ) -> None:
        super().__init__(in_features, out_features, bias)
        self.weight_bits = weight_bits
        self.input_bits = input_bits

    def forward(self, x: Tensor) -> Tensor:  # (..., C)
        weight = round_weight(self.weight, self.weight_bits) if self.weight_bits else self.weight
        x = round_input(x, self.input_bits) if self.input_bits else x
        return F.linear(x, weight, self.bias)
'''

ROUNDED = {"nn.Conv2d": "RoundedConv2d", "nn.Linear": "RoundedLinear"}
ROUNDING = (
    Helper(name="round_weight", source=ROUND_WEIGHT),
    Helper(name="round_input", source=ROUND_INPUT),
    Helper(name="RoundedConv2d", source=ROUNDED_CONV),
    Helper(name="RoundedLinear", source=ROUNDED_LINEAR),
)


def check_bits(keyword: str, weight_bits: int | None, input_bits: int | None) -> None:
    """Refuse numbers of bits that leave no steps, or that round nothing."""
    for name, bits, least in (("weight_bits", weight_bits, 2), ("input_bits", input_bits, 1)):
        if bits is not None and not least <= bits <= MOST_BITS:
            raise OperationError(
                f"{name} of {keyword} is out of range",
                found=f"{name}={bits}",
                expected=f"{least} to {MOST_BITS}",
                hint="without it, nothing is rounded",
            )


def rounded(code: Code, weight_bits: int | None, input_bits: int | None) -> Code:
    """The code of a layer with its weights, its inputs or both rounded."""
    bits = {"weight_bits": weight_bits, "input_bits": input_bits}
    given = [Argument(value, name, name) for name, value in bits.items() if value is not None]
    if not given:
        return code
    name = ROUNDED[code.constructor]
    return Code(
        constructor=name,
        arguments=(*code.arguments, *given),
        helpers=("round_weight", "round_input", name),
    )


def rounded_traits(traits: Traits, inputs: Types, input_bits: int | None) -> Traits:
    """Rounded weights are weights; rounded inputs depend on each other, in steps, nonlinearly."""
    if input_bits is None:
        return traits
    one = len(inputs[0].shape) == 1  # a vector has one position
    return replace(
        traits, linear=False, affine=False, per_channel=False, per_position=one, jumps=True
    )


def in_words(said: str, weight_bits: int | None, input_bits: int | None) -> str:
    """`conv 3x3, 4-bit weights, 8-bit inputs`."""
    parts = [said]
    parts += [f"{weight_bits}-bit weights"] if weight_bits is not None else []
    parts += [f"{input_bits}-bit inputs"] if input_bits is not None else []
    return ", ".join(parts)
