# SPDX-License-Identifier: Apache-2.0
"""What the application segments of a JPEG tell: whose counts of a sensor it holds, if any."""

from __future__ import annotations

from PIL import Image

FLIR_SEGMENT = b"FLIR\0"
"""Start of an APP1 segment with a piece of an FFF file; then come 1, its number and the last's."""
_MAKE_TAG = 271


def segments_of(image: Image.Image) -> list[tuple[str, bytes]]:
    """Names, such as "APP3", and bodies in the order of the file."""
    return list(getattr(image, "applist", []))


def has_flir(image: Image.Image) -> bool:
    """Whether there are data of a FLIR camera, or of a camera with its core."""
    return any(body.startswith(FLIR_SEGMENT) for _, body in segments_of(image))


def is_dji(image: Image.Image) -> bool:
    """Whether the camera is DJI's."""
    try:
        make = image.getexif().get(_MAKE_TAG, "")
    except Exception:  # Pillow raises nearly anything on a broken block
        return False
    return str(make).strip(" \0").upper() == "DJI"


def holds_counts(image: Image.Image) -> bool:
    """Whether there are counts of a sensor beside the picture that the JPEG shows."""
    return has_flir(image) or (
        any(name == "APP3" for name, _ in segments_of(image)) and is_dji(image)
    )
