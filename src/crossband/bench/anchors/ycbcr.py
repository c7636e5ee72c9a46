# SPDX-License-Identifier: Apache-2.0
"""RGB to full-range BT.709 YCbCr of 10 bits and back, for encoders that take no RGB.

Computed in float64 and rounded once each way, so that the conversion costs the codec nothing that
it could keep: 8 bits through 10 and back without coding come back exact in 4:4:4. Full range
rather than limited: finer steps for the same quantiser; both ends are ours, so no player decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crossband.bench.anchors.anchor import Samples

Plane = npt.NDArray[np.uint16]
"""(height, width), 0 to 1023."""
Floats = npt.NDArray[np.float64]

TOP = 1023
"""Largest 10-bit sample."""
MIDDLE = 512
"""Chroma of gray."""

_RED, _BLUE = 0.2126, 0.0722  # BT.709
_GREEN = 1 - _RED - _BLUE


def from_rgb(samples: Samples) -> tuple[Floats, Floats, Floats]:
    """Luma and both chromas of (height, width, 3) samples, on the scale of 0 to 1023, unrounded."""
    red, green, blue = np.moveaxis(samples / 255.0, -1, 0)
    luma = _RED * red + _GREEN * green + _BLUE * blue
    return (
        luma * TOP,
        (blue - luma) / (2 * (1 - _BLUE)) * TOP + MIDDLE,
        (red - luma) / (2 * (1 - _RED)) * TOP + MIDDLE,
    )


def to_rgb(luma: Floats | Plane, blue: Floats | Plane, red: Floats | Plane) -> Samples:
    """The (height, width, 3) samples of three planes of one size."""
    y = luma / TOP
    r = y + 2 * (1 - _RED) * (red.astype(np.float64) - MIDDLE) / TOP
    b = y + 2 * (1 - _BLUE) * (blue.astype(np.float64) - MIDDLE) / TOP
    g = (y - _RED * r - _BLUE * b) / _GREEN
    return _to_bytes(np.stack([r, g, b], axis=-1))


def from_gray(samples: Samples) -> Floats:
    """Luma of (height, width) samples, on the scale of 0 to 1023, unrounded."""
    return samples / 255.0 * TOP


def to_gray(luma: Floats | Plane) -> Samples:
    """The (height, width) samples of a luma plane."""
    return _to_bytes(luma / TOP)


def round_plane(values: Floats) -> Plane:
    """10-bit samples of values on that scale."""
    return np.clip(np.rint(values), 0, TOP).astype(np.uint16)


def halved_planes(samples: Samples, *, align: int) -> list[Plane]:
    """The three planes of 4:2:0; those of gray have flat chroma.

    Args:
        samples: (height, width) or (height, width, 3).
        align: an even number; edges are repeated until both sides are multiples of it.
    """
    if samples.ndim == 3:
        luma, *chromas = (_pad(plane, align) for plane in from_rgb(samples))
        return [round_plane(plane) for plane in (luma, *map(_halve, chromas))]
    luma = _pad(from_gray(samples), align)
    flat = np.full((luma.shape[0] // 2, luma.shape[1] // 2), MIDDLE, np.uint16)
    return [round_plane(luma), flat, flat]


def from_halved_planes(planes: Sequence[Plane], shape: tuple[int, ...]) -> Samples:
    """The samples of that shape in what `halved_planes` gave; chroma of gray is not looked at."""
    height, width = shape[:2]
    luma = planes[0][:height, :width]
    if len(shape) == 2:
        return to_gray(luma)
    blue, red = (_double(plane)[:height, :width] for plane in planes[1:])
    return to_rgb(luma, blue, red)


def _pad(plane: Floats, align: int) -> Floats:
    height, width = plane.shape
    return np.pad(plane, ((0, -height % align), (0, -width % align)), mode="edge")


def _halve(plane: Floats) -> Floats:
    """Mean of each 2x2 block."""
    return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4


def _double(plane: Plane) -> Floats:
    """Linear between block centres: weights 3/4 and 1/4, edges repeated."""
    doubled = plane.astype(np.float64)
    for axis in (0, 1):
        lines = np.moveaxis(doubled, axis, 0)
        before = np.concatenate([lines[:1], lines[:-1]])
        after = np.concatenate([lines[1:], lines[-1:]])
        both = np.stack([0.75 * lines + 0.25 * before, 0.75 * lines + 0.25 * after], axis=1)
        doubled = np.moveaxis(both.reshape(-1, *lines.shape[1:]), 0, axis)
    return doubled


def _to_bytes(unit: Floats) -> Samples:
    return np.clip(np.rint(unit * 255), 0, 255).astype(np.uint8)
