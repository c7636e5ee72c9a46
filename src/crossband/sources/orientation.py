# SPDX-License-Identifier: Apache-2.0
"""Which way up a picture is, from the EXIF or TIFF orientation tag (274)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from crossband.sources.stored import Samples

ORIENTATION_TAG = 274


def orientation_of(image: Image.Image) -> int:
    """The orientation tag, 1 (upright) when there is none or its block cannot be read."""
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # Pillow raises nearly anything on a broken block; the samples are fine
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turn_upright(samples: Samples, orientation: int) -> Samples:
    """The picture as it should be looked at, from EXIF or TIFF orientation 1 to 8.

    Any other number is taken as 1, upright.
    """
    match orientation:
        case 2:
            turned = samples[:, ::-1]
        case 3:
            turned = samples[::-1, ::-1]
        case 4:
            turned = samples[::-1]
        case 5:
            turned = samples.swapaxes(0, 1)
        case 6:
            turned = np.rot90(samples, -1)
        case 7:
            turned = samples[::-1, ::-1].swapaxes(0, 1)
        case 8:
            turned = np.rot90(samples)
        case _:
            turned = samples
    return np.ascontiguousarray(turned)


def orientation_note(orientation: int) -> tuple[str, ...]:
    """What to say about a picture that was not stored upright."""
    if 2 <= orientation <= 8:
        return (f"turned upright as its orientation tag ({orientation}) says",)
    return ()
