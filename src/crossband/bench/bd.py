# SPDX-License-Identifier: Apache-2.0
"""Rate-distortion curves: bits saved at equal PSNR, and the best division of bits between two.

All curves are monotone: piecewise cubic (PCHIP) in PSNR and log rate through the measured points.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SPLIT_STEP_DB = 0.02
"""Grid of `best_split`. A tenth of it changes no BD-rate of docs/benchmark.md by 0.01 %."""
_LEAST_OVERLAP_DB = 1e-3
"""Curves that share less have nothing in common but rounding."""
_SAMPLES = 400
"""Points that a curve is cut to a PSNR range with."""


@dataclass(frozen=True, slots=True)
class Curve:
    """At least one point, rate and PSNR both increasing.

    Raises:
        ValueError: they do not, or a rate is not above zero.
    """

    rate_bpp: tuple[float, ...]
    psnr_db: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.rate_bpp or len(self.rate_bpp) != len(self.psnr_db):
            raise ValueError(
                f"a curve of {len(self.rate_bpp)} rates and {len(self.psnr_db)} PSNRs; it needs as"
                " many of one as of the other, and at least one"
            )
        if self.rate_bpp[0] <= 0:
            raise ValueError(f"the lowest rate is {self.rate_bpp[0]}; it must be above 0")
        for values in (self.rate_bpp, self.psnr_db):
            if not all(math.isfinite(each) for each in values) or any(
                after <= before for before, after in itertools.pairwise(values)
            ):
                raise ValueError(f"rates and PSNRs must be finite and increase, got {values}")

    @staticmethod
    def through(points: Iterable[tuple[float, float]]) -> Curve:
        """The curve through (rate, PSNR) points, without those that another is no worse than.

        Example:
            >>> Curve.through([(2.0, 36.0), (1.0, 30.0), (1.5, 29.0)])
            Curve(rate_bpp=(1.0, 2.0), psnr_db=(30.0, 36.0))
        """
        kept: list[tuple[float, float]] = []
        for rate, psnr in sorted(points, key=lambda point: (point[0], -point[1])):
            if not kept or psnr > kept[-1][1]:
                kept.append((rate, psnr))
        return Curve(tuple(rate for rate, _ in kept), tuple(psnr for _, psnr in kept))

    def rates_at(self, psnr_db: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Interpolated rates in bits per pixel; NaN outside the curve."""
        from scipy.interpolate import (  # type: ignore[import-untyped, unused-ignore]
            PchipInterpolator,
        )

        if len(self.psnr_db) == 1:
            return np.where(psnr_db == self.psnr_db[0], self.rate_bpp[0], np.nan)
        logs = PchipInterpolator(self.psnr_db, np.log(self.rate_bpp), extrapolate=False)
        return np.exp(np.asarray(logs(psnr_db), np.float64))


def common_range(
    reference: Curve, test: Curve, *, psnr_range: tuple[float, float] | None = None
) -> tuple[float, float] | None:
    """The PSNRs that both curves have, lowest and highest; None: none, or one is a single point.

    Args:
        reference: one curve.
        test: the other.
        psnr_range: dB; only what lies between these counts.
    """
    low = max(reference.psnr_db[0], test.psnr_db[0])
    high = min(reference.psnr_db[-1], test.psnr_db[-1])
    if psnr_range is not None:
        low, high = max(low, psnr_range[0]), min(high, psnr_range[1])
    if high - low < _LEAST_OVERLAP_DB or len(reference.psnr_db) == 1 or len(test.psnr_db) == 1:
        return None
    return low, high


def bd_rate(
    reference: Curve, test: Curve, *, psnr_range: tuple[float, float] | None = None
) -> float | None:
    """Mean difference of the test's rate from the reference's at equal PSNR, in percent.

    Negative: the test needs fewer bits. None ("n/a") where the curves have no PSNR in common, or
    one is a single point.

    Args:
        reference: what 0 % is.
        test: what is judged.
        psnr_range: dB; only what both curves have between these counts.
    """
    import bjontegaard

    if (common := common_range(reference, test, psnr_range=psnr_range)) is None:
        return None
    if psnr_range is not None:
        reference, test = (_cut(curve, *common) for curve in (reference, test))
    with warnings.catch_warnings():
        # A small overlap is for the reader of the curves to judge.
        warnings.filterwarnings("ignore", "Insufficient curve overlap", UserWarning)
        percent = bjontegaard.bd_rate(
            np.array(reference.rate_bpp),
            np.array(reference.psnr_db),
            np.array(test.rate_bpp),
            np.array(test.psnr_db),
            method="pchip",
            require_matching_points=False,
            min_overlap=0,
        )
    return float(percent)


def best_split(visible: Curve, infrared: Curve) -> Curve:
    """The cheapest total rate for every mean PSNR, however the bits divide between the two.

    A codec that only moves bits from one picture to the other gains nothing against this; on raw
    pair curves it gains up to 29 %. Ends where one of the two curves does: its first point is both
    first points, its last both last.
    """
    grids = [_grid(curve) for curve in (visible, infrared)]
    rates = [curve.rates_at(grid) for curve, grid in zip((visible, infrared), grids, strict=True)]
    shorter, longer = sorted(rates, key=len)
    # Minimum over all a + b = sum: each entry of the shorter adds its rate to the longer, shifted.
    total = np.full(len(shorter) + len(longer) - 1, np.inf)
    for shift, rate in enumerate(shorter):
        part = total[shift : shift + len(longer)]
        np.minimum(part, longer + rate, out=part)
    start = grids[0][0] + grids[1][0]
    mean_psnr = (start + SPLIT_STEP_DB * np.arange(len(total))) / 2
    return Curve.through(zip(total.tolist(), mean_psnr.tolist(), strict=True))


def _grid(curve: Curve) -> npt.NDArray[np.float64]:
    """PSNRs of the curve in even steps; the last lies at most one step below the curve's end."""
    span = curve.psnr_db[-1] - curve.psnr_db[0]
    steps = np.arange(int(span / SPLIT_STEP_DB) + 1, dtype=np.float64)
    return steps * SPLIT_STEP_DB + curve.psnr_db[0]


def _cut(curve: Curve, low: float, high: float) -> Curve:
    """The part of a curve between two PSNRs that are on it."""
    psnrs = np.linspace(low, high, _SAMPLES)
    return Curve(tuple(curve.rates_at(psnrs).tolist()), tuple(psnrs.tolist()))
