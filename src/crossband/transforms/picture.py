# SPDX-License-Identifier: Apache-2.0
"""Analysis and synthesis of one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crossband.homography import Places
from crossband.transforms.alignment import (
    ChannelAlignment,
    ContextBranch,
    SpatialAlignment,
)
from crossband.transforms.blocks import GatedBlock, Pointwise
from crossband.transforms.quality import QualityGain, base_step
from crossband.transforms.settings import TransformSettings
from crossband.transforms.start import block_transform, haar_transform


@dataclass(frozen=True, slots=True)
class SynthesisFeatures:
    """What a picture's synthesis shows to its partner."""

    sixteenth: Tensor
    """(batch, latent_channels, ceil(height / 16), ceil(width / 16))."""
    eighth: Tensor
    """(batch, eighth_channels, twice the above)."""

    def float(self) -> SynthesisFeatures:
        """The same in float32."""
        return SynthesisFeatures(self.sixteenth.float(), self.eighth.float())

    def sampled(self, deep: Places, wide: Places) -> SynthesisFeatures:
        """The same features at other places, bilinear; beyond the border as on it.

        Args:
            deep: of the grid at 1/16.
            wide: of the grid at 1/8.
        """
        return SynthesisFeatures(_sampled(self.sixteenth, deep), _sampled(self.eighth, wide))

    def resampled(self, height: int, width: int) -> SynthesisFeatures:
        """The same features on a grid of `height` x `width` positions at 1/16, plainly scaled."""
        if self.sixteenth.shape[-2:] == (height, width):
            return self
        return SynthesisFeatures(
            F.interpolate(self.sixteenth, (height, width), mode="bilinear"),
            F.interpolate(self.eighth, (2 * height, 2 * width), mode="bilinear"),
        )


def _sampled(features: Tensor, places: Places) -> Tensor:
    # grid_sample counts from -1 to 1, from border to border.
    shares = [2 * places.right / features.shape[-1] - 1, 2 * places.down / features.shape[-2] - 1]
    grid = torch.from_numpy(np.stack(shares, -1).clip(-2, 2))[None].to(features)
    return F.grid_sample(
        features, grid, mode="bilinear", padding_mode="border", align_corners=False
    )


def _twice(present: Tensor) -> Tensor:
    """Where the partner is present, at 1/8 from 1/16; one value for all positions stays one."""
    if present.shape[-2:] == (1, 1):
        return present
    return present.repeat_interleave(2, 2).repeat_interleave(2, 3)


_SCALE = 16.0
"""What features start as, in units of a sample's range: of the order of 1, where gates bend."""


def _load(layer: nn.Conv2d, matrix: np.ndarray, *, transposed: bool = False) -> None:
    """Overwrites the first rows and columns of a 1x1 convolution, leaving the spare ones."""
    values = torch.from_numpy(matrix.T if transposed else matrix).float()
    with torch.no_grad():
        weight = layer.weight[:, :, 0, 0]
        weight[: values.shape[0], :] = 0
        if transposed:
            weight.zero_()
        weight[: values.shape[0], : values.shape[1]] = values


class Analysis(nn.Module):
    """Picture to latents.

    picture ─ unshuffle 8 ─ 1x1 ─ gain ─ blocks ─(context)─ blocks ─ unshuffle 2 ─ 1x1
                                                             ─ blocks ─ 1x1 ─► latents
               DCT                                            Haar
    """

    def __init__(self, settings: TransformSettings) -> None:
        super().__init__()
        wide, deep = settings.eighth_channels, settings.latent_channels
        self.head = Pointwise(64 * settings.picture_channels, wide)
        self.gain = QualityGain(wide)
        first = settings.analysis_blocks // 2
        self.before = nn.ModuleList(GatedBlock(wide) for _ in range(first))
        self.context = (
            ContextBranch(wide, settings.alignment_channels, residual=settings.residual)
            if settings.channel_alignment
            else None
        )
        self.past = ContextBranch(wide, wide) if settings.past else None
        self.after = nn.ModuleList(
            GatedBlock(wide) for _ in range(settings.analysis_blocks - first)
        )
        self.down = Pointwise(4 * wide, deep)
        self.deep = nn.ModuleList(
            GatedBlock(deep, settings.deep_channels) for _ in range(settings.analysis_deep_blocks)
        )
        self.tail = Pointwise(deep, deep)
        block, spreads = block_transform(settings.picture_channels, wide)
        haar, _ = haar_transform(spreads, wide, deep)
        _load(self.head, _SCALE * block)
        _load(self.down, haar)
        _load(self.tail, np.eye(deep) / _SCALE)

    def features(self, picture: Tensor, quality_index: Tensor) -> Tensor:
        """Features at 1/8 resolution, before anything of the partner enters.

        Args:
            picture: samples in 0 to 1, sides multiples of 16.
            quality_index: (batch,), 0 to 63.
        """
        features = self.look(picture)
        gain: Tensor = self.gain(quality_index)[:, :, None, None]
        features = features * gain.to(features.dtype)
        for block in self.before:
            features = block(features)
        return features

    def look(self, picture: Tensor) -> Tensor:
        """The first layer of a picture as it is, whatever its quality."""
        features: Tensor = self.head(F.pixel_unshuffle(picture - 0.5, 8))
        return features

    def forward(
        self,
        features: Tensor,
        context: Tensor | None,
        present: Tensor,
        past: Tensor | None = None,
    ) -> Tensor:
        """Latents in sample units (an orthonormal transform's), not divided by the step.

        Args:
            features: what `features` gave.
            context: the aligned partner features at 1/8 resolution, or None.
            present: (batch, 1, 1 or rows, 1 or columns) at 1/16, 0 where the partner is missing.
            past: what `look` gives of the prediction from the frame before; weights of films only.
        """
        if past is not None and self.past is not None:
            features = self.past(features, past, present.new_ones(1, 1, 1, 1))
        if context is not None and self.context is not None:
            features = self.context(features, context, _twice(present))
        for block in self.after:
            features = block(features)
        features = self.down(F.pixel_unshuffle(features, 2))
        for block in self.deep:
            features = block(features)
        latents: Tensor = self.tail(features)
        return latents


class Synthesis(nn.Module):
    """Latents to picture, and to the features that the partner may use.

    latents ─ 1x1 ─ blocks ─(attention)─ 1x1 ─ shuffle 2 ─ blocks ─(attention, context)
                                               ─ blocks ─ gain ─ 1x1 ─ shuffle 8 ─► picture
    """

    def __init__(self, settings: TransformSettings) -> None:
        super().__init__()
        wide, deep = settings.eighth_channels, settings.latent_channels
        self.head = Pointwise(deep, deep)
        self.deep = nn.ModuleList(
            GatedBlock(deep, settings.deep_channels) for _ in range(settings.synthesis_deep_blocks)
        )
        self.up = Pointwise(deep, 4 * wide)
        first = settings.synthesis_blocks // 2
        self.before = nn.ModuleList(GatedBlock(wide) for _ in range(first))
        self.after = nn.ModuleList(
            GatedBlock(wide) for _ in range(settings.synthesis_blocks - first)
        )
        self.gain = QualityGain(wide)
        self.tail = Pointwise(wide, 64 * settings.picture_channels)
        self.context = (
            ContextBranch(wide, settings.alignment_channels, residual=settings.residual)
            if settings.channel_alignment
            else None
        )
        self.past = ContextBranch(wide, wide) if settings.past else None
        spatial = settings.spatial_alignment
        # 4 + 2 * 4 positions of 16 px and 8 + 2 * 4 of 8 px: reaches of 64 and 32 px.
        self.look_deep = (
            SpatialAlignment(deep, settings.partner_latent_channels, window=4, reach=4)
            if spatial
            else None
        )
        self.look_wide = (
            SpatialAlignment(wide, settings.partner_eighth_channels, window=8, reach=4)
            if spatial
            else None
        )
        block, spreads = block_transform(settings.picture_channels, wide)
        haar, _ = haar_transform(spreads, wide, deep)
        _load(self.head, _SCALE * np.eye(deep), transposed=True)
        _load(self.up, haar, transposed=True)
        _load(self.tail, block / _SCALE, transposed=True)

    def forward(
        self,
        latents: Tensor,
        quality_index: Tensor,
        partner: SynthesisFeatures | None,
        context: Tensor | None,
        present: Tensor,
        past: Tensor | None = None,
    ) -> tuple[Tensor, SynthesisFeatures]:
        """The picture with samples near 0 to 1 (not clamped), and its features.

        Args:
            latents: dequantised, in sample units.
            quality_index: (batch,), 0 to 63.
            partner: the partner's features on this picture's grid, or None.
            context: its aligned features at 1/8 resolution, or None.
            present: (batch, 1, 1 or rows, 1 or columns) at 1/16, 0 where the partner is missing.
            past: as for the analysis.
        """
        features: Tensor = self.head(latents)
        for block in self.deep:
            features = block(features)
        if partner is not None and self.look_deep is not None:
            features = self.look_deep(features, partner.sixteenth, present)
        sixteenth = features
        features = F.pixel_shuffle(self.up(features), 2)
        for block in self.before:
            features = block(features)
        if past is not None and self.past is not None:
            features = self.past(features, past, present.new_ones(1, 1, 1, 1))
        wide = _twice(present)
        if partner is not None and self.look_wide is not None:
            features = self.look_wide(features, partner.eighth, wide)
        if context is not None and self.context is not None:
            features = self.context(features, context, wide)
        for block in self.after:
            features = block(features)
        eighth = features
        features = features * self.gain(quality_index)[:, :, None, None].to(features.dtype)
        picture = F.pixel_shuffle(self.tail(features), 8) + 0.5
        return picture, SynthesisFeatures(sixteenth, eighth)


class PictureTransforms(nn.Module):
    """Everything of one modality that turns samples into latents and back.

    The same weights code the picture alone (no partner) and given the partner.
    """

    def __init__(self, settings: TransformSettings) -> None:
        super().__init__()
        self.settings = settings
        self.analysis = Analysis(settings)
        self.synthesis = Synthesis(settings)
        self.step_gain = QualityGain(settings.latent_channels)
        self.alignment = ChannelAlignment(
            settings.eighth_channels,
            settings.partner_eighth_channels,
            settings.alignment_channels,
        )

    def started_layers(self) -> tuple[Pointwise, ...]:
        """The layers that start as a transform codec."""
        analysis, synthesis = self.analysis, self.synthesis
        return (
            *(analysis.head, analysis.down, analysis.tail),
            *(synthesis.head, synthesis.up, synthesis.tail),
        )

    def step(self, quality_index: Tensor) -> Tensor:
        """Quantiser steps in sample units, (batch, latent channels), for indices (batch,)."""
        gain: Tensor = self.step_gain(quality_index)
        return base_step(quality_index)[:, None] * gain
