# SPDX-License-Identifier: Apache-2.0
"""Planes of a picture that is known already: what an encoder sees at once of all pixels."""

from __future__ import annotations

import numpy as np

from crossband.entropy.bounded.context import REACH, Planes, linear_prediction
from crossband.entropy.bounded.distribution import UNIT, Integers

_CHUNK = 1 << 14


def known_planes(values: Integers, coefficients: Integers, noise: int, top: int) -> Planes:
    """The planes as they are after the last pixel, of a picture that is known already."""
    height, width = values.shape
    planes = known_values(values, noise)
    places = all_places(planes, values.shape)
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


def all_places(planes: Planes, shape: tuple[int, ...]) -> Integers:
    """Where every pixel is in the planes, row by row."""
    rows, columns = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    return planes.places(rows, columns)
