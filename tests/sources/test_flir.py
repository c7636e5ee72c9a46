# SPDX-License-Identifier: Apache-2.0
"""FLIR radiometric JPEG: the counts of the sensor come out, whatever way they are stored.

The files are made by `crossband.testing.radiometric`, after ExifTool's tables of the format.
"""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crossband.errors import SourceError
from crossband.pair import Modality, Pair
from crossband.sources import read, read_radiometric
from crossband.testing.radiometric import (
    GPS,
    PALETTE,
    Record,
    camera_record,
    embedded_record,
    encoded,
    fff,
    flir_jpeg,
    picture_payload,
    raw_record,
)

HEIGHT, WIDTH = 24, 32
COUNTS = (
    7000 + 40 * np.arange(HEIGHT)[:, None] + 3 * np.arange(WIDTH)[None, :]
).astype(np.uint16)  # fmt: skip
COLOUR = np.stack([np.full((48, 64), value, np.uint8) for value in (200, 120, 40)], axis=-1)
RAW = raw_record(COUNTS).payload
CAMERA = camera_record()
ALL = (CAMERA, Record(1, RAW), embedded_record(COLOUR), Record(PALETTE, b"palette"))


def pair_of(data: bytes) -> Pair:
    return read_radiometric(data).pair


def test_one_file_is_a_pair():
    source = read_radiometric(flir_jpeg(fff(*ALL)))
    assert source.notes == ()
    infrared, visible = source.pair.infrared, source.pair.visible
    assert infrared is not None and visible is not None
    assert np.array_equal(infrared.samples, COUNTS)
    assert infrared.bit_depth == 16
    assert infrared.metadata.calibration == CAMERA.payload
    assert np.abs(visible.samples.astype(int) - COLOUR).max() <= 3


@pytest.mark.parametrize("piece_bytes", [200, 1000, 65_000])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [b"FFF\0", b"AFF\0"])
def test_pieces_and_byte_order_of_the_file_make_no_difference(piece_bytes, order, magic):
    data = flir_jpeg(fff(*ALL, order=order, magic=magic), piece_bytes=piece_bytes)
    assert pair_of(data).equals(pair_of(flir_jpeg(fff(*ALL))))


@pytest.mark.parametrize(
    "record",
    [
        picture_payload(2, COUNTS.astype("<u2").tobytes(), size=COUNTS.shape, order="<"),
        picture_payload(2, COUNTS.astype(">u2").tobytes(), size=COUNTS.shape, order=">"),
        picture_payload(2, encoded(COUNTS), size=COUNTS.shape),
        picture_payload(2, encoded(COUNTS.byteswap()), size=COUNTS.shape),
        picture_payload(2, encoded(COUNTS.byteswap()), size=COUNTS.shape, order=">"),
        RAW + b"more",
    ],
    ids=["little", "big", "PNG", "swapped PNG", "swapped PNG, big", "longer"],
)
def test_the_counts_are_the_same_however_they_are_stored(record):
    infrared = pair_of(flir_jpeg(fff(Record(1, record)))).infrared
    assert infrared is not None
    assert np.array_equal(infrared.samples, COUNTS)


def test_an_embedded_png_is_turned_from_ycbcr_into_rgb():
    stored = np.array(Image.fromarray(COLOUR).convert("YCbCr"))
    record = Record(14, picture_payload(3, encoded(stored), size=(48, 64)))
    visible = pair_of(flir_jpeg(fff(Record(1, RAW), record))).visible
    assert visible is not None
    assert np.abs(visible.samples.astype(int) - COLOUR).max() <= 2


def test_a_camera_without_a_visible_picture_gives_infrared_alone():
    source = read_radiometric(flir_jpeg(fff(Record(1, RAW))))
    assert source.pair.visible is None
    assert [note.split(": ")[1] for note in source.notes] == [
        "the file has no calibration of the camera",
        "its visible picture is not there; the infrared one is taken alone",
    ]


def test_an_unknown_embedded_picture_is_said_to_be_left_out():
    odd = Record(14, picture_payload(3, b"planes of YCbCr", size=(48, 64)))
    notes = read_radiometric(flir_jpeg(fff(*ALL[:2], odd))).notes
    assert "of an unknown kind" in notes[0]


def test_what_the_jpeg_says_goes_with_the_counts():
    data = flir_jpeg(fff(*ALL), xmp=b"<x/>")
    infrared = pair_of(data).infrared
    assert infrared is not None and infrared.metadata.xmp == b"<x/>"


def test_reading_it_as_an_ordinary_jpeg_says_what_is_left_out():
    notes = read(flir_jpeg(fff(*ALL)), Modality.VISIBLE).notes
    assert "--radiometric" in notes[0]


def records_of(data: bytes, order: str) -> dict[int, bytes]:
    """Payloads by kind, as another program reads them."""
    start, count = struct.unpack_from(f"{order}II", data, 24)
    found = {}
    for at in range(start, start + 32 * count, 32):
        (kind,) = struct.unpack_from(f"{order}H", data, at)
        offset, length = struct.unpack_from(f"{order}II", data, at + 12)
        found[kind] = data[offset : offset + length]
    return found


@pytest.mark.parametrize("order", ["<", ">"])
def test_all_other_records_are_carried_as_an_fff_file_of_their_own(order):
    gps = Record(GPS, bytes(range(100)))
    infrared = pair_of(flir_jpeg(fff(*ALL, gps, order=order))).infrared
    assert infrared is not None
    assert records_of(infrared.metadata.maker, order) == {PALETTE: b"palette", GPS: gps.payload}


def test_an_embedded_picture_that_is_not_known_is_carried_too():
    odd = Record(14, picture_payload(3, b"planes of YCbCr", size=(48, 64)))
    infrared = pair_of(flir_jpeg(fff(CAMERA, Record(1, RAW), odd))).infrared
    assert infrared is not None
    assert records_of(infrared.metadata.maker, ">") == {14: odd.payload}


def test_a_rendering_named_as_infrared_is_refused_with_the_way_to_its_counts():
    data = flir_jpeg(fff(*ALL), rendering=COLOUR)
    with pytest.raises(SourceError, match=r"rendering in false colours.*--radiometric"):
        read(data, Modality.INFRARED)


def missing_piece() -> bytes:
    data = flir_jpeg(fff(*ALL), piece_bytes=500)
    first = data.index(b"FLIR\0") - 4
    size_bytes = 2 + 2 + 8 + 500
    return data[: first + size_bytes] + data[first + 2 * size_bytes :]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encoded(COLOUR, "JPEG"), "without the counts of a FLIR or DJI sensor"),
        (encoded(COLOUR), "is a PNG picture"),
        (flir_jpeg(fff(ALL[0])), r"without the counts.*export it as radiometric JPEG"),
        (flir_jpeg(b"FPF\0" + bytes(100)), "unknown kind"),
        (flir_jpeg(b"FFF\0"), "unknown kind"),
        (flir_jpeg(fff(*ALL)[:80]), "claims 4 records"),
        (flir_jpeg(fff(*ALL)[:-2000]), "truncated"),
        (missing_piece(), "pieces"),
        (flir_jpeg(fff(Record(1, RAW[:1000]))), "counts need 1,536 bytes"),
        (flir_jpeg(fff(Record(1, b"\x09\x09" + RAW[2:]))), "unknown layout"),
        (flir_jpeg(fff(Record(1, RAW[:20]))), "unknown layout"),
        (flir_jpeg(fff(Record(1, picture_payload(2, b"", size=(0, 0))))), "at least 1x1"),
        (flir_jpeg(fff(Record(1, picture_payload(2, encoded(COUNTS), size=(9, 9))))), "announced"),
        (
            flir_jpeg(fff(Record(1, picture_payload(2, encoded(COLOUR), size=(48, 64))))),
            "announced",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(data, reason):
    with pytest.raises(SourceError, match=reason) as caught:
        read_radiometric(data)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("picture in memory: ")


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.data())
def test_any_damage_gives_a_pair_or_a_refusal(data):
    damaged = bytearray(fff(*ALL))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, 230))] = data.draw(st.integers(0, 255))
    try:
        read_radiometric(flir_jpeg(bytes(damaged)))
    except SourceError as error:
        assert "\n" not in str(error)
