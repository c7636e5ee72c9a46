# SPDX-License-Identifier: Apache-2.0
"""Infrared pictures with a guaranteed error: samples into a record and back, no float between."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from crc32c import crc32c

from crossband.container import BoundedRecord, least_stream_bytes, pack_bounded
from crossband.entropy.bounded.distribution import Integers
from crossband.entropy.bounded.fit import fit
from crossband.entropy.bounded.wave import Rules, decode_plane, encode_plane
from crossband.errors import CorruptStream, CrossbandError, PictureError
from crossband.pair import Raster

LARGEST_ERROR = 65_535
"""The largest bound that means anything for 16 bits."""
_BEGINNINGS = 9
"""Places that rounding is tried from."""


def encode_bounded(raster: Raster, max_error: int) -> BoundedRecord:
    """The record of a picture, after its own bytes were decoded and every sample compared.

    An error may be made in two places: by prediction errors that are quantised as they are coded,
    or before, by samples that are rounded to fewer values, which are then coded without loss.
    The former is smaller where the bound is far below the noise, the latter on smooth pictures of
    few counts: both are tried.

    Args:
        raster: an infrared picture.
        max_error: largest difference of a decoded sample in counts; 0 is lossless. Where the
            picture uses only every n-th count, a bound below n is lossless too.

    Raises:
        PictureError: the bound is outside 0 to 65,535.
    """
    if not (isinstance(max_error, int) and 0 <= max_error <= LARGEST_ERROR):
        raise PictureError(
            f"max_error is {max_error}; allowed are the integers 0 (lossless) to {LARGEST_ERROR:,}"
        )
    samples = raster.samples.astype(np.int64)
    low = int(samples.min())
    step = int(np.gcd.reduce((samples - low).ravel())) or 1
    values = (samples - low) // step
    top = int(values.max())
    bound = min(top, max_error // step)
    record = _coded(raster, low, step, values, bound)
    if bound:
        # Counts may mean temperatures, which no decoded sample may leave the range of.
        largest = top if raster.bit_depth > 8 else (raster.peak - low) // step
        first, rounded = _rounded(values, bound, largest)
        wide = step * (2 * bound + 1)
        other = _coded(raster, low + step * first, wide, rounded, 0, rounding=bound * step)
        record = min(record, other, key=lambda each: len(pack_bounded(each)))
    shown = _samples(record)
    largest = int(np.abs(shown.astype(np.int64) - samples).max())
    if largest > record.max_error:
        raise CrossbandError(
            f"the coded picture is {largest} counts off, allowed are {record.max_error}; nothing"
            " is written: report this picture"
        )
    return replace(record, samples_crc=_checksum(shown))


def _rounded(values: Integers, bound: int, largest: int) -> tuple[int, Integers]:
    """Every 2 * bound + 1 values become the one in their middle; where these begin is a choice.

    What the camera shows most of should fall into one of them whole: of a few places to begin, the
    one with the least entropy of simple prediction errors.

    Args:
        values: from 0 on.
        bound: at least 1.
        largest: none may become more than this.

    Returns:
        The value that 0 of the rounded ones stands for, and these.
    """
    wide, top = 2 * bound + 1, int(values.max())
    within = min(top % wide, bound)  # no value leaves the picture's range
    places = {round(at) for at in np.linspace(0, min(bound, top), _BEGINNINGS)} | {within}
    found: list[tuple[float, int, Integers]] = []
    for first in sorted(places):
        rounded = (values + bound - first) // wide
        if first + wide * int(rounded.max()) <= largest:
            found.append((_surprise(rounded), first, rounded))
    _, first, rounded = min(found, key=lambda each: each[:2])
    return first, rounded


def _surprise(values: Integers) -> float:
    """Bits of the errors of median prediction, were they independent."""
    left, above, corner = values[1:, :-1], values[:-1, 1:], values[:-1, :-1]
    low, high = np.minimum(left, above), np.maximum(left, above)
    errors = values[1:, 1:] - (left + above - corner).clip(low, high)
    _, counts = np.unique(errors, return_counts=True)
    return float((counts * np.log2(errors.size / counts)).sum())


def _coded(
    raster: Raster, low: int, step: int, values: Integers, bound: int, *, rounding: int = 0
) -> BoundedRecord:
    """The record of samples `low` + `step` * values, still without their checksum."""
    top = int(values.max())
    rules = fit(values, top, bound)
    stream = encode_plane(values, rules) if top else b""
    stream += bytes(max(0, least_stream_bytes(values.size, top) - len(stream)))
    return BoundedRecord(
        height=raster.height,
        width=raster.width,
        sample_bytes=raster.samples.dtype.itemsize,
        bit_depth=raster.bit_depth,
        low=low,
        step=step if top else 1,
        top=top,
        bound=rules.bound,
        origin=rules.origin,
        noise=rules.noise,
        coefficients=rules.coefficients if top else (),
        levels=rules.levels,
        samples_crc=0,
        stream=stream,
        rounding=rounding,
    )


def decode_bounded(record: BoundedRecord) -> Raster:
    """The picture of a record: the same samples on every machine.

    Raises:
        CorruptStream: the stream is damaged, or this machine computes other integers.
    """
    samples = _samples(record)
    if (checksum := _checksum(samples)) != record.samples_crc:
        raise CorruptStream(
            f"the infrared picture decodes to other samples: checksum {checksum:#010x}, expected"
            f" {record.samples_crc:#010x}; fetch the file again"
        )
    return Raster(
        samples.astype(np.uint8) if record.sample_bytes == 1 else samples, record.bit_depth
    )


def _samples(record: BoundedRecord) -> npt.NDArray[np.uint16]:
    if record.top == 0:
        return np.full((record.height, record.width), record.low, np.uint16)
    rules = Rules(
        height=record.height,
        width=record.width,
        top=record.top,
        bound=record.bound,
        origin=record.origin,
        noise=record.noise,
        coefficients=record.coefficients,
        levels=record.levels,
    )
    return (record.low + record.step * decode_plane(record.stream, rules)).astype(np.uint16)


def _checksum(samples: npt.NDArray[np.uint16]) -> int:
    return int(crc32c(samples.astype("<u2").tobytes()))
