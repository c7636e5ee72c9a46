# SPDX-License-Identifier: Apache-2.0
"""What a pixel is predicted from: decoded values around it, and how far off those were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from crossband.entropy.bounded.distribution import UNIT, Integers, log2

REACH = 5
"""Places that the planes go on beyond the picture."""
LEAN = 3
"""A row is this many waves behind the row above it."""
NEIGHBOURS = (
    *((0, -1), (-1, 0), (-1, -1), (-1, 1)),
    *((0, -2), (0, -3), (0, -4), (0, -5)),
    *((-1, -4), (-1, -3), (-1, -2), (-1, 2)),
    *((-2, column) for column in range(-4, 5)),
    *((-3, column) for column in range(-3, 4)),
    *((-4, -1), (-4, 0), (-4, 1)),
)
"""Rows down and columns right of the pixel; the first four make its local mean."""
ERRORS = (
    (0, -1),
    (-1, 0),
    (-1, -1),
    (-1, 1),
    (0, -2),
    (-2, 0),
    (-1, 2),
    (-2, -1),
    (-2, 1),
    (-1, -2),
)
ENERGIES = ((0, -3), (0, -2), (0, -1), (-1, 0), (-1, 1), (-1, 2))
COEFFICIENT_BITS = 12
"""Predictor weights are in 1/4096."""
INPUTS = len(NEIGHBOURS) + len(ERRORS) + 8
INPUT_UNIT = 256
_INPUT_END = 2047
_NOISE_END = 9 * INPUT_UNIT
"""Above 32 values of noise a picture looks alike at any scale."""
_NEAR = 10
"""Neighbours, the first of the list, whose spread says how busy the place is."""


class Inputs(NamedTuple):
    """What the network sees of some pixels."""

    features: Integers
    """(pixels, INPUTS) in 1/256."""
    scale: Integers
    """(pixels,): the local error, in 1/16 of a value, that features are in units of."""
    linear: Integers
    """(pixels,): the linear prediction in 1/16 of a value."""


@dataclass(frozen=True, slots=True)
class Planes:
    """Everything decoded so far, with borders; flat views of (height + 5, width + 10).

    Beyond the left border stands the first value of the row above, beyond the right one the last
    of the row; above the first row, and to its left, `origin`.
    """

    values: Integers
    errors: Integers
    """Value less linear prediction, in 1/16; zero outside."""
    energies: Integers
    """Eight times the running mean of a column's absolute errors."""
    columns: Integers
    """Eight times the running mean of a column's errors, zero above."""
    rows: Integers
    """Eight times the running mean of a row's errors, zero to the left."""
    pitch: int

    @classmethod
    def empty(cls, height: int, width: int, origin: int, noise: int) -> Planes:
        """Planes of a picture of which nothing is decoded yet."""
        pitch = width + 2 * REACH
        size = (height + REACH) * pitch

        def full(value: int) -> Integers:
            return np.full(size, value, np.int64)

        return cls(full(origin), full(0), full(8 * noise), full(0), full(0), pitch)

    def places(self, rows: Integers, columns: Integers) -> Integers:
        """Where pixels are in the planes."""
        return (rows + REACH) * self.pitch + columns + REACH

    def around(self, places: Integers) -> tuple[Integers, Integers]:
        """Neighbours less their local mean, (pixels, neighbours), and it, (pixels,); in 1/4."""
        around = self.values[places[:, None] + self._offsets(NEIGHBOURS)]
        mean = around[:, :4].sum(1)
        return 4 * around - mean[:, None], mean

    def look(self, places: Integers, coefficients: Integers, noise: int, top: int) -> Inputs:
        """The context of pixels that everything before is decoded of.

        Args:
            places: of `places`.
            coefficients: of NEIGHBOURS, in 1/4096.
            noise: usual error of the picture, in 1/16.
            top: largest value.
        """
        apart, mean = self.around(places)
        linear = linear_prediction(apart, mean, coefficients, top)
        errors = self.errors[places[:, None] + self._offsets(ERRORS)]
        busy = np.abs(apart[:, :_NEAR]).sum(1)
        near = np.abs(errors).sum(1)
        wide = self.energies[places[:, None] + self._offsets(ENERGIES)].sum(1)
        scale = ((19 * near + (11 * wide >> 3) + 5 * busy + 2 * noise) >> 8) + 1
        signed = np.concatenate(
            [
                4 * INPUT_UNIT * apart,
                INPUT_UNIT * errors,
                INPUT_UNIT * (linear - 4 * mean)[:, None],
                INPUT_UNIT // 4 * self.columns[places - self.pitch][:, None],
                INPUT_UNIT // 4 * self.rows[places - 1][:, None],
            ],
            axis=1,
        )
        scale_log, noise_log = log2(scale), log2(np.array([noise + 1]))
        logs = np.stack(
            [
                log2(1 + 2 * busy // 5) - scale_log,
                log2(1 + wide // 48) - scale_log,
                log2(1 + near // 10) - scale_log,
                scale_log - noise_log,
                np.full_like(scale_log, min(int(noise_log[0]), _NOISE_END) >> 2),
            ],
            axis=1,
        )
        signed = (signed // scale[:, None]).clip(-_INPUT_END, _INPUT_END)
        return Inputs(np.concatenate([signed, logs], axis=1), scale, linear)

    def put(self, places: Integers, values: Integers, linear: Integers) -> None:
        """Notes decoded pixels of one wave."""
        errors = UNIT * values - linear
        above, before = places - self.pitch, places - 1
        self.values[places] = values
        self.errors[places] = errors
        for plane, index, added in (
            (self.energies, above, np.abs(errors)),
            (self.columns, above, errors),
            (self.rows, before, errors),
        ):
            old = plane[index]
            plane[places] = old - (old >> 3) + added

    def put_borders(self, places: Integers, columns: Integers, width: int) -> None:
        """Continues decoded first and last pixels of rows beyond the picture."""
        outside = np.arange(1, REACH + 1)
        last = places[columns == width - 1][:, None]
        first = places[columns == 0][:, None]
        below = first + self.pitch
        below = below[below[:, 0] < len(self.values)]
        for plane in (self.values, self.energies):
            plane[last + outside] = plane[last]
            plane[below - outside] = plane[below - self.pitch]

    def _offsets(self, places: tuple[tuple[int, int], ...]) -> npt.NDArray[np.int64]:
        return np.array([row * self.pitch + column for row, column in places], np.int64)


def linear_prediction(
    apart: Integers, mean: Integers, coefficients: Integers, top: int
) -> Integers:
    """The linear prediction in 1/16 of a value."""
    linear = 4 * mean + ((apart @ coefficients) >> (COEFFICIENT_BITS - 2))
    return linear.clip(0, UNIT * top)
