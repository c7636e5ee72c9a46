# SPDX-License-Identifier: Apache-2.0
"""FLIR radiometric JPEG: the counts of the sensor come out, whatever way they are stored.

The files are made here, after ExifTool's tables of the format.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from crossband.errors import SourceError
from crossband.pair import Modality, Pair
from crossband.sources import read, read_radiometric

HEIGHT, WIDTH = 24, 32
COUNTS = (
    7000 + 40 * np.arange(HEIGHT)[:, None] + 3 * np.arange(WIDTH)[None, :]
).astype(np.uint16)  # fmt: skip
CAMERA_INFO = struct.pack("<HHH", 2, WIDTH, HEIGHT) + bytes(range(200))
COLOUR = np.stack([np.full((48, 64), value, np.uint8) for value in (200, 120, 40)], axis=-1)


def encoded(samples: np.ndarray, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(samples).save(file, format=format, **options)
    return file.getvalue()


def picture_record(mark: int, body: bytes, *, size: tuple[int, int], order: str = "<") -> bytes:
    head = struct.pack(f"{order}HHH", mark, size[1], size[0])
    return head + bytes(32 - len(head)) + body


RAW = picture_record(2, COUNTS.tobytes(), size=COUNTS.shape)
EMBEDDED = picture_record(3, encoded(COLOUR, "JPEG", quality=95), size=(48, 64))


@dataclass(frozen=True)
class Record:
    kind: int
    payload: bytes


ALL = (Record(0x20, CAMERA_INFO), Record(1, RAW), Record(14, EMBEDDED), Record(0x22, b"palette"))


def fff(*records: Record, order: str = ">", magic: bytes = b"FFF\0") -> bytes:
    """A header of 64 bytes, the directory, the records."""
    start = 64 + 32 * len(records)
    directory, bodies = b"", b""
    for record in records:
        directory += struct.pack(
            f"{order}HHIIIIIII", record.kind, 1, 100, 1, start + len(bodies),
            len(record.payload), 0, 0, 0,
        )  # fmt: skip
        bodies += record.payload
    head = magic + b"made for a test\0" + struct.pack(f"{order}III", 101, 64, len(records))
    return head + bytes(64 - len(head)) + directory + bodies


def flir_jpeg(data: bytes, *, piece_bytes: int = 65_000, **options: object) -> bytes:
    """A small JPEG with these FLIR data in its APP1 segments."""
    rendering = encoded(np.full((HEIGHT, WIDTH, 3), 128, np.uint8), "JPEG", **options)
    pieces = [data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes)]
    segments = b"".join(
        struct.pack(">HH", 0xFFE1, 2 + 8 + len(piece))
        + b"FLIR\0\x01"
        + bytes([number, len(pieces) - 1])
        + piece
        for number, piece in enumerate(pieces)
    )
    return rendering[:2] + segments + rendering[2:]


def pair_of(data: bytes) -> Pair:
    return read_radiometric(data).pair


def test_one_file_is_a_pair():
    source = read_radiometric(flir_jpeg(fff(*ALL)))
    assert source.notes == ()
    infrared, visible = source.pair.infrared, source.pair.visible
    assert infrared is not None and visible is not None
    assert np.array_equal(infrared.samples, COUNTS)
    assert infrared.bit_depth == 16
    assert infrared.metadata.calibration == CAMERA_INFO
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
        picture_record(2, COUNTS.astype("<u2").tobytes(), size=COUNTS.shape, order="<"),
        picture_record(2, COUNTS.astype(">u2").tobytes(), size=COUNTS.shape, order=">"),
        picture_record(2, encoded(COUNTS), size=COUNTS.shape),
        picture_record(2, encoded(COUNTS.byteswap()), size=COUNTS.shape),
        picture_record(2, encoded(COUNTS.byteswap()), size=COUNTS.shape, order=">"),
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
    record = Record(14, picture_record(3, encoded(stored), size=(48, 64)))
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
    odd = Record(14, picture_record(3, b"planes of YCbCr", size=(48, 64)))
    notes = read_radiometric(flir_jpeg(fff(*ALL[:2], odd))).notes
    assert "of an unknown kind" in notes[0]


def test_what_the_jpeg_says_goes_with_the_counts():
    data = flir_jpeg(fff(*ALL), xmp=b"<x/>")
    infrared = pair_of(data).infrared
    assert infrared is not None and infrared.metadata.xmp == b"<x/>"


def test_reading_it_as_an_ordinary_jpeg_says_what_is_left_out():
    notes = read(flir_jpeg(fff(*ALL)), Modality.VISIBLE).notes
    assert "--radiometric" in notes[0]


def missing_piece() -> bytes:
    data = flir_jpeg(fff(*ALL), piece_bytes=500)
    size_bytes = 2 + 2 + 8 + 500
    return data[: 2 + size_bytes] + data[2 + 2 * size_bytes :]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encoded(COLOUR, "JPEG"), "without FLIR data"),
        (encoded(COLOUR), "is a PNG picture"),
        (flir_jpeg(fff(ALL[0])), "without counts"),
        (flir_jpeg(b"FPF\0" + bytes(100)), "unknown kind"),
        (flir_jpeg(b"FFF\0"), "unknown kind"),
        (flir_jpeg(fff(*ALL)[:80]), "claims 4 records"),
        (flir_jpeg(fff(*ALL)[:-2000]), "truncated"),
        (missing_piece(), "pieces"),
        (flir_jpeg(fff(Record(1, RAW[:1000]))), "counts need 1,536 bytes"),
        (flir_jpeg(fff(Record(1, b"\x09\x09" + RAW[2:]))), "unknown layout"),
        (flir_jpeg(fff(Record(1, RAW[:20]))), "unknown layout"),
        (flir_jpeg(fff(Record(1, picture_record(2, b"", size=(0, 0))))), "at least 1x1"),
        (flir_jpeg(fff(Record(1, picture_record(2, encoded(COUNTS), size=(9, 9))))), "announced"),
        (flir_jpeg(fff(Record(1, picture_record(2, encoded(COLOUR), size=(48, 64))))), "announced"),
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
