# SPDX-License-Identifier: Apache-2.0
"""WebP: 8-bit RGB. The format knows no gray; gray is written as three equal channels."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, WebPImagePlugin

from crossband.errors import SourceError
from crossband.pair import Raster
from crossband.sources.metadata import from_pillow, split
from crossband.sources.orientation import orientation_note, orientation_of, turn_upright
from crossband.sources.stored import (
    StoredPicture,
    check_size,
)

# Named through its plugin: Pillow would look for it by importing all of its thirty formats.
_FORMAT = WebPImagePlugin.WebPImageFile.format


def read_webp(data: bytes) -> StoredPicture:
    """The picture in the bytes of a WebP file.

    Raises:
        SourceError: damaged, truncated, too large, or animated.
    """
    _check_header(data)
    with Image.open(BytesIO(data), formats=[_FORMAT]) as image:
        frames = getattr(image, "n_frames", 1)
        if frames > 1:
            raise SourceError(
                f"is an animation of {frames} frames; one picture a file is taken:"
                " save the frame you mean on its own"
            )
        has_alpha = image.mode == "RGBA"
        orientation = orientation_of(image)
        samples = np.array(image.convert("RGB"))
        metadata = from_pillow(image.info)
    return StoredPicture(
        turn_upright(samples, orientation),
        8,
        has_alpha=has_alpha,
        notes=orientation_note(orientation),
        metadata=metadata,
    )


def write_webp(raster: Raster) -> bytes:
    """The bytes of a lossless WebP file with exactly these 8-bit samples."""
    file = BytesIO()
    held = split(raster, "webp").held
    Image.fromarray(raster.samples).convert("RGB").save(
        file, format=_FORMAT, lossless=True, exif=held.exif, xmp=held.xmp, icc_profile=held.icc
    )
    return file.getvalue()


def _check_header(data: bytes) -> None:
    """Length and size, because Pillow takes memory for the whole canvas on opening."""
    if len(data) < 25 or int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise SourceError(
            f"is truncated: the WebP should have {int.from_bytes(data[4:8], 'little') + 8:,} bytes"
            f" and {len(data):,} are there: copy or save it again"
        )
    match data[12:16]:
        case b"VP8X":
            width = int.from_bytes(data[24:27], "little") + 1
            height = int.from_bytes(data[27:30], "little") + 1
        case b"VP8L":
            packed = int.from_bytes(data[21:25], "little")
            width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
        case _:
            width = int.from_bytes(data[26:28], "little") & 0x3FFF
            height = int.from_bytes(data[28:30], "little") & 0x3FFF
    check_size(width, height)
