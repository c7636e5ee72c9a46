# SPDX-License-Identifier: Apache-2.0
"""Image file directories: the tags of TIFF files and EXIF blocks, as raw values.

An EXIF block is a TIFF file without a picture, so one reader and one writer do for both. Nothing
is interpreted but where a value lies and which tags lead to a directory below (EXIF 2.32, 4.6.3).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TYPE_BYTES = {
    **{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4},
    **{16: 8, 17: 8, 18: 8},
}
"""Bytes of one value by field type; the last three are BigTIFF's."""
_LONG = 4
_EXIF, _GPS, _INTEROPERABILITY = 34665, 34853, 40965
_BELOW = {0: (_EXIF, _GPS), _EXIF: (_INTEROPERABILITY,)}
"""Tags that point to a directory, by the tag that leads to theirs; 0 is the first directory."""


class BadDirectory(ValueError):
    """The bytes are no directory: cut short, of an unknown type, or larger than their file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag."""

    code: int
    type: int
    count: int
    """Values, not bytes."""
    value: bytes
    """As the file has it, in its byte order; nothing for a directory below."""
    below: tuple[Entry, ...] | None = None
    """The directory that the tag leads to, or None."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The first directory of a block and those below it."""

    order: str
    """`<` for little-endian values, `>` for big-endian ones."""
    entries: tuple[Entry, ...]
    has_next: bool
    """Whether another directory follows: the thumbnail of an EXIF block."""


@dataclass(frozen=True, slots=True)
class _Field:
    """Where an entry and its value lie in the file."""

    code: int
    type: int
    count: int
    start: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """The two kinds of TIFF: 32-bit and, as BigTIFF, 64-bit offsets."""

    order: str
    big: bool

    def number(self, data: bytes, position: int, size_bytes: int) -> int:
        if not 0 <= position <= len(data) - size_bytes:
            raise BadDirectory(f"{size_bytes} bytes at {position:,} are outside {len(data):,}")
        piece = data[position : position + size_bytes]
        return int.from_bytes(piece, "little" if self.order == "<" else "big")

    def offset(self, data: bytes, position: int) -> int:
        return self.number(data, position, 8 if self.big else 4)

    def fields(self, data: bytes, start: int) -> Iterator[_Field]:
        """The entries of the directory at `start`; those of unknown types are refused."""
        head, wide = (8, 8) if self.big else (2, 4)
        count = self.number(data, start, head)
        if count > 65_535:
            raise BadDirectory(f"{count:,} tags")
        for index in range(count):
            at = start + head + index * (4 + 2 * wide)
            code, type_ = self.number(data, at, 2), self.number(data, at + 2, 2)
            values = self.number(data, at + 4, wide)
            if type_ not in _TYPE_BYTES:
                raise BadDirectory(f"tag {code} is of type {type_}")
            size_bytes = values * _TYPE_BYTES[type_]
            place = at + 4 + wide
            if size_bytes > wide:
                place = self.offset(data, place)
            if place + size_bytes > len(data):
                raise BadDirectory(f"tag {code} reaches beyond the end")
            yield _Field(code, type_, values, place, size_bytes)

    def after(self, data: bytes, start: int) -> int:
        """Where the next directory starts, 0 if there is none."""
        head, wide = (8, 8) if self.big else (2, 4)
        at = start + head + self.number(data, start, head) * (4 + 2 * wide)
        return self.offset(data, at) if at + wide <= len(data) else 0


def _layout(data: bytes) -> _Layout:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise BadDirectory("neither II nor MM")
    magic = _Layout(order, False).number(data, 2, 2)
    if magic not in (42, 43):
        raise BadDirectory(f"number {magic} instead of 42")
    return _Layout(order, magic == 43)


def _first(data: bytes, layout: _Layout) -> int:
    return layout.offset(data, 8 if layout.big else 4)


def read_directory(data: bytes, start: int | None = None) -> Directory:
    """The directory at `start` of a TIFF file or EXIF block, by default its first one.

    Takes memory for no more than a copy of the bytes.

    Raises:
        BadDirectory: it cannot be read whole.
    """
    layout = _layout(data)
    start = _first(data, layout) if start is None else start
    left = len(data)  # values may overlap; together they may not exceed the file

    def read(start: int, leading: int) -> tuple[Entry, ...]:
        nonlocal left
        entries = []
        for field in layout.fields(data, start):
            left -= max(1, field.size_bytes)
            if left < 0:
                raise BadDirectory("its values are larger than it is")
            value = data[field.start : field.start + field.size_bytes]
            if field.code in _BELOW.get(leading, ()):
                below = read(layout.number(value, 0, field.size_bytes), field.code)
                entries.append(Entry(field.code, _LONG, 1, b"", below))
            else:
                entries.append(Entry(field.code, field.type, field.count, value))
        return tuple(entries)

    return Directory(layout.order, read(start, 0), layout.after(data, start) != 0)


def pack_entries(entries: Iterable[Entry], *, order: str, base: int) -> bytes:
    """A directory, its values and the directories below, to stand at the even offset `base`."""
    entries = sorted(entries, key=lambda entry: entry.code)
    head = struct.pack(f"{order}H", len(entries))
    tail = b""
    tail_start = base + 2 + 12 * len(entries) + 4
    for entry in entries:
        place = tail_start + len(tail)
        value = entry.value
        if entry.below is not None:
            tail += pack_entries(entry.below, order=order, base=place)
            value = struct.pack(f"{order}I", place)
        elif len(value) > 4:
            tail += value + bytes(len(value) % 2)
            value = struct.pack(f"{order}I", place)
        head += struct.pack(f"{order}HHI", entry.code, entry.type, entry.count)
        head += value.ljust(4, b"\0")
    return head + bytes(4) + tail


def pack_block(entries: Iterable[Entry], *, order: str) -> bytes:
    """An EXIF block with these tags; equal tags give equal bytes."""
    head = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    return head + pack_entries(entries, order=order, base=8)


def with_value(block: bytes, code: int, value: int) -> bytes:
    """The block with an integer tag of its first directory set, wherever it is there.

    All other bytes stay, and so does a block that cannot be read.
    """
    changed = bytearray(block)
    try:
        layout = _layout(block)
        for field in layout.fields(block, _first(block, layout)):
            if field.code == code and field.type in (1, 3, 4) and field.count:
                size_bytes = _TYPE_BYTES[field.type]
                changed[field.start : field.start + size_bytes] = value.to_bytes(
                    size_bytes, "little" if layout.order == "<" else "big"
                )
    except BadDirectory:
        pass  # what was found before the damage is set
    return bytes(changed)
