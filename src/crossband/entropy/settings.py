# SPDX-License-Identifier: Apache-2.0
"""The numbers that fix the shape of one picture's entropy model."""

from __future__ import annotations

from dataclasses import dataclass

FURTHEST = 1023
"""Components of motion vectors lie between -FURTHEST and FURTHEST, in quarters of a pixel."""


@dataclass(frozen=True, slots=True)
class EntropySettings:
    """Widths of one modality's prior."""

    latent_channels: int
    """Latent channels at 1/16 resolution."""
    partner_channels: int
    """The partner's latent channels."""
    first_channels: int
    """Channels coded in the first two passes, the rest in the last two; the low frequencies."""
    hyper_channels: int = 64
    """Hyper-latent channels at 1/64 resolution."""
    hyper_width: int = 96
    """Features at 1/32 and 1/16 on the way up from the hyper-latents."""
    width: int = 256
    """Features a position from which each pass reads its tables."""
    alignment_channels: int = 64
    """Partner channels that get a coded scale and shift."""
    partner_context: bool = True
    """Whether the partner's latents enter the prior (an ablation switch)."""
    past: bool = False
    """Whether latents of the same camera's earlier frames enter it (films)."""
