# SPDX-License-Identifier: Apache-2.0
"""Kelvin: what FLIR's constants give, and bounds in counts that keep bounds in kelvin."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from crossband.errors import PictureError
from crossband.pair import Metadata, Raster
from crossband.sources import (
    Linear,
    bound_in_counts,
    calibration_of,
    count_bound,
    error_in_kelvin,
)
from crossband.sources.planck import Planck, read_planck
from crossband.testing.radiometric import Record, camera_record, fff, flir_jpeg, raw_record

IDEAL = {"emissivity": 1.0, "window_transmission": 1.0, "distance": 0.0}


def planck(*, order: str = "<", **changes: float) -> Planck:
    found = read_planck(camera_record(order=order, **changes).payload)
    assert found is not None
    return found


def test_a_black_body_in_front_of_the_sensor_has_the_published_temperature():
    # 18,109 counts are the example of Thermimage's raw2temp; its formula by hand:
    # 1501 / ln(21106.77 / (0.012545258 * (18109 - 7340)) + 1) = 1501 / 5.0577 = 296.77 K
    assert planck(**IDEAL).kelvin([18_109])[0] == pytest.approx(296.77, abs=0.01)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kelvin", [250.0, 293.15, 400.0])
def test_counts_of_a_scene_give_its_temperature_back(order, kelvin):
    # The forward model, written out once more: object, air, window, air.
    found = planck(order=order)
    ideal = planck(**IDEAL)
    air = np.exp(-1.0 * (0.006569 - 0.002276 * np.sqrt(water(0.5, 22.0))))
    air = 1.9 * air - 0.9 * np.exp(-1.0 * (0.01262 - 0.00667 * np.sqrt(water(0.5, 22.0))))
    counts = 0.95 * ideal.counts(kelvin) + 0.05 * ideal.counts(293.15)
    counts = air * counts + (1 - air) * ideal.counts(295.15)
    counts = 0.96 * counts + 0.04 * ideal.counts(291.15)
    counts = air * counts + (1 - air) * ideal.counts(295.15)
    assert found.kelvin([counts])[0] == pytest.approx(kelvin, abs=1e-3)


def water(humidity: float, celsius: float) -> float:
    return humidity * float(
        np.exp(1.5587 + 0.06939 * celsius - 0.00027816 * celsius**2 + 0.00000068455 * celsius**3)
    )


def test_humidity_in_per_cent_is_the_same():
    assert planck(humidity=50.0).gain == planck(humidity=0.5).gain


def test_counts_below_absolute_zero_have_no_temperature():
    assert np.isnan(planck(**IDEAL).kelvin([0, 7_340])).all()


@pytest.mark.parametrize(
    "change",
    [
        *({name: value} for name in ("emissivity", "window_transmission") for value in (0.0, 1.5)),
        *({name: 0.0} for name in ("r1", "b", "r2", "reflected", "air", "window")),
        *({name: float("nan")} for name in ("r1", "f", "distance", "humidity", "x")),
        {"distance": -1.0},
        {"air": 1e-30},
        {"reflected": 1e-3},
    ],
    ids=str,
)
def test_numbers_that_make_no_sense_are_no_calibration(change):
    assert read_planck(camera_record(**change).payload) is None


@pytest.mark.parametrize("record", [b"", b"R B F O", bytes(0x310), b"\xff\xe4" + bytes(2000)])
def test_bytes_of_another_kind_are_no_calibration(record):
    assert calibration_of(Metadata(calibration=record)) is None


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.binary(min_size=0x310, max_size=0x400))
def test_any_record_is_a_calibration_or_none(record):
    found = read_planck(record)
    if found is not None:
        found.kelvin(np.arange(0, 65_536, 97))


def test_flyr_gives_the_same_temperatures():
    flyr = pytest.importorskip("flyr", reason="compares with flyr: pip install flyr")
    counts = np.linspace(14_000, 30_000, 32 * 24).astype(np.uint16).reshape(24, 32)
    record = camera_record()
    free = (Record(0, b""),) * 4  # real directories have free entries, and flyr counts on them
    data = flir_jpeg(fff(record, raw_record(counts), *free))
    theirs = flyr.unpack(io.BytesIO(data)).kelvin
    found = calibration_of(Metadata(calibration=record.payload))
    assert found is not None
    assert np.abs(found.kelvin(counts) - theirs).max() < 1e-3


# --- bounds ---------------------------------------------------------------------------------


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    low=st.integers(12_000, 40_000),
    span=st.integers(1, 20_000),
    bound=st.floats(0.005, 5),
    seed=st.integers(0, 99),
)
def test_no_decoded_count_is_further_off_than_the_bound(low, span, bound, seed):
    calibration = planck()
    counts = bound_in_counts(calibration, low, low + span, bound)
    assume(counts > 0)
    samples = np.random.default_rng(seed).integers(low, low + span + 1, 500)
    samples[0] = low  # where a count is most kelvin
    for shift in (-counts, counts):
        decoded = np.clip(samples + shift, low, low + span)
        off = np.abs(calibration.kelvin(decoded) - calibration.kelvin(samples)).max()
        assert off <= bound * (1 + 1e-6)


@pytest.mark.parametrize("bound", [0.02, 0.1, 1.0])
def test_the_bound_is_the_largest_one_that_holds(bound):
    calibration = planck()
    counts = bound_in_counts(calibration, 15_000, 20_000, bound)
    assert error_in_kelvin(calibration, 15_000, 20_000, counts) <= bound
    assert error_in_kelvin(calibration, 15_000, 20_000, counts + 1) > bound


def test_the_cold_end_of_the_range_decides():
    calibration = planck()
    cold = bound_in_counts(calibration, 13_000, 20_000, 0.5)
    assert cold < bound_in_counts(calibration, 19_000, 20_000, 0.5)


@pytest.mark.parametrize(("bound", "counts"), [(0.04, 1), (0.1, 2), (0.03, 0), (400.0, 5_000)])
def test_linear_counts(bound, counts):
    assert bound_in_counts(Linear(0.04), 7_001, 12_001, bound) == counts


def test_a_picture_of_one_count_is_lossless():
    assert bound_in_counts(planck(), 15_000, 15_000, 1.0) == 0


def test_a_count_without_temperature_is_named():
    with pytest.raises(PictureError, match="gives 0 no temperature"):
        bound_in_counts(planck(), 0, 20_000, 0.1)


def test_a_calibration_that_falls_is_refused():
    class Falling:
        def kelvin(self, counts):
            return -np.asarray(counts, float)

    with pytest.raises(PictureError, match="lower temperatures for higher counts"):
        bound_in_counts(Falling(), 1, 9, 0.1)


# --- of a picture -----------------------------------------------------------------------------

FLIR = Metadata(calibration=camera_record().payload)
UNKNOWN = Metadata(calibration=b"of another camera")


def counts_between(low: int, high: int, metadata: Metadata | None = None) -> Raster:
    samples = np.linspace(low, high, 60).astype(np.uint16).reshape(6, 10)
    return Raster(samples, metadata=metadata or Metadata())


def test_the_picture_s_own_calibration_decides():
    found = count_bound(counts_between(15_000, 20_000, FLIR), 0.2)
    assert found.max_error == bound_in_counts(planck(), 15_000, 20_000, 0.2) > 1
    assert found.count_kelvin < found.reached_kelvin <= 0.2


def test_a_linear_calibration_is_given():
    found = count_bound(counts_between(7_000, 9_000), 0.1, kelvin_per_count=0.04)
    assert found.max_error == 2
    assert found.reached_kelvin == pytest.approx(0.08)
    assert found.count_kelvin == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("metadata", "kelvin", "per_count", "complaint"),
    [
        (Metadata(), 0.1, None, "has no calibration; give kelvin_per_count"),
        (UNKNOWN, 0.1, None, "carried but not known"),
        (FLIR, 0.1, 0.04, "calibration of its own; leave kelvin_per_count out"),
        *((FLIR, odd, None, "max_error_kelvin is") for odd in (0, -1, float("nan"), float("inf"))),
        *((Metadata(), 1, odd, "kelvin_per_count is") for odd in (0, -1, float("nan"))),
    ],
    ids=str,
)
def test_bounds_that_nothing_can_be_made_of_are_refused(metadata, kelvin, per_count, complaint):
    with pytest.raises(PictureError, match=complaint):
        count_bound(counts_between(15_000, 20_000, metadata), kelvin, per_count)
