# SPDX-License-Identifier: Apache-2.0
"""Symbols to bytes and back: one range-coder stream a picture (docs/format.md §11).

writer.put(symbols, indices)   ...   writer.finish() ─► bytes ─► reader.get(indices)   ...
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from constriction import stream as coding
from crc32c import crc32c

from crossband.entropy.tables import FREQUENCY_BITS, SymbolTables
from crossband.errors import CorruptStream

Integers = npt.NDArray[np.int32]

_CHUNK_BITS = 16
_LENGTH_BITS = 5
LARGEST_SYMBOL = (1 << 30) - 1
"""Symbols lie between -(2^30 - 1) and 2^30 - 1."""


def _exact_model(frequencies: Integers) -> coding.model.Categorical:
    """The library's model with exactly these frequencies.

    It gives every symbol 1 and shares the rest in proportion. Weights of frequency - 1 add up to
    just that rest, so the proportion is 1 and nothing is rounded (a test reads every boundary).
    """
    return coding.model.Categorical((frequencies - 1).astype(np.float64), perfect=False)


class TableModels:
    """The shipped tables, ready for the range coder."""

    def __init__(self, tables: SymbolTables) -> None:
        self.radius = tables.radius
        self.models = [_exact_model(tables.table(i)) for i in range(len(tables.radius))]
        frequencies = [tables.table(i) for i in range(len(tables.radius))]
        self._bits = [FREQUENCY_BITS - np.log2(f) for f in frequencies]
        self._by_size: npt.NDArray[np.float64] | None = None

    def bits(self, symbols: Integers, indices: Integers) -> float:
        """What the symbols would take."""
        if not len(symbols):
            return 0.0
        groups = _grouped(indices)
        return sum(float(self._each(symbols[group], index).sum()) for index, group in groups)

    def cheapest(self, symbols: Integers) -> int:
        """The one table with which all symbols would take least."""
        values, counts = np.unique(symbols, return_counts=True)
        return int(np.argmin([self._each(values, i) @ counts for i in range(len(self.models))]))

    def prices(self, symbols: Integers, indices: Integers) -> npt.NDArray[np.float64]:
        """What each symbol takes, and how much more the symbols above and below: (3, symbols).

        Symbols beyond all tables count as the last ones that are just inside.
        """
        if self._by_size is None:
            sizes = np.arange(int(self.radius.max()) + 1, dtype=np.int32)
            self._by_size = np.stack([self._each(sizes, i) for i in range(len(self.models))])
        last = self._by_size.shape[1] - 1
        here, above, below = (
            self._by_size[indices, np.minimum(np.abs(each), last)]
            for each in (symbols, symbols + 1, symbols - 1)
        )
        return np.stack((here, above - here, below - here))

    def _each(self, symbols: Integers, index: int) -> npt.NDArray[np.float64]:
        """What each symbol takes in one table."""
        radius = int(self.radius[index])
        places = _places(symbols, radius)
        bits: npt.NDArray[np.float64] = self._bits[index][places]
        escaped = places > 2 * radius
        # An escape's sign, length and bits but the first, which is always 1.
        excess = np.abs(symbols[escaped]) - radius
        bits[escaped] += 1 + _LENGTH_BITS + np.frexp(excess)[1] - 1
        return bits


def _grouped(indices: Integers) -> list[tuple[int, npt.NDArray[np.intp]]]:
    """Positions of each table index that occurs, indices rising, positions rising."""
    order = np.argsort(indices, kind="stable")
    used, starts = np.unique(indices[order], return_index=True)
    return [
        (int(index), group) for index, group in zip(used, np.split(order, starts[1:]), strict=True)
    ]


def _places(symbols: Integers, radius: int) -> Integers:
    """Places in a table of symbols; those beyond its radius get the escape's."""
    inside = np.abs(symbols) <= radius
    return np.where(inside, symbols + radius, 2 * radius + 1).astype(np.int32)


class SymbolWriter:
    """Codes batches of symbols into one stream and keeps the checksum of all of them."""

    def __init__(self, models: TableModels) -> None:
        self._models = models
        self._coder = coding.queue.RangeEncoder()
        self.checksum = 0
        """CRC-32C of every symbol so far, little-endian int32, in the order given."""

    def put(self, symbols: Integers, indices: Integers) -> None:
        """Codes flat symbols, each with the table of its index; large ones by the escape code."""
        if not len(symbols):
            return
        self.checksum = crc32c(symbols.astype("<i4").tobytes(), self.checksum)
        for index, group in _grouped(indices):
            radius = int(self._models.radius[index])
            values = symbols[group]
            places = _places(values, radius)
            self._coder.encode(places, self._models.models[index])
            for value in values[places > 2 * radius]:
                self._escape(int(value), radius)

    def _escape(self, value: int, radius: int) -> None:
        excess = abs(value) - radius  # 1 up: the number of its bits says where it starts
        length = excess.bit_length()
        self._uniform(int(value < 0), 2)
        self._uniform(length - 1, 1 << _LENGTH_BITS)
        left = length - 1
        while left:
            width = min(left, _CHUNK_BITS)
            left -= width
            self._uniform(excess >> left & ((1 << width) - 1), 1 << width)

    def _uniform(self, value: int, count: int) -> None:
        self._coder.encode(np.array([value], np.int32), coding.model.Uniform(count))

    def finish(self) -> bytes:
        """The stream: little-endian words without the zero bytes at its end."""
        return bytes(self._coder.get_compressed().astype("<u4").tobytes()).rstrip(b"\0")


class SymbolReader:
    """Takes batches of symbols from a stream in the order in which they were put."""

    def __init__(self, stream: bytes, models: TableModels) -> None:
        self._models = models
        padded = stream + bytes(-len(stream) % 4)
        self._coder = coding.queue.RangeDecoder(np.frombuffer(padded, "<u4").astype(np.uint32))
        self.checksum = 0
        """CRC-32C of every symbol so far."""

    def get(self, indices: Integers) -> Integers:
        """The next symbols, one for each table index.

        Raises:
            CorruptStream: bytes that no encoder writes.
        """
        symbols = np.zeros(len(indices), np.int32)
        if not len(indices):
            return symbols
        for index, group in _grouped(indices):
            radius = int(self._models.radius[index])
            places = self._decode(self._models.models[index], len(group))
            values = places - radius
            for number in np.flatnonzero(places > 2 * radius):
                values[number] = self._escaped(radius)
            symbols[group] = values
        self.checksum = crc32c(symbols.astype("<i4").tobytes(), self.checksum)
        return symbols

    def _escaped(self, radius: int) -> int:
        negative = self._uniform(2)
        left = self._uniform(1 << _LENGTH_BITS)
        if left > 29:
            raise CorruptStream("the stream holds a symbol beyond 2^30; fetch the file again")
        excess = 1
        while left:
            width = min(left, _CHUNK_BITS)
            left -= width
            excess = excess << width | self._uniform(1 << width)
        magnitude = radius + excess
        return -magnitude if negative else magnitude

    def _uniform(self, count: int) -> int:
        return int(self._decode(coding.model.Uniform(count), 1)[0])

    def _decode(self, model: coding.model.Model, count: int) -> Integers:
        try:
            places: Integers = self._coder.decode(model, count)
        except AssertionError:  # the library's word for a point outside of every symbol
            raise CorruptStream(
                "the stream holds bytes that no encoder writes; fetch the file again"
            ) from None
        return places
