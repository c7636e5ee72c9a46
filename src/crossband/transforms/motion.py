# SPDX-License-Identifier: Apache-2.0
"""What moved since the frame before, and how its brightness changed.

There is a vector for each block of 16x16 pixels, and one gain and one offset for the picture. The
encoder looks for them (`motion_search.py`), the file holds them (`entropy/vectors.py`), and both
sides predict with them from the picture shown last. No optical flow: a block is displaced whole,
and blocks fade into each other where they meet.

Overlapped blocks: M. T. Orchard, G. J. Sullivan, "Overlapped Block Motion Compensation: An
Estimation-Theoretic Approach", IEEE Transactions on Image Processing 3(5), 1994.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 16
"""Pixels a vector, each way."""
FADE = 12
"""Pixels over which a block fades into its neighbour, half of them on each side of the edge."""
_QUARTER = BLOCK // 2
PARTS = 4
"""Vectors are in units of 1 / PARTS of a pixel."""
BRIGHTNESS_LIMIT = 63
"""Gains lie between 1/64 and 2 - 1/64, offsets within a quarter of the range."""


def moved(picture: Tensor, vectors: Tensor) -> Tensor:
    """The picture with each block taken from where its vector points, faded into its neighbours.

    Cubic between pixels; the border goes on beyond the picture.

    Args:
        picture: (batch, channels, height, width), sides multiples of 16.
        vectors: rows then columns, (batch, height / 16, width / 16, 2), in quarter pixels.
    """
    pixels = vectors.to(picture.dtype) / PARTS
    return torch.stack([_moved(*each) for each in zip(picture, pixels, strict=True)])


def _moved(picture: Tensor, pixels: Tensor) -> Tensor:
    """One picture. Quarters of blocks are sampled anew for each neighbour that moves otherwise."""
    channels, height, width = picture.shape
    rows, columns = height // _QUARTER, width // _QUARTER
    row = torch.arange(rows, device=picture.device).repeat_interleave(columns)
    column = torch.arange(columns, device=picture.device).repeat(rows)
    # Of the two edges of its block a quarter touches the upper or lower, and the left or right one.
    beyond_row = (row // 2 + row % 2 * 2 - 1).clamp(0, rows // 2 - 1)
    beyond_column = (column // 2 + column % 2 * 2 - 1).clamp(0, columns // 2 - 1)
    own = pixels[row // 2, column // 2]
    plain = faded = _taken(picture, own, row, column)
    share = _shares(picture)
    down, across = share[row % 2, :, None], share[column % 2, None, :]
    for others, weight in (
        (pixels[beyond_row, column // 2], down * (1 - across)),
        (pixels[row // 2, beyond_column], (1 - down) * across),
        (pixels[beyond_row, beyond_column], down * across),
    ):
        (differ,) = (others != own).any(-1).nonzero(as_tuple=True)
        taken = _taken(picture, others[differ], row[differ], column[differ])
        faded = faded.index_add(1, differ, weight[differ] * (taken - plain[:, differ]))
    placed = faded.view(channels, rows, columns, _QUARTER, _QUARTER)
    return placed.transpose(2, 3).reshape(channels, height, width)


def _shares(like: Tensor) -> Tensor:
    """What the neighbour's vector counts in a quarter whose edge comes first or last: (2, 8).

    A half at the edge, nothing from FADE / 2 pixels away.
    """
    away = torch.arange(_QUARTER, device=like.device) + 0.5
    first = (0.5 - away / FADE).clamp(min=0).to(like.dtype)
    return torch.stack((first, first.flip(0)))


def _taken(picture: Tensor, pixels: Tensor, row: Tensor, column: Tensor) -> Tensor:
    """Quarters of blocks from where their vectors point, (channels, quarters, 8, 8)."""
    height, width = picture.shape[-2:]
    inside = torch.arange(_QUARTER, device=picture.device)
    shape = (len(row), _QUARTER, _QUARTER)
    down = (row[:, None] * _QUARTER + inside + pixels[:, :1])[:, :, None].expand(shape)
    across = (column[:, None] * _QUARTER + inside + pixels[:, 1:])[:, None, :].expand(shape)
    grid = torch.stack((across * (2 / (width - 1)) - 1, down * (2 / (height - 1)) - 1), -1)
    samples = F.grid_sample(
        picture[None],
        grid.view(1, -1, _QUARTER, 2),
        mode="bicubic",
        padding_mode="border",
        align_corners=True,
    )
    return samples.view(len(picture), -1, _QUARTER, _QUARTER)


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
