# SPDX-License-Identifier: Apache-2.0
"""Bounds and errors in kelvin: what `encode` and `compare` make of a camera's calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from crossband.cli.outcome import UsageError

if TYPE_CHECKING:
    from crossband.pair import Raster
    from crossband.sources import Calibration

MaxErrorKelvin = Annotated[
    float | None,
    typer.Option(
        metavar="K",
        help="Infrared: no temperature comes back more than K kelvin off, by the calibration of a"
        " FLIR radiometric JPEG or by --kelvin-per-count.",
    ),
]
KelvinPerCount = Annotated[
    float | None,
    typer.Option(
        metavar="X",
        help="Infrared: kelvin a count, for linear counts without calibration, such as 0.04.",
    ),
]


@dataclass(frozen=True, slots=True)
class CountBound:
    """A bound in kelvin as one in counts."""

    max_error: int
    note: str
    """For the user, one sentence."""


def check_kelvin(
    max_error_kelvin: float | None, kelvin_per_count: float | None, max_error: int | None
) -> None:
    """Whether the options of `encode` fit together.

    Raises:
        UsageError: they do not.
    """
    check_kelvin_per_count(kelvin_per_count)
    if max_error_kelvin is None:
        if kelvin_per_count is not None:
            raise UsageError("--kelvin-per-count is for --max-error-kelvin; give both or neither")
        return
    if max_error is not None:
        raise UsageError(
            "--max-error-kelvin is a bound of its own; leave --max-error and --lossless out"
        )
    if not 0 < max_error_kelvin < float("inf"):
        raise UsageError(
            f"--max-error-kelvin is {max_error_kelvin:g}; allowed is above 0: try"
            " --max-error-kelvin 0.1, or --lossless"
        )


def check_kelvin_per_count(kelvin_per_count: float | None) -> None:
    """Whether a linear calibration is one.

    Raises:
        UsageError: it is not above 0.
    """
    if kelvin_per_count is not None and not 0 < kelvin_per_count < float("inf"):
        raise UsageError(
            f"--kelvin-per-count is {kelvin_per_count:g}; allowed is above 0: 0.04 and 0.4 are"
            " usual"
        )


def calibration_of(raster: Raster, kelvin_per_count: float | None) -> Calibration | None:
    """The calibration of a picture: its own, or the one of the command line.

    Raises:
        UsageError: there are two.
    """
    from crossband.sources import Linear
    from crossband.sources import calibration_of as own_calibration

    own = own_calibration(raster.metadata)
    if kelvin_per_count is None:
        return own
    if own is not None:
        raise UsageError(
            "the infrared picture has a calibration of its own; leave --kelvin-per-count out"
        )
    return Linear(kelvin_per_count)


def count_bound(
    infrared: Raster, max_error_kelvin: float, kelvin_per_count: float | None
) -> CountBound:
    """The bound in counts that keeps one in kelvin over the picture's range.

    Raises:
        SourceError: the picture has no calibration that is known.
        PictureError: its calibration gives some of its counts no temperature.
    """
    from crossband.errors import SourceError
    from crossband.sources import bound_in_counts, error_in_kelvin

    calibration = calibration_of(infrared, kelvin_per_count)
    if calibration is None:
        found = (
            "has a calibration that is carried but not known (only FLIR's is)"
            if infrared.metadata.calibration
            else "has no calibration"
        )
        raise SourceError(
            f"--max-error-kelvin needs to know what a count is in kelvin, and the infrared picture"
            f" {found}; give --kelvin-per-count, or --max-error in counts"
        )
    low, high = int(infrared.samples.min()), int(infrared.samples.max())
    bound = bound_in_counts(calibration, low, high, max_error_kelvin)
    if bound == 0:
        step = error_in_kelvin(calibration, low, high, 1)
        note = (
            f"a bound of {max_error_kelvin:g} K is below one count ({step:.3g} K): the infrared"
            " picture is coded lossless"
        )
    else:
        reached = error_in_kelvin(calibration, low, high, bound)
        note = (
            f"--max-error-kelvin {max_error_kelvin:g} is a bound of {bound} counts, at most"
            f" {reached:.3g} K for counts of {low} to {high}"
        )
    return CountBound(bound, note)
