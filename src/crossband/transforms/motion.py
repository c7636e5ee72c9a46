# SPDX-License-Identifier: Apache-2.0
"""What moved since the frame before, and how its brightness changed.

There is a vector for each block of 16x16 pixels, and one gain and one offset for the picture. The
encoder looks for them, the file holds them (`entropy/vectors.py`), and both sides predict with them
from the picture shown last. No optical flow: a block is displaced as a whole.
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
BRIGHTNESS_LIMIT = 63
"""Gains lie between 1/64 and 2 - 1/64, offsets within a quarter of the range."""
_CHANGE_BITS = 3.0
"""About what a component takes because it is not the expected one."""
_COARSE = 4
_REACH = 7
"""Coarse pixels that the search looks away from a block's own place."""
_STAGES = ((2, 1, (8, 4)), (1, 2, (2, 1)), (1, 1, ()))
"""How many times as small the pictures are, of how many rows one is compared, and the units by
which vectors are refined; the last stage only settles which neighbours move as one."""


def moved(picture: Tensor, vectors: Tensor) -> Tensor:
    """The picture with each block taken from where its vector points.

    Cubic between pixels; the border goes on beyond the picture.

    Args:
        picture: (batch, channels, height, width), sides multiples of 16.
        vectors: rows then columns, (batch, height / 16, width / 16, 2), in quarter pixels.
    """
    return _taken(picture, vectors / PARTS, BLOCK, "bicubic")


def _taken(picture: Tensor, pixels: Tensor, block: int, mode: str, every: int = 1) -> Tensor:
    """`moved` by vectors in pixels, for blocks of another side; of each `every` rows the first."""
    height, width = picture.shape[-2:]
    batch, down, across, _ = pixels.shape
    device = picture.device
    at = torch.arange(0, height, every, device=device).view(down, -1, 1, 1)
    rows = at + pixels[:, :, None, :, None, 0].float()
    columns = torch.arange(width, device=device).view(across, -1)
    columns = columns + pixels[:, :, None, :, None, 1].float()
    shape = (batch, down, block // every, across, block)
    grid = torch.stack(
        (
            (columns * (2 / (width - 1)) - 1).expand(shape),
            (rows * (2 / (height - 1)) - 1).expand(shape),
        ),
        -1,
    )
    return F.grid_sample(
        picture.float(),
        grid.reshape(batch, height // every, width, 2),
        mode=mode,
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
    gain, offset = (1 + change[:, :1] / 64), change[:, 1:] / 256
    lit: Tensor = picture * gain[:, :, None, None] + offset[:, :, None, None]
    return lit.clamp(0, 1)


def difference(picture: Tensor, predicted: Tensor) -> Tensor:
    """What is coded of a predicted picture: around middle gray, as pictures are."""
    return picture - predicted + 0.5


def summed(difference: Tensor, predicted: Tensor) -> Tensor:
    """The inverse of `difference`."""
    return difference + predicted - 0.5


def vector_price(quality_index: Tensor) -> Tensor:
    """Absolute errors, in levels of 255, that a bit of a vector is worth, (batch,)."""
    price: Tensor = 2 * lagrangian(quality_index) ** -0.5
    return price


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
    vectors = _coarse(here, there)
    if reference is None:
        reference = torch.zeros_like(vectors)
    halves = F.avg_pool2d(here, 2), F.avg_pool2d(there, 2)
    for size, every, steps in _STAGES:
        pictures = (here, there) if size == 1 else halves
        choice = _Choice(*pictures, size, every, price[:, None, None], furthest, reference, vectors)
        choice.offer(torch.zeros_like(vectors))
        choice.offer(reference)
        for step in steps:
            for down, across in ((-step, 0), (step, 0), (0, -step), (0, step)):
                choice.offer(choice.vectors + vectors.new_tensor((down, across)))
        choice.judge()
        for rows, columns in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            choice.offer(torch.roll(choice.vectors, (rows, columns), (1, 2)))
        choice.offer(reference + expected(choice.vectors - reference))
        vectors = choice.vectors
    return vectors


class _Choice:
    """The best vectors so far, judged on pictures that are `size` times as small."""

    def __init__(
        self,
        here: Tensor,
        there: Tensor,
        size: int,
        every: int,
        price: Tensor,
        furthest: int,
        reference: Tensor,
        vectors: Tensor,
    ) -> None:
        self.here, self.there, self.size, self.every = here[:, :, ::every], there, size, every
        self.price, self.furthest, self.reference = price, furthest, reference
        self.vectors = vectors
        self.judge()

    def judge(self) -> None:
        """What the vectors cost now: what one costs depends on its neighbours."""
        self.least = self._cost(self.vectors)

    def offer(self, candidate: Tensor) -> None:
        """Takes those that cost less."""
        candidate = candidate.clamp(-self.furthest, self.furthest)
        found = self._cost(candidate)
        wins = found < self.least
        self.vectors = torch.where(wins[..., None], candidate, self.vectors)
        self.least = torch.where(wins, found, self.least)

    def _cost(self, candidate: Tensor) -> Tensor:
        block = BLOCK // self.size
        pixels = candidate / (PARTS * self.size)
        error = (_taken(self.there, pixels, block, "bilinear", self.every) - self.here).abs()
        levels = F.avg_pool2d(error, (block // self.every, block))[:, 0] * (255 * BLOCK * BLOCK)
        away = candidate - self.reference
        away = away - expected(away)
        bits = (_CHANGE_BITS * (away != 0) + 2 * torch.log2(1 + away.abs())).sum(-1)
        return levels + self.price * bits


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
