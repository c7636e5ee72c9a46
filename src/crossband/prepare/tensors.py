# SPDX-License-Identifier: Apache-2.0
"""Samples to numbers between 0 and 1 on a grid of whole 16x16 blocks, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crossband.pair import Modality, Raster

BLOCK = 16
"""Pixels a latent position, each way."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """What a tensor does not say of its raster; all of it stands in the file."""

    height: int
    width: int
    channels: int
    """1 or 3."""
    sample_bytes: int
    bit_depth: int
    low: int
    """Sample that becomes 0."""
    high: int
    """Sample that becomes 1."""

    @property
    def latent_height(self) -> int:
        """Latent rows."""
        return -(-self.height // BLOCK)

    @property
    def latent_width(self) -> int:
        """Latent columns."""
        return -(-self.width // BLOCK)


def geometry(raster: Raster) -> Geometry:
    """The geometry of a raster: pictures of more than 8 bits are stretched from their own range.

    A radiometric picture uses a few hundred to a few thousand of its 65,536 counts.
    """
    low, high = 0, raster.peak
    if raster.bit_depth > 8:
        low, high = int(raster.samples.min()), int(raster.samples.max())
    return Geometry(
        raster.height,
        raster.width,
        raster.channels,
        raster.samples.dtype.itemsize,
        raster.bit_depth,
        low,
        high,
    )


def widened(geometry: Geometry, before: Geometry) -> Geometry:
    """The geometry of a picture whose range also holds that of the frame before.

    So both frames of a film are stretched alike, whatever noise does to the lowest and highest
    count.
    """
    return replace(
        geometry, low=min(geometry.low, before.low), high=max(geometry.high, before.high)
    )


def prepare(
    raster: Raster,
    modality: Modality,
    geometry: Geometry,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """A raster as a tensor.

    Args:
        raster: one picture.
        modality: which camera's.
        geometry: its range and padded size.
        dtype: of the tensor.

    Returns:
        (1, 3, height, width) for visible, where gray becomes three equal channels, and
        (1, 1, height, width) for infrared; sides grown to multiples of 16 by repeating the border.
    """
    span = max(geometry.high - geometry.low, 1)
    samples = torch.from_numpy(np.atleast_3d(raster.samples.astype(np.int32))).to(dtype)
    tensor = ((samples - geometry.low) / span).permute(2, 0, 1)[None]
    if modality is Modality.VISIBLE and raster.channels == 1:
        tensor = tensor.expand(-1, 3, -1, -1)
    below, right = -raster.height % BLOCK, -raster.width % BLOCK
    tensor = F.pad(tensor, (0, right, 0, below), mode="replicate")
    return tensor.contiguous(memory_format=torch.channels_last)


def restore(tensor: Tensor, geometry: Geometry) -> Raster:
    """The raster of a synthesised tensor (1, channels, height, width): the inverse of `prepare`."""
    # float64: a float32 holds 16-bit samples, but not their products with a span, exactly
    values = tensor[0, :, : geometry.height, : geometry.width].double()
    if geometry.channels == 1:
        values = values.mean(0, keepdim=True)
    span = geometry.high - geometry.low
    samples = torch.round(values.clamp(0, 1) * span + geometry.low)
    array = samples.permute(1, 2, 0).cpu().numpy()
    array = array[:, :, 0] if geometry.channels == 1 else array
    if geometry.sample_bytes == 1:
        return Raster(array.astype(np.uint8), geometry.bit_depth)
    return Raster(array.astype(np.uint16), geometry.bit_depth)
