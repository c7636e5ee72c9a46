# SPDX-License-Identifier: Apache-2.0
"""Bounds and errors in kelvin: what `encode` and `compare` make of a camera's calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crossband.cli.outcome import UsageError

if TYPE_CHECKING:
    from crossband.sources import CountBound

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


def bound_note(bound: CountBound, max_error_kelvin: float) -> str:
    """What became of a bound in kelvin, one sentence."""
    if bound.max_error == 0:
        return (
            f"a bound of {max_error_kelvin:g} K is below one count ({bound.count_kelvin:.3g} K):"
            " the infrared picture is coded lossless"
        )
    return (
        f"--max-error-kelvin {max_error_kelvin:g} is a bound of {bound.max_error} counts, at most"
        f" {bound.reached_kelvin:.3g} K for the counts of the picture"
    )
