# SPDX-License-Identifier: Apache-2.0
"""JPEG: 8 bits, gray or colour."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from crossband.errors import SourceError
from crossband.pair import Raster
from crossband.sources.app_segments import holds_counts, segments_of
from crossband.sources.metadata import EXIF_PREFIX, from_pillow, split
from crossband.sources.orientation import orientation_note, orientation_of, turn_upright
from crossband.sources.stored import (
    StoredPicture,
    check_size,
)

_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_NOT_CARRIED = {"COM": "comments", "APP13": "IPTC and Photoshop data"}
"""Segments whose loss is told."""
_NOT_A_FRAME = (0xC4, 0xC8, 0xCC)  # Huffman tables, reserved, arithmetic conditioning


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the start-of-frame marker says."""

    bits: int
    width: int
    height: int
    channels: int


def read_jpeg(data: bytes) -> StoredPicture:
    """The picture in the bytes of a JPEG file; the first if there are several (MPO).

    Raises:
        SourceError: damaged, truncated, too large, CMYK, or of more than 8 bits.
    """
    frame = _parse(data)
    check_size(frame.width, frame.height)
    if frame.channels == 4:
        raise SourceError("is a CMYK JPEG (4 channels); RGB and gray are taken: convert it to RGB")
    if frame.bits != 8 or frame.channels not in (1, 3):
        raise SourceError(
            f"is a JPEG of {frame.channels} channels of {frame.bits} bits; 1 or 3 of 8 bits are"
            " taken: save it as PNG or TIFF"
        )
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        pictures = getattr(image, "n_frames", 1)
        orientation = orientation_of(image)
        samples = np.array(image)
        metadata = from_pillow(image.info)
        names = {name for name, _ in segments_of(image)}
        segments = [body for _, body in segments_of(image)]
        radiometric = holds_counts(image)
    notes = (f"first of the {pictures} pictures in the file taken",) if pictures > 1 else ()
    if any(body.startswith(_EXTENDED_XMP) for body in segments):
        notes = (*notes, "the extended part of its XMP is left out; the main part is kept")
    if lost := [word for name, word in _NOT_CARRIED.items() if name in names]:
        notes = (*notes, f"its {' and '.join(lost)} are left out")
    if radiometric:
        notes = (*notes, "holds the counts of a sensor, which are left out (see --radiometric)")
    return StoredPicture(
        turn_upright(samples[..., None] if samples.ndim == 2 else samples, orientation),
        8,
        notes=(*notes, *orientation_note(orientation)),
        metadata=metadata,
        holds_counts=radiometric,
    )


def write_jpeg(raster: Raster) -> bytes:
    """The bytes of a JPEG file close to these 8-bit samples (quality 95, 4:4:4)."""
    file = BytesIO()
    held = split(raster, "jpeg").held
    Image.fromarray(raster.samples).save(
        file,
        format="JPEG",
        quality=95,
        subsampling=0,
        exif=EXIF_PREFIX + held.exif if held.exif else b"",
        xmp=held.xmp,
        icc_profile=held.icc,
    )
    return file.getvalue()


def _parse(data: bytes) -> _Frame:
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise SourceError(
                f"is damaged: byte {position:,} of the JPEG is {data[position]:#04x}, a marker"
                " (0xff) belongs there: save it again"
            )
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:  # markers without a length
            position += 2
            continue
        if marker in (0xD9, 0xDA):
            raise SourceError("is damaged: the JPEG has no frame header: save it again")
        length = int.from_bytes(data[position + 2 : position + 4])
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME and position + 10 <= len(data):
            return _Frame(
                bits=data[position + 4],
                height=int.from_bytes(data[position + 5 : position + 7]),
                width=int.from_bytes(data[position + 7 : position + 9]),
                channels=data[position + 9],
            )
        position += 2 + length
    raise SourceError(
        f"is truncated: the JPEG ends after {len(data):,} bytes, before its frame header:"
        " copy or save it again"
    )
