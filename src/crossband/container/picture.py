# SPDX-License-Identifier: Apache-2.0
"""One coded picture and its record (docs/format.md §5, §5a)."""

from __future__ import annotations

from dataclasses import dataclass, field

from crossband.container.bounded import BoundedRecord
from crossband.container.fields import Cursor, pack_varint
from crossband.errors import CorruptStream, PictureError
from crossband.homography import Homography
from crossband.pair import MAX_SIDE, Modality

QUALITY_STEPS = 64
"""Quality indexes are 0 to 63: six bits."""

# First field byte.
_QUALITY_MASK = 0x3F
_INFRARED = 0x40
_CONDITIONAL = 0x80
# Second field byte.
_DEPTH_MASK = 0x0F
_TWO_BYTES = 0x10
_THREE_CHANNELS = 0x20
_SAME_SIZE = 0x40
_FULL_RANGE = 0x80


@dataclass(frozen=True, slots=True)
class PictureRecord:
    """One coded picture: what its samples are, how they were coded, and the coded bytes.

    Raises:
        PictureError: a value is outside its range.
    """

    modality: Modality
    """Which camera it comes from."""
    height: int
    """Rows, 1 to 65,535."""
    width: int
    """Columns, 1 to 65,535."""
    channels: int
    """1, or 3 for RGB; infrared has 1."""
    sample_bytes: int
    """1 or 2, the type of the decoded samples; visible has 1."""
    bit_depth: int
    """Bits in use, 1 to 8 times `sample_bytes`."""
    low: int
    """Sample value that the codec sees as 0."""
    high: int
    """Sample value that the codec sees as 1; equal to `low` in a constant picture."""
    quality_index: int
    """0 (fewest bytes) to 63."""
    conditional: bool
    """Whether it was coded given the other picture, which then comes first."""
    stream: bytes = field(repr=False)
    """Entropy-coded alignment coefficients (if conditional), hyper-latents and latents."""
    symbols_crc: int
    """CRC-32C of all decoded symbols, as little-endian int32 in the order of decoding."""
    registration: Homography | None = None
    """Where the infrared picture lies in the visible one; None: plainly scaled."""

    def __post_init__(self) -> None:
        name = self.modality.value
        if not (1 <= self.height <= MAX_SIDE and 1 <= self.width <= MAX_SIDE):
            raise PictureError(
                f"{name} picture is {self.width}x{self.height} pixels; each side must be 1 to"
                f" {MAX_SIDE:,}"
            )
        infrared = self.modality is Modality.INFRARED
        if self.channels not in ((1,) if infrared else (1, 3)):
            raise PictureError(
                f"{name} picture has {self.channels} channels;"
                f" {'1 is' if infrared else '1 and 3 are'} allowed"
            )
        if self.sample_bytes not in ((1, 2) if infrared else (1,)):
            raise PictureError(
                f"{name} picture has samples of {self.sample_bytes} bytes;"
                f" {'1 and 2 are' if infrared else '1 is'} allowed"
            )
        if not 1 <= self.bit_depth <= 8 * self.sample_bytes:
            raise PictureError(
                f"{name} picture has bit depth {self.bit_depth}; samples of {self.sample_bytes}"
                f" bytes hold 1 to {8 * self.sample_bytes}"
            )
        if not 0 <= self.low <= self.high <= self.peak:
            raise PictureError(
                f"{name} picture has the range {self.low} to {self.high}; it must rise within 0"
                f" to {self.peak}"
            )
        if not 0 <= self.quality_index < QUALITY_STEPS:
            raise PictureError(
                f"{name} picture has quality index {self.quality_index}; it must be 0 to"
                f" {QUALITY_STEPS - 1}"
            )
        if not 0 <= self.symbols_crc <= 0xFFFF_FFFF:
            raise PictureError(
                f"{name} picture has symbol checksum {self.symbols_crc}; it must have 32 bits"
            )
        if self.registration is not None and not self.conditional:
            raise PictureError(
                f"{name} picture has a registration and is not conditional; only a picture coded"
                " given the other one has one"
            )

    @property
    def peak(self) -> int:
        """Largest sample value that the bit depth allows."""
        return (1 << self.bit_depth) - 1

    @property
    def coded_bytes(self) -> int:
        """Bytes of the stream, and of the registration if there is one."""
        registration = self.registration
        return len(self.stream) + (len(pack_registration(registration)) if registration else 0)

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.height * self.width


def pack_fields(picture: PictureRecord, before: PictureRecord | BoundedRecord | None) -> bytes:
    """The payload of a picture record, registered or not, up to its stream.

    Args:
        picture: the picture.
        before: the picture record before it in the file: an equal size is not written twice.
    """
    full_range = picture.low == 0 and picture.high == picture.peak
    size = (picture.height, picture.width)
    same_size = before is not None and (before.height, before.width) == size
    infrared = picture.modality is Modality.INFRARED
    packed = bytearray(
        [
            picture.quality_index | _INFRARED * infrared | _CONDITIONAL * picture.conditional,
            (picture.bit_depth - 1)
            | _TWO_BYTES * (picture.sample_bytes == 2)
            | _THREE_CHANNELS * (picture.channels == 3)
            | _SAME_SIZE * same_size
            | _FULL_RANGE * full_range,
        ]
    )
    if not same_size:
        packed += picture.height.to_bytes(2, "little") + picture.width.to_bytes(2, "little")
    if not full_range:
        packed += picture.low.to_bytes(2, "little") + picture.high.to_bytes(2, "little")
    if picture.registration is not None:
        packed += pack_registration(picture.registration)
    packed += picture.symbols_crc.to_bytes(4, "little")
    return bytes(packed)


def pack_registration(registration: Homography) -> bytes:
    """Eight zigzag numbers, 8 to 16 bytes.

    Example:
        >>> pack_registration(Homography((0, -1, 1, 200, 0, 0, -64, 64))).hex(" ")
        '00 01 02 90 03 00 00 7f 80 01'
    """
    return b"".join(
        pack_varint(2 * value if value >= 0 else -2 * value - 1)
        for value in registration.displacements
    )


def unpack_registration(cursor: Cursor) -> Homography:
    """The inverse of `pack_registration`.

    Raises:
        CorruptStream: it is cut short, too large or singular.
    """
    folded = [cursor.varint("the registration") for _ in range(8)]
    try:
        return Homography(
            tuple(each // 2 if each % 2 == 0 else -(each // 2) - 1 for each in folded)
        )
    except PictureError as error:
        raise CorruptStream(f"{cursor.place} is damaged: {error}") from error


def pack_picture(picture: PictureRecord, before: PictureRecord | BoundedRecord | None) -> bytes:
    """The payload of a picture record, registered or not."""
    return pack_fields(picture, before) + picture.stream


def unpack_picture(
    payload: memoryview,
    before: PictureRecord | BoundedRecord | None,
    *,
    registered: bool = False,
) -> PictureRecord:
    """The picture in the payload of a picture record.

    Args:
        payload: of the record.
        before: the picture record before it in the file.
        registered: whether the record is of the kind that has a registration.

    Raises:
        CorruptStream: the payload is not what `pack_picture` makes of any picture.
    """
    cursor = Cursor(payload, place="the picture record")
    first = cursor.unsigned(1, "the field bytes")
    second = cursor.unsigned(1, "the field bytes")
    bit_depth = (second & _DEPTH_MASK) + 1
    if not second & _SAME_SIZE:
        height = cursor.unsigned(2, "the height")
        width = cursor.unsigned(2, "the width")
        if before is not None and (before.height, before.width) == (height, width):
            raise CorruptStream(
                f"the picture record repeats the size {width}x{height} of the one before it; the"
                " same-size bit must stand for it"
            )
    elif before is not None:
        height, width = before.height, before.width
    else:
        raise CorruptStream(
            "the first picture record has the size of a picture before it, and there is none"
        )
    low, high = 0, (1 << bit_depth) - 1
    if not second & _FULL_RANGE:
        full = (low, high)
        low = cursor.unsigned(2, "the range")
        high = cursor.unsigned(2, "the range")
        if (low, high) == full:
            raise CorruptStream(
                f"the picture record spells out the full range 0 to {high}; the full-range bit"
                " must stand for it"
            )
    registration = unpack_registration(cursor) if registered else None
    symbols_crc = cursor.unsigned(4, "the symbol checksum")
    stream = cursor.take(cursor.left, "the stream")
    try:
        return PictureRecord(
            modality=Modality.INFRARED if first & _INFRARED else Modality.VISIBLE,
            height=height,
            width=width,
            channels=3 if second & _THREE_CHANNELS else 1,
            sample_bytes=2 if second & _TWO_BYTES else 1,
            bit_depth=bit_depth,
            low=low,
            high=high,
            quality_index=first & _QUALITY_MASK,
            conditional=bool(first & _CONDITIONAL),
            stream=bytes(stream),
            symbols_crc=symbols_crc,
            registration=registration,
        )
    except PictureError as error:
        raise CorruptStream(f"the picture record is damaged: {error}") from error
