# SPDX-License-Identifier: Apache-2.0
"""FLIR radiometric JPEG: the counts of the sensor, and the visible picture if there is one.

    JPEG ──► APP1 "FLIR" segments, joined ──► FFF header ──► record directory ─┬─► raw data
                                                                              ├─► embedded image
                                                                              └─► camera info

The layout is FLIR's own and not published; it is known from the tables of ExifTool
(https://exiftool.org/TagNames/FLIR.html). The picture that the JPEG itself shows is a rendering of
the counts in false colours and is not taken.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from PIL import Image

from crossband.errors import SourceError
from crossband.sources.jpeg import read_jpeg
from crossband.sources.metadata import from_pillow
from crossband.sources.png import read_png
from crossband.sources.stored import Samples, StoredPicture, check_size

FLIR_SEGMENT = b"FLIR\0"
"""Start of an APP1 segment with a piece of the FFF file; then come 1, its number and the last's."""
_SEGMENT_HEAD_BYTES = 8
_FFF_HEADER_BYTES, _ENTRY_BYTES, _RECORD_HEAD_BYTES = 64, 32, 32
_LARGEST_RECORD_COUNT = 1024
_RAW_DATA, _EMBEDDED_IMAGE, _CAMERA_INFO = 0x01, 0x0E, 0x20
_ORDER_MARK = {_RAW_DATA: 2, _EMBEDDED_IMAGE: 3}
"""What the first 16 bits of a record are when read in its byte order."""


@dataclass(frozen=True, slots=True)
class RadiometricPicture:
    """What one radiometric file holds."""

    infrared: StoredPicture
    """Counts of the sensor, 16 bits, with the camera's calibration as metadata."""
    visible: StoredPicture | None
    """What the camera for visible light saw, if there is one and its picture is known."""
    notes: tuple[str, ...] = ()
    """What the user should know, one sentence each."""


def read_flir(data: bytes) -> RadiometricPicture:
    """The pictures in the bytes of a FLIR radiometric JPEG.

    Raises:
        SourceError: an ordinary JPEG, damaged, or of a layout that is not known.
    """
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        fff = _join(body for name, body in getattr(image, "applist", ()) if name == "APP1")
        said = from_pillow(image.info)
    records = _records(fff)
    if _RAW_DATA not in records:
        raise SourceError(
            "is a FLIR file without counts of the sensor: export it with its radiometric data"
        )
    calibration = records.get(_CAMERA_INFO, b"")
    notes = [] if calibration else ["the file has no calibration of the camera"]
    infrared = StoredPicture(
        _counts(records[_RAW_DATA]), 16, metadata=replace(said, calibration=calibration)
    )
    visible = _visible(records[_EMBEDDED_IMAGE]) if _EMBEDDED_IMAGE in records else None
    if visible is None:
        unknown = "of an unknown kind" if _EMBEDDED_IMAGE in records else "not there"
        notes.append(f"its visible picture is {unknown}; the infrared one is taken alone")
    return RadiometricPicture(infrared, visible, tuple(notes))


def _join(bodies: Iterable[bytes]) -> bytes:
    """The FFF file whose pieces the APP1 segments are."""
    pieces = [
        body
        for body in bodies
        if body.startswith(FLIR_SEGMENT) and len(body) >= _SEGMENT_HEAD_BYTES
    ]
    if not pieces:
        raise SourceError(
            "is a JPEG without FLIR data; a radiometric JPEG is needed: name the two pictures"
            " instead, or export it from the camera with its radiometric data"
        )
    numbers = [piece[6] for piece in pieces]
    last = pieces[0][7]
    if numbers != list(range(last + 1)):
        raise SourceError(
            f"is damaged: its FLIR data has {len(pieces)} pieces, {last + 1} in order are needed:"
            " copy the file from the camera again"
        )
    return b"".join(piece[_SEGMENT_HEAD_BYTES:] for piece in pieces)


def _records(fff: bytes) -> dict[int, bytes]:
    """The first record of each type."""
    if fff[:4] not in (b"FFF\0", b"AFF\0") or len(fff) < _FFF_HEADER_BYTES:
        raise SourceError(
            f"has FLIR data of an unknown kind (it starts with {fff[:4].hex(' ')}); FFF and AFF are"
            " taken: export it anew with the camera maker's program"
        )
    # The version is 100 to 199 in the byte order that all of the directory has.
    order = ">" if 100 <= struct.unpack_from(">I", fff, 20)[0] < 200 else "<"
    start, count = struct.unpack_from(f"{order}II", fff, 24)
    if count > _LARGEST_RECORD_COUNT or start + count * _ENTRY_BYTES > len(fff):
        raise SourceError(
            f"is damaged: the directory of its FLIR data claims {count:,} records at byte"
            f" {start:,} of {len(fff):,}: copy the file from the camera again"
        )
    records: dict[int, bytes] = {}
    for index in range(count):
        entry = start + index * _ENTRY_BYTES
        (kind,) = struct.unpack_from(f"{order}H", fff, entry)
        offset, length = struct.unpack_from(f"{order}II", fff, entry + 12)
        if kind in (_RAW_DATA, _EMBEDDED_IMAGE, _CAMERA_INFO) and kind not in records:
            if offset + length > len(fff):
                raise SourceError(
                    f"is truncated: {length:,} bytes of FLIR record {kind:#04x} should start at"
                    f" byte {offset:,} and there are {len(fff):,}: copy the file again"
                )
            records[kind] = fff[offset : offset + length]
    return records


def _counts(record: bytes) -> Samples:
    """Counts (height, width, 1) of the sensor."""
    head = _head(record, _RAW_DATA)
    width, height = head.width, head.height
    body = record[_RECORD_HEAD_BYTES:]
    if body.startswith(b"\x89PNG"):
        counts = read_png(body).samples
        if counts.shape != (height, width, 1) or counts.dtype != np.uint16:
            raise SourceError(
                f"is damaged: its counts are {counts.shape[1]}x{counts.shape[0]} pixels of"
                f" {counts.dtype}, {width}x{height} of uint16 are announced: copy the file again"
            )
        return _smoother(counts.byteswap(), counts)
    size_bytes = 2 * width * height
    if len(body) < size_bytes:
        raise SourceError(
            f"is truncated: {width}x{height} counts need {size_bytes:,} bytes and {len(body):,} are"
            " there: copy the file again"
        )
    counts = np.frombuffer(body, f"{head.order}u2", width * height)
    return counts.reshape(height, width, 1).astype(np.uint16)


def _smoother(swapped: Samples, stored: Samples) -> Samples:
    """Of both byte orders the one in which neighbours differ less.

    Most FLIR cameras write PNG in the wrong byte order, and nothing in the file says which do.
    """

    def roughness(counts: Samples) -> int:
        wide = counts.astype(np.int64)
        return int(sum(np.abs(np.diff(wide, axis=axis)).sum() for axis in (0, 1)))

    return swapped if roughness(swapped) <= roughness(stored) else stored


def _visible(record: bytes) -> StoredPicture | None:
    """The embedded picture; None if it is neither JPEG nor PNG."""
    _head(record, _EMBEDDED_IMAGE)
    body = record[_RECORD_HEAD_BYTES:]
    if body.startswith(b"\xff\xd8\xff"):
        return read_jpeg(body)
    if body.startswith(b"\x89PNG"):
        picture = read_png(body)
        if picture.samples.shape[2] != 3 or picture.samples.dtype != np.uint8:
            return None
        # The three channels of such a PNG are Y, Cb and Cr.
        colours = Image.merge(
            "YCbCr", [Image.fromarray(picture.samples[..., channel]) for channel in range(3)]
        )
        return replace(picture, samples=np.array(colours.convert("RGB")))
    return None


@dataclass(frozen=True, slots=True)
class _Head:
    order: str
    width: int
    height: int


def _head(record: bytes, kind: int) -> _Head:
    """Byte order and size at the start of a record with a picture."""
    for order in "<>":
        if len(record) >= _RECORD_HEAD_BYTES:
            mark, width, height = struct.unpack_from(f"{order}HHH", record)
            if mark == _ORDER_MARK[kind]:
                check_size(width, height)
                return _Head(order, width, height)
    raise SourceError(
        f"has a FLIR record {kind:#04x} of an unknown layout (it starts with"
        f" {record[:4].hex(' ')}): export it anew with the camera maker's program"
    )
