# SPDX-License-Identifier: Apache-2.0
"""What a file is, told by its first bytes and never by its name."""

from __future__ import annotations

from enum import Enum

from crossband.errors import SourceError

HEAD_BYTES = 512
"""How much of a file is looked at before the rest is read."""


class Kind(str, Enum):
    """Picture formats that are read and written."""

    PNG = "PNG"
    JPEG = "JPEG"
    TIFF = "TIFF"
    WEBP = "WebP"


_TAKEN = (
    (0, b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (0, b"\xff\xd8\xff", Kind.JPEG),
    (0, b"II*\0", Kind.TIFF),
    (0, b"MM\0*", Kind.TIFF),
    (0, b"II+\0", Kind.TIFF),  # BigTIFF
    (0, b"MM\0+", Kind.TIFF),
    (8, b"WEBP", Kind.WEBP),
)

# Named in the error, so that "allowed are ..." comes with what the file is instead.
_NAMED = (
    (0, b"GIF8", "a GIF picture"),
    (0, b"BM", "a BMP picture"),
    (0, b"%PDF", "a PDF document"),
    (4, b"ftypavi", "an AVIF picture"),
    (4, b"ftyphei", "a HEIF picture"),
    (4, b"ftypmif1", "a HEIF picture"),
    (4, b"ftyp", "a film or picture in an MP4-like container"),
    (4, b"jP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 codestream"),
    (4, b"JXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL codestream"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (0, b"SIMPLE  =", "a FITS file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
)


def identify(head: bytes) -> Kind:
    """The picture format of a file that starts with these bytes.

    Raises:
        SourceError: it is empty, or something else than PNG, JPEG, TIFF or WebP. The message
            has no file name yet; `read` puts it in front.
    """
    if not head:
        raise SourceError(
            "is empty (0 bytes); a PNG, JPEG, TIFF or WebP picture is needed: save it again"
        )
    for offset, magic, kind in _TAKEN:
        if head.startswith(magic, offset):
            return kind
    raise SourceError(
        f"is {_describe(head)}, whatever its name says; PNG, JPEG, TIFF and WebP are taken:"
        " convert it to one of them"
    )


def _describe(head: bytes) -> str:
    for offset, magic, name in _NAMED:
        if head.startswith(magic, offset):
            return name
    if head[:1] == b"P" and head[1:2] in b"1234567" and head[2:3].isspace():
        return "a Netpbm picture"
    if _is_text(head[:HEAD_BYTES]):
        return "a text file"
    return f"no picture that is known (it starts with {head[:8].hex(' ')})"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(head) < HEAD_BYTES or error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")  # the cut lies inside a character
    return all(char.isprintable() or char in "\t\r\n\f\ufeff" for char in text)
