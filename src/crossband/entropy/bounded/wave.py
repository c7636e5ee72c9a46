# SPDX-License-Identifier: Apache-2.0
"""The loop that encoder and decoder share: wave by wave, integers only (docs/format.md §15)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from constriction import stream as coding

from crossband.entropy.bounded.context import LEAN, NEIGHBOURS, REACH, Planes
from crossband.entropy.bounded.distribution import (
    BINS,
    STARTS,
    WEIGHTS,
    WIDTH_BITS,
    Bins,
    Integers,
    bins_of,
    place_of,
)
from crossband.entropy.bounded.known import known_planes
from crossband.entropy.bounded.network import load_network
from crossband.errors import CorruptStream

_LENGTH_BITS = 5
_CHUNK_BITS = 16
_TOGETHER = 1 << 13
"""Pixels that an encoder looks at together."""
_NOTHING = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Rules:
    """All that the decoder of a plane is told beside its stream."""

    height: int
    width: int
    top: int
    """Values are 0 to this."""
    bound: int
    """Largest error of a value."""
    origin: int
    """What is above and to the left of the first value."""
    noise: int
    """Usual error of the linear prediction, in 1/16 of a value."""
    coefficients: tuple[int, ...] = ()
    """Weights of NEIGHBOURS in 1/4096; empty for all zero: the mean of the nearest four."""
    levels: tuple[int, ...] = ()
    """Index into WEIGHTS for every value; empty for equal weights."""

    @property
    def weights(self) -> Integers:
        """`coefficients`, zeros where there are none."""
        return np.array(self.coefficients or (0,) * len(NEIGHBOURS), np.int64)

    @property
    def step(self) -> int:
        """Values from one symbol to the next."""
        return 2 * self.bound + 1


def encode_plane(values: Integers, rules: Rules) -> bytes:
    """The stream of a plane of values, (height, width)."""
    writer = _Writer(values, rules)
    if rules.bound:  # what a pixel is predicted from is known only when all before it is coded
        _run(rules, writer)
    else:
        _run_known(values, rules, writer)
    return writer.finish()


def decode_plane(stream: bytes, rules: Rules) -> Integers:
    """The values that every decoder of the stream gets, (height, width).

    Raises:
        CorruptStream: bytes that no encoder writes.
    """
    return _run(rules, _Reader(stream))


class _Coder(Protocol):
    def code(self, rows: Integers, columns: Integers, bins: Bins) -> Integers:
        """The steps of some pixels from their bins' centre."""


def _run(rules: Rules, coder: _Coder) -> Integers:
    network = load_network()
    height, width = rules.height, rules.width
    planes = Planes.empty(height, width, rules.origin, rules.noise)
    weights = weights_of(rules.levels)
    for rows, columns in waves(height, width):
        places = planes.places(rows, columns)
        inputs = planes.look(places, rules.weights, rules.noise, rules.top)
        bins = bins_of(network.says(inputs, rules.top), rules.top, rules.step, weights)
        steps = coder.code(rows, columns, bins)
        values = (bins.centre + rules.step * steps).clip(0, rules.top)
        planes.put(places, values, inputs.linear)
        planes.put_borders(places, columns, width)
    return planes.values.reshape(-1, planes.pitch)[REACH:, REACH:-REACH].copy()


def _run_known(values: Integers, rules: Rules, coder: _Coder) -> None:
    """The same for a lossless plane, many waves at a time."""
    planes = known_planes(values, rules.weights, rules.noise, rules.top)
    network, weights = load_network(), weights_of(rules.levels)
    waiting: list[tuple[Integers, Integers]] = []
    for rows, columns in (*waves(rules.height, rules.width), (_NOTHING, _NOTHING)):
        waiting.append((rows, columns))
        if len(rows) and sum(len(each) for each, _ in waiting) < _TOGETHER:
            continue
        places = np.concatenate([planes.places(*each) for each in waiting])
        inputs = planes.look(places, rules.weights, rules.noise, rules.top)
        bins = bins_of(network.says(inputs, rules.top), rules.top, rules.step, weights)
        start = 0
        for wave in waiting:
            part = slice(start, start + len(wave[0]))
            if len(wave[0]):
                coder.code(*wave, Bins(*(each[part] for each in bins)))
            start = part.stop
        waiting = []


def weights_of(levels: Sequence[int] | Integers) -> Integers | None:
    """A factor for every value; None where there are no levels."""
    return np.array(WEIGHTS, np.int64)[np.asarray(levels)] if len(levels) else None


def waves(height: int, width: int) -> Iterator[tuple[Integers, Integers]]:
    """Rows and columns of each wave, rows rising."""
    for wave in range(width + LEAN * (height - 1)):
        first = max(0, -((width - 1 - wave) // LEAN))
        rows = np.arange(first, min(height - 1, wave // LEAN) + 1)
        if len(rows):
            yield rows, wave - LEAN * rows


class _Writer:
    """Chooses and codes the steps of a known plane."""

    def __init__(self, values: Integers, rules: Rules) -> None:
        self._values = values
        self._rules = rules
        self._coder = coding.queue.RangeEncoder()

    def code(self, rows: Integers, columns: Integers, bins: Bins) -> Integers:
        """The step to the nearest value of each pixel."""
        bound, step = self._rules.bound, self._rules.step
        steps: Integers = (self._values[rows, columns] - bins.centre + bound) // step
        places = place_of(steps, bins)
        self._coder.encode(places.astype(np.int32), _FAMILY, _shares(bins))
        inside = (places > 0) & (places < BINS - 1)
        low_bits = bins.unit_bits + WIDTH_BITS[places]
        fine = np.flatnonzero(inside & (low_bits > 0))
        if len(fine):
            counts = (1 << low_bits[fine]).astype(np.int32)
            parts = (steps - _first_step(places, bins))[fine].astype(np.int32)
            self._coder.encode(parts, coding.model.Uniform(), counts)
        for pixel in np.flatnonzero(~inside):
            self._excess(abs(int((steps - _first_step(places, bins))[pixel])))
        return steps

    def _excess(self, excess: int) -> None:
        left = (excess + 1).bit_length() - 1
        self._uniform(left, 1 << _LENGTH_BITS)
        while left:
            width = min(left, _CHUNK_BITS)
            left -= width
            self._uniform((excess + 1) >> left & ((1 << width) - 1), 1 << width)

    def _uniform(self, value: int, count: int) -> None:
        self._coder.encode(np.array([value], np.int32), coding.model.Uniform(count))

    def finish(self) -> bytes:
        """Little-endian words without the zero bytes at their end."""
        return bytes(self._coder.get_compressed().astype("<u4").tobytes()).rstrip(b"\0")


class _Reader:
    """Decodes the steps."""

    def __init__(self, stream: bytes) -> None:
        padded = stream + bytes(-len(stream) % 4)
        self._coder = coding.queue.RangeDecoder(np.frombuffer(padded, "<u4").astype(np.uint32))

    def code(self, rows: Integers, columns: Integers, bins: Bins) -> Integers:
        """The next steps."""
        places = self._take(_FAMILY, _shares(bins)).astype(np.int64)
        steps = _first_step(places, bins)
        inside = (places > 0) & (places < BINS - 1)
        low_bits = bins.unit_bits + WIDTH_BITS[places]
        fine = np.flatnonzero(inside & (low_bits > 0))
        if len(fine):
            counts = (1 << low_bits[fine]).astype(np.int32)
            steps[fine] += self._take(coding.model.Uniform(), counts)
        for pixel in np.flatnonzero(~inside):
            steps[pixel] += self._excess() if places[pixel] else -self._excess()
        return steps

    def _excess(self) -> int:
        left = int(self._take(coding.model.Uniform(1 << _LENGTH_BITS), 1)[0])
        if left > _LONGEST:
            raise CorruptStream("the stream holds a step beyond 2^20; fetch the file again")
        excess = 1
        while left:
            width = min(left, _CHUNK_BITS)
            left -= width
            part = int(self._take(coding.model.Uniform(1 << width), 1)[0])
            excess = excess << width | part
        return excess - 1

    def _take(
        self, model: coding.model.Model, parameters: npt.NDArray[np.generic] | int
    ) -> npt.NDArray[np.int32]:
        try:
            symbols: npt.NDArray[np.int32] = self._coder.decode(model, parameters)
        except AssertionError:  # the library's word for a point outside of every symbol
            raise CorruptStream(
                "the stream holds bytes that no encoder writes; fetch the file again"
            ) from None
        return symbols


_LONGEST = 20
"""Bits of an excess: values have 16, and bins of 62 steps are taken off."""
_FAMILY = coding.model.Categorical(perfect=False)


def _shares(bins: Bins) -> npt.NDArray[np.float64]:
    """What makes the library use exactly these frequencies (see `entropy.coder`)."""
    return (bins.frequencies - 1).astype(np.float64)


def _first_step(places: Integers, bins: Bins) -> Integers:
    """The lowest step of each bin; of bin 0 the highest."""
    lowest: Integers = STARTS[np.maximum(places, 1) - 1] << bins.unit_bits
    lowest -= places == 0
    return lowest
