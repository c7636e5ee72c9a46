# SPDX-License-Identifier: Apache-2.0
"""Changes of brightness and motion vectors to symbols and back (docs/format.md §14.6).

Vectors are coded as differences from a reference: none, the frame before, or the partner. Each of
these is first of a kind: as its neighbours make expect, a copy of one of them, or of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum

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
THREE_TABLE = 20
"""Table of symbols that are -1, 0 or 1: references and copies."""
HEADER_TABLE = 28
"""Table of table numbers, which are sent less the usual ones."""
USUAL_KIND_TABLES = (9, 16, 20)
"""By how many of the three neighbours above are not as expected: none, one, more."""
USUAL_VALUE_TABLE = 36
_EXPECTED, _COPY, _OWN = 0, 1, -1
"""Kinds."""
_LEFT, _ABOVE, _RIGHT = 0, 1, -1
"""What is copied, the first of those that are equal."""


class Reference(IntEnum):
    """From whose vectors those of a picture differ little."""

    NONE = 0
    LAST = 1
    """The same camera's, in the frame before."""
    PARTNER = -1
    """Those of the picture that this one is coded given."""


References = Mapping[Reference, Integers]
"""What there is, each (rows, columns, 2)."""


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
    vectors: Integers,
    reference: Reference,
    references: References,
    writer: SymbolWriter,
    models: TableModels,
) -> None:
    """Codes vectors (rows, columns, 2).

    Args:
        vectors: in quarters of a pixel, each component between -FURTHEST and FURTHEST.
        reference: which of them these vectors are coded from.
        references: what there is.
        writer: the picture's stream.
        models: the tables.
    """
    _put(np.array([reference], np.int32), THREE_TABLE, writer)
    away = vectors - references[reference] if reference else vectors
    padded = np.pad(away, ((1, 0), (1, 1), (0, 0)))
    left, above, right = padded[1:, :-2], padded[:-1, 1:-1], padded[:-1, 2:]
    middle = np.maximum(np.minimum(left, above), np.minimum(np.maximum(left, above), right))
    middle[0] = left[0]
    kinds = np.full(away.shape[:2], _OWN, np.int32)
    copies = np.zeros_like(kinds)
    # The first of equal ones counts, so it is written last.
    for symbol, source in ((_RIGHT, right), (_ABOVE, above), (_LEFT, left)):
        equal = (away == source).all(-1)
        kinds[equal], copies[equal] = _COPY, symbol
    kinds[(away == middle).all(-1)] = _EXPECTED
    _put_kinds(kinds, writer, models)
    _put(copies[kinds == _COPY], THREE_TABLE, writer)
    own = (away - middle)[kinds == _OWN].ravel().astype(np.int32)
    if len(own):
        _put(own, _put_table(own, USUAL_VALUE_TABLE, writer, models), writer)


def get_vectors(
    rows: int, columns: int, references: References, reader: SymbolReader
) -> tuple[Integers, Reference]:
    """The inverse of `put_vectors`: the vectors and what they were coded from.

    Raises:
        CorruptStream: a symbol, a table, a reference or a vector that no encoder writes.
    """
    number = int(_get_three(1, reader)[0])
    if number and number not in references:
        raise CorruptStream(
            f"the stream refers to motion vectors that there are not ({number});"
            " fetch the file again"
        )
    kinds = _get_kinds(rows, columns, reader)
    copies = iter(_get_three(int((kinds == _COPY).sum()), reader).tolist())
    count = 2 * int((kinds == _OWN).sum())
    values = np.zeros(0, np.int32)
    if count:
        values = reader.get(np.full(count, _get_table(USUAL_VALUE_TABLE, reader), np.int32))
    away = _summed(kinds, copies, iter(values.reshape(-1, 2).tolist()))
    vectors = away + references[Reference(number)] if number else away
    if np.abs(vectors).max() > FURTHEST:
        raise CorruptStream(
            f"the stream holds a motion vector beyond {FURTHEST / 4:.0f} pixels;"
            " fetch the file again"
        )
    return vectors.astype(np.int32), Reference(number)


def _put(symbols: Integers, table: int, writer: SymbolWriter) -> None:
    writer.put(symbols, np.full(len(symbols), table, np.int32))


def _put_table(symbols: Integers, usual: int, writer: SymbolWriter, models: TableModels) -> int:
    """Names the table that suits these symbols best."""
    table = models.cheapest(symbols)
    _put(np.array([table - usual], np.int32), HEADER_TABLE, writer)
    return table


def _get_table(usual: int, reader: SymbolReader) -> int:
    table = int(reader.get(np.array([HEADER_TABLE], np.int32))[0]) + usual
    if not 0 <= table < TABLE_COUNT:
        raise CorruptStream(f"the stream names symbol table {table}; fetch the file again")
    return table


def _get_three(count: int, reader: SymbolReader) -> Integers:
    symbols = reader.get(np.full(count, THREE_TABLE, np.int32))
    if count and np.abs(symbols).max() > 1:
        raise CorruptStream(
            "the stream holds a symbol beyond 1 where it says what motion vectors are like;"
            " fetch the file again"
        )
    return symbols


def _contexts(above: Integers) -> Integers:
    """How many of the three kinds above, (columns,), are another one than expected, at most 2."""
    padded = np.pad(above != _EXPECTED, 1).astype(np.int32)
    contexts: Integers = np.minimum(padded[:-2] + padded[1:-1] + padded[2:], 2)
    return contexts


def _put_kinds(kinds: Integers, writer: SymbolWriter, models: TableModels) -> None:
    """Row by row; the table of each context is named before the row where it first occurs."""
    padded = np.pad(kinds, ((1, 0), (0, 0)))
    contexts = np.stack([_contexts(row) for row in padded[:-1]])
    tables: dict[int, int] = {}
    for row, context in zip(kinds, contexts, strict=True):
        for each in np.unique(context):
            if int(each) not in tables:
                usual = USUAL_KIND_TABLES[each]
                tables[int(each)] = _put_table(kinds[contexts == each], usual, writer, models)
        writer.put(row, np.array([tables[int(c)] for c in context], np.int32))


def _get_kinds(rows: int, columns: int, reader: SymbolReader) -> Integers:
    kinds = np.zeros((rows, columns), np.int32)
    above = np.zeros(columns, np.int32)
    tables: dict[int, int] = {}
    for row in range(rows):
        context = _contexts(above)
        for each in np.unique(context):
            if int(each) not in tables:
                tables[int(each)] = _get_table(USUAL_KIND_TABLES[each], reader)
        above = reader.get(np.array([tables[int(c)] for c in context], np.int32))
        kinds[row] = above
    if np.abs(kinds).max() > 1:
        raise CorruptStream("the stream holds a kind of motion vector that there is not")
    return kinds


def _summed(
    kinds: Integers, copies: Iterator[int], values: Iterator[list[int]]
) -> npt.NDArray[np.int64]:
    """Vectors of these kinds, less their reference."""
    still = (0, 0)
    above = [still] * (kinds.shape[1] + 1)
    field: list[list[tuple[int, int]]] = []
    for row in kinds.tolist():
        line, left = [], still
        for column, kind in enumerate(row):
            up, right = above[column], above[column + 1]
            if kind == _COPY:
                left = (left, up, right)[next(copies)]
            else:
                if field:
                    left = (_median(left[0], up[0], right[0]), _median(left[1], up[1], right[1]))
                if kind == _OWN:
                    down, across = next(values)
                    left = (left[0] + down, left[1] + across)
            line.append(left)
        field.append(line)
        above = [*line, still]
    return np.array(field, np.int64)


def _median(left: int, above: int, right: int) -> int:
    return max(min(left, above), min(max(left, above), right))
