# SPDX-License-Identifier: Apache-2.0
"""Pictures as registration sees them: gray, even in contrast, small, and warped.

Maps are 3x3 matrices from shares of the infrared picture's sides (0 to 1 from border to border) to
shares of the visible one's: they hold at any resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from crossband.pair import Raster

Map = npt.NDArray[np.float64]
_CUT_PERCENT = 0.5
"""Of the samples at either end: hot pixels and the sun."""
_MARGIN_PX = 2.5
"""Of the warped picture, whose edges at the border are none."""


@dataclass(frozen=True, slots=True)
class Warped:
    """The infrared picture as the visible camera would have it."""

    gray: Tensor
    """(height, width) of the visible view."""
    inside: Tensor
    """1 where it is known, 0 elsewhere."""


def view(raster: Raster) -> Tensor:
    """The whole picture as gray values of about 0 to 1, (height, width)."""
    samples = raster.samples.astype(np.float32)
    gray = samples.mean(-1) if samples.ndim == 3 else samples
    low, high = np.percentile(gray, [_CUT_PERCENT, 100 - _CUT_PERCENT])
    return torch.from_numpy(((gray - low) / max(high - low, 1.0)).clip(0, 1).astype(np.float32))


def shrunk(gray: Tensor, factor: float) -> Tensor:
    """A smaller picture by means of areas; the picture itself for factors of 1 and more."""
    if factor >= 1:
        return gray
    size = tuple(max(1, round(side * factor)) for side in gray.shape)
    return F.interpolate(gray[None, None], size, mode="area")[0, 0]


def shrunk_to(gray: Tensor, longest_px: int) -> Tensor:
    """A picture whose longer side is at most that."""
    return shrunk(gray, longest_px / max(gray.shape))


def warped(infrared: Tensor, where: Map, size: torch.Size) -> Warped:
    """The infrared picture laid on a visible view of that size."""
    height, width = size
    down, right = np.mgrid[0.5:height, 0.5:width]
    points = np.stack([right / width, down / height, np.ones_like(right)]).reshape(3, -1)
    seen = np.linalg.inv(where) @ points
    front = seen[2] * (where[2] @ [0.5, 0.5, 1]) > 0
    shares = np.where(front, seen[:2] / np.where(seen[2] == 0, 1, seen[2]), -9.0)
    sides = np.array(infrared.shape[::-1])[:, None]
    inside = ((shares * sides > _MARGIN_PX) & ((1 - shares) * sides > _MARGIN_PX)).all(0)
    grid = torch.from_numpy((2 * shares.T - 1).clip(-9, 9).reshape(1, height, width, 2)).float()
    gray = F.grid_sample(
        infrared[None, None], grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return Warped(gray[0, 0], torch.from_numpy(inside.reshape(height, width)).float())


def magnification(where: Map, infrared: Tensor, visible: torch.Size) -> float:
    """Pixels of the visible view that a pixel of the infrared picture covers, each way, at the
    middle of that."""
    middle = where @ [0.5, 0.5, 1]
    area = abs(np.linalg.det(where) / middle[2] ** 3)
    return float(np.sqrt(area * visible[0] * visible[1] / infrared.numel()))
