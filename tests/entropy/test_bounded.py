# SPDX-License-Identifier: Apache-2.0
"""Bounded infrared planes: exact, within the bound, and the same whatever computes them."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from math import erf, exp, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossband.entropy.bounded.context import Planes
from crossband.entropy.bounded.distribution import (
    BINS,
    SHAPES,
    Spread,
    bins_of,
    cumulatives,
    log2,
)
from crossband.entropy.bounded.fit import fit
from crossband.entropy.bounded.known import all_places, known_planes
from crossband.entropy.bounded.partner import SIGNALS, block_signals
from crossband.entropy.bounded.wave import Rules, decode_plane, encode_plane, waves
from crossband.errors import CorruptStream

PAGE = Path(__file__).parents[2] / "docs" / "format.md"


def plane(height: int, width: int, top: int, seed: int = 0) -> np.ndarray:
    chance = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    slope = (rows * 3 + columns * 5) * top // (8 * (height + width))
    return (slope + chance.normal(0, top / 40, (height, width))).astype(np.int64).clip(0, top)


def test_cumulatives_are_those_of_the_distributions_they_stand_for():
    tables = cumulatives()
    assert (np.diff(tables, axis=1) >= 0).all()
    assert (tables[:, 0] == 0).all() and (tables[:, -1] == 1 << 20).all()
    for shape, share in enumerate(SHAPES):
        for z in (-3.0, -1.0, -0.25, 0.5, 2.0):
            normal, logistic = 0.5 * (1 + erf(z / sqrt(2))), 1 / (1 + exp(-z / 1.3))
            expected = ((1024 - share) * normal + share * logistic) / 1024
            assert tables[shape, 3072 + round(256 * z)] / 2**20 == pytest.approx(expected, abs=3e-4)


def test_the_integer_logarithm_is_near_the_real_one_and_exact_at_powers_of_two():
    numbers = np.arange(1, 100_000)
    assert np.abs(log2(numbers) / 256 - np.log2(numbers)).max() < 0.09
    assert (log2(1 << np.arange(40)) == 256 * np.arange(40)).all()


@given(
    st.integers(0, 65_535), st.integers(-64, 223), st.integers(0, 7), st.integers(0, 16), st.data()
)
@settings(max_examples=60)
def test_frequencies_are_whole_whatever_the_network_says(top, spread, shape, bound, data):
    mean = data.draw(st.integers(0, 16 * top))
    says = Spread(*(np.array([value]) for value in (mean, spread, shape)))
    weights = np.zeros(top + 1, np.int64) if data.draw(st.booleans()) else None
    bins = bins_of(says, top, 2 * bound + 1, weights)
    assert bins.frequencies.shape == (1, BINS)
    assert bins.frequencies.min() >= 1 and bins.frequencies.sum() == 1 << 24


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1), (5, 9), (13, 4)])
def test_every_pixel_is_in_one_wave_after_all_that_it_rests_on(size):
    when = np.full(size, -1)
    for number, (rows, columns) in enumerate(waves(*size)):
        assert (when[rows, columns] == -1).all()
        when[rows, columns] = number
    assert (when >= 0).all()
    assert (np.diff(when, axis=1) > 0).all()
    assert (when[1:, :-1] > when[:-1, 1:]).all()


def test_the_encoder_sees_at_once_what_the_decoder_sees_wave_by_wave():
    values = plane(11, 14, 900)
    rules = fit(values, 900, 0)
    weights = np.array(rules.coefficients or [0] * 31)
    known = known_planes(values, weights, rules.noise, 900)
    planes = Planes.empty(11, 14, rules.origin, rules.noise)
    for rows, columns in waves(11, 14):
        places = planes.places(rows, columns)
        seen = planes.look(places, weights, rules.noise, 900)
        expected = known.look(places, weights, rules.noise, 900)
        assert all(np.array_equal(*both) for both in zip(seen, expected, strict=True))
        planes.put(places, values[rows, columns], seen.linear)
        planes.put_borders(places, columns, 14)
    assert len(all_places(planes, values.shape)) == values.size


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 16), st.data())
@settings(max_examples=15, deadline=None)
def test_every_plane_comes_back_within_its_bound(height, width, bits, data):
    top = (1 << bits) - 1
    bound = min(top, data.draw(st.sampled_from((0, 0, 1, 2, 4, 8, 16))))
    seed = data.draw(st.integers(0, 99))
    chance = np.random.default_rng(seed)
    values = data.draw(
        st.sampled_from(
            (
                plane(height, width, top, seed),
                chance.integers(0, top + 1, (height, width)),
                chance.integers(0, 2, (height, width)) * top,
                np.full((height, width), top),
            )
        )
    )
    rules = fit(values, top, bound)
    shown = decode_plane(encode_plane(values, rules), rules)
    assert np.abs(shown - values).max() <= bound
    assert shown.min() >= 0 and shown.max() <= top


def test_values_that_never_occur_cost_nothing():
    values = plane(64, 64, 63, seed=3) // 3 * 3
    rules = fit(values, 63, 0)
    assert rules.levels and {rules.levels[1], rules.levels[2]} == {0}


def test_any_bytes_are_decoded_or_refused():
    chance = np.random.default_rng(0)
    rules = Rules(height=8, width=9, top=16_383, bound=0, origin=5, noise=16)
    for _ in range(10):
        try:
            shown = decode_plane(chance.bytes(40), rules)
        except CorruptStream:
            continue
        assert shown.min() >= 0 and shown.max() <= 16_383


def test_the_page_names_the_network():
    digest = hashlib.sha256()
    with np.load(str(files("crossband.entropy.bounded") / "network.npz")) as arrays:
        for layer in range(3):
            for name in ("weight", "bias", "shift"):
                array = arrays[f"{layer}.{name}"]
                digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    block = re.search(r"```network\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None and block[1] == digest.hexdigest(), digest.hexdigest()


def test_the_page_names_the_matrix():
    with np.load(str(files("crossband.entropy.bounded") / "partner.npz")) as arrays:
        weight, bias = arrays["weight"], arrays["bias"]
    digest = hashlib.sha256(weight.astype("<i2").tobytes() + bias.astype("<i4").tobytes())
    block = re.search(r"```partner\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None and block[1] == digest.hexdigest(), digest.hexdigest()


def test_signals_are_those_of_each_block_alone():
    samples = np.random.default_rng(3).integers(100, 900, (40, 33)).astype(np.uint16)
    signals = block_signals(samples, 100, 899)
    assert signals.shape == (3, 3, SIGNALS)
    # What is beyond the border is the border.
    last = np.pad(samples, ((0, 8), (0, 15)), mode="edge")[32:48, 32:48]
    assert np.array_equal(signals[2, 2], block_signals(last, 100, 899)[0, 0])


def test_signals_see_contrast_and_not_the_camera_s_counts():
    samples = np.random.default_rng(3).integers(0, 800, (32, 32)).astype(np.uint16)
    signals = block_signals(samples, 0, 799)
    assert np.array_equal(signals, block_signals(samples + 7000, 7000, 7799))
    assert not np.array_equal(signals, block_signals(samples, 0, 1600))
    flat = block_signals(np.full((16, 16), 5, np.uint8), 5, 5)
    assert np.array_equal(flat, block_signals(np.full((16, 16), 9, np.uint8), 9, 9))
