# SPDX-License-Identifier: Apache-2.0
"""Which metadata a picture file has, and which a file of another format can hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from crossband.pair import Metadata, Raster
from crossband.sources.directories import BadDirectory, Entry, read_directory, with_value
from crossband.sources.orientation import ORIENTATION_TAG

EXIF_PREFIX = b"Exif\0\0"
"""Stands before the block in JPEG, in some WebP files and in Pillow's `info`."""

_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>)\s*)[0-9]")
_MAKER_NOTE = 37500
_LARGEST_PNG_PROFILE = 1 << 20
"""Pillow refuses to open a PNG file with a larger one."""

PICTURE_TAGS = frozenset(
    {
        *range(254, 260), 262, 263, 264, 265, 266, 273, ORIENTATION_TAG, 277, 278, 279, 280, 281,
        284, *range(288, 294), 301, 317, 318, 319, *range(320, 329), 330, 332, 333, 334, 336,
        *range(338, 344), 345, 347, 351, *range(512, 522), *range(529, 533), 559,
    }
)  # fmt: skip
"""TIFF tags that say how this file stores its samples and would be wrong in any other."""
XMP_TAG, ICC_TAG = 700, 34675


@dataclass(frozen=True, slots=True)
class Split:
    """Metadata by whether a picture file of some format can hold it."""

    held: Metadata
    """What is written into the file."""
    left: Metadata
    """What the file cannot hold whole."""


def from_pillow(info: Mapping[Any, Any]) -> Metadata:
    """The metadata of a JPEG or WebP file that Pillow has opened."""
    found = {name: info.get(key) for name, key in _PILLOW_KEYS.items()}
    return found_metadata(**{name: data for name, data in found.items() if isinstance(data, bytes)})


_PILLOW_KEYS = {"exif": "exif", "xmp": "xmp", "icc": "icc_profile"}


def found_metadata(*, exif: bytes = b"", xmp: bytes = b"", icc: bytes = b"") -> Metadata:
    """Metadata of a picture that is now upright."""
    return upright(Metadata(exif=exif.removeprefix(EXIF_PREFIX), xmp=xmp, icc=icc))


def upright(metadata: Metadata) -> Metadata:
    """The metadata with orientation 1 wherever it has one.

    Samples are upright already; another number would make a viewer turn them again.
    """
    return replace(
        metadata,
        exif=with_value(metadata.exif, ORIENTATION_TAG, 1),
        xmp=_XMP_ORIENTATION.sub(rb"\g<1>1", metadata.xmp),
    )


def split(raster: Raster, format: str) -> Split:
    """What of a picture's metadata a PNG, TIFF, WebP, JPEG or NPY file of it can hold."""
    metadata = upright(raster.metadata)
    channels = 3 if format == "webp" else raster.channels
    holds_icc = metadata.icc[16:20] == (b"GRAY" if channels == 1 else b"RGB ")
    is_exif = metadata.exif[:4] in (b"II*\0", b"MM\0*")
    match format:
        case "png":
            held = _kept(
                metadata,
                exif=is_exif,
                xmp=_is_text(metadata.xmp),
                icc=holds_icc and len(metadata.icc) <= _LARGEST_PNG_PROFILE,
            )
        case "npy":
            held = Metadata()
        case "webp":
            held = _kept(metadata, exif=is_exif, xmp=True, icc=holds_icc)
        case "jpeg":  # a segment has at most 65,533 bytes, a profile at most 255 segments
            held = _kept(
                metadata,
                exif=is_exif and len(metadata.exif) <= 65_533 - len(EXIF_PREFIX),
                xmp=len(metadata.xmp) <= 65_533 - 29,
                icc=holds_icc and len(metadata.icc) <= 255 * (65_533 - 14),
            )
        case _:
            held = _kept(metadata, exif=bool(exif_entries(metadata)), xmp=True, icc=holds_icc)
    left = Metadata(
        **{
            name: getattr(metadata, name)
            for name in ("exif", "xmp", "icc", "calibration", "maker")
            if not getattr(held, name)
        }
    )
    if format == "tiff":
        left = replace(left, exif=b"" if _is_whole_in_tiff(metadata) else metadata.exif)
    return Split(held, left)


def exif_entries(metadata: Metadata) -> tuple[Entry, ...]:
    """The tags of the EXIF block that a TIFF file can have too; none if it cannot be read."""
    try:
        entries = read_directory(metadata.exif).entries
    except BadDirectory:
        return ()
    return tuple(entry for entry in entries if entry.code not in (*PICTURE_TAGS, XMP_TAG, ICC_TAG))


def _is_whole_in_tiff(metadata: Metadata) -> bool:
    """Whether the tags of the EXIF block are all that it has.

    A thumbnail has no place there, tags of the picture are the new file's own, and notes of a
    camera's maker often hold offsets that are wrong at another place.
    """
    if not metadata.exif:
        return True
    try:
        directory = read_directory(metadata.exif)
    except BadDirectory:
        return False
    kept = {entry.code for entry in exif_entries(metadata)} | {ORIENTATION_TAG}
    below = {entry.code for top in directory.entries for entry in top.below or ()}
    return (
        not directory.has_next
        and _MAKER_NOTE not in below
        and {entry.code for entry in directory.entries} <= kept
    )


def _kept(metadata: Metadata, *, exif: bool, xmp: bool, icc: bool) -> Metadata:
    return Metadata(
        exif=metadata.exif if exif else b"",
        xmp=metadata.xmp if xmp else b"",
        icc=metadata.icc if icc else b"",
    )


def _is_text(xmp: bytes) -> bool:
    """Whether PNG can hold it: UTF-8 without zero bytes."""
    try:
        return "\0" not in xmp.decode("utf-8")
    except UnicodeDecodeError:
        return False
