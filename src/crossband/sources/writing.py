# SPDX-License-Identifier: Apache-2.0
"""Rasters out to picture files, sample for sample wherever the format can."""

from __future__ import annotations

import os
from typing import BinaryIO, Literal, TypeAlias

from crossband.errors import OutputError
from crossband.pair import Metadata, Raster
from crossband.sources.atomic import atomic_write
from crossband.sources.jpeg import write_jpeg
from crossband.sources.metadata import split
from crossband.sources.npy import write_npy
from crossband.sources.png import write_png
from crossband.sources.webp import write_webp

Format: TypeAlias = Literal["png", "tiff", "webp", "jpeg", "npy"]
"""What `write` can write; all but jpeg keep every sample."""

_LARGEST_SIDE = {"png": 65_535, "tiff": 65_535, "webp": 16_383, "jpeg": 65_500, "npy": 65_535}


def write(
    raster: Raster,
    destination: str | os.PathLike[str] | BinaryIO,
    *,
    format: Format = "png",
    force: bool = False,
) -> None:
    """Writes a picture that `read` gives back, bit depth included.

    PNG and TIFF hold gray of 8 to 16 bits and 8-bit RGB, TIFF also 16-bit RGB. WebP (lossless) and
    JPEG (quality 95, 4:4:4, not lossless) hold 8 bits; WebP has no gray, so gray comes back as
    three equal channels. NPY is for `numpy.load` and holds nothing but samples. A file appears
    whole or not at all. Of the picture's metadata it gets what the format can hold; `left_over` is
    the rest.

    Args:
        raster: the picture.
        destination: a path, or a binary file that is written to and left open.
        format: decides alone; the ending of the path is not looked at.
        force: replace a file that exists.

    Raises:
        OutputError: the format cannot hold the picture, or the destination cannot be written.
    """
    data = _to_bytes(raster, format)
    if isinstance(destination, str | os.PathLike):
        atomic_write(destination, data, force=force)
    else:
        destination.write(data)


def left_over(raster: Raster, *, format: Format = "png") -> Metadata:
    """What of a picture's metadata `write` cannot put whole into a file of this format.

    EXIF comes whole into PNG, WebP and JPEG (there up to 64 kB). TIFF takes its tags apart, has no
    place for a thumbnail, and moves the notes of a camera's maker, which may hold offsets. A colour
    profile must be for the channels of the file. A calibration and its maker's other data have no
    place anywhere.
    """
    return split(raster, format).left


def _to_bytes(raster: Raster, format: Format) -> bytes:
    if format not in _LARGEST_SIDE:
        raise OutputError(
            f"picture format is {format!r}; allowed are {', '.join(_LARGEST_SIDE)}: use one of them"
        )
    bits = raster.samples.dtype.itemsize * 8
    if bits > 8 and (format in ("webp", "jpeg") or (format == "png" and raster.channels == 3)):
        fix = "tiff" if raster.channels == 3 else "png or tiff"
        raise OutputError(
            f"{format} cannot hold {raster.channels} channel(s) of {bits} bits here; it takes 8"
            f" bits: use {fix}"
        )
    if (side := max(raster.height, raster.width)) > _LARGEST_SIDE[format]:
        raise OutputError(
            f"{format} cannot hold a side of {side:,} pixels; it takes {_LARGEST_SIDE[format]:,}:"
            " use png or tiff"
        )
    match format:
        case "png":
            return write_png(raster)
        case "jpeg":
            return write_jpeg(raster)
        case "webp":
            return write_webp(raster)
        case "npy":
            return write_npy(raster)
        case "tiff":
            from crossband.sources.tiff import write_tiff  # tifffile is slow to import

            return write_tiff(raster)
