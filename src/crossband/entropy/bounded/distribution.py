# SPDX-License-Identifier: Apache-2.0
"""Integer frequencies of a pixel's symbol: mean, spread and shape in, 64 bins out.

A distribution is (1 - share) normal + share logistic. Both cumulatives are tabulated by integer
arithmetic once a process, so no machine's `exp` has a say.
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

BINS = 64
"""Bin 0 is all below, bin 63 all above; between them 62 bins, wider towards the ends."""
CENTRE = 32
"""The bin that starts at step 0."""
_HALF_BITS = np.repeat(np.arange(5), [20, 4, 3, 2, 2]).astype(np.int64)
_RISING = np.concatenate([[0], np.cumsum(1 << _HALF_BITS)]).astype(np.int64)
STARTS: Integers = np.concatenate([-_RISING[:0:-1], _RISING])
"""First unit of bins 1 to 63; a unit is 2^`unit_bits` steps. One unit each up to 20, 88 in all."""
WIDTH_BITS: Integers = np.array([0, *_HALF_BITS[::-1], *_HALF_BITS, 0], np.int64)
"""log2 of each bin's units."""
SINGLE = np.flatnonzero(WIDTH_BITS == 0)[1:-1]
"""Bins of one unit."""
FREQUENCY_BITS = 24
UNIT = 16
"""Means are in 1/16 of a value."""
SHAPES = (31, 77, 187, 387, 637, 837, 947, 993)
"""Logistic share of each shape in 1/1024: 1 / (1 + e^(3.5 - shape))."""
SPREAD_LOW, SPREAD_HIGH = -64, 224
"""Spreads are 2^(index / 16) values: 1/16 to 16,384."""
WEIGHTS = (0, *(isqrt(256 * 256 * 2**level // 2**11) for level in range(1, 16)))
"""Weight of a value by its level, in 1/256: half an octave a level, 256 at level 11; 0 is never."""
_Z_UNIT = 256
_Z_END = 12 * _Z_UNIT
_MASS = 1 << 20
_PRECISION = 96


@lru_cache(maxsize=1)
def cumulatives() -> Integers:
    """(shapes, 2 * 3072 + 1): share of 2^20 below z / 256 spreads.

    Fixed point of 96 bits: the normal density by g(z + 1) = g(z) r(z), r(z + 1) = r(z) q with
    q = e^(-1/256^2); the logistic one has a scale of 1.3 spreads.
    """
    one = 1 << _PRECISION
    ratio = _exponential(1, 2 * _Z_UNIT * _Z_UNIT)
    factor = _exponential(1, _Z_UNIT * _Z_UNIT)
    density, normal, total = one, [0], 0
    for _ in range(_Z_END):
        following = density * ratio >> _PRECISION
        total += density + following
        normal.append(total)
        density, ratio = following, ratio * factor >> _PRECISION
    step = _exponential(10, 13 * _Z_UNIT)
    power, logistic = one, []
    for _ in range(_Z_END + 1):
        logistic.append((_MASS * one) // (one + power) - _MASS // 2)
        power = power * step >> _PRECISION
    half = np.array(
        [
            [
                ((1024 - share) * (part * (_MASS // 2) // total) + share * far) // 1024
                for part, far in zip(normal, logistic, strict=True)
            ]
            for share in SHAPES
        ],
        np.int64,
    )
    half[:, -1] = _MASS // 2
    return np.concatenate([_MASS // 2 - half[:, :0:-1], _MASS // 2 + half], axis=1)


def _exponential(numerator: int, denominator: int) -> int:
    """e^(-numerator / denominator) in 2^-96, by its series, every term rounded down."""
    total, term, count = 0, 1 << _PRECISION, 0
    while term:
        total += -term if count % 2 else term
        count += 1
        term = term * numerator // (denominator * count)
    return total


@lru_cache(maxsize=1)
def _inverse_spreads() -> Integers:
    """2^16 * 2^(-b / 16) for b of 0 to 15, rounded down, by integer square roots."""
    root = 1 << 15 * 64  # 2^-1 in 2^-(15 * 64 + 1), then square roots of it
    scale = 15 * 64 + 1
    for _ in range(4):
        root, scale = isqrt(root << scale), scale
    powers, power = [], 1 << scale
    for _ in range(16):
        powers.append((power << 16) >> scale)
        power = power * root >> scale
    return np.array(powers, np.int64)


def log2(number: Integers) -> Integers:
    """About 256 log2 of integers from 1 on: straight between powers of two, exact anywhere."""
    fraction, exponent = np.frexp(number.astype(np.float64))
    straight: Integers = np.floor(fraction * 512).astype(np.int64)
    return straight + (exponent.astype(np.int64) - 2) * 256


class Spread(NamedTuple):
    """What the network says of some pixels, each (pixels,)."""

    mean: Integers
    """In 1/16 of a value."""
    spread: Integers
    """Index: 2^(index / 16) values."""
    shape: Integers
    """0 (normal) to 7 (logistic)."""


class Bins(NamedTuple):
    """Frequencies and what the bins stand for."""

    centre: Integers
    """(pixels,): the value of step 0."""
    unit_bits: Integers
    """(pixels,): a unit of the bins has 2^this steps; all steps of a bin are equally likely."""
    frequencies: Integers
    """(pixels, 64), each at least 1, adding up to 2^24."""


def bins_of(says: Spread, top: int, step: int, weights: Integers | None) -> Bins:
    """The bins of some pixels.

    Args:
        says: their means, spreads and shapes.
        top: largest value.
        step: values from one symbol to the next, 2 * bound + 1.
        weights: a factor for every value from 0 to `top`; None for none.
    """
    centre = (says.mean + UNIT // 2) // UNIT
    step_log = int(log2(np.array([step]))[0]) >> 4
    unit_bits = np.maximum(0, (says.spread - step_log - 24) >> 4)
    starts = STARTS[None, :] << unit_bits[:, None]
    edges = UNIT * centre[:, None] + (2 * starts - 1) * (UNIT // 2 * step)
    ends = np.array([-UNIT // 2, UNIT * top + UNIT // 2])
    size = len(centre)
    edges = np.concatenate(
        [np.full((size, 1), ends[0]), edges.clip(*ends), np.full((size, 1), ends[1])], axis=1
    )
    octave, part = says.spread >> 4, says.spread & 15
    distance = (edges - says.mean[:, None]) * _inverse_spreads()[part][:, None]
    place = (distance >> (octave + 12)[:, None]).clip(-_Z_END, _Z_END) + _Z_END
    mass = np.diff(cumulatives()[says.shape[:, None], place], axis=1)
    if weights is not None:
        values = centre[:, None] + STARTS[SINGLE - 1]
        factor = np.full_like(mass, 256)
        factor[:, SINGLE] = weights[values.clip(0, top)]
        mass = np.where(unit_bits[:, None] == 0, mass * factor, mass)
    total = np.maximum(1, mass.sum(1, keepdims=True))
    frequencies = 1 + mass * ((1 << FREQUENCY_BITS) - BINS) // total
    frequencies[:, CENTRE] += (1 << FREQUENCY_BITS) - frequencies.sum(1)
    return Bins(centre, unit_bits, frequencies)


def place_of(steps: Integers, bins: Bins) -> Integers:
    """The bin that each pixel's step lies in."""
    places: Integers = np.searchsorted(STARTS, steps >> bins.unit_bits, side="right")
    return places
