# SPDX-License-Identifier: Apache-2.0
"""Random numbers that are the same on every machine and with every numpy.

numpy promises the raw words of a bit generator for ever, its distributions only from version to
version, so uniform and bell-shaped numbers are made from the words here. Only exactly rounded
operations (+, -, *, /, square root) follow, so a scene's samples can be stored as a digest.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class Chance:
    """A row of random numbers that a seed decides."""

    def __init__(self, *seed: int) -> None:
        self._words = np.random.PCG64([number % 2**64 for number in seed])

    def number(self, low: float, high: float) -> float:
        """One number, evenly spread over [low, high)."""
        word = int(self._words.random_raw())
        return low + (high - low) * ((word >> 11) / 2**53)

    def whole(self, low: int, high: int) -> int:
        """One whole number, low to high, both included."""
        return low + int(self.number(0.0, 1.0) * (high - low + 1))

    def flip(self, chance: float) -> bool:
        """True with the given chance."""
        return self.number(0.0, 1.0) < chance

    def uniform(self, height: int, width: int) -> FloatArray:
        """Numbers evenly spread over [0, 1).

        Shape: (height, width)
        """
        words = np.asarray(self._words.random_raw(height * width), dtype=np.uint64)
        return ((words >> np.uint64(40)).astype(np.float32) / np.float32(2**24)).reshape(
            height, width
        )

    def bell(self, height: int, width: int) -> FloatArray:
        """Numbers of mean 0 and deviation 1: sums of four uniform ones, so never beyond 3.5.

        Shape: (height, width)
        """
        words = np.asarray(self._words.random_raw(height * width), dtype=np.uint64)
        total = np.zeros(words.shape, np.float32)
        for shift in (0, 16, 32, 48):
            total += ((words >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float32)
        # four uniform 16-bit numbers: mean 131070, deviation 65536 / sqrt(3)
        return ((total - np.float32(131_070)) * np.float32(1.732_050_8 / 65_536)).reshape(
            height, width
        )


def lattice_noise(lattice: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Smooth noise: a lattice of numbers read between its points, repeating at its edges.

    Args:
        lattice: numbers at whole positions, (rows, columns).
        rows: positions in lattice steps, (height, 1) for a plane or (height, width).
        columns: positions in lattice steps, (1, width) for a plane or (height, width).

    Shape: (height, width)
    """
    top, row_weight = _between(rows)
    left, column_weight = _between(columns)
    lattice_height, lattice_width = lattice.shape
    top %= lattice_height
    left %= lattice_width
    bottom = (top + 1) % lattice_height
    right = (left + 1) % lattice_width
    upper = lattice[top, left] * (1 - column_weight) + lattice[top, right] * column_weight
    lower = lattice[bottom, left] * (1 - column_weight) + lattice[bottom, right] * column_weight
    blended: FloatArray = upper * (1 - row_weight) + lower * row_weight
    return blended


def fractal_noise(
    chance: Chance, height: int, width: int, *, cells: int, octaves: int, rough: float = 0.5
) -> FloatArray:
    """Cloud-like noise over a whole picture, about 0 to 1, the same field at every size.

    Args:
        chance: what draws the lattices.
        height: rows of the picture.
        width: columns of the picture.
        cells: lattice steps over the picture's width in the coarsest octave.
        octaves: how many times finer detail is added, each of half the size.
        rough: strength of each octave against the one before it.

    Shape: (height, width)
    """
    total = np.zeros((height, width), np.float32)
    strength, sum_of_strengths = 1.0, 0.0
    for _ in range(octaves):
        lattice = chance.uniform(cells + 1, cells + 1)
        top, row_weight = _between(_centres(height) * np.float32(cells))
        left, column_weight = _between(_centres(width) * np.float32(cells))
        row_weight = row_weight[:, None]
        rows = lattice[top] * (1 - row_weight) + lattice[top + 1] * row_weight
        across = rows[:, left] * (1 - column_weight) + rows[:, left + 1] * column_weight
        total += across * np.float32(strength)
        sum_of_strengths += strength
        strength *= rough
        cells *= 2
    total /= np.float32(sum_of_strengths)
    return total


def _centres(size: int) -> FloatArray:
    """Middles of `size` pixels laid over 0 to 1."""
    centres: FloatArray = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    return centres


def _between(position: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """The lattice point before each position, and how far beyond it lies, eased at both ends."""
    point = np.floor(position)
    beyond = position - point
    return point.astype(np.int64), beyond * beyond * (3 - 2 * beyond)
