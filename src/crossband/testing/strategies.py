# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies for everything the codec must take (needs hypothesis: the test extra).

Example:
    >>> from hypothesis import given
    >>> from crossband.testing.strategies import pairs
    >>> @given(pairs(max_side=40))
    ... def test_every_pair_comes_back_at_its_own_size(pair): ...
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from crossband.pair import Modality, Pair, Raster
from crossband.testing.scene import synthetic_pair

CONTENTS = ("scene", "constant", "saturated", "noise", "ramp", "checks")
"""What a picture may show: a road, one value, only 0 and the peak, white noise, a slope, a grid."""


def sizes(*, max_side: int = 64) -> st.SearchStrategy[tuple[int, int]]:
    """(height, width), each 1 to `max_side`; thin and odd ones included."""
    side = st.integers(1, max_side)
    return st.tuples(side, side)


@st.composite
def rasters(
    draw: st.DrawFn,
    modality: Modality,
    *,
    max_side: int = 64,
    contents: tuple[str, ...] = CONTENTS,
) -> Raster:
    """One camera's picture of any size and content; infrared of any depth from 8 to 16 bits."""
    height, width = draw(sizes(max_side=max_side))
    content = draw(st.sampled_from(contents))
    seed = draw(st.integers(0, 2**16))
    if modality is Modality.VISIBLE:
        channels, bit_depth = draw(st.sampled_from((1, 3))), 8
    else:
        channels, bit_depth = 1, draw(st.integers(8, 16))
    if content == "scene":
        pair = synthetic_pair(
            visible=(height, width) if modality is Modality.VISIBLE else None,
            infrared=(height, width) if modality is Modality.INFRARED else None,
            seed=seed,
            infrared_bit_depth=bit_depth,
            visible_channels=channels,
        )
        raster = pair.get(modality)
        assert raster is not None
        return raster
    peak = (1 << bit_depth) - 1
    random = np.random.default_rng(seed)
    shape = (height, width) if channels == 1 else (height, width, 3)
    rows, columns = np.mgrid[:height, :width]
    samples: npt.NDArray[np.int64]
    if content == "constant":
        samples = np.full(shape, draw(st.integers(0, peak)))
    elif content == "saturated":
        samples = random.integers(0, 2, shape) * peak
    elif content == "noise":
        samples = random.integers(0, peak + 1, shape)
    else:
        if content == "ramp":
            plane = (rows * peak // height + columns * peak // width) // 2
        else:
            plane = (rows // 4 + columns // 4) % 2 * peak
        samples = plane if channels == 1 else np.stack([plane, peak - plane, plane // 2], axis=-1)
    if bit_depth == 8:
        return Raster(samples.astype(np.uint8))
    return Raster(samples.astype(np.uint16), bit_depth)


@st.composite
def pairs(
    draw: st.DrawFn,
    *,
    max_side: int = 64,
    contents: tuple[str, ...] = CONTENTS,
    both: bool = False,
) -> Pair:
    """Pairs of any sizes, depths and contents; unless `both`, one picture may be missing."""
    present = "both" if both else draw(st.sampled_from(("both", "visible", "infrared")))
    if present == "both" and "scene" in contents and draw(st.booleans()):
        # one scene seen by both cameras: what the cross-modal parts are made for
        return synthetic_pair(
            visible=draw(sizes(max_side=max_side)),
            infrared=draw(sizes(max_side=max_side)),
            seed=draw(st.integers(0, 2**16)),
            infrared_bit_depth=draw(st.integers(8, 16)),
            visible_channels=draw(st.sampled_from((1, 3))),
        )
    visible = infrared = None
    if present != "infrared":
        visible = draw(rasters(Modality.VISIBLE, max_side=max_side, contents=contents))
    if present != "visible":
        infrared = draw(rasters(Modality.INFRARED, max_side=max_side, contents=contents))
    return Pair(visible=visible, infrared=infrared)
