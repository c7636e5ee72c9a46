# SPDX-License-Identifier: Apache-2.0
"""Where a film cuts from one scene to another, told by the means of blocks: groups begin there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from crossband.pair import Modality, Pair, Raster

Blocks = Mapping[Modality, npt.NDArray[np.float64]]
"""Means of blocks of each picture."""
_SIDE = 16
"""Pixels a block, each way: noise and small motion are gone, the scene is not."""
_CUT = 0.4
"""Change as a share of what both frames vary by: 0 for equal frames, about 0.7 for two without
anything in common, 1 for a scene and its negative. A missed cut costs a dear frame, a false one a
key frame."""
_STILL = 0.02
"""Change of the mean block, as a share of the range, below which nothing is a cut: frames of
nothing but noise have nothing in common either."""


def block_means(pair: Pair) -> Blocks:
    """Means of 16x16 blocks of each picture of a pair, less their own mean, as shares of its range.

    A change of exposure moves all blocks alike and is no cut.
    """
    return {
        modality: _means(raster)
        for modality in Modality
        if (raster := pair.get(modality)) is not None
    }


def is_cut(before: Blocks, after: Blocks) -> bool:
    """Whether every camera that both frames have sees another scene.

    Every one: a shutter in front of one camera is no reason to code both anew.

    Args:
        before: `block_means` of a frame.
        after: those of the next one, of the same cameras' sizes.
    """
    both = [(before[each], after[each]) for each in after if each in before]
    return bool(both) and all(_differ(one, other) for one, other in both)


class GroupPlan:
    """Which frames begin a group: those that can rest on none before, and one every so often.

    It sees only the pictures as they come, so groups can be planned before any is coded.
    """

    def __init__(self, keyframe: int) -> None:
        """A plan of groups of at most `keyframe` frames."""
        self._keyframe = keyframe
        self._frames = 0
        self._scene: Blocks = {}

    def begins(self, pair: Pair) -> bool:
        """Whether a group begins with the next frame: at the first one, when the last group is as
        long as may be, at a cut, and when a camera comes that the group has not seen yet."""
        scene = block_means(pair)
        begins = (
            not 0 < self._frames < self._keyframe
            or any(each not in self._scene for each in scene)
            or is_cut(self._scene, scene)
        )
        self._frames = 1 if begins else self._frames + 1
        self._scene = scene if begins else {**self._scene, **scene}
        return begins


def _means(raster: Raster) -> npt.NDArray[np.float64]:
    samples = raster.samples if raster.samples.ndim == 2 else raster.samples[:, :, 1]
    rows, columns = (np.arange(0, side, _SIDE) for side in samples.shape)
    sums = np.add.reduceat(samples.astype(np.float64), rows, axis=0)
    sums = np.add.reduceat(sums, columns, axis=1)
    height, width = samples.shape
    tall = np.diff(np.append(rows, height))
    wide = np.diff(np.append(columns, width))
    means = sums / (tall[:, None] * wide)
    span = raster.peak
    if raster.bit_depth > 8:  # counts use a small part of their range (docs/format.md §5)
        span = max(int(samples.max()) - int(samples.min()), 1)
    shares: npt.NDArray[np.float64] = (means - means.mean()) / span
    return shares


def _differ(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> bool:
    change = float(np.abs(one - other).mean())
    variation = float(np.abs(one).mean() + np.abs(other).mean())
    return change > _STILL and change > _CUT * variation
