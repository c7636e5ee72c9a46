# SPDX-License-Identifier: Apache-2.0
"""What two cameras of different bands see alike: where edges are, and which way they run."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_TINY = 1e-6


def oriented_edges(gray: Tensor, blur_px: float) -> Tensor:
    """Edges as vectors of twice their angle: (2, height, width).

    An edge has the same vector whether it goes from dark to bright or back, for what is warm may be
    either; and edges that cross at a right angle have opposite ones. Lengths are roots of the
    gradient, so that one hot edge does not rule. The doubled angle is G. H. Granlund's, "In Search
    of a General Picture Processing Operator", CGIP 8, 1978.

    Args:
        gray: (height, width).
        blur_px: of the vectors; the wider, the further a search can start from what it looks for.
    """
    kernel = torch.tensor([[-3.0, 0, 3], [-10, 0, 10], [-3, 0, 3]]) / 32  # Scharr's
    smooth = blurred(gray[None], 1.0)
    kernels = torch.stack([kernel, kernel.T])[:, None]
    right, down = F.conv2d(F.pad(smooth[None], (1, 1, 1, 1), "replicate"), kernels)[0]
    length = torch.hypot(right, down) + _TINY
    vectors = torch.stack([right**2 - down**2, 2 * right * down]) / length**1.5
    return blurred(vectors, blur_px)


def blurred(planes: Tensor, sigma_px: float) -> Tensor:
    """(planes, height, width), each with a Gaussian; beyond the border as on it."""
    reach = int(3 * sigma_px + 0.5)
    places = torch.arange(-reach, reach + 1, dtype=torch.float32)
    bell = torch.exp(-0.5 * (places / sigma_px) ** 2)
    bell = (bell / bell.sum())[None, None]
    for kernel, margin in (
        (bell[..., None], (0, 0, reach, reach)),
        (bell[..., None, :], (reach, reach, 0, 0)),
    ):
        planes = F.conv2d(F.pad(planes[:, None], margin, "replicate"), kernel)[:, 0]
    return planes


def likeness(first: Tensor, second: Tensor, inside: Tensor) -> float:
    """Normalised correlation of edge vectors where `inside` is 1: -1 to 1, 0 of strangers."""
    a, b = first * inside, second * inside
    return float((a * b).sum() / ((a * a).sum() * (b * b).sum() + _TINY).sqrt())
