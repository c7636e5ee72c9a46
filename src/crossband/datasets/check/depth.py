# SPDX-License-Identifier: Apache-2.0
"""How many bits of a picture's samples say something."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_LEVELS_OF_8_BITS = 256
_WIDE_SPAN = 1 << 14
"""Counts that 256 levels span after a stretch to 16 bits; a raw picture of so few levels spans far
less, for its levels are neighbours."""


def true_bit_depth(samples: npt.NDArray[Any]) -> int:
    """Bits that the samples need once what was done to fit them into a larger type is undone.

    Undone are a shift or a multiplication (all samples are multiples of one number, such as 256 or
    257 for 8-bit data in 16-bit files) and a stretch (no more than 256 levels, far apart).

    Args:
        samples: unsigned integers of any shape.

    Returns:
        0 for a picture of zeros, else 1 to 16.

    Example:
        >>> true_bit_depth(np.array([0, 257, 65535], np.uint16))
        8
        >>> true_bit_depth(np.array([7000, 7003, 9001], np.uint16))
        14
    """
    levels = np.unique(samples).astype(np.int64)
    step = int(np.gcd.reduce(levels)) if levels.size > 1 else 1  # one level is no grid
    bits = (int(levels[-1]) // max(step, 1)).bit_length()
    stretched = levels.size <= _LEVELS_OF_8_BITS and levels[-1] - levels[0] > _WIDE_SPAN
    return min(bits, 8) if stretched else bits
