# SPDX-License-Identifier: Apache-2.0
"""What moved since the frame before, and how its brightness changed.

There is a vector for each block of 16x16 pixels, and one gain and one offset for the picture. The
encoder looks for them (`motion_search.py`), the file holds them (`entropy/vectors.py`), and both
sides predict with them from the picture shown last. No optical flow: a block is displaced whole.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 16
"""Pixels a vector, each way."""
PARTS = 4
"""Vectors are in units of 1 / PARTS of a pixel."""
BRIGHTNESS_LIMIT = 63
"""Gains lie between 1/64 and 2 - 1/64, offsets within a quarter of the range."""


def moved(picture: Tensor, vectors: Tensor) -> Tensor:
    """The picture with each block taken from where its vector points.

    Cubic between pixels; the border goes on beyond the picture.

    Args:
        picture: (batch, channels, height, width), sides multiples of 16.
        vectors: rows then columns, (batch, height / 16, width / 16, 2), in quarter pixels.
    """
    height, width = picture.shape[-2:]
    batch, down, across, _ = vectors.shape
    pixels = vectors.to(picture.dtype) / PARTS
    device = picture.device
    rows = torch.arange(height, device=device).view(down, BLOCK, 1, 1)
    rows = rows + pixels[:, :, None, :, None, 0]
    columns = torch.arange(width, device=device).view(across, BLOCK)
    columns = columns + pixels[:, :, None, :, None, 1]
    shape = (batch, down, BLOCK, across, BLOCK)
    grid = torch.stack(
        (
            (columns * (2 / (width - 1)) - 1).expand(shape),
            (rows * (2 / (height - 1)) - 1).expand(shape),
        ),
        -1,
    )
    return F.grid_sample(
        picture,
        grid.reshape(batch, height, width, 2),
        mode="bicubic",
        padding_mode="border",
        align_corners=True,
    )


def brightness(current: Tensor, past: Tensor) -> Tensor:
    """Gain and offset of the past picture that bring its mean and spread to the current one's.

    Thermal cameras change both from frame to frame (automatic gain, shutter), visible ones their
    exposure. Both are left alone where that does not help much.

    Args:
        current: samples in 0 to 1, (batch, channels, height, width), sides multiples of 16.
        past: what was shown last, likewise.

    Returns:
        (batch, 2) whole numbers as floats: 64 times the gain less 1, 256 times the offset, each
        between -LIMIT and LIMIT.
    """
    here, there = (
        F.avg_pool2d(each.float().mean(1, keepdim=True), BLOCK) for each in (current, past)
    )
    axes = (1, 2, 3)
    gain = (here.std(axes, correction=0) + 1e-3) / (there.std(axes, correction=0) + 1e-3)
    gain = torch.round(64 * (gain - 1)).clamp(-BRIGHTNESS_LIMIT, BRIGHTNESS_LIMIT)
    lit = there * (1 + gain / 64)[:, None, None, None]
    offset = torch.round(256 * (here.mean(axes) - lit.mean(axes)))
    found = torch.stack((gain, offset.clamp(-BRIGHTNESS_LIMIT, BRIGHTNESS_LIMIT)), 1)
    before, after = (
        (each - here).square().mean(axes) for each in (there, brightened(there, found))
    )
    # A twentieth of a level: below, the network does as well.
    helps = after + (0.05 / 255) ** 2 < 0.7 * before
    return found * helps[:, None]


def brightened(picture: Tensor, change: Tensor) -> Tensor:
    """The picture with the gain and offset that `brightness` gave; stays within 0 to 1."""
    change = change.to(picture.dtype)
    gain, offset = (1 + change[:, :1] / 64), change[:, 1:] / 256
    lit: Tensor = picture * gain[:, :, None, None] + offset[:, :, None, None]
    return lit.clamp(0, 1)


def difference(picture: Tensor, predicted: Tensor) -> Tensor:
    """What is coded of a predicted picture: around middle gray, as pictures are."""
    return picture - predicted + 0.5


def summed(difference: Tensor, predicted: Tensor) -> Tensor:
    """The inverse of `difference`."""
    return difference + predicted - 0.5
