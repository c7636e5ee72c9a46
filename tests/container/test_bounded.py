# SPDX-License-Identifier: Apache-2.0
"""The record of an infrared picture with a guaranteed error."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossband.container import BoundedRecord, PairFile, pack, unpack
from crossband.container.bounded import pack_bounded, unpack_bounded
from crossband.errors import CorruptStream, PictureError, StreamError

WEIGHTS_ID = bytes(range(8))


@pytest.fixture
def record() -> BoundedRecord:
    return BoundedRecord(
        height=12,
        width=30,
        sample_bytes=2,
        bit_depth=14,
        low=7000,
        step=4,
        top=4,
        bound=0,
        origin=2,
        noise=300,
        coefficients=tuple(range(-15, 16)),
        levels=(11, 0, 15, 1, 7),
        samples_crc=0x11223344,
        stream=b"values",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"levels": (), "bound": 3},
        {"rounding": 9},
        {"levels": (), "bound": 3, "rounding": 65_535},
        {"coefficients": ()},
        {"top": 0, "step": 1, "origin": 0, "levels": (), "stream": b""},
        {"sample_bytes": 1, "bit_depth": 8, "low": 3, "levels": ()},
    ],
)
def test_a_record_reads_as_it_was_written(record, changes):
    file = PairFile(WEIGHTS_ID, (replace(record, **changes),))
    data = pack(file)
    assert unpack(data) == file
    assert pack(unpack(data)) == data
    assert file.size_bytes == len(data)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"top": 5000, "levels": (), "low": 0}, "stay within"),
        ({"bound": 5, "levels": ()}, "bound"),
        ({"bound": 1}, "levels"),
        ({"levels": (1, 2)}, "levels"),
        ({"origin": 5}, "first value"),
        ({"noise": 0}, "noise"),
        ({"noise": 1 << 21}, "noise"),
        ({"coefficients": (1, 2)}, "predictor weights"),
        ({"stream": b"v"}, "at least 2"),
        ({"top": 0, "origin": 0, "levels": ()}, "constant"),
        ({"height": 65_535, "width": 65_535}, "at least 16,776,705"),
        ({"bit_depth": 17}, "bits"),
        ({"rounding": -1}, "rounding"),
        ({"rounding": 65_536}, "rounding"),
    ],
)
def test_values_outside_their_range_are_refused_by_name(record, changes, words):
    with pytest.raises(PictureError, match=words):
        replace(record, **changes)


def test_it_is_first(record, visible):
    alone = replace(visible, conditional=False)
    with pytest.raises(PictureError, match="must be first"):
        PairFile(WEIGHTS_ID, (alone, record))
    for second in (visible, alone):
        file = PairFile(WEIGHTS_ID, (record, second))
        assert unpack(pack(file)) == file
        assert sum(part.size_bytes for part in file.parts) == len(pack(file))


def test_every_flipped_bit_and_every_cut_is_noticed(record):
    data = pack(PairFile(WEIGHTS_ID, (record,)))
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StreamError):
            unpack(bytes(damaged))
    for length in range(len(data)):
        with pytest.raises(StreamError):
            unpack(data[:length])


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [(1, 2, "network 2"), (8, 0, "steps of 0")],
)
def test_what_no_writer_writes_is_refused(record, at, value, words):
    payload = bytearray(pack_bounded(record))
    payload[at] = value
    with pytest.raises(CorruptStream, match=words):
        unpack_bounded(memoryview(bytes(payload)))


def test_a_rounding_of_nothing_is_refused(record):
    payload = pack_bounded(replace(record, rounding=0x1234))
    nothing = payload.replace(b"\x34\x12", b"\0\0", 1)
    with pytest.raises(CorruptStream, match="rounding of 0"):
        unpack_bounded(memoryview(nothing))
    assert replace(record, levels=(), bound=3, rounding=2).max_error == 3 * 4 + 2
