# SPDX-License-Identifier: Apache-2.0
"""How much a count is in kelvin, and which bound in counts keeps one in kelvin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from crossband.errors import PictureError
from crossband.pair import Metadata, Raster
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


@dataclass(frozen=True, slots=True)
class CountBound:
    """A bound in kelvin as one in counts."""

    max_error: int
    """In counts; 0 if one count is already more than the bound in kelvin."""
    reached_kelvin: float
    """How far two counts of the picture's range can be apart, so many counts away."""
    count_kelvin: float
    """The same for one count."""


def calibration_of(metadata: Metadata, kelvin_per_count: float | None = None) -> Calibration | None:
    """The calibration that a picture carries, or the given one; None if none is known.

    Known is that of FLIR cameras. That of DJI cameras is carried too, but not published.

    Args:
        metadata: of the picture.
        kelvin_per_count: for linear counts without calibration, such as 0.04.

    Raises:
        PictureError: there are two calibrations, or the given one is not above 0.
    """
    own = read_planck(metadata.calibration)
    if kelvin_per_count is None:
        return own
    if not 0 < kelvin_per_count < float("inf"):
        raise PictureError(
            f"kelvin_per_count is {kelvin_per_count:g}; allowed is above 0: 0.04 and 0.4 are usual"
        )
    if own is not None:
        raise PictureError(
            "the infrared picture has a calibration of its own; leave kelvin_per_count out"
        )
    return Linear(kelvin_per_count)


def count_bound(
    infrared: Raster, max_error_kelvin: float, kelvin_per_count: float | None = None
) -> CountBound:
    """The bound in counts that keeps one in kelvin over the range of a picture.

    Args:
        infrared: counts, and the calibration in its metadata.
        max_error_kelvin: largest error of a temperature, in kelvin, above 0.
        kelvin_per_count: as for `calibration_of`.

    Raises:
        PictureError: the bound is not above 0, no calibration is known or there are two, or it
            gives some counts of the range no temperature.
    """
    if not 0 < max_error_kelvin < float("inf"):
        raise PictureError(
            f"max_error_kelvin is {max_error_kelvin:g}; allowed is above 0: try 0.1, or a"
            " max_error of 0 for lossless"
        )
    calibration = calibration_of(infrared.metadata, kelvin_per_count)
    if calibration is None:
        found = (
            "has a calibration that is carried but not known (only FLIR's is)"
            if infrared.metadata.calibration
            else "has no calibration"
        )
        raise PictureError(
            "a bound in kelvin needs to know what a count is in kelvin, and the infrared picture"
            f" {found}; give kelvin_per_count (--kelvin-per-count), or max_error (--max-error) in"
            " counts"
        )
    low, high = int(infrared.samples.min()), int(infrared.samples.max())
    counts = bound_in_counts(calibration, low, high, max_error_kelvin)
    reached, step = (error_in_kelvin(calibration, low, high, each) for each in (counts, 1))
    return CountBound(counts, reached, step)


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
