# SPDX-License-Identifier: Apache-2.0
"""Makes the hostile files of this folder; run it after a change of the table and commit the files.

    python tests/attacks/make_attacks.py

The bytes are put together by hand, without crossband's own packing, so that a file may break any
rule of docs/format.md while its checksums are right. An attacker can do the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crc32c import crc32c

FOLDER = Path(__file__).parent
HEADER = b"\xcbXB\n\x01weights!"


@dataclass(frozen=True)
class Attack:
    """A hostile file and how it has to be refused."""

    name: str
    """File name without the ending."""
    data: bytes
    """The whole file."""
    error: str
    """Name of the error class."""
    says: str
    """A part of its message."""


def record(kind: int, payload: bytes, *, length: bytes | None = None) -> bytes:
    """A record without checksum; `length` overrides the length bytes."""
    return bytes([kind]) + (varint(len(payload)) if length is None else length) + payload


def varint(value: int) -> bytes:
    """Seven bits a byte, lowest first."""
    packed = b""
    while value > 0x7F:
        packed += bytes([value & 0x7F | 0x80])
        value >>= 7
    return packed + bytes([value])


def file(*records: bytes, header: bytes = HEADER) -> bytes:
    """A file with right checksums."""
    data = link = header
    for body in records:
        link = crc32c(link + body).to_bytes(4, "little")
        data += body + link
    return data


def u16(*values: int) -> bytes:
    """Little-endian 16-bit fields."""
    return b"".join(value.to_bytes(2, "little") for value in values)


CRC = b"\x11\x22\x33\x44"
STREAM = b"coded picture"

# Payloads: field byte 1 | field byte 2 | size | range | symbol checksum | stream.
INFRARED = b"\x60\x97" + u16(48, 64) + CRC + STREAM  # 8 bits in two bytes, full range
VISIBLE = b"\xa0\xe7" + CRC + STREAM  # conditional RGB of the same size
OTHER = b"\x20\xe7" + CRC + STREAM  # RGB of the same size, not conditional

PICTURE, TIMESTAMP, FILLER, METADATA, LAST = 0x01, 0x41, 0x42, 0x43, 0x80
GOOD = file(record(PICTURE, INFRARED), record(PICTURE | LAST, VISIBLE))


def alone(payload: bytes) -> bytes:
    """A file of one picture record."""
    return file(record(PICTURE | LAST, payload))


def sized(height: int, width: int) -> bytes:
    """A file of one picture of this size."""
    return alone(b"\x60\x97" + u16(height, width) + CRC + STREAM)


def ranged(second: int, low: int, high: int) -> bytes:
    """A file of one infrared picture with this second field byte and range."""
    return alone(bytes([0x60, second]) + u16(48, 64, low, high) + CRC + STREAM)


def split() -> tuple[bytes, bytes]:
    """The two records of the good file, with their checksums."""
    cut = len(HEADER) + 2 + len(INFRARED) + 4
    return GOOD[len(HEADER) : cut], GOOD[cut:]


FIRST, SECOND = split()
STAMP = record(TIMESTAMP, b"\x2a")
INFRARED_LAST = record(PICTURE | LAST, INFRARED)


def said(payload: bytes) -> bytes:
    """A file of one infrared picture and this payload of a metadata record."""
    return file(record(PICTURE, INFRARED), record(METADATA | LAST, payload))


BOUNDED = 0x05


def bounded(
    *,
    flags: int = 0x1F,
    network: int = 1,
    height: int = 48,
    width: int = 64,
    bound: int = 0,
    rounding: bytes = b"",
) -> bytes:
    """The payload of a bounded infrared record: 16 bits, values 0 to 100."""
    start = bytes([flags, network]) + u16(height, width, 0, 1, 100, bound, 5) + b"\x10"
    return start + rounding + CRC + STREAM


REGISTERED = 0x06


def registered(
    *displacements: int, first: bytes = VISIBLE[:1], rest: bytes = CRC + STREAM
) -> bytes:
    """A file of two pictures, the second with this registration."""
    folded = b"".join(varint(2 * d if d >= 0 else -2 * d - 1) for d in displacements)
    payload = first + VISIBLE[1:2] + folded + rest
    return file(record(PICTURE, INFRARED), record(REGISTERED | LAST, payload))


ATTACKS = (
    # Other files, and files changed on their way.
    Attack("empty", b"", "NotCrossband", "empty"),
    Attack("text", b"not a picture\n", "NotCrossband", "starts with 6e 6f 74 20"),
    Attack("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "NotCrossband", "starts with 89 50 4e 47"),
    Attack("zeros", bytes(64), "NotCrossband", "starts with 00 00 00 00"),
    Attack("line-ends", GOOD.replace(b"\n", b"\r\n"), "CorruptStream", "line ends"),
    Attack("seven-bits", bytes(b & 0x7F for b in GOOD), "CorruptStream", "top bit"),
    Attack("utf-8", GOOD.decode("latin-1").encode("utf-8"), "CorruptStream", "re-encoded as UTF-8"),
    Attack(
        "utf-8-replaced",
        GOOD.decode("utf-8", "replace").encode("utf-8"),
        "CorruptStream",
        "re-encoded as UTF-8",
    ),
    # Versions.
    Attack("version-0", GOOD[:4] + b"\0" + GOOD[5:], "CorruptStream", "version 0"),
    Attack("version-2", GOOD[:4] + b"\2" + GOOD[5:], "UnsupportedVersion", "version 2"),
    Attack("version-255", GOOD[:4] + b"\xff", "UnsupportedVersion", "version 255"),
    # Cut short.
    Attack("magic-only", GOOD[:4], "CorruptStream", "the version"),
    Attack("half-magic", GOOD[:2], "CorruptStream", "cut short"),
    Attack("half-header", GOOD[:9], "CorruptStream", "weights id"),
    Attack("header-only", HEADER, "CorruptStream", "cut short"),
    Attack("one-record-of-two", HEADER + FIRST, "CorruptStream", "record 2"),
    Attack("half-record", GOOD[:-9], "CorruptStream", "record 2"),
    Attack("half-checksum", GOOD[:-2], "CorruptStream", "checksum of record 2"),
    # Lengths.
    Attack("no-length", HEADER + b"\x01", "CorruptStream", "length of record 1"),
    Attack("unended-length", HEADER + b"\x81" + b"\xff" * 100, "CorruptStream", "9 bytes"),
    Attack(
        "length-2-63",
        file(record(PICTURE | LAST, INFRARED, length=b"\xff" * 8 + b"\x7f")),
        "CorruptStream",
        "9,223,372,036,854,775,807 bytes",
    ),
    Attack(
        "length-4-gib",
        file(record(PICTURE | LAST, INFRARED, length=varint(1 << 32))),
        "CorruptStream",
        "4,294,967,296 bytes",
    ),
    Attack(
        "length-too-small",
        file(record(PICTURE | LAST, INFRARED, length=b"\x02")),
        "CorruptStream",
        "is damaged",
    ),
    Attack(
        "length-overlong",
        file(record(PICTURE | LAST, INFRARED, length=bytes([len(INFRARED) | 0x80, 0]))),
        "CorruptStream",
        "shortest form",
    ),
    # Checksums, and records moved about.
    Attack("checksum-zero", GOOD[:-4] + bytes(4), "CorruptStream", "checksum"),
    Attack("other-weights", b"\xcbXB\n\x01another!" + FIRST + SECOND, "CorruptStream", "record 1"),
    Attack("first-lost", HEADER + SECOND, "CorruptStream", "record 1"),
    Attack("first-twice", HEADER + FIRST + FIRST + SECOND, "CorruptStream", "record 2"),
    Attack("swapped", HEADER + SECOND + FIRST, "CorruptStream", "bytes are there|is damaged"),
    # The end.
    Attack(
        "no-last-record",
        file(record(PICTURE, INFRARED), record(PICTURE, VISIBLE)),
        "CorruptStream",
        "record 3",
    ),
    Attack("garbage-after", GOOD + b"garbage", "CorruptStream", "7 bytes follow"),
    Attack("zeros-after", GOOD + bytes(512), "CorruptStream", "512 bytes follow"),
    Attack("record-after", file(INFRARED_LAST, STAMP), "CorruptStream", "bytes follow"),
    Attack("two-files", GOOD + GOOD, "CorruptStream", "bytes follow"),
    Attack(
        "many-records",
        file(*[record(0x55, b"")] * 300, INFRARED_LAST),
        "CorruptStream",
        "more than 256 records",
    ),
    # Pictures that do not make a pair.
    Attack("no-picture", file(record(TIMESTAMP | LAST, b"\x2a")), "CorruptStream", "0 pictures"),
    Attack(
        "three-pictures",
        file(record(PICTURE, INFRARED), record(PICTURE, OTHER), INFRARED_LAST),
        "CorruptStream",
        "more than two pictures",
    ),
    Attack(
        "two-infrared",
        file(record(PICTURE, INFRARED), record(PICTURE | LAST, b"\x60\xd7" + CRC + STREAM)),
        "CorruptStream",
        "two infrared pictures",
    ),
    Attack(
        "first-conditional",
        alone(b"\xe0\x97" + u16(48, 64) + CRC + STREAM),
        "CorruptStream",
        "first picture is conditional",
    ),
    # Sizes.
    Attack("height-0", sized(0, 64), "CorruptStream", "64x0 pixels"),
    Attack("width-0", sized(48, 0), "CorruptStream", "0x48 pixels"),
    Attack("largest-size", sized(65_535, 65_535), "CorruptStream", "4,294,836,225 pixels"),
    Attack("long-row", sized(65_535, 11), "CorruptStream", "hold at most"),
    Attack(
        "second-too-large",
        file(
            record(PICTURE, INFRARED),
            record(PICTURE | LAST, b"\x20\xa7" + u16(65_535, 65_535) + CRC + STREAM),
        ),
        "CorruptStream",
        "hold at most",
    ),
    Attack("size-of-nothing", alone(b"\x60\xd7" + CRC + STREAM), "CorruptStream", "there is none"),
    Attack(
        "size-repeated",
        file(
            record(PICTURE, INFRARED),
            record(PICTURE | LAST, b"\x20\xa7" + u16(48, 64) + CRC + STREAM),
        ),
        "CorruptStream",
        "repeats the size",
    ),
    # Samples.
    Attack("range-falls", ranged(0x1D, 9000, 7000), "CorruptStream", "range 9000 to 7000"),
    Attack("range-above-depth", ranged(0x1D, 0, 16_384), "CorruptStream", "range 0 to 16384"),
    Attack("range-spelled-out", ranged(0x1D, 0, 16_383), "CorruptStream", "full-range bit"),
    Attack("deep-bytes", ranged(0x08, 0, 300), "CorruptStream", "bit depth 9"),
    Attack(
        "colour-infrared",
        alone(b"\x60\xa7" + u16(48, 64) + CRC + STREAM),
        "CorruptStream",
        "3 channels",
    ),
    Attack(
        "wide-visible",
        alone(b"\x20\x97" + u16(48, 64) + CRC + STREAM),
        "CorruptStream",
        "samples of 2 bytes",
    ),
    # Inside the picture record.
    Attack("picture-empty", alone(b""), "CorruptStream", "field bytes"),
    Attack("picture-one-byte", alone(b"\x60"), "CorruptStream", "field bytes"),
    Attack("picture-cut-in-size", alone(INFRARED[:3]), "CorruptStream", "the height"),
    Attack(
        "picture-cut-in-range",
        alone(b"\x60\x1d" + u16(48, 64, 7000) + b"\x28"),
        "CorruptStream",
        "the range",
    ),
    Attack("picture-cut-in-crc", alone(INFRARED[:8]), "CorruptStream", "symbol checksum"),
    Attack(
        "second-cut-in-crc",
        file(record(PICTURE, INFRARED), record(PICTURE | LAST, VISIBLE[:5])),
        "CorruptStream",
        "symbol checksum",
    ),
    # Timestamp and filler.
    Attack("timestamp-empty", file(record(TIMESTAMP, b""), INFRARED_LAST), "CorruptStream", "cut"),
    Attack(
        "timestamp-overlong",
        file(record(TIMESTAMP, b"\xaa\x00"), INFRARED_LAST),
        "CorruptStream",
        "shortest form",
    ),
    Attack(
        "timestamp-2-63",
        file(record(TIMESTAMP, varint(1 << 63)), INFRARED_LAST),
        "CorruptStream",
        "longer than the 9 bytes",
    ),
    Attack(
        "timestamp-and-more",
        file(record(TIMESTAMP, b"\x2a\x2a"), INFRARED_LAST),
        "CorruptStream",
        "follow the timestamp",
    ),
    Attack("timestamp-twice", file(STAMP, STAMP, INFRARED_LAST), "CorruptStream", "out of order"),
    Attack(
        "timestamp-late",
        file(record(PICTURE, INFRARED), record(TIMESTAMP | LAST, b"\x2a")),
        "CorruptStream",
        "out of order",
    ),
    Attack(
        "filler-unneeded",
        file(record(PICTURE, INFRARED), record(FILLER | LAST, b"")),
        "CorruptStream",
        "out of place",
    ),
    Attack("filler-first", file(record(FILLER, b""), INFRARED_LAST), "CorruptStream", "place"),
    Attack(
        "filler-not-zero",
        file(
            record(PICTURE, b"\x60\x97" + u16(1024, 1024) + CRC + STREAM),
            record(FILLER | LAST, bytes(15) + b"x"),
        ),
        "CorruptStream",
        "16 zero bytes",
    ),
    Attack(
        "filler-too-long",
        file(
            record(PICTURE, b"\x60\x97" + u16(1024, 1024) + CRC + STREAM),
            record(FILLER | LAST, bytes(17)),
        ),
        "CorruptStream",
        "16 zero bytes, it has 17",
    ),
    # Metadata: kind and modality | bytes before compression | length | zlib stream.
    Attack("metadata-empty", said(b""), "CorruptStream", "cut short"),
    Attack("metadata-kind-0", said(b"\x40\x01\x01\x00"), "CorruptStream", "kind 0"),
    Attack("metadata-reserved-bit", said(b"\xc1\x01\x01\x00"), "CorruptStream", "bit 7"),
    Attack("metadata-nothing", said(b"\x41\x00\x01\x00"), "CorruptStream", "has 0 bytes"),
    Attack("metadata-cut", said(b"\x41\x01\x02\x00"), "CorruptStream", "cut short"),
    Attack(
        "metadata-2-63",
        said(b"\x41" + varint((1 << 63) - 1) + b"\x01\x00"),
        "CorruptStream",
        "it must have 1 to 16,777,216",
    ),
    Attack(
        "metadata-16-mib-and-more",
        said(b"\x41" + varint(1 << 24) + b"\x01\x00\x42\x01\x01\x00"),
        "CorruptStream",
        "at most 16,777,216",
    ),
    Attack("metadata-repeated", said(b"\x41\x01\x01\x00" * 2), "CorruptStream", "out of order"),
    Attack("metadata-of-no-picture", said(b"\x01\x01\x01\x00"), "CorruptStream", "no visible"),
    Attack(
        "metadata-first",
        file(record(METADATA, b"\x41\x01\x01\x00"), INFRARED_LAST),
        "CorruptStream",
        "out of order",
    ),
    Attack(
        "metadata-between",
        file(
            record(PICTURE, INFRARED),
            record(METADATA, b"\x41\x01\x01\x00"),
            record(PICTURE | LAST, VISIBLE),
        ),
        "CorruptStream",
        "out of order",
    ),
    # Infrared with a guaranteed error.
    Attack(
        "bounded-many-pixels",
        file(record(BOUNDED | LAST, bounded(height=65_535, width=65_535))),
        "CorruptStream",
        "at least 16,776,705",
    ),
    Attack(
        "bounded-other-network",
        file(record(BOUNDED | LAST, bounded(network=2))),
        "CorruptStream",
        "network 2",
    ),
    Attack(
        "bounded-rounding-0",
        file(record(BOUNDED | LAST, bounded(flags=0x9F, rounding=b"\0\0"))),
        "CorruptStream",
        "rounding of 0",
    ),
    Attack(
        "bounded-beyond-top",
        file(record(BOUNDED | LAST, bounded(bound=101))),
        "CorruptStream",
        "the bound 101",
    ),
    Attack(
        "bounded-without-levels",
        file(record(BOUNDED | LAST, bounded(flags=0x5F)[:-20])),
        "CorruptStream",
        "cut short",
    ),
    Attack(
        "bounded-second",
        file(
            record(PICTURE, OTHER[:1] + b"\xa7" + u16(48, 64) + OTHER[2:]),
            record(BOUNDED | LAST, bounded()),
        ),
        "CorruptStream",
        "must be first",
    ),
    # Pictures with a registration: right and down of four corners, in 1/4096 of the visible sides.
    Attack("registered-huge", registered((1 << 62) - 1, *[0] * 7), "CorruptStream", "units of"),
    Attack("registered-2-63", registered(1 << 62, *[0] * 7), "CorruptStream", "9 bytes"),
    Attack("registered-beyond", registered(*[0] * 7, 8192), "CorruptStream", "by 8192 units"),
    Attack(
        "registered-beyond-left", registered(-8193, *[0] * 7), "CorruptStream", "by -8193 units"
    ),
    Attack(
        "registered-to-a-line",
        registered(0, 0, -4096, 0, -4096, 0, 0, 0),
        "CorruptStream",
        "singular",
    ),
    Attack(
        "registered-to-a-point",
        registered(0, 0, -4096, 0, -4096, -4096, 0, -4096),
        "CorruptStream",
        "singular",
    ),
    Attack(
        "registered-crossed", registered(4096, 0, -4096, 0, *[0] * 4), "CorruptStream", "singular"
    ),
    Attack("registered-cut", registered(0, 0, 0, rest=b""), "CorruptStream", "the registration"),
    Attack(
        "registered-cut-in-crc", registered(*[0] * 8, rest=b"\x11"), "CorruptStream", "checksum"
    ),
    Attack(
        "registered-overlong",
        registered(*[0] * 7, rest=b"\x80\x00" + CRC + STREAM),
        "CorruptStream",
        "shortest form",
    ),
    Attack(
        "registered-not-conditional",
        registered(*[0] * 8, first=OTHER[:1]),
        "CorruptStream",
        "is not conditional",
    ),
    Attack(
        "registered-first",
        file(record(REGISTERED | LAST, b"\xe0\x97" + u16(48, 64) + bytes(8) + CRC + STREAM)),
        "CorruptStream",
        "first picture is conditional",
    ),
    # Kinds of a later day.
    Attack(
        "unknown-critical",
        file(record(0x15, b"frames"), INFRARED_LAST),
        "UnsupportedVersion",
        "kind 0x15",
    ),
    Attack(
        "film-record",
        file(record(0x02, b"frames"), INFRARED_LAST),
        "CorruptStream",
        "is a film, not a pair",
    ),
    Attack("kind-0", file(record(0x00, b""), INFRARED_LAST), "UnsupportedVersion", "kind 0x00"),
    Attack("only-unknown", file(record(0x55 | LAST, b"?")), "CorruptStream", "0 pictures"),
)


def main() -> None:
    """Writes every attack beside this script and removes files that are no longer in the table."""
    for path in FOLDER.glob("*.xb"):
        path.unlink()
    for attack in ATTACKS:
        (FOLDER / f"{attack.name}.xb").write_bytes(attack.data)


if __name__ == "__main__":
    main()
