# SPDX-License-Identifier: Apache-2.0
"""TIFF: 1 to 16 bits, gray, colour, palette; strips, tiles and the common compressions.

All by tifffile and imagecodecs; Pillow's libtiff would print its own lines about damaged files and
turn 16-bit colour into 8 bits.
"""

from __future__ import annotations

import logging
import struct
from io import BytesIO
from typing import Literal

import numpy as np
import tifffile
from tifffile import COMPRESSION, EXTRASAMPLE, PHOTOMETRIC, SAMPLEFORMAT, TiffFile, TiffPage

from crossband.errors import SourceError
from crossband.pair import Metadata, Raster
from crossband.sources.directories import (
    BadDirectory,
    Entry,
    pack_block,
    pack_entries,
    read_directory,
)
from crossband.sources.metadata import (
    ICC_TAG,
    PICTURE_TAGS,
    XMP_TAG,
    exif_entries,
    found_metadata,
    split,
)
from crossband.sources.orientation import ORIENTATION_TAG, orientation_note, turn_upright
from crossband.sources.stored import Samples, StoredPicture, check_size, honoured_depth

# Without a handler Python would print tifffile's remarks about odd tags on stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_MAX_SAMPLE_VALUE_TAG = 281
_X_RESOLUTION, _Y_RESOLUTION, _UNIT = _RESOLUTION = (282, 283, 296)
_NO_UNIT = 1
_BYTE, _UNDEFINED = 1, 7
_LARGEST_SEGMENT_COUNT = 1 << 17
"""Strips or tiles; twice what 65,535 rows need."""


def read_tiff(data: bytes) -> StoredPicture:
    """The picture in the bytes of a TIFF file.

    Raises:
        SourceError: damaged, truncated, too large, float, signed or 32-bit, CMYK, of several
            pages (smaller copies and masks of the picture do not count), or compressed in a way
            that is not known.
    """
    with TiffFile(BytesIO(data)) as file:
        page = _only_page(file)
        check_size(page.imagewidth, page.imagelength)
        alpha_channels = _check_samples(page)
        _check_segments(page, len(data))
        samples = _decode(page)[..., : page.samplesperpixel - alpha_channels]
        if page.photometric == PHOTOMETRIC.PALETTE:
            samples = _through_palette(page, samples[..., 0])
        depth = _declared_depth(page)
        orientation = _tag(page, ORIENTATION_TAG, 1)
        notes = (*_notes(page), *orientation_note(orientation))
        try:
            metadata = _metadata(data, page)
        except BadDirectory as error:
            metadata = Metadata()
            notes = (*notes, f"its tags are damaged and left out ({error})")
    return StoredPicture(
        turn_upright(samples, orientation),
        honoured_depth(samples, depth),
        has_alpha=alpha_channels > 0,
        notes=notes,
        metadata=metadata,
    )


def write_tiff(raster: Raster) -> bytes:
    """The bytes of a deflated TIFF file with exactly these samples."""
    held = split(raster, "tiff").held
    order: Literal[">", "<"] = ">" if held.exif.startswith(b"MM") else "<"
    tags = []
    if raster.bit_depth < raster.samples.dtype.itemsize * 8:
        tags.append((_MAX_SAMPLE_VALUE_TAG, "H", 1, raster.peak, True))
    file = BytesIO()
    tifffile.imwrite(
        file,
        raster.samples,
        photometric="minisblack" if raster.channels == 1 else "rgb",
        compression="zlib",
        predictor=True,
        metadata=None,
        software=False,
        extratags=tags,
        byteorder=order if held else None,
    )
    return _with_metadata(file.getvalue(), held, order) if held else file.getvalue()


def _metadata(data: bytes, page: TiffPage) -> Metadata:
    """The tags that do not describe this file's own samples, as one EXIF block, and XMP and ICC."""
    directory = read_directory(data, page.offset)
    own = {entry.code: entry.value for entry in directory.entries}
    kept = [
        entry for entry in directory.entries if entry.code not in (*PICTURE_TAGS, XMP_TAG, ICC_TAG)
    ]
    one = struct.pack(f"{directory.order}II", 1, 1)
    none = struct.pack(f"{directory.order}H", _NO_UNIT)
    if (own.get(_X_RESOLUTION), own.get(_Y_RESOLUTION), own.get(_UNIT)) == (one, one, none):
        # What writers put there that know no resolution.
        kept = [entry for entry in kept if entry.code not in _RESOLUTION]
    return found_metadata(
        exif=pack_block(kept, order=directory.order) if kept else b"",
        xmp=own.get(XMP_TAG, b""),
        icc=own.get(ICC_TAG, b""),
    )


def _with_metadata(data: bytes, held: Metadata, order: str) -> bytes:
    """The file with a new directory at its end, which has the metadata's tags too."""
    tags = {entry.code: entry for entry in read_directory(data).entries}
    tags |= {entry.code: entry for entry in exif_entries(held)}
    for code, kind, value in ((XMP_TAG, _BYTE, held.xmp), (ICC_TAG, _UNDEFINED, held.icc)):
        if value:
            tags[code] = Entry(code, kind, len(value), value)
    data += bytes(len(data) % 2)
    directory = pack_entries(tags.values(), order=order, base=len(data))
    return data[:4] + struct.pack(f"{order}I", len(data)) + data[8:] + directory


def _only_page(file: TiffFile) -> TiffPage:
    pages = [page for page in file.pages if isinstance(page, TiffPage)]
    full = [page for page in pages if not page.is_reduced and not page.is_mask]
    if len(full) != 1:
        found = f"{len(full)} pages" if full else "only reduced copies of a picture"
        raise SourceError(
            f"holds {found}; one picture a file is taken: save the page you mean on its own"
        )
    return full[0]


def _check_samples(page: TiffPage) -> int:
    """How many of the channels are alpha: 0 or 1."""
    bits = page.bitspersample
    if page.sampleformat == SAMPLEFORMAT.IEEEFP:
        raise SourceError(
            f"is a TIFF of {bits}-bit floating point samples; unsigned integers of at most 16 bits"
            " are taken: scale them to 16-bit counts first, temperatures to kelvin * 100"
        )
    if page.sampleformat not in (SAMPLEFORMAT.UINT, SAMPLEFORMAT.VOID) or not 1 <= bits <= 16:
        signed = "signed" if page.sampleformat == SAMPLEFORMAT.INT else "unsigned"
        raise SourceError(
            f"is a TIFF of {bits}-bit {signed} samples; unsigned integers of at most 16 bits are"
            " taken: convert it to 16-bit counts first"
        )
    if not (
        page.photometric
        in (
            PHOTOMETRIC.MINISWHITE,
            PHOTOMETRIC.MINISBLACK,
            PHOTOMETRIC.RGB,
            PHOTOMETRIC.PALETTE,
        )
        # Turned into RGB by the JPEG decoder; without one it would stay YCbCr.
        or (page.photometric == PHOTOMETRIC.YCBCR and page.compression == COMPRESSION.JPEG)
    ):
        is_cmyk = page.photometric == PHOTOMETRIC.SEPARATED
        colours = "CMYK" if is_cmyk else PHOTOMETRIC(page.photometric).name
        raise SourceError(
            f"is a {colours} TIFF ({page.samplesperpixel} channels); gray, RGB and palette are"
            " taken: convert it to RGB"
        )
    alpha_channels = sum(
        kind in (EXTRASAMPLE.ASSOCALPHA, EXTRASAMPLE.UNASSALPHA) for kind in page.extrasamples
    )
    if (
        page.samplesperpixel - alpha_channels not in (1, 3)
        or alpha_channels > 1
        or page.imagedepth != 1
    ):
        raise SourceError(
            f"is a TIFF of {page.samplesperpixel} channels and depth {page.imagedepth}; 1 or 3"
            " channels and depth 1 are taken: save the channels you mean on their own"
        )
    return alpha_channels


def _check_segments(page: TiffPage, size_bytes: int) -> None:
    """Truncation first: what lies behind the end would otherwise fail in many ways."""
    if not 0 < len(page.dataoffsets) <= _LARGEST_SEGMENT_COUNT:
        raise SourceError(
            f"is damaged: the TIFF has {len(page.dataoffsets):,} strips; 1 to"
            f" {_LARGEST_SEGMENT_COUNT:,} are taken: save it again"
        )
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if not offset or not count or offset + count > size_bytes:
            raise SourceError(
                f"is truncated: {count:,} bytes of samples should start at byte {offset:,} of the"
                f" TIFF and the file has {size_bytes:,} bytes: copy or save it again"
            )


def _decode(page: TiffPage) -> Samples:
    """Samples (height, width, channels) as stored, alpha included, 0 as black."""
    bits = page.bitspersample
    samples: Samples = page.asarray()
    if samples.ndim == 3 and page.planarconfig == 2:
        samples = np.moveaxis(samples, 0, -1)
    samples = samples.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
    samples = samples.astype(np.uint8 if bits <= 8 else np.uint16)
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        samples = ((1 << bits) - 1) - samples
    if bits < 8 and page.photometric != PHOTOMETRIC.PALETTE:
        samples = (samples.astype(np.uint16) * 255 // ((1 << bits) - 1)).astype(np.uint8)
    return samples


def _through_palette(page: TiffPage, indexes: Samples) -> Samples:
    colours = page.colormap  # (3, entries)
    if colours is None:
        raise SourceError("is damaged: the palette TIFF has no colour map: save it again")
    # 16-bit entries; some old writers put 8-bit ones there.
    shift = 8 if int(colours.max()) > 255 else 0
    return (colours >> shift).astype(np.uint8).T[indexes]


def _declared_depth(page: TiffPage) -> int | None:
    if 8 < page.bitspersample < 16:
        return page.bitspersample
    highest = _tag(page, _MAX_SAMPLE_VALUE_TAG, 0)
    # 4095 says that 12 bits are in use; 3071 would be the largest sample of this very picture.
    return highest.bit_length() if highest > 0 and highest & (highest + 1) == 0 else None


def _notes(page: TiffPage) -> tuple[str, ...]:
    notes = []
    if page.photometric == PHOTOMETRIC.PALETTE:
        notes.append("palette colours read as RGB")
    elif page.bitspersample < 8:
        notes.append(f"{page.bitspersample}-bit samples scaled to 8 bits")
    if page.photometric == PHOTOMETRIC.MINISWHITE:
        notes.append("stored with 0 as white, turned into 0 as black")
    return tuple(notes)


def _tag(page: TiffPage, code: int, default: int) -> int:
    tag = page.tags.get(code)
    value = default if tag is None else tag.value
    if isinstance(value, tuple) and value:
        value = value[0]
    return int(value) if isinstance(value, int) else default
