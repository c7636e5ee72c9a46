# SPDX-License-Identifier: Apache-2.0
"""Alignment of the partner's features with the current picture's (the paper, 3.2 and 3.3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossband.transforms.blocks import Depthwise, Pointwise

COEFFICIENT_UNIT = 1 / 16
"""One step of a coded scale or shift."""
COEFFICIENT_LIMIT = 127
"""Coded scales and shifts lie between -127 and 127 steps."""
_MASKED = -1e4  # far below any score, and finite in bfloat16


class ChannelAlignment(nn.Module):
    """One scale and one shift for each partner channel, sent as integers.

        current features ── mean ──┐
                                   ├─ two layers ─ round ─► coefficients (coded)
        partner features ── mean ──┘                             │
                 └────── 1x1 ──────────────► scale * . + shift ◄─┘ ─► context

    The paper's equation 2 with coded coefficients; they start at zero, which codes to almost
    nothing.
    """

    def __init__(self, current_channels: int, partner_channels: int, channels: int) -> None:
        super().__init__()
        self.project = Pointwise(partner_channels, channels)
        self.compare = nn.Linear(current_channels + channels, 96)
        self.predict = nn.Linear(96, 2 * channels)
        nn.init.zeros_(self.predict.weight)
        nn.init.zeros_(self.predict.bias)

    def coefficients(self, current: Tensor, partner: Tensor) -> Tensor:
        """Scales then shifts in units of 1/16, not yet rounded: (batch, 2 * channels)."""
        means = torch.cat([current.mean((2, 3)), self.project(partner).mean((2, 3))], 1)
        wanted = self.predict(F.leaky_relu(self.compare(means), 0.1)).float()
        limit = COEFFICIENT_LIMIT * COEFFICIENT_UNIT
        bounded: Tensor = COEFFICIENT_LIMIT * torch.tanh(wanted / limit)
        return bounded

    def forward(self, partner: Tensor, coefficients: Tensor) -> Tensor:
        """The partner's features scaled and shifted: (batch, channels, height, width)."""
        scale, shift = (coefficients * COEFFICIENT_UNIT)[:, :, None, None].chunk(2, 1)
        projected: Tensor = self.project(partner)
        return projected * (1 + scale).to(projected.dtype) + shift.to(projected.dtype)


class ContextBranch(nn.Module):
    """Adds what the aligned partner features say about the current ones; starts by adding zero.

    With `residual` it sees zeros in place of the current features: what it adds is a prediction
    from the partner alone, which the analysis can take away and the synthesis put back.
    """

    def __init__(self, channels: int, context_channels: int, *, residual: bool = False) -> None:
        super().__init__()
        self.residual = residual
        self.enter = Pointwise(channels + context_channels, channels)
        self.mix = Depthwise(channels)
        self.leave = Pointwise(channels, channels, start_at_zero=True)

    def forward(self, features: Tensor, context: Tensor, present: Tensor) -> Tensor:
        """Features with the branch added where `present` (batch, 1, 1, 1) is 1."""
        seen = torch.zeros_like(features) if self.residual else features
        joined = torch.cat([seen, context.to(features.dtype)], 1)
        branch: Tensor = self.leave(self.mix(F.leaky_relu(self.enter(joined), 0.1)))
        return features + branch * present.to(branch.dtype)


class SpatialAlignment(nn.Module):
    """Windowed cross-attention: each position looks for its counterpart around its own place.

    Queries come from windows of the current features, keys and values from larger windows of the
    partner's, so that a partner shifted by up to `reach` positions is still found. The output
    layer starts at zero.
    """

    def __init__(
        self, channels: int, partner_channels: int, *, window: int, reach: int, width: int = 64
    ) -> None:
        super().__init__()
        self.window, self.reach, self.heads = window, reach, 2
        self.query = Pointwise(channels, width)
        self.key_value = Pointwise(partner_channels, 2 * width)
        self.leave = Pointwise(width, channels, start_at_zero=True)
        span = window + 2 * reach
        inside, outside = torch.arange(window), torch.arange(span) - reach
        away = (outside[None, :] - inside[:, None]).abs().float()
        distance = away[:, None, :, None] + away[None, :, None, :]
        # A soft preference for the same place; learned from there.
        start = -0.5 * distance.reshape(window * window, span * span)
        self.place = nn.Parameter(start.repeat(self.heads, 1, 1))

    def forward(self, features: Tensor, partner: Tensor, present: Tensor) -> Tensor:
        """Features with the found counterparts added where `present` (batch, 1, 1, 1) is 1.

        Shape:
            features and partner: (batch, channels, height, width) of equal height and width.
        """
        batch, _, height, width = features.shape
        window, reach, heads = self.window, self.reach, self.heads
        span = window + 2 * reach
        below, right = -height % window, -width % window
        rows, columns = (height + below) // window, (width + right) // window
        query = F.pad(self.query(features), (0, right, 0, below))
        query = query.reshape(batch, heads, -1, rows, window, columns, window)
        query = query.permute(0, 3, 5, 1, 4, 6, 2).reshape(
            batch * rows * columns, heads, window * window, -1
        )
        margin = (reach, right + reach, reach, below + reach)
        around = F.pad(self.key_value(partner), margin)
        around = around.unfold(2, span, window).unfold(3, span, window)
        around = around.reshape(batch, 2, heads, -1, rows, columns, span, span)
        around = around.permute(1, 0, 4, 5, 2, 6, 7, 3).reshape(
            2, batch * rows * columns, heads, span * span, -1
        )
        inside = F.pad(partner.new_ones(1, 1, height, width), margin)
        inside = inside.unfold(2, span, window).unfold(3, span, window)
        masked = ((1 - inside) * _MASKED).reshape(1, rows * columns, 1, 1, span * span)
        bias = (self.place.to(masked.dtype) + masked).expand(batch, -1, -1, -1, -1).flatten(0, 1)
        found = F.scaled_dot_product_attention(
            query, around[0], around[1], attn_mask=bias.to(query.dtype)
        )
        found = found.reshape(batch, rows, columns, heads, window, window, -1)
        found = found.permute(0, 3, 6, 1, 4, 2, 5).reshape(
            batch, -1, rows * window, columns * window
        )
        branch: Tensor = self.leave(found[:, :, :height, :width])
        return features + branch * present.to(branch.dtype)
