# SPDX-License-Identifier: Apache-2.0
"""Metadata comes back byte for byte, costs a file without it nothing, and never harms pictures."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossband.container import MAX_METADATA_BYTES, Blob, BlobKind, PairFile, blobs_of, pack, unpack
from crossband.container.framing import pack_records, unpack_records
from crossband.container.metadata import metadata_of, pack_metadata, unpack_metadata
from crossband.container.pair_file import METADATA
from crossband.errors import CorruptStream, PictureError, StreamError
from crossband.pair import Metadata, Modality, Pair, Raster

PIECES = st.one_of(st.just(b""), st.binary(max_size=300), st.sampled_from([b"<x/>", bytes(70_000)]))
METADATA_VALUES = st.builds(Metadata, exif=PIECES, xmp=PIECES, icc=PIECES, calibration=PIECES)


def pair_with(visible: Metadata, infrared: Metadata) -> Pair:
    """The smallest pair that carries this."""
    return Pair(
        Raster(np.zeros((1, 1, 3), np.uint8), metadata=visible),
        Raster(np.zeros((1, 1), np.uint16), metadata=infrared),
    )


def stored(modality: Modality, kind: int, data: bytes) -> Blob:
    """A blob whose coded bytes no zlib build writes differently."""
    stream = zlib.compressobj(0)
    return Blob(modality, kind, len(data), stream.compress(data) + stream.flush())


@pytest.fixture
def carrying(example: PairFile) -> PairFile:
    """The example of the page with metadata of both pictures and of a kind to come."""
    blobs = (
        stored(Modality.VISIBLE, BlobKind.XMP, b"<x/>"),
        stored(Modality.VISIBLE, 9, b"later"),
        stored(Modality.INFRARED, BlobKind.EXIF, b"II*\0"),
    )
    return replace(example, metadata=blobs)


@settings(deadline=None, derandomize=True)
@given(METADATA_VALUES, METADATA_VALUES)
def test_any_metadata_comes_back_byte_for_byte(visible, infrared):
    blobs = blobs_of(pair_with(visible, infrared))
    assert metadata_of(blobs, Modality.VISIBLE) == visible
    assert metadata_of(blobs, Modality.INFRARED) == infrared
    if blobs:
        payload = pack_metadata(blobs)
        assert unpack_metadata(memoryview(payload)) == blobs


def test_a_file_comes_back_with_its_metadata(carrying):
    data = pack(carrying)
    assert unpack(data) == carrying
    assert pack(unpack(data)) == data
    assert sum(part.size_bytes for part in carrying.parts) == len(data)
    assert unpack(data).metadata_of(Modality.INFRARED) == Metadata(exif=b"II*\0")


def test_the_bytes_of_a_metadata_record_are_what_they_were(carrying):
    assert pack_metadata(carrying.metadata).hex(" ") == (
        "02 04 0f 78 01 01 04 00 fb ff 3c 78 2f 3e 02 f8 01 22"
        " 09 05 10 78 01 01 05 00 fa ff 6c 61 74 65 72 06 3d 02 19"
        " 41 04 0f 78 01 01 04 00 fb ff 49 49 2a 00 02 57 00 bd"
    )


def test_a_file_without_metadata_has_no_record_of_it(example):
    assert blobs_of(pair_with(Metadata(), Metadata())) == ()
    assert METADATA not in {record.kind for record in unpack_records(pack(example))}


def test_kinds_to_come_are_kept_and_skipped(carrying):
    file = unpack(pack(carrying))
    assert [blob.name for blob in file.metadata] == ["XMP", "kind 9", "EXIF"]
    assert file.metadata_of(Modality.VISIBLE) == Metadata(xmp=b"<x/>")


def test_the_pictures_do_not_depend_on_the_metadata(carrying, example):
    assert unpack(pack(carrying)).records == example.records


def test_any_flipped_bit_and_any_cut_is_noticed(carrying):
    data = pack(carrying)
    record = list(unpack_records(data))[-1]
    assert record.kind == METADATA
    for bit in range(8 * record.offset, 8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StreamError):
            unpack(bytes(damaged))
    for size_bytes in range(record.offset, len(data)):
        with pytest.raises(CorruptStream, match="cut short"):
            unpack(data[:size_bytes])


def test_a_cut_payload_is_refused_unless_a_blob_ends_there(carrying):
    payload = pack_metadata(carrying.metadata)
    ends = {len(pack_metadata(carrying.metadata[:count])) for count in (1, 2, 3)}
    for size_bytes in range(len(payload)):
        if size_bytes not in ends:
            with pytest.raises(CorruptStream):
                unpack_metadata(memoryview(payload[:size_bytes]))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "cut short"),
        (bytes.fromhex("82 01 01 00"), "bit 7 must be 0"),
        (bytes.fromhex("00 01 01 00"), "kind 0"),
        (bytes.fromhex("01 00 01 00"), "has 0 bytes"),
        (bytes.fromhex("01 81 80 80 08 01 00"), "16,777,217 bytes"),
        (bytes.fromhex("01 01 00 01 01 00"), "out of order"),
        (bytes.fromhex("02 01 00 01 01 00"), "out of order"),
        (bytes.fromhex("01 80 80 80 08 00 02 01 00"), "at most 16,777,216"),
    ],
)
def test_what_no_writer_writes_is_refused_with_its_reason(payload, reason):
    with pytest.raises(CorruptStream, match=reason):
        unpack_metadata(memoryview(payload))


@pytest.mark.parametrize(
    "coded",
    [
        b"",
        b"not zlib",
        zlib.compress(b"abc"),
        zlib.compress(b"abcde"),
        zlib.compress(b"abcd")[:-1],
        zlib.compress(b"abcd") + b"x",
        zlib.compress(bytes(50_000_000)),
    ],
)
def test_a_stream_of_another_size_is_refused(coded):
    with pytest.raises(CorruptStream, match="visible metadata \\(XMP\\) is damaged"):
        Blob(Modality.VISIBLE, BlobKind.XMP, 4, coded).inflate()


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_record_follows_the_pictures(example, index):
    records = [(record.kind, bytes(record.payload)) for record in unpack_records(pack(example))]
    records.insert(index, (METADATA, pack_metadata((stored(Modality.VISIBLE, 1, b"II*\0"),))))
    with pytest.raises(CorruptStream, match="out of order"):
        unpack(pack_records(example.weights_id, records))


def test_two_records_of_metadata_are_refused(carrying):
    records = [(record.kind, bytes(record.payload)) for record in unpack_records(pack(carrying))]
    with pytest.raises(CorruptStream, match="out of order"):
        unpack(pack_records(carrying.weights_id, [*records, records[-1]]))


def test_metadata_belongs_to_a_picture_of_the_file(carrying):
    with pytest.raises(PictureError, match="no visible picture"):
        replace(carrying, records=carrying.records[:1])


def test_a_blank_picture_with_metadata_is_still_filled(carrying):
    blank = replace(carrying.records[0], height=2000, width=2000)
    file = replace(carrying, records=(blank,), metadata=carrying.metadata[2:])
    assert unpack(pack(file)) == file
    assert [part.name for part in file.parts][-2:] == ["metadata", "filler"]


def test_more_than_16_mib_is_refused_in_one_line():
    half = Metadata(icc=bytes(MAX_METADATA_BYTES // 2))
    assert len(blobs_of(pair_with(half, half))) == 2
    over = replace(half, xmp=b"x")
    with pytest.raises(PictureError, match=r"16,777,217 bytes of metadata.*--strip-metadata"):
        blobs_of(pair_with(half, over))
