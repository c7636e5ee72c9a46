# SPDX-License-Identifier: Apache-2.0
"""Rate-distortion curves: the laws that a fair comparison rests on."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("bjontegaard", reason="BD-rates need bjontegaard: pip install crossband[bench]")

from crossband.bench.bd import Curve, bd_rate, best_split

PSNRS = (28.0, 31.0, 34.0, 37.0, 40.0)


def exponential(factor: float, psnrs: tuple[float, ...] = PSNRS, *, slope: float = 0.2) -> Curve:
    """Rate that grows by the same factor with each decibel: PCHIP on log rate has it exact."""
    return Curve(tuple(factor * math.exp(slope * (psnr - 28)) for psnr in psnrs), psnrs)


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.3, 2.0])
def test_a_rate_that_differs_by_one_factor_everywhere_gives_that_factor(factor: float) -> None:
    percent = bd_rate(exponential(0.1), exponential(0.1 * factor))
    assert percent == pytest.approx(100 * (factor - 1), abs=1e-6)


def test_where_the_points_lie_on_a_curve_does_not_matter() -> None:
    assert bd_rate(exponential(0.1), exponential(0.07, (29.0, 30.0, 36.5, 39.0))) == pytest.approx(
        -30, abs=1e-6
    )


def test_a_range_leaves_the_rest_of_the_curves_out() -> None:
    bent = Curve.through(
        [(0.1 * math.exp(0.2 * (p - 28)) * (1 if p <= 34 else 3), p) for p in PSNRS]
    )
    whole = bd_rate(exponential(0.1), bent)
    assert whole is not None and whole > 30
    assert bd_rate(exponential(0.1), bent, psnr_range=(28, 31)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "other",
    [
        exponential(0.1, (41.0, 43.0)),
        exponential(0.1, (40.0, 43.0)),
        exponential(0.1, (34.0,)),
    ],
    ids=["disjoint", "touching", "one point"],
)
def test_curves_without_a_common_range_have_no_bd_rate(other: Curve) -> None:
    assert bd_rate(exponential(0.1), other) is None
    assert bd_rate(other, exponential(0.1)) is None


def test_curves_that_share_only_rounding_have_no_bd_rate() -> None:
    above = exponential(0.1, (40.0 - 1e-9, 43.0))
    assert bd_rate(exponential(0.1), above) is None
    assert bd_rate(exponential(0.1), exponential(0.2), psnr_range=(20, 28 + 1e-9)) is None


def test_a_range_outside_both_curves_has_no_bd_rate() -> None:
    assert bd_rate(exponential(0.1), exponential(0.2), psnr_range=(50, 60)) is None


def test_a_point_that_costs_more_and_gives_less_is_left_out() -> None:
    curve = Curve.through([(3.0, 40.0), (1.0, 30.0), (2.0, 29.5), (1.0, 28.0)])
    assert curve == Curve((1.0, 3.0), (30.0, 40.0))


@pytest.mark.parametrize(
    ("rates", "psnrs"),
    [
        ((), ()),
        ((1.0,), (30.0, 31.0)),
        ((0.0, 1.0), (30.0, 31.0)),
        ((2.0, 1.0), (30.0, 31.0)),
        ((1.0, 2.0), (30.0, 30.0)),
        ((1.0, math.inf), (30.0, 31.0)),
    ],
)
def test_what_is_no_curve_is_refused(rates: tuple[float, ...], psnrs: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"curve|rate"):
        Curve(rates, psnrs)


def test_the_best_split_equals_the_closed_form() -> None:
    # Equal slopes: at the best split both rates are the same, sqrt(a * b) * exp(slope * psnr).
    low, high = 0.05, 0.08
    curve = best_split(exponential(low), exponential(high))
    inner = np.linspace(30, 38, 50)
    expected = 2 * math.sqrt(low * high) * np.exp(0.2 * (inner - 28))
    assert curve.rates_at(inner) == pytest.approx(expected, rel=1e-4)


def test_the_best_split_spends_bits_where_they_buy_more() -> None:
    # Infrared costs next to nothing: everything comes from it until its curve ends.
    cheap = exponential(1e-4)
    curve = best_split(exponential(0.5), cheap)
    first_visible = 0.5
    assert float(curve.rates_at(np.array([34.0]))[0]) == pytest.approx(
        first_visible + float(cheap.rates_at(np.array([40.0]))[0]), rel=1e-3
    )


def test_the_best_split_never_costs_more_than_the_measured_one() -> None:
    visible, infrared = exponential(0.05), exponential(0.2, slope=0.15)
    curve = best_split(visible, infrared)
    means = np.array(PSNRS)
    measured = np.array(visible.rate_bpp) + np.array(infrared.rate_bpp)
    found = curve.rates_at(means[:-1])
    assert (found <= measured[:-1] * 1.0001).all()
    assert (curve.psnr_db[0], curve.rate_bpp[0]) == pytest.approx((28.0, measured[0]))


def test_moving_bits_between_the_pictures_gains_nothing() -> None:
    fine = tuple(np.linspace(28, 40, 25).tolist())
    visible, infrared = exponential(0.05, fine), exponential(0.2, fine, slope=0.15)
    plain = best_split(visible, infrared)
    # The same encodes, paired otherwise: infrared always two steps coarser.
    moved = best_split(
        Curve(visible.rate_bpp[2:], visible.psnr_db[2:]),
        Curve(infrared.rate_bpp[:-2], infrared.psnr_db[:-2]),
    )
    assert bd_rate(plain, moved, psnr_range=(31, 37)) == pytest.approx(0, abs=0.05)
