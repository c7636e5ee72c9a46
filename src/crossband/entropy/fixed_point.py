# SPDX-License-Identifier: Apache-2.0
"""Layers in two arithmetics: trainable floats, and integers that are equal on every machine.

An activation is a 16-bit integer in units of 1/256. The integer layers hold it in float64, where
every product and sum stays below 2^53 and is therefore exact in any order, on any backend
(docs/design.md, rule 1). The float layers compute the same function on real numbers and can
imitate the rounding (`imitate_integers`), so that training sees what the export will do.

All tensors are (..., channels), the depthwise ones (batch, height, width, channels).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FRACTION_BITS = 8
UNIT = 1 << FRACTION_BITS
_TOP = 32_767
_MAX_SHIFT = 15


def saturate(activation: Tensor) -> Tensor:
    """Integer activations clamped to 16 bits."""
    return activation.clamp(-_TOP, _TOP)


def saturate_real(activation: Tensor) -> Tensor:
    """Real activations clamped to what 16 bits in units of 1/256 hold."""
    return activation.clamp(-_TOP / UNIT, _TOP / UNIT)


def shift_down(total: Tensor, scale: Tensor | float) -> Tensor:
    """`floor(total * scale + 1/2)`: exact, a power of two only moves the exponent.

    The scale is made once by `power_of_two`: a vectorised exp2 may be off by one unit in the last
    place, and then the floor too.
    """
    return torch.floor(total * scale + 0.5)


def power_of_two(shift: Tensor) -> Tensor:
    """2^-shift for small integers, exact, float64."""
    return torch.tensor([math.ldexp(1.0, -int(s)) for s in shift], dtype=torch.float64)


def _through(exact: Tensor, rounded: Tensor) -> Tensor:
    """The rounded value forward, the exact one's gradient backward."""
    return exact + (rounded - exact).detach()


@dataclass(frozen=True, slots=True)
class IntegerWeights:
    """What one layer becomes on export."""

    weight: Tensor
    """int16, (outputs, inputs) or (channels, 9)."""
    bias: Tensor
    """int32, in units of 2^-(8 + shift)."""
    shift: Tensor
    """uint8 per output channel: how far the sum is shifted down."""


def quantize_weights(weight: Tensor, bias: Tensor) -> IntegerWeights:
    """16-bit integers for real weights, one power-of-two scale an output channel."""
    largest = weight.abs().amax(1).clamp(min=2.0**-20)
    shift = torch.floor(torch.log2(_TOP / largest)).clamp(0, _MAX_SHIFT)
    integer = torch.round(weight * torch.exp2(shift)[:, None]).clamp(-_TOP, _TOP)
    offset = torch.round(bias.double() * torch.exp2(shift.double() + FRACTION_BITS))
    return IntegerWeights(
        integer.to(torch.int16),
        offset.clamp(-(2**31 - 1), 2**31 - 1).to(torch.int32),
        shift.to(torch.uint8),
    )


def dequantize_weights(integer: IntegerWeights) -> tuple[Tensor, Tensor]:
    """The real weights and biases that `quantize_weights` gives these integers for, exact."""
    unit = power_of_two(integer.shift)
    weight = integer.weight.double() * unit[:, None]
    bias = integer.bias.double() * (unit / UNIT)
    return weight.float(), bias.float()


class RealLayer(nn.Module):
    """A trainable layer that can imitate its exported self.

    Fixed gains on its rows and columns bring channels of very different spread (a block's mean
    against its finest detail) to one scale for the optimiser; the export folds them in.
    """

    row_gain: Tensor
    column_gain: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        outputs, inputs = weight.shape
        self.weight = nn.Parameter(weight)
        # Not zero: a ReLU of exactly zero passes no gradient.
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-0.1, 0.2))
        self.register_buffer("row_gain", torch.ones(outputs))
        self.register_buffer("column_gain", torch.ones(inputs))
        self.imitate_integers = False

    def exact(self) -> tuple[Tensor, Tensor]:
        """Weight and bias with the gains folded in."""
        weight = self.weight * self.row_gain[:, None] * self.column_gain
        return weight, self.bias * self.row_gain

    def current(self) -> tuple[Tensor, Tensor]:
        """Weight and bias, rounded if the exported layer is imitated."""
        weight, bias = self.exact()
        if not self.imitate_integers:
            return weight, bias
        integer = self.quantized()
        scale = torch.exp2(integer.shift.float())
        return (
            _through(weight, integer.weight.float() / scale[:, None]),
            _through(bias, integer.bias.float() / (scale * UNIT)),
        )

    def finish(self, total: Tensor) -> Tensor:
        """The sum as an activation."""
        if self.imitate_integers:
            total = _through(total, torch.floor(total * UNIT + 0.5) / UNIT)
        return saturate_real(total)

    def quantized(self) -> IntegerWeights:
        """The integers that this layer is exported as."""
        weight, bias = self.exact()
        return quantize_weights(weight.detach(), bias.detach())


def integer_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The integer form of every trainable layer of a prior, by its name."""
    found = {}
    for name, layer in module.named_modules():
        if isinstance(layer, RealLayer):
            integer = layer.quantized()
            found[f"{name}.weight"] = integer.weight
            found[f"{name}.bias"] = integer.bias
            found[f"{name}.shift"] = integer.shift
    return found


class RealPointwise(RealLayer):
    """One matrix for every position, trainable."""

    def __init__(self, inputs: int, outputs: int, *, start_scale: float = 1.0) -> None:
        bound = start_scale * (3.0 / inputs) ** 0.5
        super().__init__(torch.empty(outputs, inputs).uniform_(-bound, bound))
        if start_scale == 0.0:
            nn.init.zeros_(self.bias)  # a branch that is to add nothing at the start

    def forward(self, activation: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        weight, bias = self.current()
        return self.finish(F.linear(activation, weight, bias))


class RealDepthwise(RealLayer):
    """3x3 within each channel, borders filled with zeros, trainable."""

    def __init__(self, channels: int) -> None:
        weight = torch.empty(channels, 9).uniform_(-0.1, 0.1)
        weight[:, 4] += 1.0
        super().__init__(weight)

    def forward(self, activation: Tensor) -> Tensor:
        """(batch, height, width, channels), the same shape out."""
        weight, bias = self.current()
        channels = weight.shape[0]
        total = F.conv2d(
            activation.permute(0, 3, 1, 2),
            weight.reshape(channels, 1, 3, 3),
            bias,
            padding=1,
            groups=channels,
        )
        return self.finish(total.permute(0, 2, 3, 1))


class IntegerLayer(nn.Module):
    """An exported layer: no parameters, nothing to train."""

    weight: Tensor
    bias: Tensor
    scale: Tensor

    def __init__(self, integer: IntegerWeights) -> None:
        super().__init__()
        self.register_buffer("weight", integer.weight.double())
        self.register_buffer("bias", integer.bias.double())
        self.register_buffer("scale", power_of_two(integer.shift))

    def finish(self, total: Tensor) -> Tensor:
        """The sum, bias added, shifted down and clamped to 16 bits."""
        return saturate(shift_down(total + self.bias, self.scale))


class IntegerPointwise(IntegerLayer):
    """One integer matrix for every position, as an exact float64 product."""

    def forward(self, activation: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        return self.finish(activation @ self.weight.T)


class IntegerDepthwise(IntegerLayer):
    """3x3 within each channel as nine shifted multiply-adds."""

    def forward(self, activation: Tensor) -> Tensor:
        """(batch, height, width, channels), the same shape out."""
        height, width = activation.shape[1:3]
        padded = F.pad(activation, (0, 0, 1, 1, 1, 1))
        total = torch.zeros_like(activation)
        for place in range(9):
            row, column = divmod(place, 3)
            shifted = padded[:, row : row + height, column : column + width]
            total = torch.addcmul(total, shifted, self.weight[:, place])
        return self.finish(total)
