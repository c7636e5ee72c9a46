# SPDX-License-Identifier: Apache-2.0
"""DJI radiometric JPEG: the plane of counts comes out, all else of the maker is carried."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossband.errors import SourceError
from crossband.pair import Modality
from crossband.sources import calibration_of, read, read_radiometric
from crossband.testing.radiometric import dji_jpeg, fff, flir_jpeg, raw_record, with_segments

COUNTS = (
    18_000 + 7 * np.arange(160)[:, None] + 3 * np.arange(220)[None, :]
).astype(np.uint16)  # fmt: skip
"""70 kB: two segments."""


def test_the_counts_of_all_segments_come_out_in_their_order():
    source = read_radiometric(dji_jpeg(COUNTS))
    infrared = source.pair.infrared
    assert infrared is not None and source.pair.visible is None
    assert np.array_equal(infrared.samples, COUNTS)
    assert infrared.bit_depth == 16


def test_temperatures_are_said_to_be_unavailable_in_one_line():
    source = read_radiometric(dji_jpeg(COUNTS))
    (line,) = [note for note in source.notes if "temperatures are not available" in note]
    assert line.startswith("picture in memory: ") and "\n" not in line
    assert source.pair.infrared is not None
    assert calibration_of(source.pair.infrared.metadata) is None


def segments_of(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(data):
        mark, number, size_bytes = struct.unpack_from(">BBH", data, at)
        assert mark == 0xFF
        found.append((number - 0xE0, data[at + 4 : at + 2 + size_bytes]))
        at += 2 + size_bytes
    return found


def test_calibration_and_maker_s_data_are_carried_as_they_are():
    infrared = read_radiometric(dji_jpeg(COUNTS, calibration=b"\xaa\x55\x12\x06abc")).pair.infrared
    assert infrared is not None
    assert segments_of(infrared.metadata.calibration) == [
        (4, b"\xaa\x55\x12\x06abc"),
        (5, bytes(range(256)) * 4),
    ]
    assert segments_of(infrared.metadata.maker) == [(6, b"DTAT\0\0\x01{}")]
    assert b"DJI" in infrared.metadata.exif


def test_counts_of_640x512_below_an_enlarged_picture_are_taken():
    counts = np.arange(512 * 640, dtype=np.uint32).astype(np.uint16).reshape(512, 640)
    source = read_radiometric(dji_jpeg(counts, shown=(1024, 1280)))
    assert source.pair.infrared is not None
    assert np.array_equal(source.pair.infrared.samples, counts)
    assert any("640x512 counts are taken" in note for note in source.notes)


def test_a_dji_camera_with_a_flir_core_is_read_as_flir():
    flir = flir_jpeg(fff(raw_record(COUNTS)), exif=b"Exif\0\0II*\0" + bytes(20))
    infrared = read_radiometric(flir).pair.infrared
    assert infrared is not None and np.array_equal(infrared.samples, COUNTS)


def test_reading_it_as_an_ordinary_jpeg_says_what_is_left_out():
    notes = read(dji_jpeg(COUNTS), Modality.VISIBLE).notes
    assert "--radiometric" in notes[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (dji_jpeg(np.zeros((0, 0), np.uint16), shown=(8, 8)), "copy the original R-JPEG"),
        (dji_jpeg(COUNTS, shown=(160, 221)), "neither 221x160"),
        (dji_jpeg(COUNTS[:, :-1], shown=(160, 220)), "super resolution"),
        (dji_jpeg(COUNTS, make="Another"), "without the counts of a FLIR or DJI sensor"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(data, reason):
    with pytest.raises(SourceError, match=reason) as caught:
        read_radiometric(data)
    assert "\n" not in str(caught.value)


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.data())
def test_any_damage_gives_a_picture_or_a_refusal(data):
    damaged = bytearray(with_segments(dji_jpeg(COUNTS[:20, :20]), [(3, b"more")]))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, 300))] = data.draw(st.integers(0, 255))
    try:
        read_radiometric(bytes(damaged))
    except SourceError as error:
        assert "\n" not in str(error)
