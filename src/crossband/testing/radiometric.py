# SPDX-License-Identifier: Apache-2.0
"""Radiometric JPEG files, made after ExifTool's tables of FLIR's and DJI's formats.

    records ──► fff ──► flir_jpeg          counts and segments ──► dji_jpeg

What a real camera writes beside this is not in them; the readers must not need it.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

RAW_DATA, EMBEDDED_IMAGE, CAMERA_INFO, PALETTE, GPS = 0x01, 0x0E, 0x20, 0x22, 0x2B
"""Types of records in FFF data."""
_MOST_SEGMENT_BYTES = 65_500


@dataclass(frozen=True, slots=True)
class Record:
    """One record of FFF data."""

    kind: int
    payload: bytes


def encoded(samples: npt.NDArray[Any], format: str = "PNG", **options: Any) -> bytes:
    """The bytes of a picture file."""
    file = io.BytesIO()
    Image.fromarray(samples).save(file, format=format, **options)
    return file.getvalue()


def raw_record(counts: npt.NDArray[np.uint16], *, order: str = "<") -> Record:
    """The counts of a sensor, (height, width)."""
    body = counts.astype(f"{order}u2").tobytes()
    return Record(RAW_DATA, picture_payload(2, body, size=counts.shape, order=order))


def embedded_record(visible: npt.NDArray[np.uint8]) -> Record:
    """The picture of the camera for visible light, as JPEG."""
    body = encoded(visible, "JPEG", quality=95)
    return Record(EMBEDDED_IMAGE, picture_payload(3, body, size=visible.shape))


def picture_payload(mark: int, body: bytes, *, size: tuple[int, ...], order: str = "<") -> bytes:
    """A head of 32 bytes with mark, width and height, and what follows it."""
    head = struct.pack(f"{order}HHH", mark, size[1], size[0])
    return head + bytes(32 - len(head)) + body


def camera_record(*, order: str = "<", **changes: float) -> Record:
    """Camera information with the constants of a real camera (FLIR SC660, from Thermimage).

    Args:
        order: byte order.
        changes: other values, by the names below.
    """
    values: dict[str, float] = {
        **{"emissivity": 0.95, "distance": 2.0, "reflected": 293.15, "air": 295.15},
        **{"window": 291.15, "window_transmission": 0.96, "humidity": 0.5},
        **{"r1": 21106.77, "b": 1501.0, "f": 1.0, "r2": 0.012545258, "o": -7340},
        **{"alpha1": 0.006569, "alpha2": 0.01262, "beta1": -0.002276, "beta2": -0.00667, "x": 1.9},
    }
    values |= changes
    body = bytearray(0x470)
    struct.pack_into(f"{order}HHH", body, 0, 2, 640, 480)
    for name, place in _PLACES.items():
        kind = "i" if name == "o" else "f"
        value = int(values[name]) if name == "o" else values[name]
        struct.pack_into(f"{order}{kind}", body, place, value)
    return Record(CAMERA_INFO, bytes(body))


_PLACES = {
    **{"emissivity": 0x20, "distance": 0x24, "reflected": 0x28, "air": 0x2C, "window": 0x30},
    **{"window_transmission": 0x34, "humidity": 0x3C, "r1": 0x58, "b": 0x5C, "f": 0x60},
    **{"alpha1": 0x70, "alpha2": 0x74, "beta1": 0x78, "beta2": 0x7C, "x": 0x80},
    **{"o": 0x308, "r2": 0x30C},
}


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


def flir_jpeg(
    data: bytes,
    *,
    piece_bytes: int = 65_000,
    rendering: npt.NDArray[np.uint8] | None = None,
    **options: Any,
) -> bytes:
    """A JPEG with these FFF data in its APP1 segments.

    Args:
        data: what `fff` gave.
        piece_bytes: most of them in one segment.
        rendering: what it shows; a small gray picture if not given.
        options: of Pillow for the JPEG, such as `exif`.
    """
    pieces = [data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes)]
    segments = [
        (1, b"FLIR\0\x01" + bytes([number, len(pieces) - 1]) + piece)
        for number, piece in enumerate(pieces)
    ]
    shown = np.full((24, 32, 3), 128, np.uint8) if rendering is None else rendering
    return with_segments(encoded(shown, "JPEG", **options), segments)


def dji_jpeg(
    counts: npt.NDArray[np.uint16],
    *,
    shown: tuple[int, int] | None = None,
    calibration: bytes = b"\xaa\x55\x12\x06 of a test",
    make: str = "DJI",
) -> bytes:
    """A JPEG of the maker DJI with these counts (height, width) in its APP3 segments.

    Args:
        counts: what the sensor gave.
        shown: height and width of the rendering; those of the counts if not given.
        calibration: the body of APP4.
        make: another maker.
    """
    exif = Image.Exif()
    exif[271] = make
    height, width = shown or counts.shape
    rendering = encoded(np.full((height, width, 3), 90, np.uint8), "JPEG", exif=exif.tobytes())
    raw = counts.astype("<u2").tobytes()
    pieces = [raw[at : at + _MOST_SEGMENT_BYTES] for at in range(0, len(raw), _MOST_SEGMENT_BYTES)]
    segments = [(3, piece) for piece in pieces]
    segments += [(4, calibration), (5, bytes(range(256)) * 4), (6, b"DTAT\0\0\x01{}")]
    return with_segments(rendering, segments)


def with_segments(jpeg: bytes, segments: list[tuple[int, bytes]]) -> bytes:
    """The JPEG with application segments (number, body) in front of all others but its EXIF."""
    at = 2
    while jpeg[at + 1] in (0xE0, 0xE1):
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    packed = b"".join(
        struct.pack(">BBH", 0xFF, 0xE0 + number, 2 + len(body)) + body for number, body in segments
    )
    return jpeg[:at] + packed + jpeg[at:]
