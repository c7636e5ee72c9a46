# SPDX-License-Identifier: Apache-2.0
"""What moved since the frame before: one vector for each block of 16x16 pixels.

The encoder looks for the vectors, the file holds them (`entropy/vectors.py`), and both sides move
the picture shown last by them. No optical flow: a block is displaced as a whole.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from crossband.transforms.quality import lagrangian

BLOCK = 16
"""Pixels a vector, each way."""
PARTS = 4
"""Vectors are in units of 1 / PARTS of a pixel."""
_COARSE = 4
_REACH = 7
"""Coarse pixels that the search looks away from a block's own place."""
_STEPS = (8, 4, 2, 1)
"""Units by which a vector is refined, one after the other."""


def moved(picture: Tensor, vectors: Tensor) -> Tensor:
    """The picture with each block taken from where its vector points.

    Cubic between pixels; the border goes on beyond the picture.

    Args:
        picture: (batch, channels, height, width), sides multiples of 16.
        vectors: rows then columns, (batch, height / 16, width / 16, 2), in quarter pixels.
    """
    return _taken(picture, vectors, "bicubic")


def _taken(picture: Tensor, vectors: Tensor, mode: str) -> Tensor:
    height, width = picture.shape[-2:]
    field = vectors.float().repeat_interleave(BLOCK, 1).repeat_interleave(BLOCK, 2) / PARTS
    rows = torch.arange(height, device=picture.device)[:, None] + field[..., 0]
    columns = torch.arange(width, device=picture.device) + field[..., 1]
    grid = torch.stack((columns * (2 / (width - 1)) - 1, rows * (2 / (height - 1)) - 1), -1)
    return F.grid_sample(
        picture.float(), grid, mode=mode, padding_mode="border", align_corners=True
    )


def difference(picture: Tensor, predicted: Tensor) -> Tensor:
    """What is coded of a predicted picture: around middle gray, as pictures are."""
    return picture - predicted + 0.5


def summed(difference: Tensor, predicted: Tensor) -> Tensor:
    """The inverse of `difference`."""
    return difference + predicted - 0.5


def vector_price(quality_index: Tensor) -> Tensor:
    """Absolute errors, in levels of 255, that a bit of a vector is worth, (batch,)."""
    return lagrangian(quality_index) ** -0.5


def expected(differences: Tensor) -> Tensor:
    """What each vector is expected to be: the median of its left, upper and upper right neighbours.

    In the first row it is the left one; at the sides a missing neighbour is zero.

    Args:
        differences: (batch, rows, columns, 2).
    """
    padded = F.pad(differences.permute(0, 3, 1, 2), (1, 1, 1, 0)).permute(0, 2, 3, 1)
    left, above, right = padded[:, 1:, :-2], padded[:, :-1, 1:-1], padded[:, :-1, 2:]
    middle = torch.maximum(
        torch.minimum(left, above), torch.minimum(torch.maximum(left, above), right)
    )
    return torch.cat([left[:, :1], middle[:, 1:]], 1)


@torch.no_grad()
def search(
    current: Tensor, past: Tensor, price: Tensor, furthest: int, reference: Tensor | None = None
) -> Tensor:
    """Vectors that predict the current picture from the past one at little cost.

    A coarse search of all places within 28 px, then smaller and smaller steps; each candidate costs
    its absolute error and what its difference from the expected vector takes to code.

    Args:
        current: samples in 0 to 1, (batch, channels, height, width), sides multiples of 16.
        past: what was shown last, likewise.
        price: absolute errors, in levels of 255, that a bit is worth, (batch,).
        furthest: largest component of a vector, in units.
        reference: vectors from whose differences the field is coded; None: zeros.

    Returns:
        Integer vectors as floats, (batch, height / 16, width / 16, 2).
    """
    here = current.mean(1, keepdim=True).float()
    there = past.mean(1, keepdim=True).float()
    price = price[:, None, None]
    vectors = _coarse(here, there)
    if reference is None:
        reference = torch.zeros_like(vectors)

    def cost(candidate: Tensor) -> Tensor:
        error = (_taken(there, candidate, "bilinear") - here).abs()
        levels = F.avg_pool2d(error, BLOCK)[:, 0] * (255 * BLOCK * BLOCK)
        away = candidate - reference - expected(vectors - reference)
        return levels + price * (2 * torch.log2(1 + away.abs())).sum(-1)

    def better(vectors: Tensor, least: Tensor, candidate: Tensor) -> tuple[Tensor, Tensor]:
        candidate = candidate.clamp(-furthest, furthest)
        found = cost(candidate)
        wins = found < least
        return torch.where(wins[..., None], candidate, vectors), torch.where(wins, found, least)

    least = cost(vectors)
    for start in (torch.zeros_like(vectors), reference):
        vectors, least = better(vectors, least, start)
    for step in _STEPS:
        for down, across in ((-step, 0), (step, 0), (0, -step), (0, step)):
            vectors, least = better(vectors, least, vectors + vectors.new_tensor((down, across)))
        least = cost(vectors)
        for rows, columns in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            vectors, least = better(vectors, least, torch.roll(vectors, (rows, columns), (1, 2)))
        vectors, least = better(vectors, least, reference + expected(vectors - reference))
    return vectors


def _coarse(here: Tensor, there: Tensor) -> Tensor:
    """The best of all whole coarse pixels, judged by twice the block's side."""
    here, there = F.avg_pool2d(here, _COARSE), F.avg_pool2d(there, _COARSE)
    padded = F.pad(there, (_REACH,) * 4, mode="replicate")
    height, width = here.shape[-2:]
    side = BLOCK // _COARSE
    vectors = here.new_zeros(len(here), height // side, width // side, 2)
    least = torch.full_like(vectors[..., 0], torch.inf)
    for down in range(-_REACH, _REACH + 1):
        for across in range(-_REACH, _REACH + 1):
            top, left = _REACH + down, _REACH + across
            error = (padded[:, :, top : top + height, left : left + width] - here).abs()
            found = F.avg_pool2d(error, 2 * side, side, side // 2, count_include_pad=False)[:, 0]
            wins = found < least
            least = torch.where(wins, found, least)
            place = vectors.new_tensor((down, across)) * (_COARSE * PARTS)
            vectors = torch.where(wins[..., None], place, vectors)
    return vectors
