# SPDX-License-Identifier: Apache-2.0
"""Stage 1: picture files to rasters (`read`) and back (`write`).

    PNG, JPEG, TIFF, WebP ──► StoredPicture ──► Raster of one camera
      told by content          as the file       channels, depth and
                               has it, upright   alpha checked

The largest picture is 65,535 pixels a side and 2**27 pixels in all.
"""

from __future__ import annotations

from crossband.sources.atomic import atomic_write, check_destination
from crossband.sources.reading import Source, SourceImage, SourcePair, read, read_pair
from crossband.sources.stored import MAX_PIXELS
from crossband.sources.writing import Format, write

__all__ = [
    "MAX_PIXELS",
    "Format",
    "Source",
    "SourceImage",
    "SourcePair",
    "atomic_write",
    "check_destination",
    "read",
    "read_pair",
    "write",
]
