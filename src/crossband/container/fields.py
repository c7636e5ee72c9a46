# SPDX-License-Identifier: Apache-2.0
"""Numbers as bytes: little-endian fields and variable-length integers (docs/format.md §1)."""

from __future__ import annotations

from dataclasses import dataclass

from crossband.errors import CorruptStream

VARINT_BYTES = 9
"""Longest variable-length integer: 9 x 7 bits, so that every value fits in a signed 64-bit one."""
VARINT_MAX = (1 << 7 * VARINT_BYTES) - 1
"""Largest variable-length integer, 2^63 - 1."""


def pack_varint(value: int) -> bytes:
    """The shortest encoding of `value`, 0 to 2^63 - 1: seven bits a byte, lowest first.

    Example:
        >>> pack_varint(300).hex(" ")
        'ac 02'
    """
    packed = bytearray()
    while value > 0x7F:
        packed.append(value & 0x7F | 0x80)
        value >>= 7
    packed.append(value)
    return bytes(packed)


def pack_signed(value: int) -> bytes:
    """An integer of -2^62 to 2^62 - 1 as a variable-length one: 0, -1, 1, -2 are 0, 1, 2, 3."""
    return pack_varint(folded(value))


def folded(value: int) -> int:
    """An integer as one that is not negative: 0, -1, 1, -2 are 0, 1, 2, 3."""
    return 2 * value if value >= 0 else -2 * value - 1


def unfolded(value: int) -> int:
    """The inverse of `folded`."""
    return -(value + 1 >> 1) if value & 1 else value >> 1


@dataclass(slots=True)
class Cursor:
    """Takes values one after another from bytes that may be damaged or end at any point.

    Every method raises CorruptStream, naming the place, when the bytes are not there.
    """

    data: memoryview
    """The bytes, not copied."""
    place: str
    """What the bytes are, to begin a message with."""
    position: int = 0
    """Bytes taken so far."""

    @property
    def left(self) -> int:
        """Bytes not taken yet."""
        return len(self.data) - self.position

    def take(self, size_bytes: int, what: str) -> memoryview:
        """The next bytes, not copied."""
        if size_bytes > self.left:
            raise CorruptStream(
                f"{self.place} is cut short or damaged: {what} at byte {self.position:,} needs"
                f" {size_bytes:,} bytes, {self.left:,} are there; fetch the file again"
            )
        start = self.position
        self.position += size_bytes
        return self.data[start : self.position]

    def unsigned(self, size_bytes: int, what: str) -> int:
        """The next little-endian integer of a fixed size."""
        return int.from_bytes(self.take(size_bytes, what), "little")

    def signed(self, what: str) -> int:
        """The next integer of `pack_signed`."""
        return unfolded(self.varint(what))

    def varint(self, what: str) -> int:
        """The next variable-length integer; one that is longer than it needs to be is refused."""
        value = 0
        for index in range(VARINT_BYTES):
            byte = self.unsigned(1, what)
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                if byte == 0 and index > 0:
                    raise CorruptStream(
                        f"{self.place} is damaged: {what} is written in {index + 1} bytes, fewer"
                        " hold it; only the shortest form is allowed"
                    )
                return value
        raise CorruptStream(
            f"{self.place} is damaged: {what} is longer than the {VARINT_BYTES} bytes allowed;"
            " fetch the file again"
        )
