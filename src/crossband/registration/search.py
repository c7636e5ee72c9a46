# SPDX-License-Identifier: Apache-2.0
"""Scale, rotation and shift between two cameras, from nothing, all shifts at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crossband.registration.edges import oriented_edges
from crossband.registration.views import Map, shrunk, shrunk_to, warped

SIDE_PX = 160
"""Longer side of the visible view: what is 4 % too large or 1.5 degrees turned still correlates."""
_SCALES = tuple(2.0 ** (0.11 * step) for step in range(-9, 12))
"""Pixels of one camera over the other's beside equal fields of view: 1/2 to 2.3."""
_ROTATIONS_DEG = (-6.0, -3.0, 3.0, 6.0)
_LEAST_SHARE = 0.35
"""Of the smaller picture, that must lie on the other one."""
_FAR_CLEARER = 7.0
"""Clearness of an unturned peak from which turning is tried around it alone."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where the edges of both pictures agree."""

    where: Map
    clearness: float
    """Height of the correlation's peak in standard deviations of it: 3 to 5 of strangers."""
    scale: float
    rotation_deg: float


class Search:
    """The visible picture's edges, and what of the infrared one's lies on them."""

    def __init__(self, visible: Tensor) -> None:
        self.view = shrunk_to(visible, SIDE_PX)
        self.edges = oriented_edges(self.view, 0.5)

    def candidates(self, infrared: Tensor) -> list[Candidate]:
        """Of all scales and rotations, the clearest first."""
        found = [self.candidate(infrared, scale, 0.0) for scale in _SCALES]
        best = max(found, key=lambda each: each.clearness)
        near = [each for each in _SCALES if abs(np.log2(each / best.scale)) < 0.12]
        around = near if best.clearness >= _FAR_CLEARER else _SCALES
        found += [
            self.candidate(infrared, scale, rotation)
            for scale in around
            for rotation in _ROTATIONS_DEG
        ]
        return sorted(found, key=lambda each: -each.clearness)

    def candidate(self, infrared: Tensor, scale: float, rotation_deg: float) -> Candidate:
        """The best shift of a picture that is scaled and turned about its middle."""
        factor = scale * (self.view.numel() / infrared.numel()) ** 0.5
        small = shrunk(infrared, factor)
        height, width = (max(8, round(side * factor)) for side in infrared.shape)
        angle = np.deg2rad(rotation_deg)
        turned = np.array(
            [[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        )
        pixels = np.array([[width, 0, -width / 2], [0, height, -height / 2], [0, 0, 1]])
        own = np.linalg.inv(pixels) @ turned @ pixels  # in shares of the canvas
        shift, clearness = self._best_shift(small, own, torch.Size([height, width]))
        rows, columns = self.view.shape
        canvas = np.array(
            [
                [width / columns, 0, shift[1] / columns],
                [0, height / rows, shift[0] / rows],
                [0, 0, 1],
            ]
        )
        return Candidate(canvas @ own, clearness, scale, rotation_deg)

    def clearness(self, infrared: Tensor, where: Map) -> float:
        """That of a map as it is: 0 where another shift fits better by more than a pixel or two."""
        shift, clearness = self._best_shift(infrared, where, self.view.shape)
        return clearness if max(abs(each) for each in shift) <= 2 else 0.0

    def _best_shift(
        self, infrared: Tensor, where: Map, canvas: torch.Size
    ) -> tuple[tuple[int, int], float]:
        """Down and right by which the canvas, with the infrared picture on it, lies best on the
        view, and the clearness."""
        laid = warped(infrared, where, canvas)
        seen = oriented_edges(laid.gray, 0.5) * laid.inside
        size = [_even(a + b) for a, b in zip(self.view.shape, canvas, strict=True)]

        def spectrum(values: Tensor) -> Tensor:
            found: Tensor = torch.fft.rfft2(values, s=size)
            return found

        def correlated(first: Tensor, second: Tensor) -> Tensor:
            product = spectrum(first) * spectrum(second).conj()
            found: Tensor = torch.fft.irfft2(product, s=size)
            return found

        common = sum(correlated(a, b) for a, b in zip(self.edges, seen, strict=True))
        ones = torch.ones_like(self.view)
        ours = correlated((self.edges**2).sum(0), laid.inside)
        theirs = correlated(ones, (seen**2).sum(0))
        share = correlated(ones, laid.inside) / max(min(ones.numel(), int(laid.inside.sum())), 1)
        surface = common / (ours.clamp(min=1e-3) * theirs.clamp(min=1e-3)).sqrt()
        surface = surface * share.clamp(0, 1).sqrt()  # a small overlap agrees by chance
        enough = share > _LEAST_SHARE
        if not bool(enough.any()):
            return (0, 0), 0.0
        surface = torch.where(enough, surface, -torch.inf)
        down, right = divmod(int(surface.argmax()), size[1])
        spread = float(surface[enough].std(correction=0))
        clearness = float(surface.max()) / spread if spread > 0 else 0.0
        down -= size[0] if down >= self.view.shape[0] else 0
        right -= size[1] if right >= self.view.shape[1] else 0
        return (down, right), clearness


def _even(side: int) -> int:
    """A multiple of 32: quick to transform."""
    return -(-side // 32) * 32
