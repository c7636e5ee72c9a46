# SPDX-License-Identifier: Apache-2.0
"""A coded pair and its file (docs/format.md §6-8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossband.container.bounded import (
    BoundedRecord,
    pack_bounded,
    pack_bounded_fields,
    unpack_bounded,
)
from crossband.container.fields import VARINT_BYTES, VARINT_MAX, Cursor, pack_varint
from crossband.container.framing import (
    ANCILLARY,
    HEADER_BYTES,
    VERSION,
    WEIGHTS_ID_BYTES,
    pack_records,
    record_bytes,
    unpack_header,
    unpack_records,
)
from crossband.container.metadata import (
    Blob,
    check_blobs,
    metadata_of,
    pack_metadata,
    unpack_metadata,
)
from crossband.container.picture import PictureRecord, pack_fields, pack_picture, unpack_picture
from crossband.errors import CorruptStream, PictureError, UnsupportedVersion
from crossband.pair import Metadata, Modality

PICTURE = 0x01
"""Kind of a picture record: critical."""
FILM = 0x02
"""Kind of a film record: critical, and no part of a pair."""
BOUNDED = 0x05
"""Kind of an infrared picture with a guaranteed error: critical."""
REGISTERED = 0x06
"""Kind of a picture record with a registration: critical."""
TIMESTAMP = 0x41
"""Kind of a timestamp record: ancillary."""
FILLER = 0x42
"""Kind of a filler record: ancillary."""
METADATA = 0x43
"""Kind of a metadata record: ancillary."""
PIXELS_PER_BYTE = 16_384
"""Pixels that one byte of a file can hold, 128x128: 0.0005 bit a pixel."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file and its size."""

    name: str
    """Such as "header" or "infrared stream"."""
    size_bytes: int
    """Bytes in the file."""


@dataclass(frozen=True, slots=True)
class PairFile:
    """What a file holds: one coded picture, or two of one scene.

    Raises:
        PictureError: a value is outside its range, there is no picture, both are of one modality,
            the first is conditional, or metadata is out of order, too large or of a picture that
            is not there.
    """

    weights_id: bytes
    """First 8 bytes of the SHA-256 of the weight file."""
    records: tuple[PictureRecord | BoundedRecord, ...]
    """In the order of coding, a bounded one first; only the second may be conditional."""
    timestamp_us: int | None = None
    """Microseconds on the clock of the cameras, 0 to 2^63 - 1; None if unknown."""
    metadata: tuple[Blob, ...] = ()
    """What the source files said beside their samples, compressed."""

    def __post_init__(self) -> None:
        if len(self.weights_id) != WEIGHTS_ID_BYTES:
            raise PictureError(
                f"the weights id has {len(self.weights_id)} bytes; it must have {WEIGHTS_ID_BYTES}"
            )
        if not 1 <= len(self.records) <= 2:
            raise PictureError(f"the file has {len(self.records)} pictures; 1 and 2 are allowed")
        if len({picture.modality for picture in self.records}) < len(self.records):
            raise PictureError(
                f"the file has two {self.records[0].modality.value} pictures; one of each"
                " modality is allowed"
            )
        if self.records[0].conditional:
            raise PictureError(
                "the first picture is conditional; only the second of two can be coded given the"
                " other"
            )
        if any(isinstance(picture, BoundedRecord) for picture in self.records[1:]):
            raise PictureError("the bounded infrared picture is second; it must be first")
        if self.timestamp_us is not None and not 0 <= self.timestamp_us <= VARINT_MAX:
            raise PictureError(
                f"the timestamp is {self.timestamp_us} us; it must be 0 to {VARINT_MAX:,}"
            )
        check_blobs(self.metadata)
        for blob in self.metadata:
            if self.get(blob.modality) is None:
                raise PictureError(
                    f"there is {blob.modality.value} metadata and no {blob.modality.value} picture;"
                    " metadata belongs to a picture of the file"
                )

    def metadata_of(self, modality: Modality) -> Metadata:
        """The metadata of one camera's picture; empty if there is none.

        Raises:
            CorruptStream: it cannot be decompressed.
        """
        return metadata_of(self.metadata, modality)

    def get(self, modality: Modality) -> PictureRecord | BoundedRecord | None:
        """The picture of one camera, or None."""
        return next((picture for picture in self.records if picture.modality is modality), None)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every byte of the file by what it is for, in the order of the file."""
        parts = [Part("header", HEADER_BYTES)]
        if self.timestamp_us is not None:
            parts.append(Part("timestamp", record_bytes(len(pack_varint(self.timestamp_us)))))
        before = None
        for picture in self.records:
            stream_bytes = len(picture.stream)
            fields = (
                pack_bounded_fields(picture)
                if isinstance(picture, BoundedRecord)
                else pack_fields(picture, before)
            )
            whole = record_bytes(len(fields) + stream_bytes)
            name = picture.modality.value
            parts += [
                Part(f"{name} record", whole - stream_bytes),
                Part(f"{name} stream", stream_bytes),
            ]
            before = picture
        if self.metadata:
            parts.append(Part("metadata", record_bytes(len(pack_metadata(self.metadata)))))
        size_bytes = sum(part.size_bytes for part in parts)
        if (filler := _filler_bytes(size_bytes, self.records)) is not None:
            parts.append(Part("filler", record_bytes(filler)))
        return tuple(parts)

    @property
    def size_bytes(self) -> int:
        """Size of the packed file."""
        return sum(part.size_bytes for part in self.parts)

    @property
    def overhead_bytes(self) -> int:
        """Bytes of the packed file that are not coded picture."""
        return self.size_bytes - sum(len(picture.stream) for picture in self.records)

    def picture_bytes(self, modality: Modality) -> int:
        """Size of one picture's whole record in the packed file; 0 if it is not there."""
        return sum(part.size_bytes for part in self.parts if part.name.startswith(modality.value))


def pack(file: PairFile) -> bytes:
    """The bytes of the file; equal values give equal bytes, everywhere.

    Example:
        >>> picture = PictureRecord(
        ...     modality=Modality.INFRARED, height=2, width=3, channels=1, sample_bytes=2,
        ...     bit_depth=14, low=7000, high=9000, quality_index=32, conditional=False,
        ...     stream=b"abcd", symbols_crc=0)
        >>> data = pack(PairFile(weights_id=b"example!", records=(picture,)))
        >>> len(data), unpack(data).records[0] == picture
        (37, True)
    """
    records = []
    if file.timestamp_us is not None:
        records.append((TIMESTAMP, pack_varint(file.timestamp_us)))
    before = None
    for picture in file.records:
        if isinstance(picture, BoundedRecord):
            records.append((BOUNDED, pack_bounded(picture)))
        else:
            kind = PICTURE if picture.registration is None else REGISTERED
            records.append((kind, pack_picture(picture, before)))
        before = picture
    if file.metadata:
        records.append((METADATA, pack_metadata(file.metadata)))
    size_bytes = HEADER_BYTES + sum(record_bytes(len(payload)) for _, payload in records)
    if (filler := _filler_bytes(size_bytes, file.records)) is not None:
        records.append((FILLER, bytes(filler)))
    return pack_records(file.weights_id, records)


def unpack(data: bytes) -> PairFile:
    """What the file holds, after every byte of it was verified.

    Takes memory for no more than a copy of the file, whatever sizes it declares.

    Raises:
        NotCrossband: the bytes are something else.
        UnsupportedVersion: the file needs a newer crossband.
        CorruptStream: damaged, cut short, with bytes added, or not in the one allowed form.
    """
    weights_id = unpack_header(data)
    timestamp_us: int | None = None
    pictures: list[PictureRecord | BoundedRecord] = []
    metadata: tuple[Blob, ...] = ()
    for record in unpack_records(data):
        if record.kind in (PICTURE, BOUNDED, REGISTERED):
            if metadata:
                raise CorruptStream(
                    f"the picture record at byte {record.offset:,} is out of order; metadata"
                    " follows the pictures"
                )
            if len(pictures) == 2:
                raise CorruptStream("the file has more than two pictures; 1 and 2 are allowed")
            if record.kind == BOUNDED:
                pictures.append(unpack_bounded(record.payload))
            else:
                first = pictures[0] if pictures else None
                registered = record.kind == REGISTERED
                pictures.append(unpack_picture(record.payload, first, registered=registered))
        elif record.kind == TIMESTAMP:
            if pictures or timestamp_us is not None:
                raise CorruptStream(
                    f"the timestamp record at byte {record.offset:,} is out of order; one before"
                    " the pictures is allowed"
                )
            timestamp_us = _unpack_timestamp(record.payload)
        elif record.kind == METADATA:
            if metadata or not pictures:
                raise CorruptStream(
                    f"the metadata record at byte {record.offset:,} is out of order; one after the"
                    " pictures is allowed"
                )
            metadata = unpack_metadata(record.payload)
        elif record.kind == FILLER:
            needed = _filler_bytes(len(data) - record.size_bytes, pictures)
            if not record.is_last or len(record.payload) != needed or any(record.payload):
                raise CorruptStream(
                    f"the filler record at byte {record.offset:,} is out of place: it must end"
                    f" the file and be {needed or 'no'} zero bytes, it has"
                    f" {len(record.payload):,} bytes"
                )
        elif record.kind == FILM:
            raise CorruptStream(
                "the file is a film, not a pair; open it with crossband.open (the commands decode,"
                " info and verify take films too)"
            )
        elif not record.kind & ANCILLARY:
            raise UnsupportedVersion(
                f"the record at byte {record.offset:,} is of kind {record.kind:#04x}, which"
                f" format version {VERSION} does not know and which must not be skipped; update"
                " crossband"
            )
    declared = sum(picture.pixels for picture in pictures)
    if declared > PIXELS_PER_BYTE * len(data):
        raise CorruptStream(
            f"the file declares {declared:,} pixels in {len(data):,} bytes, which hold at most"
            f" {PIXELS_PER_BYTE * len(data):,}; it was not made by crossband"
        )
    try:
        return PairFile(weights_id, tuple(pictures), timestamp_us, metadata)
    except PictureError as error:
        raise CorruptStream(f"the file is damaged: {error}") from error


def _unpack_timestamp(payload: memoryview) -> int:
    cursor = Cursor(payload, place="the timestamp record")
    timestamp_us = cursor.varint("the timestamp")
    if cursor.left:
        raise CorruptStream(
            f"{cursor.left} bytes follow the timestamp in its record; none are allowed"
        )
    return timestamp_us


def _filler_bytes(size_bytes: int, pictures: Sequence[PictureRecord | BoundedRecord]) -> int | None:
    """Payload of the smallest filler record that makes the file long enough, or None.

    Only huge blank pictures need one: at 0.0005 bit a pixel there is nothing to see.
    """
    missing = -(-sum(picture.pixels for picture in pictures) // PIXELS_PER_BYTE) - size_bytes
    if missing <= 0:
        return None
    payload = max(0, missing - record_bytes(0) - VARINT_BYTES)
    while record_bytes(payload) < missing:
        payload += 1
    return payload
