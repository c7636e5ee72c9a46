# SPDX-License-Identifier: Apache-2.0
"""Radiometric JPEG of any maker that is known: one JPEG that holds the counts of a sensor."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from crossband.errors import SourceError
from crossband.sources.app_segments import has_flir, is_dji
from crossband.sources.dji import read_dji
from crossband.sources.flir import read_flir
from crossband.sources.kind import HEAD_BYTES, Kind, identify
from crossband.sources.stored import RadiometricPicture


def read_radiometric_jpeg(data: bytes) -> RadiometricPicture:
    """The counts, and the visible picture if there is one.

    Raises:
        SourceError: no JPEG, one without counts, or a damaged one.
    """
    if (kind := identify(data[:HEAD_BYTES])) is not Kind.JPEG:
        raise SourceError(
            f"is a {kind.value} picture; a radiometric JPEG of a FLIR or DJI camera is needed: name"
            " the two pictures instead"
        )
    with Image.open(BytesIO(data), formats=["JPEG"]) as image:
        reader = read_flir if has_flir(image) else read_dji if is_dji(image) else None
    if reader is None:
        raise SourceError(
            "is a JPEG without the counts of a FLIR or DJI sensor, so only a rendering: copy the"
            " radiometric JPEG (R-JPEG) from the camera, or export it with radiometric data from"
            " its maker's program"
        )
    return reader(data)
