# SPDX-License-Identifier: Apache-2.0
"""Metadata of the pictures and their record (docs/format.md §7a)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from crossband.container.fields import Cursor, pack_varint
from crossband.errors import CorruptStream, PictureError
from crossband.pair import Metadata, Modality, Pair

MAX_METADATA_BYTES = 1 << 24
"""Most metadata of a file before compression, 16 MiB: what a reader may have to take memory for."""

_KIND_MASK = 0x3F
_INFRARED = 0x40
_RESERVED = 0x80


class BlobKind(IntEnum):
    """What a blob of metadata is; a reader keeps and skips the kinds that are not here."""

    EXIF = 1
    XMP = 2
    ICC = 3
    CALIBRATION = 4
    MAKER = 5

    @property
    def field(self) -> str:
        """Its name in `Metadata`."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Blob:
    """One kind of metadata of one picture, as the file has it.

    Raises:
        PictureError: a value is outside its range.
    """

    modality: Modality
    """The picture that it belongs to."""
    kind: int
    """1 to 63: a `BlobKind`, or one that a newer crossband knows."""
    size_bytes: int
    """Bytes before compression, 1 to 16,777,216."""
    coded: bytes = field(repr=False)
    """A zlib stream (RFC 1950)."""

    def __post_init__(self) -> None:
        if not 1 <= self.kind <= _KIND_MASK:
            raise PictureError(f"metadata is of kind {self.kind}; it must be 1 to {_KIND_MASK}")
        if not 1 <= self.size_bytes <= MAX_METADATA_BYTES:
            raise PictureError(
                f"{self.modality.value} metadata of kind {self.kind} has {self.size_bytes:,} bytes;"
                f" it must have 1 to {MAX_METADATA_BYTES:,}"
            )

    @property
    def order(self) -> int:
        """Its first byte: blobs of a file ascend in it."""
        return self.kind | _INFRARED * (self.modality is Modality.INFRARED)

    @property
    def name(self) -> str:
        """Such as "EXIF", or "kind 9"."""
        return BlobKind(self.kind).name if self.kind in list(BlobKind) else f"kind {self.kind}"

    def inflate(self) -> bytes:
        """The bytes before compression; never takes memory for more than `size_bytes`.

        Raises:
            CorruptStream: they are no zlib stream of this size.
        """
        stream = zlib.decompressobj()
        try:
            data = stream.decompress(self.coded, self.size_bytes)
            # A stream that has given all its bytes may still have its end to read.
            excess = stream.decompress(stream.unconsumed_tail, 1)
        except zlib.error as error:
            raise CorruptStream(
                f"the {self.modality.value} metadata ({self.name}) is damaged: {error}"
            ) from error
        if excess or not stream.eof or stream.unused_data or len(data) != self.size_bytes:
            raise CorruptStream(
                f"the {self.modality.value} metadata ({self.name}) is damaged: its zlib stream is"
                f" not one of {self.size_bytes:,} bytes"
            )
        return data


def blobs_of(pair: Pair) -> tuple[Blob, ...]:
    """The metadata of both pictures, compressed, in the order of the record.

    Raises:
        PictureError: they have more than 16 MiB together.
    """
    present = {
        modality: raster.metadata
        for modality in Modality
        if (raster := pair.get(modality)) is not None
    }
    size_bytes = sum(metadata.size_bytes for metadata in present.values())
    if size_bytes > MAX_METADATA_BYTES:
        raise PictureError(
            f"the pictures have {size_bytes:,} bytes of metadata; at most {MAX_METADATA_BYTES:,}"
            " are carried: leave it out with --strip-metadata (in Python pair.without_metadata())"
        )
    blobs = []
    for modality, metadata in present.items():
        for kind in BlobKind:
            if data := getattr(metadata, kind.field):
                blobs.append(Blob(modality, kind, len(data), zlib.compress(data, 9)))
    return tuple(sorted(blobs, key=lambda blob: blob.order))


def metadata_of(blobs: Iterable[Blob], modality: Modality) -> Metadata:
    """The metadata of one picture; blobs of unknown kinds are left out.

    Raises:
        CorruptStream: a blob is no zlib stream of its size.
    """
    return Metadata(
        **{
            BlobKind(blob.kind).field: blob.inflate()
            for blob in blobs
            if blob.modality is modality and blob.kind in list(BlobKind)
        }
    )


def check_blobs(blobs: tuple[Blob, ...]) -> None:
    """Whether these blobs can be in one record.

    Raises:
        PictureError: out of order, repeated, or more than 16 MiB together.
    """
    orders = [blob.order for blob in blobs]
    if orders != sorted(set(orders)):
        raise PictureError(
            "the metadata is out of order; one of each modality and kind is allowed, ascending"
        )
    if (size_bytes := sum(blob.size_bytes for blob in blobs)) > MAX_METADATA_BYTES:
        raise PictureError(
            f"the metadata has {size_bytes:,} bytes; at most {MAX_METADATA_BYTES:,} are allowed"
        )


def pack_metadata(blobs: tuple[Blob, ...]) -> bytes:
    """The payload of a metadata record."""
    return b"".join(
        bytes([blob.order]) + pack_varint(blob.size_bytes) + pack_varint(len(blob.coded))
        + blob.coded
        for blob in blobs
    )  # fmt: skip


def unpack_metadata(payload: memoryview) -> tuple[Blob, ...]:
    """The blobs in the payload of a metadata record, none of them decompressed.

    Raises:
        CorruptStream: the payload is not what `pack_metadata` makes of any blobs.
    """
    cursor = Cursor(payload, place="the metadata record")
    blobs: list[Blob] = []
    try:
        while cursor.left or not blobs:
            what = cursor.unsigned(1, "the kind")
            if what & _RESERVED:
                raise PictureError(f"its kind byte is {what:#04x}; bit 7 must be 0")
            size_bytes = cursor.varint("the size")
            length = cursor.varint("the length")
            coded = bytes(cursor.take(length, "the zlib stream"))
            modality = Modality.INFRARED if what & _INFRARED else Modality.VISIBLE
            blobs.append(Blob(modality, what & _KIND_MASK, size_bytes, coded))
        check_blobs(tuple(blobs))
    except PictureError as error:
        raise CorruptStream(f"the metadata record is damaged: {error}") from error
    return tuple(blobs)
