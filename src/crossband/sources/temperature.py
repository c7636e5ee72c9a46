# SPDX-License-Identifier: Apache-2.0
"""How much a count is in kelvin, and which bound in counts keeps one in kelvin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from crossband.errors import PictureError
from crossband.pair import Metadata
from crossband.sources.planck import read_planck

_ROUNDING = 1 + 1e-9
"""0.04 K a count must allow one count for 0.04 K, whatever float64 makes of 7001 * 0.04."""


class Calibration(Protocol):
    """What turns counts into temperatures."""

    def kelvin(self, counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Temperatures, NaN where there is none; only their differences need to be right."""


@dataclass(frozen=True, slots=True)
class Linear:
    """So many kelvin a count, from an offset that nobody needs to know."""

    kelvin_per_count: float

    def kelvin(self, counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Temperatures above that of the count 0."""
        return np.asarray(counts, np.float64) * self.kelvin_per_count


def calibration_of(metadata: Metadata) -> Calibration | None:
    """The calibration that a picture carries; None if it has none, or one that is not known.

    Known is that of FLIR cameras. That of DJI cameras is carried too, but not published.
    """
    return read_planck(metadata.calibration)


def error_in_kelvin(calibration: Calibration, low: int, high: int, max_error: int) -> float:
    """How far the temperatures of two counts of `low` to `high` can be apart, in kelvin.

    Args:
        calibration: of the camera.
        low: smallest count of the picture.
        high: its largest count.
        max_error: how far the two counts may be apart.

    Raises:
        PictureError: a count in between has no temperature, or a lower one than the count below.
    """
    return _largest_step(_kelvin(calibration, low, high), max_error)


def bound_in_counts(calibration: Calibration, low: int, high: int, max_error_kelvin: float) -> int:
    """The largest bound in counts that keeps a bound in kelvin over the range of a picture.

    A count in the cold is more kelvin than one in the heat, so the range decides. Decoded counts
    stay within the range too. 0 if one count is already too much.

    Raises:
        PictureError: as for `error_in_kelvin`.
    """
    kelvin = _kelvin(calibration, low, high)
    least, most = 0, high - low  # the largest step grows with the counts
    while least < most:
        middle = (least + most + 1) // 2
        if _largest_step(kelvin, middle) <= max_error_kelvin * _ROUNDING:
            least = middle
        else:
            most = middle - 1
    return least


def _kelvin(calibration: Calibration, low: int, high: int) -> npt.NDArray[np.float64]:
    kelvin = calibration.kelvin(np.arange(low, high + 1))
    if not np.isfinite(kelvin).all():
        odd = low + int(np.flatnonzero(~np.isfinite(kelvin))[0])
        raise PictureError(
            f"the picture has counts of {low} to {high} and its calibration gives {odd} no"
            " temperature, so no bound in kelvin holds; give --max-error in counts"
        )
    if (np.diff(kelvin) < 0).any():
        raise PictureError(
            f"the calibration gives lower temperatures for higher counts within {low} to {high};"
            " it is damaged: give --max-error in counts"
        )
    return kelvin


def _largest_step(kelvin: npt.NDArray[np.float64], counts: int) -> float:
    counts = min(counts, len(kelvin) - 1)
    return float((kelvin[counts:] - kelvin[: len(kelvin) - counts]).max())
