# SPDX-License-Identifier: Apache-2.0
"""Traces of 8x8 blocks, which tell that a picture was a JPEG file once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_SIDE = 8


def blocking(gray: npt.NDArray[Any]) -> float:
    """How much likelier a step is at the borders of 8x8 blocks than elsewhere; near 0 for none.

    A step between two neighbours counts where it is larger than the steps on both sides of it, so
    that the picture's contrast and depth do not matter. Of the eight places where the grid may lie
    (a JPEG may have been cropped) the likeliest is taken, and of the two directions the weaker:
    blocks have both, a sensor's columns have one. After Z. Fan and R. de Queiroz, "Identification
    of bitmap compression history: JPEG detection and quantizer estimation", IEEE Transactions on
    Image Processing 12(2), 2003, who also compare steps across borders with steps beside them.

    Args:
        gray: (height, width).

    Returns:
        Difference of two shares, 0 to 1; 0 for a picture of less than 64 pixels a side: too few
        borders to tell.
    """
    if min(gray.shape) < 8 * _SIDE:
        return 0.0
    wide = gray.astype(np.int32)
    return min(_excess(wide), _excess(wide.T))


def _excess(gray: npt.NDArray[np.int32]) -> float:
    """The same for borders between columns."""
    step = np.abs(np.diff(gray, axis=1))
    largest = (step[:, 1:-1] > step[:, :-2]) & (step[:, 1:-1] > step[:, 2:])
    column_shares = largest.mean(axis=0)
    shares = np.array([column_shares[phase::_SIDE].mean() for phase in range(_SIDE)])
    second, top = np.sort(shares)[-2:]  # a grid of 2 or 4 pixels, as scaling leaves, has a second
    return float(top - second)
