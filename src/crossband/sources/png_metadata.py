# SPDX-License-Identifier: Apache-2.0
"""Metadata out of the ancillary chunks of a PNG file, wherever in the file they stand."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from crossband.pair import Metadata
from crossband.sources.metadata import found_metadata

CHUNKS = (b"eXIf", b"iCCP", b"iTXt", b"zTXt", b"tEXt")
"""Those that may hold metadata."""
XMP_KEYWORD = "XML:com.adobe.xmp"
_LARGEST_BYTES = 1 << 24
"""Most bytes of one piece after decompression."""
_RAW_PROFILES = {"exif": "exif", "app1": "exif", "xmp": "xmp", "icc": "icc"}
"""ImageMagick's "Raw profile type X" texts: hexadecimal, from before PNG had eXIf."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One kind of metadata as a chunk has it."""

    field: str
    """Its name in `Metadata`."""
    data: bytes
    """Decompressed; empty if it cannot be."""
    is_text: bool = False
    """Whether it comes from ImageMagick's text, which counts less than a chunk of its own."""


def piece_of(name: bytes, body: bytes) -> Piece | None:
    """The metadata in a chunk; None if it holds none, or none that is carried."""
    if name == b"eXIf":
        return Piece("exif", body)
    keyword, _, rest = body.partition(b"\0")
    if name == b"iCCP":
        return Piece("icc", _inflate(rest[1:]))
    text = keyword.decode("latin-1")
    if name == b"iTXt" and text == XMP_KEYWORD:
        translated = rest[2:].partition(b"\0")[2]
        packet = translated.partition(b"\0")[2]
        return Piece("xmp", _inflate(packet) if rest[:1] == b"\1" else packet)
    field = _RAW_PROFILES.get(text.removeprefix("Raw profile type ").lower())
    if field is None or not text.startswith("Raw profile type ") or name == b"iTXt":
        return None
    return Piece(field, _unhex(_inflate(rest[1:]) if name == b"zTXt" else rest), is_text=True)


def metadata_of(pieces: Iterable[Piece]) -> Metadata:
    """The first piece of each kind, those in chunks of their own before those in texts."""
    chosen: dict[str, bytes] = {}
    for piece in sorted(pieces, key=lambda piece: piece.is_text):
        chosen.setdefault(piece.field, piece.data)
    return found_metadata(**chosen)


def _inflate(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(data, _LARGEST_BYTES)
    except zlib.error:
        return b""
    return inflated if stream.eof else b""


def _unhex(profile: bytes) -> bytes:
    """A newline, a name, a length in decimal and as many bytes in hexadecimal."""
    lines = profile.split(b"\n", 3)
    try:
        data = bytes.fromhex(lines[3].decode("ascii"))
        return data if len(data) == int(lines[2]) else b""
    except (ValueError, IndexError):
        return b""
