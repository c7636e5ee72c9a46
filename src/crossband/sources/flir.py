# SPDX-License-Identifier: Apache-2.0
"""FLIR radiometric JPEG: the counts of the sensor, and the visible picture if there is one.

    JPEG ──► APP1 "FLIR" segments, joined ──► FFF header ──► record directory ─┬─► raw data
                                                                              ├─► embedded image
                                                                              ├─► camera info
                                                                              └─► all others

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
from crossband.sources.app_segments import FLIR_SEGMENT, segments_of
from crossband.sources.jpeg import read_jpeg
from crossband.sources.metadata import from_pillow
from crossband.sources.png import read_png
from crossband.sources.stored import RadiometricPicture, Samples, StoredPicture, check_size

_SEGMENT_HEAD_BYTES = 8
_FFF_HEADER_BYTES, _ENTRY_BYTES, _RECORD_HEAD_BYTES = 64, 32, 32
_LARGEST_RECORD_COUNT = 1024
_PLACE = 12
"""Where an entry of the directory has the offset of its record; its length follows."""
_FREE, _RAW_DATA, _EMBEDDED_IMAGE, _CAMERA_INFO = 0x00, 0x01, 0x0E, 0x20
_TAKEN = (_RAW_DATA, _EMBEDDED_IMAGE, _CAMERA_INFO)
_ORDER_MARK = {_RAW_DATA: 2, _EMBEDDED_IMAGE: 3}
"""What the first 16 bits of a record are when read in its byte order."""


def read_flir(data: bytes) -> RadiometricPicture:
    """The pictures in the bytes of a FLIR radiometric JPEG.

    Raises:
        SourceError: without counts, damaged, or of a layout that is not known.
    """
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        fff = _join(body for name, body in segments_of(image) if name == "APP1")
        said = from_pillow(image.info)
    records = _records(fff)
    taken = {kind: next((r for r in records if r.kind == kind), None) for kind in _TAKEN}
    raw, embedded, camera = (taken[kind] for kind in _TAKEN)
    if raw is None:
        raise SourceError(
            "is a FLIR file without the counts of its sensor: export it as radiometric JPEG from"
            " the camera or its maker's program, a picture for reports has none"
        )
    notes = [] if camera else ["the file has no calibration of the camera"]
    visible = _visible(embedded.body) if embedded else None
    if visible is None:
        unknown = "of an unknown kind" if embedded else "not there"
        notes.append(f"its visible picture is {unknown}; the infrared one is taken alone")
    used = (raw, camera, embedded if visible else None)
    infrared = StoredPicture(
        _counts(raw.body),
        16,
        metadata=replace(
            said,
            calibration=camera.body if camera else b"",
            maker=_packed(fff, [record for record in records if record not in used]),
        ),
    )
    return RadiometricPicture(infrared, visible, tuple(notes))


def _join(bodies: Iterable[bytes]) -> bytes:
    """The FFF file whose pieces the APP1 segments are."""
    pieces = [
        body
        for body in bodies
        if body.startswith(FLIR_SEGMENT) and len(body) >= _SEGMENT_HEAD_BYTES
    ]
    if not pieces:
        raise SourceError("is damaged: its FLIR data is cut short: copy it from the camera again")
    numbers = [piece[6] for piece in pieces]
    last = pieces[0][7]
    if numbers != list(range(last + 1)):
        raise SourceError(
            f"is damaged: its FLIR data has {len(pieces)} pieces, {last + 1} in order are needed:"
            " copy the file from the camera again"
        )
    return b"".join(piece[_SEGMENT_HEAD_BYTES:] for piece in pieces)


@dataclass(frozen=True, slots=True, eq=False)
class _Record:
    """One entry of the directory and what it leads to."""

    kind: int
    entry: bytes
    """As the directory has it, 32 bytes."""
    body: bytes


def _order(fff: bytes) -> str:
    """Byte order of the header and the directory: the version is 100 to 199 in it."""
    return ">" if 100 <= struct.unpack_from(">I", fff, 20)[0] < 200 else "<"


def _records(fff: bytes) -> list[_Record]:
    """All that hold anything, in the order of the directory."""
    if fff[:4] not in (b"FFF\0", b"AFF\0") or len(fff) < _FFF_HEADER_BYTES:
        raise SourceError(
            f"has FLIR data of an unknown kind (it starts with {fff[:4].hex(' ')}); FFF and AFF are"
            " taken: export it anew with the camera maker's program"
        )
    order = _order(fff)
    start, count = struct.unpack_from(f"{order}II", fff, 24)
    if count > _LARGEST_RECORD_COUNT or start + count * _ENTRY_BYTES > len(fff):
        raise SourceError(
            f"is damaged: the directory of its FLIR data claims {count:,} records at byte"
            f" {start:,} of {len(fff):,}: copy the file from the camera again"
        )
    records = []
    for index in range(count):
        at = start + index * _ENTRY_BYTES
        (kind,) = struct.unpack_from(f"{order}H", fff, at)
        offset, length = struct.unpack_from(f"{order}II", fff, at + _PLACE)
        if kind == _FREE or not length:
            continue
        if offset + length > len(fff):
            if kind not in _TAKEN:
                continue  # no picture and no temperature depends on it
            raise SourceError(
                f"is truncated: {length:,} bytes of FLIR record {kind:#04x} should start at byte"
                f" {offset:,} and there are {len(fff):,}: copy the file again"
            )
        records.append(_Record(kind, fff[at : at + _ENTRY_BYTES], fff[offset : offset + length]))
    return records


def _packed(fff: bytes, records: list[_Record]) -> bytes:
    """An FFF file of some of its records, which programs that know the format can read."""
    if not records:
        return b""
    order = _order(fff)
    directory, bodies = b"", b""
    first = _FFF_HEADER_BYTES + len(records) * _ENTRY_BYTES
    for record in records:
        place = struct.pack(f"{order}I", first + len(bodies))
        directory += record.entry[:_PLACE] + place + record.entry[_PLACE + 4 :]
        bodies += record.body
    where = struct.pack(f"{order}II", _FFF_HEADER_BYTES, len(records))
    return fff[:24] + where + fff[32:_FFF_HEADER_BYTES] + directory + bodies


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
