# SPDX-License-Identifier: Apache-2.0
"""Pictures that look alike, told by 64 bits each."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

ALIKE_BITS = 4
"""Of 64 bits that may differ between nearly equal pictures."""
_THUMBNAIL = 32
_COEFFICIENTS = 8
_FAINT = 1 / 32
"""Standard deviation of a thumbnail, as a share of the samples' range, below which its hash would
be that of noise."""
_CHUNK = 256


def perceptual_hash(gray: npt.NDArray[Any]) -> int | None:
    """64 bits that change little when a picture is coded, scaled or brightened.

    The signs, against their median, of the 8x8 lowest cosines of a thumbnail of 32x32 pixels: the
    pHash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010,
    https://www.phash.org/docs/pubs/thesis_zauner.pdf.

    Args:
        gray: (height, width), of any depth.

    Returns:
        None where there is next to nothing to see: a hash would say that dark pictures are alike.
    """
    small = _thumbnail(gray)
    if small.std() <= _FAINT * (float(gray.max()) - float(gray.min())):
        return None
    cosines = _cosines()
    lowest = (cosines @ small @ cosines.T).ravel()
    bits = lowest > np.median(lowest[1:])  # the first is the mean brightness
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def nearest_before(
    hashes: list[int | None], candidates: list[int | None], *, most_bits: int, earlier: bool
) -> list[tuple[int, int] | None]:
    """For each hash the first candidate that looks like it.

    Args:
        hashes: of the pictures asked about; None has no likeness.
        candidates: of the pictures that they are compared with.
        most_bits: how many of the 64 bits may differ.
        earlier: both lists are one; only pictures before each one count.

    Returns:
        Index of the candidate and number of bits that differ, or None.
    """
    wanted, offered = _bits(hashes), _bits(candidates)
    usable = np.array([each is not None for each in candidates], bool)
    found: list[tuple[int, int] | None] = []
    for start in range(0, len(hashes), _CHUNK):
        rows = wanted[start : start + _CHUNK]
        # bits that differ = ones in a + ones in b - 2 * ones in both
        differing = rows.sum(1)[:, None] + offered.sum(1)[None] - 2 * rows @ offered.T
        alike = (differing <= most_bits) & usable
        for row, index in enumerate(range(start, start + len(rows))):
            here = alike[row, :index] if earlier else alike[row]
            first = int(here.argmax()) if here.any() and hashes[index] is not None else None
            found.append(None if first is None else (first, int(differing[row, first])))
    return found


def _bits(hashes: list[int | None]) -> npt.NDArray[np.float32]:
    """(hashes, 64) zeros and ones, as floats: their products are the fastest way to compare."""
    packed = b"".join((each or 0).to_bytes(8, "big") for each in hashes)
    return np.unpackbits(np.frombuffer(packed, np.uint8)).reshape(-1, 64).astype(np.float32)


def _thumbnail(gray: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """32x32 means of the picture's areas."""
    small = gray.astype(np.float64)
    for axis, length in enumerate(gray.shape):
        starts = np.arange(_THUMBNAIL) * length // _THUMBNAIL
        counts = np.maximum(np.diff(starts, append=length), 1)  # 0 where the picture is smaller
        small = np.add.reduceat(small, starts, axis=axis)
        small /= counts[:, None] if axis == 0 else counts[None]
    return small


@cache
def _cosines() -> npt.NDArray[np.float64]:
    """(8, 32): the lowest basis functions of a DCT-II of 32 samples."""
    positions = (2 * np.arange(_THUMBNAIL) + 1) * np.pi / (2 * _THUMBNAIL)
    waves: npt.NDArray[np.float64] = np.cos(np.arange(_COEFFICIENTS)[:, None] * positions[None])
    return waves
