# SPDX-License-Identifier: Apache-2.0
"""How far a decoded picture is from its original.

PSNR counts every sample of every channel alike; a peak is that of the original's bit depth unless
given. MS-SSIM, and SSIM for pictures too small for it, come from pytorch-msssim, which is asked for
only when one is wanted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from crossband.errors import PictureError
from crossband.pair import Raster

MS_SSIM_MIN_SIDE = 161
"""Five scales of an 11-pixel window need more than 160 pixels on the shorter side."""
SSIM_MIN_SIDE = 11
"""The window of SSIM."""
MS_SSIM_INSTALL = "pip install pytorch-msssim"
"""The line that brings MS-SSIM."""


@dataclass(frozen=True, slots=True)
class CountError:
    """Absolute differences of the samples, in counts of the original's bit depth."""

    mean: float
    percentile_95: float
    """19 of 20 samples are this close or closer."""
    largest: int


@dataclass(frozen=True, slots=True)
class KelvinError:
    """Absolute differences of the temperatures, in kelvin."""

    mean: float
    percentile_95: float
    """19 of 20 samples are this close or closer."""
    largest: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything `crossband compare` says about two pictures."""

    psnr_db: float
    """Infinite when both are the same."""
    ms_ssim: float | None
    """0 to 1, or None when `ms_ssim_absent` says why."""
    ms_ssim_absent: str
    """Why there is no MS-SSIM; empty when there is one."""
    ssim: float | None
    """Up to 1; only where the picture is too small for MS-SSIM."""
    error: CountError
    peak: int
    """The value that PSNR and MS-SSIM take as full scale."""


def psnr(reference: Raster, test: Raster, *, peak: int | None = None) -> float:
    """Peak signal-to-noise ratio in dB over all samples; infinite for equal pictures.

    Args:
        reference: the original.
        test: what came back.
        peak: full scale; that of the original's bit depth when not given.

    Raises:
        PictureError: the pictures' sizes or channels differ, or the peak is below 1.

    Example:
        >>> black = Raster(np.zeros((4, 4), np.uint8))
        >>> gray = Raster(np.full((4, 4), 16, np.uint8))
        >>> round(psnr(black, gray), 2)
        24.05
    """
    full_scale = _full_scale(reference, peak)
    difference = _difference(reference, test)
    squared = float(np.mean(difference.astype(np.float64) ** 2))
    return math.inf if squared == 0 else 10 * math.log10(full_scale**2 / squared)


def count_error(reference: Raster, test: Raster) -> CountError:
    """Mean, 95th percentile and largest of the absolute differences.

    Raises:
        PictureError: the pictures' sizes or channels differ.
    """
    difference = np.abs(_difference(reference, test))
    return CountError(
        mean=float(difference.mean()),
        percentile_95=float(np.percentile(difference, 95)),
        largest=int(difference.max()),
    )


def kelvin_error(
    reference: Raster,
    test: Raster,
    kelvin: Callable[[npt.NDArray[Any]], npt.NDArray[np.float64]],
) -> KelvinError | None:
    """Mean, 95th percentile and largest of the absolute differences of temperatures.

    Args:
        reference: the original.
        test: what came back.
        kelvin: counts to temperatures, NaN where a count has none.

    Returns:
        None if a count of either picture has no temperature.

    Raises:
        PictureError: the pictures' sizes or channels differ.
    """
    _check_shapes(reference, test)
    difference = np.abs(kelvin(reference.samples) - kelvin(test.samples))
    if np.isnan(difference).any():
        return None
    return KelvinError(
        mean=float(difference.mean()),
        percentile_95=float(np.percentile(difference, 95)),
        largest=float(difference.max()),
    )


def ms_ssim(reference: Raster, test: Raster, *, peak: int | None = None) -> float | None:
    """Multi-scale structural similarity, 0 to 1; None for a picture of a side up to 160 pixels.

    For RGB the mean of the three channels.

    Args:
        reference: the original.
        test: what came back.
        peak: full scale; that of the original's bit depth when not given.

    Raises:
        PictureError: the pictures' sizes or channels differ, or the peak is below 1.
        ModuleNotFoundError: pytorch-msssim is not installed; the message has the line that
            installs it.
    """
    return _structure("ms_ssim", reference, test, peak=peak, least_side=MS_SSIM_MIN_SIDE)


def ssim(reference: Raster, test: Raster, *, peak: int | None = None) -> float | None:
    """Structural similarity at one scale, up to 1; None for a picture of a side below 11 pixels.

    What small pictures have instead of MS-SSIM. For RGB the mean of the three channels.

    Args:
        reference: the original.
        test: what came back.
        peak: full scale; that of the original's bit depth when not given.

    Raises:
        PictureError: the pictures' sizes or channels differ, or the peak is below 1.
        ModuleNotFoundError: pytorch-msssim is not installed.
    """
    return _structure("ssim", reference, test, peak=peak, least_side=SSIM_MIN_SIDE)


def _structure(
    measure: Literal["ms_ssim", "ssim"],
    reference: Raster,
    test: Raster,
    *,
    peak: int | None,
    least_side: int,
) -> float | None:
    full_scale = _full_scale(reference, peak)
    _check_shapes(reference, test)
    if min(reference.height, reference.width) < least_side:
        return None
    try:
        import pytorch_msssim
    except ModuleNotFoundError as absent:
        raise ModuleNotFoundError(
            f"MS-SSIM needs pytorch-msssim, which is not here: {MS_SSIM_INSTALL}"
        ) from absent
    import torch

    # float64: the variance of 16-bit samples is a small difference of large numbers
    tensors = [
        torch.from_numpy(np.atleast_3d(raster.samples).astype(np.float64) / full_scale)
        .permute(2, 0, 1)
        .unsqueeze(0)
        for raster in (reference, test)
    ]  # (1, channel, height, width)
    with torch.no_grad():
        return float(getattr(pytorch_msssim, measure)(tensors[0], tensors[1], data_range=1.0))


def compare(reference: Raster, test: Raster, *, peak: int | None = None) -> Comparison:
    """PSNR, MS-SSIM where it can be had, else SSIM, and the error in counts.

    Args:
        reference: the original.
        test: what came back.
        peak: full scale; that of the original's bit depth when not given.

    Raises:
        PictureError: the pictures' sizes or channels differ, or the peak is below 1.
    """
    absent = ""
    structure: float | None = None
    small: float | None = None
    try:
        structure = ms_ssim(reference, test, peak=peak)
        if structure is None:
            small = ssim(reference, test, peak=peak)
            absent = f"the shorter side has fewer than {MS_SSIM_MIN_SIDE} pixels"
    except ModuleNotFoundError as missing:
        absent = str(missing)
    return Comparison(
        psnr_db=psnr(reference, test, peak=peak),
        ms_ssim=structure,
        ms_ssim_absent=absent,
        ssim=small,
        error=count_error(reference, test),
        peak=_full_scale(reference, peak),
    )


def _full_scale(reference: Raster, peak: int | None) -> int:
    full_scale = reference.peak if peak is None else peak
    if full_scale < 1:
        raise PictureError(f"peak is {full_scale}; allowed are 1 and above: 255 for 8 bits")
    return full_scale


def _check_shapes(reference: Raster, test: Raster) -> None:
    if reference.samples.shape != test.samples.shape:
        raise PictureError(
            f"pictures differ in shape: {_shape(reference)} against {_shape(test)};"
            " only pictures of one size and number of channels compare"
        )


def _difference(reference: Raster, test: Raster) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    _check_shapes(reference, test)
    return reference.samples.astype(np.int32) - test.samples.astype(np.int32)


def _shape(raster: Raster) -> str:
    plural = "" if raster.channels == 1 else "s"
    return f"{raster.width}x{raster.height} with {raster.channels} channel{plural}"
