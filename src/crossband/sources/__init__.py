# SPDX-License-Identifier: Apache-2.0
"""Stage 1: picture files to rasters (`read`) and back (`write`).

    PNG, JPEG, TIFF, WebP ──► StoredPicture ──► Raster of one camera
      told by content          as the file       channels, depth and
                               has it, upright   alpha checked

    film files, folders, bags ──► Recording ──► match ──► pairs in order of time
                                              open_sink, open_bag  ◄── and back

The largest picture is 65,535 pixels a side and 2**27 pixels in all.
"""

from __future__ import annotations

from crossband.sources.atomic import atomic_write, check_destination
from crossband.sources.film_writing import FilmFormat, Sink, open_sink
from crossband.sources.matching import MatchReport, Rule, alone, match
from crossband.sources.picture_folder import read_folder
from crossband.sources.reading import (
    Source,
    SourceImage,
    SourcePair,
    read,
    read_pair,
    read_radiometric,
)
from crossband.sources.recording import Recording, TimedRaster
from crossband.sources.ros import is_bag, read_bag
from crossband.sources.ros_writing import BAG_ENDINGS, DEFAULT_TOPICS, open_bag
from crossband.sources.stored import MAX_PIXELS
from crossband.sources.temperature import (
    Calibration,
    CountBound,
    Linear,
    bound_in_counts,
    calibration_of,
    count_bound,
    error_in_kelvin,
)
from crossband.sources.video import is_film_file, read_video
from crossband.sources.writing import Format, left_over, write

__all__ = [
    "BAG_ENDINGS",
    "DEFAULT_TOPICS",
    "MAX_PIXELS",
    "Calibration",
    "CountBound",
    "FilmFormat",
    "Format",
    "Linear",
    "MatchReport",
    "Recording",
    "Rule",
    "Sink",
    "Source",
    "SourceImage",
    "SourcePair",
    "TimedRaster",
    "alone",
    "atomic_write",
    "bound_in_counts",
    "calibration_of",
    "check_destination",
    "count_bound",
    "error_in_kelvin",
    "is_bag",
    "is_film_file",
    "left_over",
    "match",
    "open_bag",
    "open_sink",
    "read",
    "read_bag",
    "read_folder",
    "read_pair",
    "read_radiometric",
    "read_video",
    "write",
]
