# SPDX-License-Identifier: Apache-2.0
"""The one building block of analysis and synthesis."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Pointwise(nn.Conv2d):
    """A 1x1 convolution: one matrix for every position."""

    def __init__(self, inputs: int, outputs: int, *, start_at_zero: bool = False) -> None:
        super().__init__(inputs, outputs, 1)
        if start_at_zero:
            nn.init.zeros_(self.weight)
        assert self.bias is not None
        nn.init.zeros_(self.bias)


class Depthwise(nn.Conv2d):
    """A 3x3 convolution within each channel, borders filled with zeros."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, padding=1, groups=channels)
        assert self.bias is not None
        nn.init.zeros_(self.bias)


def gate(features: Tensor) -> Tensor:
    """First half of the channels times the sigmoid of the second: bounded, so it cannot blow up."""
    if features.is_contiguous():
        return F.glu(features, 1)
    # The channel dimension is last in memory; glu over a strided one was five times slower.
    return F.glu(features.permute(0, 2, 3, 1), -1).permute(0, 3, 1, 2)


class GatedBlock(nn.Module):
    """Neighbourhood mixing, then channel mixing, each added to what came in.

        x ─┬─ 1x1 ─ leaky relu ─ depthwise 3x3 ─ 1x1 ─(+)─┬─ 1x1 ─ gate ─ 1x1 ─(+)─►
           └───────────────────────────────────────────┘   └───────────────────────┘

    The last layer of each branch starts at zero: the untrained block is the identity.

    Args:
        channels: in and out.
        inner: inside both branches; None: as many.
    """

    def __init__(self, channels: int, inner: int | None = None) -> None:
        super().__init__()
        inner = channels if inner is None else inner
        self.enter = Pointwise(channels, inner)
        self.mix = Depthwise(inner)
        self.leave = Pointwise(inner, channels, start_at_zero=True)
        self.expand = Pointwise(channels, 2 * inner)
        self.project = Pointwise(inner, channels, start_at_zero=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features of the same shape (batch, channels, height, width)."""
        mixed = self.mix(F.leaky_relu(self.enter(features), 0.1))
        features = features + self.leave(mixed)
        gated: Tensor = self.project(gate(self.expand(features)))
        return features + gated


def to_channels_last(module: nn.Module) -> None:
    """Lays out the weights of convolutions channels last, as their inputs are."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data = layer.weight.data.contiguous(memory_format=torch.channels_last)
