# SPDX-License-Identifier: Apache-2.0
"""From what is decoded to the mean and table of every symbol that is not."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossband.entropy.arithmetic import IntegerArithmetic, RealArithmetic
from crossband.entropy.fixed_point import (
    IntegerDepthwise,
    IntegerPointwise,
    IntegerWeights,
    RealDepthwise,
    RealLayer,
    RealPointwise,
)
from crossband.entropy.settings import EntropySettings

Arithmetic = RealArithmetic | IntegerArithmetic
PASS_COUNT = 4
HYPER_FACTOR = 4
"""Latent positions a hyper-latent position, each way."""
_SIZE_CHANNELS = 32
"""What magnitudes of latents are summed up in."""


@dataclass(frozen=True, slots=True)
class Past:
    """Decoded latents of one camera's earlier frames: what size those of the next one will have.

    Their values say nothing: what is coded are differences from what the frame before shows.
    """

    frame: Tensor
    """Of the frame before, (batch, height, width, channels)."""
    key: Tensor
    """Of the key frame that the frame before rests on, likewise."""


@dataclass(frozen=True, slots=True)
class PassGeometry:
    """Which symbols one pass codes: a checkerboard half of the positions of a channel group."""

    channels: slice
    visible_channels: int
    """Channels that are at least partly decoded before this pass."""
    odd: bool

    def positions(self, height: int, width: int, device: torch.device | None = None) -> Tensor:
        """Flat indices of this pass's positions, row by row; shared, so do not write there."""
        return _positions(
            height, width, self.odd, torch.device("cpu") if device is None else device
        )


@functools.lru_cache(maxsize=64)
def _positions(height: int, width: int, odd: bool, device: torch.device) -> Tensor:
    """Made once: a copy to a GPU is something that the host waits for."""
    with torch.inference_mode(False):  # or training could not use what coding left here
        return torch.nonzero(_checkerboard(height, width).flatten() == odd).flatten().to(device)


def _checkerboard(height: int, width: int) -> Tensor:
    """0 where row + column is even, 1 where it is odd."""
    return (torch.arange(height)[:, None] + torch.arange(width)) % 2


def pass_geometry(settings: EntropySettings) -> tuple[PassGeometry, ...]:
    """The four passes: first channels on even, then odd positions; then the rest likewise."""
    first, total = settings.first_channels, settings.latent_channels
    return (
        PassGeometry(slice(0, first), 0, odd=False),
        PassGeometry(slice(0, first), first, odd=True),
        PassGeometry(slice(first, total), first, odd=False),
        PassGeometry(slice(first, total), total, odd=True),
    )


class Sizes(nn.Module):
    """Reads off magnitudes of decoded latents how large others will be: starts by saying nothing.

    Tables are log-spaced, so a logarithm of what is around is what their index follows; without
    it, 1 to 3 % more bits (docs/training-log.md, before run 6).
    """

    def __init__(self, latents: int, width: int) -> None:
        super().__init__()
        self.gather = RealPointwise(latents, _SIZE_CHANNELS)
        self.mix = RealDepthwise(_SIZE_CHANNELS)
        self.out = RealPointwise(_SIZE_CHANNELS, width, start_scale=0.0)

    def forward(self, signal: Tensor, arithmetic: Arithmetic) -> Tensor:
        """Signals (batch, height, width, latents) to features of the same grid."""
        gathered = arithmetic.leaky(self.gather(arithmetic.magnitude(signal)))
        features: Tensor = self.out(arithmetic.leaky(self.mix(gathered)))
        return features


class Pass(nn.Module):
    """Reads means and tables for one pass off the features and the decoded neighbours."""

    def __init__(self, settings: EntropySettings, geometry: PassGeometry) -> None:
        super().__init__()
        width = settings.width
        coded = geometry.channels.stop - geometry.channels.start
        seen = geometry.visible_channels
        self.features = RealPointwise(width, width)
        self.around = RealDepthwise(seen) if seen else None
        self.decoded = RealPointwise(seen, width, start_scale=0.5) if seen else None
        self.sizes = Sizes(seen, width) if seen else None
        self.inner = RealPointwise(width, width)
        self.outer = RealPointwise(width, 2 * coded, start_scale=0.05)

    def forward(
        self,
        features: Tensor,
        decoded: Tensor,
        positions: Tensor,
        arithmetic: Arithmetic,
    ) -> tuple[Tensor, Tensor]:
        """Means and spreads as activations, each (batch, positions, coded channels)."""
        total = self.features(features.flatten(1, 2)[:, positions])
        if self.around is not None and self.decoded is not None and self.sizes is not None:
            around = self.decoded(self.around(decoded).flatten(1, 2)[:, positions])
            sizes = self.sizes(decoded, arithmetic).flatten(1, 2)[:, positions]
            total = arithmetic.saturate(total + around + sizes)
        leaky = arithmetic.leaky
        inner = leaky(self.inner(leaky(total)))
        mean, spread = self.outer(inner).chunk(2, -1)
        return mean, spread


class Prior(nn.Module):
    """Predicts the symbols of one picture in four parallel passes.

        hyper-latents (1/64) ── up ── up ──┐
        quality ──────────────────────────(+)── leaky ─► features ─┐
        partner latents ─ align ─ mix ─────┘                       ├─► pass ─► mean, table index
        latents decoded so far ── depthwise 3x3 ───────────────────┘

    The same graph runs in real numbers (training) and, after `exported`, in integers (coding):
    the layers and the `arithmetic` handed in decide which. Everything it reads is decoded
    symbols, so that two machines always agree (docs/format.md).

    Shape:
        Everything is (batch, height, width, channels).
    """

    def __init__(self, settings: EntropySettings) -> None:
        super().__init__()
        self.settings = settings
        narrow, width = settings.hyper_width, settings.width
        self.hyper_in = RealPointwise(settings.hyper_channels, 2 * narrow)
        self.hyper_mix = RealDepthwise(2 * narrow)
        self.hyper_up = RealPointwise(2 * narrow, 4 * narrow)
        self.half_mix = RealDepthwise(narrow)
        self.half_up = RealPointwise(narrow, 4 * narrow)
        self.full_mix = RealDepthwise(narrow)
        self.full_out = RealPointwise(narrow, width)
        if settings.partner_context:
            aligned = settings.alignment_channels
            self.partner_in = RealPointwise(settings.partner_channels, aligned)
            self.partner_mix = RealDepthwise(2 * aligned)
            self.partner_inner = RealPointwise(2 * aligned, width)
            self.partner_out = RealPointwise(width, width, start_scale=0.0)
            self.partner_sizes = Sizes(settings.partner_channels, width)
        if settings.past:
            self.past_sizes = Sizes(settings.latent_channels, width)
            self.key_sizes = Sizes(settings.latent_channels, width)
        self.geometry = pass_geometry(settings)
        self.passes = nn.ModuleList(Pass(settings, each) for each in self.geometry)

    def features(
        self,
        hyper: Tensor,
        partner: Tensor | None,
        coefficients: Tensor | None,
        present: Tensor | None,
        arithmetic: Arithmetic,
        *,
        height: int,
        width: int,
        past: Past | None = None,
    ) -> Tensor:
        """What is known of every position before its picture's latents are decoded.

        Args:
            hyper: hyper-latent symbols, (batch, ceil(height / 4), ceil(width / 4), channels).
            partner: the partner's decoded latents as activations on its own grid, or None.
            coefficients: scales then shifts of the channel alignment, (batch, 2 * channels).
            present: (batch, 1 or rows, 1 or columns, 1), 0 where the partner is missing; None:
                present everywhere.
            arithmetic: real or integer.
            height: latent rows.
            width: latent columns.
            past: latents of the same camera before, as activations on the same grid; weights of
                films only.
        """
        up = self.hyper_features(hyper, arithmetic)[:, :height, :width]
        total = up + arithmetic.quality_features
        if partner is not None and self.settings.partner_context:
            assert coefficients is not None
            partner = _resampled(partner, height, width)
            seen = self.partner_in(partner)
            scale, shift = coefficients[:, None, None, :].chunk(2, -1)
            seen = arithmetic.align(seen, scale, shift)
            # Both signs: thermal contrast may be the visible one's or its opposite.
            both = torch.cat([F.relu(seen), F.relu(-seen)], -1)
            inner = arithmetic.leaky(self.partner_inner(self.partner_mix(both)))
            said = self.partner_out(inner) + self.partner_sizes(partner, arithmetic)
            total = total + (said if present is None else said * present)
        if past is not None and self.settings.past:
            total = total + self.past_sizes(past.frame, arithmetic)
            total = total + self.key_sizes(past.key, arithmetic)
        return arithmetic.leaky(arithmetic.saturate(total))

    def hyper_features(self, hyper: Tensor, arithmetic: Arithmetic) -> Tensor:
        """What the hyper-latents say, at four times their rows and columns."""
        leaky = arithmetic.leaky
        up = self.hyper_mix(leaky(self.hyper_in(arithmetic.hyper(hyper))))
        up = leaky(_shuffled(self.hyper_up(leaky(up))))
        up = leaky(_shuffled(self.half_up(leaky(self.half_mix(up)))))
        features: Tensor = self.full_out(leaky(self.full_mix(up)))
        return features

    def read(
        self,
        number: int,
        features: Tensor,
        decoded: Tensor,
        arithmetic: Arithmetic,
    ) -> tuple[Tensor, Tensor]:
        """Means and table indices of pass `number`, each (batch, positions, coded channels).

        Args:
            number: 0 to 3.
            features: what `features` gave.
            decoded: this picture's latents as activations, zero where not yet decoded.
            arithmetic: real or integer.
        """
        geometry = self.geometry[number]
        height, width = features.shape[1:3]
        positions = geometry.positions(height, width, features.device)
        seen = decoded[..., : geometry.visible_channels]
        mean, spread = self.passes[number](features, seen, positions, arithmetic)
        return (
            arithmetic.mean(mean, geometry.channels),
            arithmetic.table_index(spread, geometry.channels),
        )

    def with_integers(self, weights: Callable[[str], IntegerWeights]) -> Prior:
        """This prior with every layer replaced by an integer one, which nothing trains.

        Args:
            weights: gives a layer's integers by its name.
        """
        for name, layer in list(self.named_modules()):
            if isinstance(layer, RealLayer):
                kind = IntegerPointwise if isinstance(layer, RealPointwise) else IntegerDepthwise
                self.set_submodule(name, kind(weights(name)))
        return self.requires_grad_(False).eval()


def _shuffled(features: Tensor) -> Tensor:
    """Four times the channels to twice the rows and columns."""
    batch, height, width, channels = features.shape
    parts = features.reshape(batch, height, width, 2, 2, channels // 4)
    return parts.permute(0, 1, 3, 2, 4, 5).reshape(batch, 2 * height, 2 * width, channels // 4)


def _resampled(latents: Tensor, height: int, width: int) -> Tensor:
    """Nearest positions of a grid of another size, by integer arithmetic."""
    if latents.shape[1:3] == (height, width):
        return latents
    rows = torch.arange(height, device=latents.device) * latents.shape[1] // height
    columns = torch.arange(width, device=latents.device) * latents.shape[2] // width
    return latents[:, rows][:, :, columns]
