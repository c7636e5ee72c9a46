# SPDX-License-Identifier: Apache-2.0
"""The numbers that fix the shape of one picture's transforms."""

from __future__ import annotations

from dataclasses import dataclass

from crossband.errors import PictureError


@dataclass(frozen=True, slots=True)
class TransformSettings:
    """Widths and depths of one modality's analysis and synthesis.

    Raises:
        PictureError: a width that the transform-codec start cannot fill.
    """

    picture_channels: int
    """3 for visible (RGB; gray is coded as three equal channels), 1 for infrared."""
    eighth_channels: int = 128
    """Feature channels at 1/8 resolution."""
    latent_channels: int = 256
    """Latent and feature channels at 1/16 resolution; an orthonormal transform has 256 a colour
    channel."""
    deep_channels: int = 192
    """Channels inside the gated blocks at 1/16 resolution."""
    analysis_blocks: int = 4
    """Gated blocks at 1/8 resolution in the analysis."""
    synthesis_blocks: int = 5
    """Gated blocks at 1/8 resolution in the synthesis: one more, its output is what is seen."""
    analysis_deep_blocks: int = 2
    """Gated blocks at 1/16 resolution in the analysis."""
    synthesis_deep_blocks: int = 2
    """Gated blocks at 1/16 resolution in the synthesis."""
    partner_eighth_channels: int = 128
    """Feature channels of the partner's synthesis at 1/8 resolution."""
    partner_latent_channels: int = 256
    """Feature channels of the partner's synthesis at 1/16 resolution."""
    alignment_channels: int = 64
    """Partner channels that get a coded scale and shift: 128 numbers, as in the paper."""
    channel_alignment: bool = True
    """Whether the scaled and shifted partner features are context (an ablation switch)."""
    spatial_alignment: bool = True
    """Whether cross-attention to the partner's features is context (an ablation switch)."""
    residual: bool = False
    """Whether the scaled and shifted partner features are used without seeing the current ones:
    residual instead of conditional coding (an ablation switch)."""
    past: bool = False
    """Whether what is coded is the difference from a prediction, of which features are context
    (films)."""

    def __post_init__(self) -> None:
        if self.latent_channels > 4 * min(self.eighth_channels, 64 * self.picture_channels):
            raise PictureError(
                f"{self.latent_channels} latent channels are more than the Haar start gives from"
                f" {self.eighth_channels} at 1/8 resolution; lower the first"
            )
