# SPDX-License-Identifier: Apache-2.0
"""The 64 quality steps: their Lagrangians, quantiser steps and learned gains."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

QUALITY_COUNT = 64
"""Quality indices 0 (smallest file) to 63 (near-lossless)."""
_LAGRANGIAN_LOW = 0.0003
_LAGRANGIAN_HIGH = 1.0
_KNOTS = 8
_BOUND = 1.5
"""Learned gains stay within exp(-1.5) and exp(1.5): unbounded ones gave NaN at rare qualities."""


def _real(quality_index: Tensor) -> Tensor:
    """Whole numbers as float32; float64 stays, and with it what is made of them."""
    return quality_index if quality_index.is_floating_point() else quality_index.float()


def lagrangian(quality_index: Tensor) -> Tensor:
    """Weight of the squared error at a quality: loss = bpp + weight * 255^2 * MSE.

    Args:
        quality_index: 0 to 63, any shape; the picture's samples range over 0 to 1.
    """
    share = _real(quality_index) / (QUALITY_COUNT - 1)
    return _LAGRANGIAN_LOW * (_LAGRANGIAN_HIGH / _LAGRANGIAN_LOW) ** share


def base_step(quality_index: Tensor) -> Tensor:
    """Quantiser step at which a uniform quantiser is optimal for `lagrangian`, in sample units.

    From d/dstep of step^2/12 * weight * 255^2 = log2(step): an orthonormal transform coded at
    high rate.
    """
    return torch.sqrt(12.0 / (2.0 * math.log(2.0) * lagrangian(quality_index) * 255.0**2))


class QualityGain(nn.Module):
    """One positive factor per channel for every quality, piecewise linear in its logarithm.

    Eight learned knots instead of 64 rows, so that a short training reaches every quality.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.knots = nn.Parameter(torch.zeros(_KNOTS, channels))

    def forward(self, quality_index: Tensor) -> Tensor:
        """Factors of shape (batch, channels) for indices of shape (batch,)."""
        place = _real(quality_index) * ((_KNOTS - 1) / (QUALITY_COUNT - 1))
        low = place.floor().clamp(max=_KNOTS - 2).long()
        share = (place - low)[:, None]
        log_gain = self.knots[low] * (1 - share) + self.knots[low + 1] * share
        return torch.exp(_BOUND * torch.tanh(log_gain / _BOUND))
