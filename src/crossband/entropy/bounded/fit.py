# SPDX-License-Identifier: Apache-2.0
"""What an encoder finds out about a picture; floats, because the decoder is told the result."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossband.entropy.bounded.context import (
    COEFFICIENT_BITS,
    NEIGHBOURS,
    REACH,
    Planes,
    linear_prediction,
)
from crossband.entropy.bounded.distribution import UNIT, Integers

SAMPLE = 50_000
"""Pixels that predictor weights are fitted on."""
_CHUNK = 1 << 15


def fit_coefficients(values: Integers) -> Integers:
    """Weights of NEIGHBOURS in 1/4096 that predict the picture best where it is smooth."""
    planes = known_values(values)
    places = _places(planes, values.shape)
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
    places = _places(planes, values.shape)
    chosen = places if len(places) <= SAMPLE else _spread_out(places)
    linear = linear_prediction(*planes.around(chosen), coefficients, int(values.max()))
    return max(1, round(float(np.abs(UNIT * planes.values[chosen] - linear).mean())))


def known_planes(values: Integers, coefficients: Integers, noise: int, top: int) -> Planes:
    """The planes as they are after the last pixel, of a picture that is known already."""
    height, width = values.shape
    planes = known_values(values, noise)
    places = _places(planes, values.shape)
    for start in range(0, len(places), _CHUNK):
        chunk = places[start : start + _CHUNK]
        linear = linear_prediction(*planes.around(chunk), coefficients, top)
        planes.errors[chunk] = UNIT * planes.values[chunk] - linear
    grid = places.reshape(height, width)
    for row in grid:
        for plane, errors in (
            (planes.energies, np.abs(planes.errors[row])),
            (planes.columns, planes.errors[row]),
        ):
            old = plane[row - planes.pitch]
            plane[row] = old - (old >> 3) + errors
        planes.put_borders(row, np.arange(width), width)
    for column in grid.T:
        old = planes.rows[column - 1]
        planes.rows[column] = old - (old >> 3) + planes.errors[column]
    return planes


def known_values(values: Integers, noise: int = 0) -> Planes:
    """Planes with all values and borders, and nothing else yet."""
    height, width = values.shape
    planes = Planes.empty(height, width, int(values[0, 0]), noise)
    grid = planes.values.reshape(-1, planes.pitch)
    grid[REACH:, REACH:-REACH] = values
    grid[REACH:, -REACH:] = values[:, -1:]
    grid[REACH + 1 :, :REACH] = values[:-1, :1]
    return planes


def _places(planes: Planes, shape: tuple[int, ...]) -> Integers:
    rows, columns = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    return planes.places(rows, columns)


def _spread_out(places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.sort(np.random.default_rng(0).choice(places, SAMPLE, replace=False))
