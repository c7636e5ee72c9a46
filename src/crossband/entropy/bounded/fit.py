# SPDX-License-Identifier: Apache-2.0
"""What an encoder finds out about a picture; floats, because the decoder is told the result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from crossband.entropy.bounded.context import COEFFICIENT_BITS, NEIGHBOURS, linear_prediction
from crossband.entropy.bounded.distribution import (
    FREQUENCY_BITS,
    SINGLE,
    STARTS,
    UNIT,
    WEIGHTS,
    WIDTH_BITS,
    Integers,
    Spread,
    bins_of,
    place_of,
)
from crossband.entropy.bounded.known import all_places, known_planes, known_values
from crossband.entropy.bounded.network import load_network
from crossband.entropy.bounded.wave import Rules, weights_of

SAMPLE = 50_000
"""Pixels that predictor weights are fitted on."""
WORTH_WEIGHTS = 4_096
"""Pixels from which predictor weights, 62 bytes, are sent."""
MAX_LEVELS = 4_096
"""Values that may have a level each."""
_FINE_OCTAVES = 3
"""Beyond a spread of 8 values their own frequencies make no difference."""
_EVEN = 11
"""The level of weight 1."""
_CHUNK = 1 << 14


def fit(values: Integers, top: int, bound: int) -> Rules:
    """The rules that code a plane of values, (height, width), in few bytes."""
    height, width = values.shape
    large = values.size >= WORTH_WEIGHTS
    coefficients = fit_coefficients(values) if large else np.zeros(len(NEIGHBOURS), np.int64)
    rules = Rules(
        height=height,
        width=width,
        top=top,
        bound=bound,
        origin=int(values[0, 0]),
        noise=noise_of(values, coefficients),
        coefficients=tuple(coefficients.tolist()) if large else (),
    )
    if bound or not large or top > MAX_LEVELS - 1:
        return rules
    return replace(rules, levels=_fit_levels(values, rules))


def estimate_bits(values: Integers, rules: Rules, sample: int = SAMPLE) -> float:
    """About what a lossless plane takes beside its rules, from some of its pixels."""
    places, says = _says(values, rules, sample)
    weights = weights_of(rules.levels)
    total = 0.0
    for start in range(0, len(places), _CHUNK):
        part = slice(start, start + _CHUNK)
        chosen = Spread(*(each[part] for each in says))
        bins = bins_of(chosen, rules.top, rules.step, weights)
        wanted = values.ravel()[places[part]] - bins.centre
        bin_ = place_of(wanted, bins)
        share = np.take_along_axis(bins.frequencies, bin_[:, None], 1)[:, 0]
        low_bits = bins.unit_bits + WIDTH_BITS[bin_]
        total += float((FREQUENCY_BITS - np.log2(share) + low_bits).sum())
    return total * values.size / len(places)


def _fit_levels(values: Integers, rules: Rules) -> tuple[int, ...]:
    """Levels of the values where cameras prefer some to others; empty where it does not pay.

    A picture that was stretched or converted has values that occur twice as often as their
    neighbours, or never. Each weight is what occurs over what the distributions expect.
    """
    places, says = _says(values, rules, SAMPLE)
    if np.median(says.spread) >= 16 * _FINE_OCTAVES:
        return ()
    there = np.bincount(values.ravel(), minlength=rules.top + 1)
    wanted = values.ravel()[places]
    occurs = np.bincount(wanted, minlength=rules.top + 1)
    factor = np.ones(rules.top + 1)
    levels = np.full(rules.top + 1, _EVEN)
    for _ in range(4):
        expected = np.zeros(rules.top + 1)
        weights = weights_of(levels)
        for start in range(0, len(places), _CHUNK):
            part = slice(start, start + _CHUNK)
            bins = bins_of(Spread(*(each[part] for each in says)), rules.top, 1, weights)
            around = bins.centre[:, None] + STARTS[SINGLE - 1]
            chance = bins.frequencies[:, SINGLE] / 2.0**FREQUENCY_BITS
            inside = (around >= 0) & (around <= rules.top) & (bins.unit_bits == 0)[:, None]
            expected += np.bincount(around[inside], chance[inside], rules.top + 1)
        factor *= (occurs + 0.5) / (expected + 0.5)
        levels = np.rint(_EVEN + 2 * np.log2(factor)).clip(1, len(WEIGHTS) - 1).astype(np.int64)
        levels[there == 0] = 0
    chosen = tuple(levels.tolist())
    gain = estimate_bits(values, rules) - estimate_bits(values, replace(rules, levels=chosen))
    return chosen if gain > 4 * len(levels) + 64 else ()


def _says(values: Integers, rules: Rules, sample: int) -> tuple[Integers, Spread]:
    """Numbers of some pixels of a known picture, and what the network says of them."""
    planes = known_planes(values, rules.weights, rules.noise, rules.top)
    places = all_places(planes, values.shape)
    count = len(places)
    numbers = np.arange(count)
    if count > sample:
        numbers = np.sort(np.random.default_rng(0).choice(count, sample, replace=False))
    parts = []
    for start in range(0, len(numbers), _CHUNK):
        chunk = places[numbers[start : start + _CHUNK]]
        inputs = planes.look(chunk, rules.weights, rules.noise, rules.top)
        parts.append(load_network().says(inputs, rules.top))
    return numbers, Spread(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def fit_coefficients(values: Integers) -> Integers:
    """Weights of NEIGHBOURS in 1/4096 that predict the picture best where it is smooth."""
    planes = known_values(values)
    places = all_places(planes, values.shape)
    chosen = places if len(places) <= SAMPLE else _spread_out(places)
    apart, mean = planes.around(chosen)
    inputs = apart.astype(np.float64)
    wanted = (4 * planes.values[chosen] - mean).astype(np.float64)
    doubt = np.abs(inputs[:, :10]).mean(1) + 2
    weights = np.zeros(len(NEIGHBOURS))
    for _ in range(2):
        scaled = inputs / doubt[:, None]
        moments = scaled.T @ inputs
        moments += np.eye(len(moments)) * (1e-6 * np.trace(moments) / len(moments) + 1e-9)
        weights = np.linalg.solve(moments, scaled.T @ wanted)
        doubt = np.abs(inputs[:, :10]).mean(1) * 0.5 + np.abs(wanted - inputs @ weights) * 0.5 + 2
    one = 1 << COEFFICIENT_BITS
    return np.rint(weights * one).clip(-8 * one + 1, 8 * one - 1).astype(np.int64)


def noise_of(values: Integers, coefficients: Integers) -> int:
    """The usual error of the linear prediction in 1/16, from 1 on."""
    planes = known_values(values)
    places = all_places(planes, values.shape)
    chosen = places if len(places) <= SAMPLE else _spread_out(places)
    linear = linear_prediction(*planes.around(chosen), coefficients, int(values.max()))
    return max(1, round(float(np.abs(UNIT * planes.values[chosen] - linear).mean())))


def _spread_out(places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(0).choice(places, SAMPLE, replace=False))
