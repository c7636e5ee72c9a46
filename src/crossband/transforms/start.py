# SPDX-License-Identifier: Apache-2.0
"""Weights that make the untrained network a linear transform codec.

An 8x8 DCT over an orthonormal opponent colour space, then Haar combinations of 2x2 neighbouring
blocks: together an orthonormal transform of 16x16 blocks whose least important coefficients are
left out. Training starts from there instead of from noise (DESIGN section 4).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

_OPPONENT: Matrix = np.array(
    [
        [1 / math.sqrt(3), 1 / math.sqrt(3), 1 / math.sqrt(3)],
        [1 / math.sqrt(2), 0, -1 / math.sqrt(2)],
        [1 / math.sqrt(6), -2 / math.sqrt(6), 1 / math.sqrt(6)],
    ]
)
"""Luma and two chroma axes, orthonormal: an error in a coefficient is the same error in RGB."""

# Expected spread of coefficients: falls with frequency, chroma far below luma.
_COLOUR_SPREAD = (1.0, 0.22, 0.12)
_HAAR_SPREAD = (1.0, 0.45, 0.45, 0.25)


def _dct() -> tuple[Matrix, npt.NDArray[np.float64]]:
    k, n = np.meshgrid(np.arange(8), np.arange(8), indexing="ij")
    line = np.cos(np.pi * (2 * n + 1) * k / 16) * np.where(k == 0, math.sqrt(1 / 8), 0.5)
    block = np.einsum("ai,bj->abij", line, line).reshape(64, 64)
    frequency = np.hypot(*np.meshgrid(np.arange(8), np.arange(8), indexing="ij")).reshape(64)
    return block, 1.0 / (0.35 + frequency) ** 1.3


def block_transform(picture_channels: int, kept: int) -> tuple[Matrix, npt.NDArray[np.float64]]:
    """Orthonormal rows that take an 8x8 block to its `kept` most important coefficients.

    Returns:
        The matrix (kept rows or fewer, picture_channels * 64 columns in the order of
        `pixel_unshuffle`: channel, row, column) and each row's expected spread, falling.
    """
    block, spread = _dct()
    colour = _OPPONENT if picture_channels == 3 else np.ones((1, 1))
    rows = np.einsum("kc,fp->kfcp", colour, block).reshape(picture_channels * 64, -1)
    spreads = np.outer(_COLOUR_SPREAD[:picture_channels], spread).reshape(-1)
    order = np.argsort(-spreads, kind="stable")[:kept]
    return rows[order], spreads[order]


def haar_transform(
    spreads: npt.NDArray[np.float64], channels: int, kept: int
) -> tuple[Matrix, npt.NDArray[np.float64]]:
    """Orthonormal rows that combine 2x2 neighbours of each channel, the most important first.

    Args:
        spreads: expected spread of the first channels; channels beyond them carry nothing yet.
        channels: channels that enter; columns are in the order of `pixel_unshuffle(2)`.
        kept: rows wanted, at most four times `len(spreads)`.
    """
    haar = 0.5 * np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    rows = np.zeros((4 * len(spreads), channels * 4))
    for channel in range(len(spreads)):
        rows[4 * channel : 4 * channel + 4, 4 * channel : 4 * channel + 4] = haar
    all_spreads = np.outer(spreads, _HAAR_SPREAD).reshape(-1)
    order = np.argsort(-all_spreads, kind="stable")[:kept]
    return rows[order], all_spreads[order]
