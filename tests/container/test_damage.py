# SPDX-License-Identifier: Apache-2.0
"""Damage, additions and newer files are noticed; what may be skipped is skipped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crossband.container import PairFile, pack, unpack
from crossband.container.framing import (
    HEADER_BYTES,
    MAX_RECORDS,
    Record,
    pack_records,
    unpack_records,
)
from crossband.container.pair_file import PICTURE, PIXELS_PER_BYTE, TIMESTAMP
from crossband.errors import CorruptStream, NotCrossband, StreamError, UnsupportedVersion

UNKNOWN_ANCILLARY = 0x55
UNKNOWN_CRITICAL = 0x15


def with_record(data: bytes, kind: int, payload: bytes, index: int) -> bytes:
    """The file with one more record in front of the record of this index."""
    records = [(record.kind, bytes(record.payload)) for record in unpack_records(data)]
    records.insert(index, (kind, payload))
    return pack_records(data[5:HEADER_BYTES], records)


@pytest.fixture
def files(example: PairFile) -> list[bytes]:
    """One picture; a pair with a timestamp; a pair with an unknown record; a filled file."""
    alone = replace(example, records=example.records[:1], timestamp_us=None)
    blank = replace(example.records[0], height=1400, width=1400)
    return [
        pack(alone),
        pack(example),
        with_record(pack(example), UNKNOWN_ANCILLARY, b"who knows", 1),
        pack(replace(alone, records=(blank,))),
    ]


def test_any_flipped_bit_is_noticed(files):
    for data in files:
        for bit in range(8 * len(data)):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            with pytest.raises(StreamError) as caught:
                unpack(bytes(damaged))
            assert "\n" not in str(caught.value)


def test_any_lost_or_repeated_byte_is_noticed(files):
    for data in files:
        for at in range(len(data)):
            with pytest.raises(StreamError):
                unpack(data[:at] + data[at + 1 :])
            with pytest.raises(StreamError):
                unpack(data[: at + 1] + data[at:])


def test_a_file_that_is_cut_anywhere_is_noticed(files):
    for data in files:
        for size_bytes in range(1, len(data)):
            with pytest.raises(CorruptStream, match="cut short"):
                unpack(data[:size_bytes])


def test_an_empty_file_is_no_crossband_file():
    with pytest.raises(NotCrossband, match="empty"):
        unpack(b"")


@pytest.mark.parametrize("garbage", [b"\0", b"\n", b"\r\n", b"\0" * 4096, b"\xcbXB\n\x01"])
def test_bytes_after_the_end_are_noticed(files, garbage):
    for data in files:
        with pytest.raises(CorruptStream, match=f"{len(garbage):,} bytes follow the last record"):
            unpack(data + garbage)


def test_two_files_in_a_row_are_noticed(files):
    with pytest.raises(CorruptStream, match="follow the last record"):
        unpack(files[0] + files[1])


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_an_unknown_ancillary_record_is_skipped_anywhere(example, index):
    for payload in (b"", b"who knows", bytes(1000)):
        assert unpack(with_record(pack(example), UNKNOWN_ANCILLARY, payload, index)) == example


@pytest.mark.parametrize("index", [0, 1, 2, 3])
def test_an_unknown_critical_record_is_refused_anywhere(example, index):
    with pytest.raises(UnsupportedVersion, match=r"kind 0x15.*update crossband"):
        unpack(with_record(pack(example), UNKNOWN_CRITICAL, b"", index))


@pytest.mark.parametrize("version", [2, 3, 255])
def test_a_newer_version_is_refused_by_its_number(example, version):
    data = bytearray(pack(example))
    data[4] = version
    with pytest.raises(UnsupportedVersion, match=f"format version {version}, .* reads version 1"):
        unpack(bytes(data))
    with pytest.raises(UnsupportedVersion):
        unpack(bytes(data[:5]))


def test_a_record_of_another_file_is_noticed(example):
    mine = pack(replace(example, timestamp_us=None))
    theirs = pack(replace(example, timestamp_us=None, weights_id=b"another!"))
    with pytest.raises(CorruptStream, match="record 1 at byte 13 is damaged"):
        unpack(mine[:HEADER_BYTES] + theirs[HEADER_BYTES:])


def test_lost_and_swapped_records_are_noticed(example):
    data = pack(example)
    cuts = [record.offset for record in unpack_records(data)] + [len(data)]
    header, stamp, first, second = (data[a:b] for a, b in zip([0, *cuts], cuts, strict=False))
    assert unpack(header + stamp + first + second) == example
    for parts in (
        [stamp, second],
        [first, second],
        [first, stamp, second],
        [stamp, first, first, second],
    ):
        with pytest.raises(CorruptStream, match="is damaged"):
            unpack(b"".join([header, *parts]))


def test_as_many_pixels_as_the_bytes_hold_are_taken_and_no_more(infrared):
    data = pack(PairFile(b"12345678", (infrared,)))
    allowed = PIXELS_PER_BYTE * len(data)
    assert len(data) == 41
    height = 1024
    width = allowed // height  # 656
    fits = replace(infrared, height=height, width=width)
    assert height * width == allowed
    assert unpack(pack(PairFile(b"12345678", (fits,)))).records == (fits,)
    records = list(unpack_records(data))
    payload = bytearray(records[0].payload)
    payload[2:6] = height.to_bytes(2, "little") + (width + 1).to_bytes(2, "little")
    with pytest.raises(CorruptStream, match=r"declares 672,768 pixels in 41 bytes.*671,744"):
        unpack(pack_records(b"12345678", [(PICTURE, bytes(payload))]))


def test_a_file_has_at_most_256_records(example):
    pictures = [(r.kind, bytes(r.payload)) for r in unpack_records(pack(example))]
    unknown = [(UNKNOWN_ANCILLARY, b"")] * (MAX_RECORDS - len(pictures))
    assert unpack(pack_records(example.weights_id, unknown + pictures)) == example
    unknown.append((UNKNOWN_ANCILLARY, b""))
    with pytest.raises(CorruptStream, match="more than 256 records"):
        unpack(pack_records(example.weights_id, unknown + pictures))


def test_a_record_is_seen_with_its_place(example):
    stamp = next(unpack_records(pack(example)))
    assert isinstance(stamp, Record)
    assert (stamp.kind, stamp.offset, stamp.size_bytes, stamp.is_last) == (TIMESTAMP, 13, 14, False)
