# SPDX-License-Identifier: Apache-2.0
"""PNG: 1 to 16 bits, gray, colour, palette.

Pillow decodes the samples. What it does not tell, or turns into 8 bits on the way, is taken from
the chunks: the depth, damage, and 16-bit pictures of more than one channel.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, PngImagePlugin

from crossband.errors import SourceError
from crossband.pair import Metadata, Raster
from crossband.sources.metadata import split
from crossband.sources.orientation import orientation_note, orientation_of, turn_upright
from crossband.sources.png_metadata import CHUNKS, XMP_KEYWORD, Piece, metadata_of, piece_of
from crossband.sources.stored import (
    Samples,
    StoredPicture,
    check_size,
    honoured_depth,
)

# sBIT means "scaled up from so many bits", and netpbm shifts such samples down again; ours are
# counts that use the low bits, so the depth travels as text instead.
_DEPTH_KEYWORD = "crossband:bit-depth"

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")

_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6


@dataclass(frozen=True, slots=True)
class _Header:
    """What the chunks say."""

    width: int
    height: int
    bits: int
    colour_type: int
    interlaced: bool
    declared_depth: int | None
    has_transparency: bool
    frames: int
    image_data: bytes
    """The compressed samples."""
    metadata: Metadata
    damaged: tuple[str, ...]
    """Names of chunks with metadata that cannot be used."""
    texts: tuple[str, ...]
    """Keywords of texts that are not carried."""


def read_png(data: bytes) -> StoredPicture:
    """The picture in the bytes of a PNG file.

    Raises:
        SourceError: damaged, truncated, too large, or animated.
    """
    header = _parse(data)
    if header.frames > 1:
        raise SourceError(
            f"is an animation of {header.frames} frames; one picture a file is taken:"
            " save the frame you mean on its own"
        )
    notes: list[str] = []
    with Image.open(BytesIO(data), formats=["PNG"]) as image:
        if header.bits == 16 and header.colour_type != _GRAY:
            samples = _decode_deep(header)
        else:
            samples = _decode(image)
        orientation = orientation_of(image)
    if header.colour_type == _PALETTE:
        notes.append("palette colours read as RGB")
    elif header.bits < 8:
        notes.append(f"{header.bits}-bit samples scaled to 8 bits")
    notes += [f"its {name} chunk is damaged and left out" for name in header.damaged]
    if header.texts:
        more = f" and {len(header.texts) - 3} more" if len(header.texts) > 3 else ""
        notes.append(f"its texts ({', '.join(header.texts[:3])}{more}) are left out")
    depth = honoured_depth(samples, header.declared_depth)
    return StoredPicture(
        turn_upright(samples, orientation),
        depth,
        has_alpha=header.colour_type in (_GRAY_ALPHA, _RGB_ALPHA) or header.has_transparency,
        notes=(*notes, *orientation_note(orientation)),
        metadata=header.metadata,
    )


def write_png(raster: Raster) -> bytes:
    """The bytes of a PNG file with exactly these samples."""
    text = PngImagePlugin.PngInfo()
    if raster.bit_depth < raster.samples.dtype.itemsize * 8:
        text.add_text(_DEPTH_KEYWORD, str(raster.bit_depth))
    held = split(raster, "png").held
    if held.xmp:
        text.add_itxt(XMP_KEYWORD, held.xmp)
    options = {"exif": held.exif} if held.exif else {}
    file = BytesIO()
    Image.fromarray(raster.samples).save(
        file, format="PNG", pnginfo=text, icc_profile=held.icc, **options
    )
    return file.getvalue()


def _parse(data: bytes) -> _Header:
    position = 8
    header: tuple[int, int, int, int, int] | None = None
    declared: int | None = None
    has_transparency = False
    frames = 1
    image_data: list[bytes] = []
    pieces: list[Piece] = []
    damaged: list[str] = []
    texts: list[str] = []
    while True:
        if position + 12 > len(data):
            raise SourceError(
                f"is truncated: the PNG ends after {len(data):,} bytes without its last chunk:"
                " copy or save it again"
            )
        (length,) = struct.unpack_from(">I", data, position)
        name = data[position + 4 : position + 8]
        body = data[position + 8 : position + 8 + length]
        if position + 12 + length > len(data):
            raise SourceError(
                f"is truncated: its {_printable(name)} chunk should have {length:,} bytes and"
                f" {len(body):,} are there: copy or save it again"
            )
        (expected,) = struct.unpack_from(">I", data, position + 8 + length)
        is_critical = not name[0] & 0x20
        if is_critical and (actual := zlib.crc32(body, zlib.crc32(name))) != expected:
            raise SourceError(
                f"is damaged: checksum of its {_printable(name)} chunk is {actual:#010x},"
                f" {expected:#010x} was written: copy or save it again"
            )
        position += 12 + length
        piece = piece_of(name, body) if name in CHUNKS else None
        if piece is None and name in _TEXTS:
            keyword = body.partition(b"\0")[0].decode("latin-1")
            if keyword != _DEPTH_KEYWORD:
                texts.append(keyword if keyword.isprintable() else repr(keyword))
        if piece is not None:
            if piece.data and zlib.crc32(body, zlib.crc32(name)) == expected:
                pieces.append(piece)
            else:
                damaged.append(_printable(name))
        match name:
            case b"IHDR" if length == 13:
                width, height, bits, colour_type, _, _, interlace = struct.unpack(">IIBBBBB", body)
                check_size(width, height)
                header = (width, height, bits, colour_type, interlace)
            case b"sBIT" if length and declared is None:
                declared = max(body)
            case b"tEXt" if body.startswith(_DEPTH_KEYWORD.encode() + b"\0"):
                value = body.partition(b"\0")[2]
                declared = int(value) if value.isdigit() and len(value) <= 2 else declared
            case b"tRNS":
                has_transparency = True
            case b"acTL" if length == 8:
                frames = max(1, struct.unpack_from(">I", body)[0])
            case b"IDAT":
                image_data.append(body)
            case b"IEND":
                break
        if header is None:
            raise SourceError(
                f"is damaged: its first chunk is {_printable(name)}, IHDR belongs there:"
                " save it again"
            )
    if header is None:
        raise SourceError("is damaged: it has no IHDR chunk: save it again")
    width, height, bits, colour_type, interlace = header
    return _Header(
        width=width,
        height=height,
        bits=bits,
        colour_type=colour_type,
        interlaced=bool(interlace),
        declared_depth=declared,
        has_transparency=has_transparency,
        frames=frames,
        image_data=b"".join(image_data),
        metadata=metadata_of(pieces),
        damaged=tuple(damaged),
        texts=tuple(texts),
    )


def _printable(name: bytes) -> str:
    return name.decode("ascii") if name.isalpha() else name.hex()


def _decode(image: Image.Image) -> Samples:
    """All but 16-bit colour and 16-bit gray with alpha."""
    match image.mode:
        case "L" | "RGB" | "I;16":
            pass
        case "LA":
            image = image.getchannel(0)
        case "1":
            image = image.convert("L")
        case "P" | "RGBA" | "PA":
            image = image.convert("RGB")
        case _:
            raise SourceError(
                f"is a PNG of Pillow mode {image.mode}; gray, RGB and palette are taken: convert it"
            )
    samples = np.array(image)
    return samples[..., None] if samples.ndim == 2 else samples


def _decode_deep(header: _Header) -> Samples:
    """16 bits of more than one channel, of which Pillow keeps the upper 8.

    Its decompressor does hand over the lower ones when told that the byte order is the other way
    round; for gray with alpha it is told that the four bytes of a pixel are 8-bit RGBA.
    """

    def octets(mode: str, raw_mode: str) -> Samples:
        size = (header.width, header.height)
        image = Image.frombytes(mode, size, header.image_data, "zip", raw_mode, header.interlaced)
        return np.array(image).astype(np.uint16)

    match header.colour_type:
        case 4:
            bytes_of_pixel = octets("RGBA", "RGBA")
            return bytes_of_pixel[..., :1] << 8 | bytes_of_pixel[..., 1:2]
        case 2:
            return octets("RGB", "RGB;16B") << 8 | octets("RGB", "RGB;16L")
        case 6:
            samples = octets("RGBA", "RGBA;16B") << 8 | octets("RGBA", "RGBA;16L")
            return samples[..., :3]
    raise SourceError(
        f"is damaged: PNG colour type {header.colour_type} has no 16-bit samples: save it again"
    )
