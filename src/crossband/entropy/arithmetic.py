# SPDX-License-Identifier: Apache-2.0
"""What the prior does between its layers, in real numbers and in integers.

Latents reach the prior in units of their quantiser step. Its layers see them in signal units
(sample units times 16), in which they look alike at every quality; the means and table indices
that it gives are brought back to steps. So a change of quality is a multiplication on the way in
and on the way out, and an addition to the table index.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from crossband.entropy.fixed_point import (
    FRACTION_BITS,
    UNIT,
    saturate,
    saturate_real,
    shift_down,
)
from crossband.entropy.tables import OCTAVES_PER_TABLE, SPREAD_LOW, TABLE_COUNT

SIGNAL = 16.0
"""Signal units a sample unit: a 16x16 block's mean stays within +-128."""
MEAN_BITS = 6
"""Means and decoded latents are integers in 1/64 of a step."""
INDEX_GAIN = 8
"""Table indices a unit of the prior's output: 64 tables span +-4."""
HYPER_VALUE_BITS = 8
"""Fraction bits of `hyper_value` beyond an activation's own."""
_SIGNAL_BITS = 12
_MEAN_GAIN_BITS = 18
_LARGEST_OFFSET = 32_767
_COEFFICIENT_BITS = 4
_LEAK_BITS = 3
"""Negative activations count an eighth: at exactly zero no gradient passes, and high learning rates
left 80 to 99 % of the units of some layers there for ever (docs/training-log.md, run 5)."""


@dataclass(frozen=True, slots=True)
class RealArithmetic:
    """Real numbers: latents and means in steps, activations in signal units; differentiable."""

    step: Tensor
    """Quantiser steps in sample units, (batch, 1, 1, channels)."""
    hyper_gain: Tensor
    """Hyper-latent steps a unit of activation, (batch, 1, 1, hyper channels)."""
    quality_features: Tensor
    """What the prior knows of the quality, (batch, 1, 1, width)."""

    def signal(self, latents: Tensor) -> Tensor:
        """Latents as activations."""
        return saturate_real(latents * (self.step * SIGNAL))

    def mean(self, output: Tensor, channels: slice) -> Tensor:
        """The prior's output (batch, positions, channels) as means in steps."""
        return output / (self.step[:, 0, :, channels] * SIGNAL)

    def table_index(self, output: Tensor, channels: slice) -> Tensor:
        """The prior's output as table indices, not rounded, not clamped."""
        return output * INDEX_GAIN + index_offset(self.step[:, 0, :, channels])

    @staticmethod
    def saturate(activation: Tensor) -> Tensor:
        """Activations within 16 bits."""
        return saturate_real(activation)

    @staticmethod
    def leaky(activation: Tensor) -> Tensor:
        """The larger of an activation and its eighth."""
        return F.leaky_relu(activation, 2.0**-_LEAK_BITS)

    @staticmethod
    def magnitude(activation: Tensor) -> Tensor:
        """About log2(1 + |activation|): straight between powers of two, so that integers can."""
        size = activation.abs() + 1
        fraction, exponent = torch.frexp(size.detach())
        return size * (2 * fraction / size.detach()) + (exponent - 2)

    def hyper(self, symbols: Tensor) -> Tensor:
        """Hyper-latents as activations."""
        return saturate_real(symbols / self.hyper_gain)

    @staticmethod
    def align(projected: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Partner activations scaled and shifted by coefficients in units of 1/16."""
        return saturate_real(projected * (1 + scale / 16) + shift / 16)


def index_offset(step: Tensor) -> Tensor:
    """What to add to a table index in signal units to get the one in steps."""
    return -(torch.log2(step * SIGNAL) + math.log2(SPREAD_LOW)) / OCTAVES_PER_TABLE


@dataclass(frozen=True, slots=True)
class StepTables:
    """The integer form of all quality steps, shipped in the weight file."""

    signal: Tensor
    """(qualities, channels), int32: step * 64 in 2^-12."""
    offset: Tensor
    """(qualities, channels), int16: table index offset in 1/256."""

    @classmethod
    def from_steps(cls, step: Tensor) -> StepTables:
        """Tables for steps in sample units, (qualities, channels)."""
        step = step.double()
        to_signal = step * SIGNAL * UNIT / 2**MEAN_BITS
        offset = torch.round(index_offset(step) * UNIT).clamp(-_LARGEST_OFFSET, _LARGEST_OFFSET)
        return cls(torch.round(to_signal * 2**_SIGNAL_BITS).to(torch.int32), offset.to(torch.int16))

    def mean(self, quality_index: int) -> Tensor:
        """1 / (64 * step) in 2^-18, (channels,): 2^30 / signal, halves rounded up, by integers."""
        signal = self.signal[quality_index].long()
        inverse: Tensor = (2 ** (_SIGNAL_BITS + _MEAN_GAIN_BITS + 1) + signal) // (2 * signal)
        return inverse


@dataclass(frozen=True, slots=True)
class IntegerArithmetic:
    """Integers in float64: latents and means in 1/64 of a step, activations in 1/256."""

    signal_gain: Tensor
    """One row of `StepTables.signal`, (channels,), float64; likewise below."""
    mean_gain: Tensor
    """`StepTables.mean`."""
    offset: Tensor
    hyper_value: Tensor
    """Activation of one hyper-latent step in 2^-16, (hyper channels,)."""
    quality_features: Tensor
    """(width,) activations."""

    def signal(self, latents: Tensor) -> Tensor:
        """Latents as activations."""
        return saturate(shift_down(latents * self.signal_gain, 2.0**-_SIGNAL_BITS))

    def mean(self, output: Tensor, channels: slice) -> Tensor:
        """The prior's output as means in 1/64 of a step."""
        return shift_down(output * self.mean_gain[channels], 2.0**-_MEAN_GAIN_BITS)

    def table_index(self, output: Tensor, channels: slice) -> Tensor:
        """The prior's output as table indices 0 to 63."""
        index = shift_down(output * INDEX_GAIN + self.offset[channels], 2.0**-FRACTION_BITS)
        return index.clamp(0, TABLE_COUNT - 1)

    @staticmethod
    def saturate(activation: Tensor) -> Tensor:
        """Activations within 16 bits."""
        return saturate(activation)

    @staticmethod
    def leaky(activation: Tensor) -> Tensor:
        """The larger of an activation and its eighth."""
        return torch.maximum(activation, shift_down(activation, 2.0**-_LEAK_BITS))

    @staticmethod
    def magnitude(activation: Tensor) -> Tensor:
        """About log2(1 + |activation|): straight between powers of two; 0 to 1,794."""
        # fraction * 2^9 is the sum shifted down to 2^8 to 2^9: exact, as the exponent is.
        fraction, exponent = torch.frexp(activation.abs() + UNIT)
        return torch.floor(fraction * (2 * UNIT) + 0.5) + (exponent - FRACTION_BITS - 2) * UNIT

    def hyper(self, symbols: Tensor) -> Tensor:
        """Hyper-latents as activations."""
        return saturate(shift_down(symbols * self.hyper_value, 2.0**-HYPER_VALUE_BITS))

    @staticmethod
    def align(projected: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Partner activations scaled and shifted by coefficients in units of 1/16."""
        total = projected * (2**_COEFFICIENT_BITS + scale) + shift * UNIT
        return saturate(shift_down(total, 2.0**-_COEFFICIENT_BITS))
