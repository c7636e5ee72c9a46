# SPDX-License-Identifier: Apache-2.0
"""DJI radiometric JPEG (R-JPEG): the counts of the sensor.

    JPEG of the maker "DJI" ─┬─► APP3 segments, joined ──► plane of little-endian 16-bit counts
                             ├─► APP4 and APP5 ──► calibration, as they are
                             └─► APP6 and above ──► maker's data, as they are

DJI does not publish the layout. What the segments hold is known from the tables of ExifTool
(https://exiftool.org/TagNames/JPEG.html, DJI.html); that the counts are little-endian, row by row,
of the size of the JPEG or 640x512, from GDAL's reader, tested with H20, M3T, M30T and M4T
(https://github.com/OSGeo/gdal/pull/12972 and 13101). How counts become temperatures is known to
DJI's own Thermal SDK only, so they do not here. Cameras with a FLIR core (XT2, XT) write FLIR's
layout, see `flir.py`.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from io import BytesIO

import numpy as np
from PIL import Image

from crossband.errors import SourceError
from crossband.sources.app_segments import segments_of
from crossband.sources.metadata import from_pillow
from crossband.sources.stored import RadiometricPicture, StoredPicture, check_size

_RAW, _CALIBRATION, _OTHER = ("APP3",), ("APP4", "APP5"), tuple(f"APP{n}" for n in range(6, 14))
_NOMINAL = (640, 512)
"""Width and height of the sensor where the JPEG shows it enlarged."""


def read_dji(data: bytes) -> RadiometricPicture:
    """The counts in the bytes of a DJI radiometric JPEG.

    Raises:
        SourceError: without counts, or of a size that is not known.
    """
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        width, height = image.size
        segments = segments_of(image)
        said = from_pillow(image.info)
    raw = b"".join(body for name, body in segments if name in _RAW)
    if not raw:
        raise SourceError(
            "is a JPEG of a DJI camera without the counts of its sensor (APP3): copy the original"
            " R-JPEG (*_T.JPG, *_R.JPG) from the camera, programs that edit pictures leave them out"
        )
    notes = [
        "DJI does not publish how its counts become temperatures; its calibration is carried and"
        " temperatures are not available",
        "has no visible picture, the one it shows is drawn from the counts; the infrared one is"
        " taken alone",
    ]
    if len(raw) != 2 * width * height:
        if len(raw) != 2 * _NOMINAL[0] * _NOMINAL[1]:
            raise SourceError(
                f"has {len(raw):,} bytes of counts, which are neither {width}x{height} (its"
                f" picture) nor {_NOMINAL[0]}x{_NOMINAL[1]} of two bytes: turn super resolution off"
                " in the camera, or copy the file again"
            )
        notes.append(f"its picture is enlarged; the {_NOMINAL[0]}x{_NOMINAL[1]} counts are taken")
        width, height = _NOMINAL
    check_size(width, height)
    infrared = StoredPicture(
        np.frombuffer(raw, "<u2").reshape(height, width, 1).astype(np.uint16),
        16,
        metadata=replace(
            said,
            calibration=_packed(segments, _CALIBRATION),
            maker=_packed(segments, _OTHER),
        ),
    )
    return RadiometricPicture(infrared, None, tuple(notes))


def _packed(segments: list[tuple[str, bytes]], names: tuple[str, ...]) -> bytes:
    """These segments as the JPEG has them, markers and lengths included."""
    return b"".join(
        struct.pack(">BBH", 0xFF, 0xE0 + int(name.removeprefix("APP")), 2 + len(body)) + body
        for name, body in segments
        if name in names
    )
