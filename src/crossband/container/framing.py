# SPDX-License-Identifier: Apache-2.0
"""Header and chained, checksummed records, as pairs and films have them (docs/format.md §2-4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crc32c import crc32c

from crossband.container.fields import Cursor, pack_varint
from crossband.errors import CorruptStream, NotCrossband, UnsupportedVersion

MAGIC = b"\xcbXB\n"
"""First bytes of every file: never valid UTF-8, and a line end that text-mode copies change."""
VERSION = 1
"""The version of docs/format.md that is written and read."""
WEIGHTS_ID_BYTES = 8
"""The first bytes of the SHA-256 of the weight file."""
HEADER_BYTES = len(MAGIC) + 1 + WEIGHTS_ID_BYTES
"""Magic, version, weights id."""
CHECKSUM_BYTES = 4
"""CRC-32C, little-endian, at the end of each record."""
LAST = 0x80
"""Bit of the kind byte: no record follows."""
ANCILLARY = 0x40
"""Bit of the kind byte: who does not know this kind may skip the record."""
MAX_RECORDS = 256
"""Records of a file: a bound on the time that a file of tiny unknown records can cost."""

_TEXT_DAMAGE = {
    b"\xcbXB\r\n": "its line ends were rewritten",
    b"\x4bXB\n": "the top bit of its bytes was dropped",
    b"\xc3\x8bXB\n": "it was re-encoded as UTF-8",
    b"\xef\xbf\xbdXB\n": "it was re-encoded as UTF-8",
}


@dataclass(frozen=True, slots=True)
class Record:
    """A record whose checksum was verified."""

    kind: int
    """1 to 127, without the LAST bit."""
    payload: memoryview
    """The bytes between length and checksum, not copied."""
    offset: int
    """Where the record starts in the file."""
    size_bytes: int
    """Kind, length, payload and checksum."""
    is_last: bool
    """Whether no record follows."""


def record_bytes(payload_bytes: int) -> int:
    """Size in the file of a record with a payload of this size."""
    return 1 + len(pack_varint(payload_bytes)) + payload_bytes + CHECKSUM_BYTES


def pack_records(weights_id: bytes, records: Sequence[tuple[int, bytes]]) -> bytes:
    """A whole file: the header, then each (kind, payload) as a record, the last one marked."""
    link = pack_header(weights_id)
    parts = [link]
    for index, (kind, payload) in enumerate(records):
        last = LAST if index == len(records) - 1 else 0
        parts.append(pack_record(kind | last, payload, link))
        link = parts[-1][-CHECKSUM_BYTES:]
    return b"".join(parts)


def pack_header(weights_id: bytes) -> bytes:
    """Magic, version and weights id; also the link of the first record."""
    return MAGIC + bytes([VERSION]) + weights_id


def pack_record(kind: int, payload: bytes, link: bytes) -> bytes:
    """One record.

    Args:
        kind: with the LAST bit where no record follows.
        payload: what it holds.
        link: the four bytes in front of it; the whole header in front of the first record.
    """
    head = bytes([kind]) + pack_varint(len(payload))
    # Each checksum starts from the one before it, the first from the header: records cannot
    # be lost, repeated, reordered or carried to another file, and the header needs no checksum.
    checksum = crc32c(payload, crc32c(link + head))
    return b"".join([head, payload, checksum.to_bytes(CHECKSUM_BYTES, "little")])


def unpack_header(data: bytes) -> bytes:
    """The weights id of a file of a version that is read here.

    Raises:
        NotCrossband: the bytes do not start as a crossband file does.
        UnsupportedVersion: a newer version.
        CorruptStream: cut short, or damaged by a text-mode copy.
    """
    if not data:
        raise NotCrossband("the file is empty; a crossband file has at least one picture")
    if not data.startswith(MAGIC):
        for start, damage in _TEXT_DAMAGE.items():
            if data.startswith(start):
                raise CorruptStream(
                    f"the file was copied as text ({damage}); copy it again in binary mode"
                )
        if MAGIC.startswith(data):
            raise CorruptStream(
                f"the file is cut short: {len(data)} bytes are there, the header alone has"
                f" {HEADER_BYTES}; fetch the file again"
            )
        raise NotCrossband(
            f"not a crossband file: it starts with {data[:4].hex(' ')}, a crossband file with"
            f" {MAGIC.hex(' ')}; was another file meant?"
        )
    cursor = Cursor(memoryview(data), place="the header")
    cursor.take(len(MAGIC), "the magic")
    version = cursor.unsigned(1, "the version")
    if version > VERSION:
        raise UnsupportedVersion(
            f"the file is of format version {version}, this crossband reads version {VERSION};"
            " update crossband (or the version byte is damaged)"
        )
    if version != VERSION:
        raise CorruptStream(
            f"the file claims format version {version}, which never was; fetch the file again"
        )
    return bytes(cursor.take(WEIGHTS_ID_BYTES, "the weights id"))


def unpack_records(data: bytes) -> Iterator[Record]:
    """The records of a file in order, each after its checksum was verified.

    Take them all: that the file ends where it says is known only at the end.

    Raises:
        CorruptStream: a checksum differs, or the file is cut short or goes on after its end.
    """
    cursor = Cursor(memoryview(data), place="the file")
    link = cursor.take(HEADER_BYTES, "the header")
    for index in range(MAX_RECORDS):
        start = cursor.position
        kind = cursor.unsigned(1, f"record {index + 1}")
        length = cursor.varint(f"the length of record {index + 1}")
        head = cursor.data[start : cursor.position]
        payload = cursor.take(length, f"record {index + 1}")
        checksum = cursor.take(CHECKSUM_BYTES, f"the checksum of record {index + 1}")
        expected = int.from_bytes(checksum, "little")
        actual = crc32c(payload, crc32c(head, crc32c(link)))
        if actual != expected:
            raise CorruptStream(
                f"record {index + 1} at byte {start:,} is damaged: checksum {actual:#010x},"
                f" expected {expected:#010x}; fetch the file again"
            )
        link = checksum
        is_last = bool(kind & LAST)
        if is_last and cursor.left:
            raise CorruptStream(
                f"{cursor.left:,} bytes follow the last record, none are allowed; the file ends"
                f" at byte {cursor.position:,}: cut it there or fetch it again"
            )
        yield Record(kind & ~LAST, payload, start, cursor.position - start, is_last)
        if is_last:
            return
    raise CorruptStream(
        f"the file has more than {MAX_RECORDS} records, as many are allowed; it was not made by"
        " crossband"
    )
