# SPDX-License-Identifier: Apache-2.0
"""Changes of brightness and motion vectors to symbols and back (docs/format.md §14.6).

Each vector is coded as the difference from what its neighbours make expect: first which components
differ, then by how much, each with the one of the shipped tables that takes the fewest bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossband.entropy.coder import Integers, SymbolReader, SymbolWriter, TableModels
from crossband.entropy.settings import FURTHEST
from crossband.entropy.tables import TABLE_COUNT
from crossband.errors import CorruptStream

BRIGHTNESS_LIMIT = 63
"""Gains (less 1, in 1/64) and offsets (in 1/256 of the range) lie between these."""
BRIGHTNESS_TABLE = 10
"""Table of gain and offset: no change takes next to nothing."""
HEADER_TABLE = 40
"""Table of the two table numbers, which are sent less the middle of their range."""
_MIDDLE = TABLE_COUNT // 2
_KINDS = np.array([[0, 1], [-1, 2]], np.int32)
"""Symbol of a vector by whether its row and its column differ from what is expected."""


def resampled(vectors: Integers, rows: int, columns: int) -> Integers:
    """Vectors of another grid over the same view: nearest places, lengths in proportion.

    Args:
        vectors: (rows, columns, 2), of the other grid.
        rows: of this one.
        columns: likewise.
    """
    theirs = np.array(vectors.shape[:2])
    down = np.arange(rows) * theirs[0] // rows
    across = np.arange(columns) * theirs[1] // columns
    scaled: Integers = vectors[down][:, across] * np.array([rows, columns]) // theirs
    return np.clip(scaled, -FURTHEST, FURTHEST).astype(np.int32)


def put_brightness(change: Integers, writer: SymbolWriter) -> None:
    """Codes a gain and an offset (2,)."""
    writer.put(change, np.full(2, BRIGHTNESS_TABLE, np.int32))


def get_brightness(reader: SymbolReader) -> Integers:
    """The inverse of `put_brightness`.

    Raises:
        CorruptStream: a change that no encoder writes.
    """
    change = reader.get(np.full(2, BRIGHTNESS_TABLE, np.int32))
    if np.abs(change).max() > BRIGHTNESS_LIMIT:
        raise CorruptStream(
            f"the stream holds a change of brightness beyond {BRIGHTNESS_LIMIT};"
            " fetch the file again"
        )
    return change


def put_vectors(
    vectors: Integers, reference: Integers | None, writer: SymbolWriter, models: TableModels
) -> None:
    """Codes vectors (rows, columns, 2).

    Args:
        vectors: in quarters of a pixel, each component between -FURTHEST and FURTHEST.
        reference: vectors that these are likely to equal, of the same shape; None: zeros.
        writer: the picture's stream.
        models: the tables.
    """
    away = vectors if reference is None else vectors - reference
    residuals = (away - _expected(away)).reshape(-1, 2).astype(np.int32)
    differs = residuals != 0
    for symbols in (
        _KINDS[differs[:, 0].astype(int), differs[:, 1].astype(int)],
        residuals[differs],
    ):
        costs = [models.bits(symbols, np.full_like(symbols, i)) for i in range(TABLE_COUNT)]
        index = int(np.argmin(costs))
        writer.put(np.array([index - _MIDDLE], np.int32), np.array([HEADER_TABLE], np.int32))
        writer.put(symbols, np.full_like(symbols, index))


def get_vectors(
    rows: int, columns: int, reference: Integers | None, reader: SymbolReader
) -> Integers:
    """The inverse of `put_vectors`.

    Raises:
        CorruptStream: a table or a vector that no encoder writes.
    """
    kinds = _batch(rows * columns, reader)
    if not np.isin(kinds, _KINDS).all():
        raise CorruptStream("the stream holds a kind of motion vector that there is not")
    differs = np.stack([np.isin(kinds, _KINDS[1]), np.isin(kinds, _KINDS[:, 1])], 1)
    residuals = np.zeros((rows * columns, 2), np.int64)
    residuals[differs] = _batch(int(differs.sum()), reader)
    away = _summed(residuals.reshape(rows, columns, 2))
    vectors = away if reference is None else away + reference
    if np.abs(vectors).max() > FURTHEST:
        raise CorruptStream(
            f"the stream holds a motion vector beyond {FURTHEST / 4:.0f} pixels;"
            " fetch the file again"
        )
    return vectors.astype(np.int32)


def _batch(count: int, reader: SymbolReader) -> Integers:
    """So many symbols of one table, which comes before them."""
    index = int(reader.get(np.array([HEADER_TABLE], np.int32))[0]) + _MIDDLE
    if not 0 <= index < TABLE_COUNT:
        raise CorruptStream(f"the stream names symbol table {index}; fetch the file again")
    return reader.get(np.full(count, index, np.int32))


def _expected(away: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """The median of each vector's left, upper and upper right neighbours, missing ones 0; in the
    first row the left one."""
    padded = np.pad(away, ((1, 0), (1, 1), (0, 0)))
    left, above, right = padded[1:, :-2], padded[:-1, 1:-1], padded[:-1, 2:]
    middle = np.maximum(np.minimum(left, above), np.minimum(np.maximum(left, above), right))
    return np.concatenate([left[:1], middle[1:]])


def _summed(residuals: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Vectors whose differences from what is expected are these."""
    rows, columns, _ = residuals.shape
    summed = np.zeros((rows + 1, columns + 2, 2), np.int64)
    values = residuals.tolist()
    for row in range(rows):
        above = summed[row].tolist()
        for component in (0, 1):
            left, line = 0, summed[row + 1, :, component]
            for column in range(columns):
                middle = left
                if row:
                    up, right = above[column + 1][component], above[column + 2][component]
                    middle = max(min(left, up), min(max(left, up), right))
                left = values[row][column][component] + middle
                line[column + 1] = left
    return summed[1:, 1:-1]
