# SPDX-License-Identifier: Apache-2.0
"""Films written and read record by record, through pipes too (docs/format.md §14)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from crc32c import crc32c

from crossband.container.fields import VARINT_BYTES, Cursor
from crossband.container.film import (
    ENTRY_BYTES,
    FRAMES,
    INDEX,
    KEY_FRAME,
    MAX_OTHER_BYTES,
    OFFSET_BYTES,
    PREDICTED_FRAME,
    FilmHeader,
    FrameRecord,
    IndexEntry,
    pack_film,
    pack_frame,
    pack_index,
    unpack_film,
    unpack_frame,
    unpack_index,
)
from crossband.container.framing import (
    ANCILLARY,
    CHECKSUM_BYTES,
    HEADER_BYTES,
    LAST,
    MAX_RECORDS,
    VERSION,
    Record,
    pack_header,
    pack_record,
    unpack_header,
)
from crossband.container.pair_file import FILLER, FILM, PICTURE, TIMESTAMP
from crossband.errors import CorruptStream, PictureError, UnsupportedVersion

_HEAD_BYTES = 1 + VARINT_BYTES
"""Kind and the longest length."""
_PIECE_BYTES = 1 << 16
"""What is read at once, so that a damaged length takes no memory that the file does not hold."""
_SEARCH_BYTES = 1 << 32
"""Most bytes that one search for the next whole record sends through the checksum: seconds."""
_SEARCHED = re.compile(
    b"["
    + b"".join(
        re.escape(bytes([kind]))
        for kind in (*FRAMES, *(frame | LAST for frame in FRAMES), INDEX | LAST)
    )
    + b"]"
)
"""Kinds of the records at which reading goes on behind a damaged length."""
_DROPPED_BYTES = 1 << 20
"""How much of a damaged stretch is held before it is let go."""


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame and where it stands in the file."""

    number: int
    """From 0."""
    offset: int
    """Where its record starts."""
    size_bytes: int
    """Size of its whole record."""
    frame: FrameRecord


@dataclass(frozen=True, slots=True)
class Damage:
    """A place in a film that cannot be used."""

    number: int | None
    """The frame, from 0; None where no frame was expected. In a film without an index a damaged
    stretch counts as one frame."""
    offset: int
    """Where the damaged record starts."""
    message: str
    """One line for the user: which frame, which byte, what is wrong."""


class FilmWriter:
    """Writes a film record by record and never seeks: any binary file will do, pipes too.

    Nothing is written before the first frame. After each `write` the file is a valid film, after
    `close` a complete one.
    """

    def __init__(self, file: BinaryIO, header: FilmHeader) -> None:
        self.header = header
        self.size_bytes = 0
        """Bytes of all whole records; where a file that broke off has to be cut."""
        self._file = file
        self._link = b""
        self._entries: list[IndexEntry] = []

    @property
    def frames(self) -> int:
        """Whole frames written."""
        return len(self._entries)

    def write(self, frame: FrameRecord) -> int:
        """Appends a frame; gives the size of its record in bytes.

        Raises:
            PictureError: it is not of the film's cameras, not later than the frame before, or
                predicted and the first one.
        """
        if frame.predicted and not self._entries:
            raise PictureError("the film's first frame is predicted; it must be a key frame")
        if self._entries and frame.timestamp_us <= self._entries[-1].timestamp_us:
            raise PictureError(
                f"frame {self.frames} is at {frame.timestamp_us} us, the one before at"
                f" {self._entries[-1].timestamp_us} us; times must increase: sort the frames"
            )
        payload = pack_frame(frame, self.header)
        start = b""
        link = self._link
        if not link:
            start = pack_header(self.header.weights_id)
            start += pack_record(FILM, pack_film(self.header), start)
            link = start[-CHECKSUM_BYTES:]
        record = pack_record(PREDICTED_FRAME if frame.predicted else KEY_FRAME, payload, link)
        self._put(start + record)
        offset = self.size_bytes + len(start)
        self._entries.append(IndexEntry(self.frames, frame.timestamp_us, offset, frame.predicted))
        self.size_bytes = offset + len(record)
        self._link = record[-CHECKSUM_BYTES:]
        return len(record)

    def close(self) -> None:
        """Writes the index, which marks the film as complete; the file stays open.

        Raises:
            PictureError: there is no frame.
        """
        if not self._entries:
            raise PictureError("the film has no frame; at least one is needed")
        payload = pack_index(self._entries, self.size_bytes)
        record = pack_record(INDEX | LAST, payload, self._link)
        self._put(record)
        self.size_bytes += len(record)

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        while view:  # an unbuffered file takes a part at a time
            written = self._file.write(view)
            view = view[len(view) if written is None else written :]
        if hasattr(self._file, "flush"):
            self._file.flush()


class FilmReader:
    """Reads a film from its first byte to its last, from any binary file, pipes too.

    Iterate once: frames and what is damaged come in order. Memory stays that of one frame. After
    the last one `complete` and `left_bytes` tell how the film ended.

    Raises:
        NotCrossband, UnsupportedVersion, CorruptStream: at once, if header or film record cannot
            be read; while iterating, if a record is of a kind that must not be skipped.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._window = _Window(file)
        start = self._window.peek(HEADER_BYTES)
        weights_id = unpack_header(start)
        self._window.drop(HEADER_BYTES)
        record = _record_at(self._window, 0, start, lambda kind: MAX_OTHER_BYTES)
        if isinstance(record, _Failure):
            raise CorruptStream(f"the film record at byte {HEADER_BYTES} {record.reason}")
        if record.kind != FILM:
            raise CorruptStream(
                f"the file is no film: its first record is of kind {record.kind:#04x}, that of a"
                f" film {FILM:#04x}; decode it as a pair"
            )
        self.header = unpack_film(weights_id, record.payload)
        self.complete = False
        """Whether the film ends with its marked last record."""
        self.left_bytes = 0
        """Bytes of an unfinished record at the end."""
        self.frames = 0
        """Frames so far, damaged ones counted."""
        self._ended = record.is_last
        self._link = self._window.take(record.size_bytes)

    def __iter__(self) -> Iterator[StoredFrame | Damage]:
        others, last_us, entries = 0, -1, list[IndexEntry]()
        whole = True
        while not self._ended:
            offset = self._window.offset
            if not self._window.peek(1):
                return
            result = _record_at(self._window, 0, self._link, self._limit)
            if isinstance(result, _Failure):
                if result.is_index:
                    self._ended = self.complete = True
                    yield Damage(None, offset, f"the index at byte {offset:,} {result.reason}")
                    return
                # A cut record is the end, unless only its length is damaged and others follow.
                found = self._find_next(result, last_us) if result.is_cut else None
                if not result.is_cut or found is not None:
                    whole = False
                    self.frames += 1
                    name = f"frame {self.frames - 1} at byte {offset:,}"
                    yield Damage(self.frames - 1, offset, f"{name} {result.reason}")
                    found = self._find_next(result, last_us) if found is None else found
                if found is None:
                    self._window.skip_all()
                    self.left_bytes = self._window.offset - offset
                    return
                self._window.drop(found)
                continue
            record = result
            self._link = self._window.take(record.size_bytes)
            self._ended = self.complete = record.is_last
            try:
                if record.kind in FRAMES:
                    frame = unpack_frame(record.kind, record.payload, self.header)
                    if frame.predicted and not self.frames:
                        raise CorruptStream("it is predicted, but there is none before it")
                    if frame.timestamp_us <= last_us:
                        raise CorruptStream(
                            f"its time is {frame.timestamp_us} us, that of the one before {last_us}"
                            " us; times must increase"
                        )
                elif record.kind == INDEX:
                    if not record.is_last:
                        raise CorruptStream("the index is not the last record")
                    if unpack_index(record.payload, offset) != entries and whole:
                        raise CorruptStream("the index lists other frames than the film has")
            except CorruptStream as error:
                whole = False
                is_frame = record.kind in FRAMES
                name = f"frame {self.frames}" if is_frame else "the index"
                yield Damage(
                    self.frames if is_frame else None, offset, f"{name} at byte {offset:,}: {error}"
                )
                self.frames += is_frame
                continue
            if record.kind in FRAMES:
                last_us = frame.timestamp_us
                entries.append(IndexEntry(self.frames, last_us, offset, frame.predicted))
                self.frames += 1  # before the caller has it, who may stop here and ask
                yield StoredFrame(self.frames - 1, offset, record.size_bytes, frame)
            elif record.kind != INDEX:
                _check_other(record.kind, offset)
                others += 1
                if others > MAX_RECORDS:
                    raise CorruptStream(
                        f"the film has more than {MAX_RECORDS} records that are no frames, as many"
                        " are allowed; it was not made by crossband"
                    )
        if extra := self._window.skip_all():
            yield Damage(
                None,
                self._window.offset - extra,
                f"{extra:,} bytes follow the last record, none are allowed",
            )

    @property
    def size_bytes(self) -> int:
        """Bytes read so far; at the end those of the file."""
        return self._window.offset

    @property
    def ending(self) -> str | None:
        """How the film broke off, for the user; None if it is complete. Known at its end."""
        if self.complete:
            return None
        beyond = (
            f" in the middle of a record ({self.left_bytes:,} bytes)" if self.left_bytes else ""
        )
        return (
            f"the film ended early{beyond}: its writer or a copy was interrupted; what is whole is"
            f" there, {self.frames:,} frame{'s' * (self.frames != 1)}"
        )

    def _limit(self, kind: int) -> int:
        if kind & ~LAST in FRAMES:
            return self.header.max_frame_bytes
        return MAX_OTHER_BYTES + ENTRY_BYTES * self.frames

    def _find_next(self, failure: _Failure, last_us: int) -> int | None:
        """How far it is to the next whole record, or to the end; sets the link that holds there."""
        if failure.end is not None:
            # Its length may be right; then one of both checksums is the link of the next record.
            stored = self._window.slice(failure.end - CHECKSUM_BYTES, CHECKSUM_BYTES)
            is_end = not self._window.slice(failure.end, 1)
            for link in (stored, failure.checksum):
                next_ = _record_at(self._window, failure.end, link, self._limit)
                if is_end or isinstance(next_, Record):
                    self._link = link
                    return failure.end
        budget, at = _SEARCH_BYTES, 1
        while budget > 0:
            found = self._window.find(_SEARCHED, at)
            if found is None:
                return None
            at = found
            if at > _DROPPED_BYTES:
                self._window.drop(at - CHECKSUM_BYTES)
                at = CHECKSUM_BYTES
            before = self._link if at < CHECKSUM_BYTES else b""
            link = (before + self._window.slice(max(0, at - CHECKSUM_BYTES), min(at, 4)))[-4:]
            if self._is_plausible(at, last_us):
                result = _record_at(self._window, at, link, self._limit)
                if isinstance(result, Record):
                    self._link = link
                    return at
                budget -= 0 if result.end is None else result.end - at
            budget -= 1
            at += 1
        return None

    def _is_plausible(self, at: int, last_us: int) -> bool:
        """Whether what stands there can be the start of a frame later than the last one."""
        cursor = Cursor(memoryview(self._window.slice(at, _HEAD_BYTES + VARINT_BYTES)), "")
        try:
            kind = cursor.unsigned(1, "")
            cursor.varint("")
            return kind & ~LAST not in FRAMES or cursor.varint("") > last_us
        except CorruptStream:
            return False


def read_index(file: BinaryIO, header: FilmHeader) -> list[IndexEntry]:
    """The index of a film, from its last bytes; the file is left anywhere.

    Raises:
        CorruptStream: there is none, or it is damaged: read the film from its start.
    """
    size_bytes = file.seek(0, 2)
    if size_bytes < HEADER_BYTES + OFFSET_BYTES + CHECKSUM_BYTES:
        raise CorruptStream("the film is too short for an index")
    file.seek(size_bytes - OFFSET_BYTES - CHECKSUM_BYTES)
    offset = int.from_bytes(_read(file, OFFSET_BYTES), "little")
    if not HEADER_BYTES < offset < size_bytes:
        raise CorruptStream("the film does not end with an index")
    result = _read_record(file, offset, size_bytes)
    if (
        isinstance(result, _Failure)
        or result.kind != INDEX
        or not result.is_last
        or offset + result.size_bytes != size_bytes
    ):
        raise CorruptStream("the film does not end with an index")
    return unpack_index(result.payload, offset)


def read_frame(file: BinaryIO, header: FilmHeader, entry: IndexEntry) -> StoredFrame:
    """One frame of a film in a file that can seek.

    Raises:
        CorruptStream: it is damaged; the message names frame and byte.
    """
    where = f"frame {entry.number} at byte {entry.offset:,}"
    result = _read_record(file, entry.offset, header.max_frame_bytes)
    if isinstance(result, _Failure):
        raise CorruptStream(f"{where} {result.reason}")
    if result.kind != (PREDICTED_FRAME if entry.predicted else KEY_FRAME):
        raise CorruptStream(
            f"{where}: its record is of kind {result.kind:#04x}, which is not what the index says"
        )
    try:
        frame = unpack_frame(result.kind, result.payload, header)
        if frame.timestamp_us != entry.timestamp_us:
            raise CorruptStream(
                f"its time is {frame.timestamp_us} us, the index says {entry.timestamp_us} us"
            )
    except CorruptStream as error:
        raise CorruptStream(f"{where}: {error}") from error
    return StoredFrame(entry.number, entry.offset, result.size_bytes, frame)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why there is no record at a place."""

    reason: str
    """Ends a sentence that starts with the name of the record."""
    is_cut: bool = False
    """Whether the file ends before the record would."""
    end: int | None = None
    """Where it would end, if its length can be right."""
    checksum: bytes = b""
    """What its checksum should be."""
    is_index: bool = False
    """Whether it is the last record and says that it is the index."""


class _Window:
    """The bytes of a file that come next, as many as somebody wants to look at."""

    def __init__(self, file: BinaryIO) -> None:
        self.offset = 0
        """Of the window's first byte in the file."""
        self._file = file
        self._bytes = bytearray()
        self._at_end = False

    def peek(self, size_bytes: int) -> bytes:
        """The next bytes; fewer only at the end of the file."""
        return self.slice(0, size_bytes)

    def slice(self, start: int, size_bytes: int) -> bytes:
        """Bytes some way ahead; fewer only at the end of the file."""
        self._fill(start + size_bytes)
        return bytes(self._bytes[start : start + size_bytes])

    def available(self, start: int, size_bytes: int) -> int:
        """How many of some bytes ahead there are."""
        self._fill(start + size_bytes)
        return min(size_bytes, max(0, len(self._bytes) - start))

    def take(self, size_bytes: int) -> bytes:
        """Moves on over a record; gives its checksum."""
        checksum = self.slice(size_bytes - CHECKSUM_BYTES, CHECKSUM_BYTES)
        self.drop(size_bytes)
        return checksum

    def drop(self, size_bytes: int) -> None:
        """Moves on over bytes that were looked at."""
        del self._bytes[:size_bytes]
        self.offset += size_bytes

    def find(self, pattern: re.Pattern[bytes], start: int) -> int | None:
        """The next place, from `start` on, where the pattern of one byte is."""
        while True:
            if (match := pattern.search(self._bytes, start)) is not None:
                return match.start()
            start = max(start, len(self._bytes))
            self._fill(start + _PIECE_BYTES)
            if len(self._bytes) <= start:
                return None

    def skip_all(self) -> int:
        """Reads to the end of the file; gives the number of bytes."""
        skipped = 0
        while data := self.peek(_PIECE_BYTES):
            self.drop(len(data))
            skipped += len(data)
        return skipped

    def _fill(self, size_bytes: int) -> None:
        while len(self._bytes) < size_bytes and not self._at_end:
            piece = self._file.read(min(_PIECE_BYTES, size_bytes - len(self._bytes)))
            self._bytes += piece or b""
            self._at_end = not piece


def _record_at(
    window: _Window, at: int, link: bytes, limit: Callable[[int], int]
) -> Record | _Failure:
    """The record at a place of the window, if its checksum holds with this link."""
    start = window.slice(at, _HEAD_BYTES)
    cursor = Cursor(memoryview(start), place="")
    try:
        kind = cursor.unsigned(1, "")
        length = cursor.varint("")
    except CorruptStream:
        is_cut = len(start) < _HEAD_BYTES
        return _Failure("is damaged: its length is no number", is_cut=is_cut)
    if length > (most := limit(kind)):
        return _Failure(f"is damaged: its length is {length:,}, at most {most:,} is allowed")
    size_bytes = cursor.position + length + CHECKSUM_BYTES
    if (there := window.available(at, size_bytes)) < size_bytes:
        reason = f"is damaged or cut short: it needs {size_bytes:,} bytes, {there:,} are there"
        return _Failure(reason, is_cut=True)
    data = window.slice(at, size_bytes)
    expected = data[-CHECKSUM_BYTES:]
    checksum = crc32c(memoryview(data)[:-CHECKSUM_BYTES], crc32c(link))
    actual = checksum.to_bytes(CHECKSUM_BYTES, "little")
    if actual != expected:
        return _Failure(
            f"is damaged: checksum {checksum:#010x}, expected"
            f" {int.from_bytes(expected, 'little'):#010x}",
            end=at + size_bytes,
            checksum=actual,
            is_index=kind == INDEX | LAST and not window.slice(at + size_bytes, 1),
        )
    payload = memoryview(data)[cursor.position : -CHECKSUM_BYTES]
    return Record(kind & ~LAST, payload, window.offset + at, size_bytes, bool(kind & LAST))


def _read_record(file: BinaryIO, offset: int, limit: int) -> Record | _Failure:
    """The record at an offset of a file that can seek; its link is in the bytes in front of it."""
    file.seek(offset - CHECKSUM_BYTES)
    window = _Window(file)
    link = window.peek(CHECKSUM_BYTES)
    window.drop(CHECKSUM_BYTES)
    return _record_at(window, 0, link, lambda kind: limit)


def _read(file: BinaryIO, size_bytes: int) -> bytes:
    return _Window(file).peek(size_bytes)


def _check_other(kind: int, offset: int) -> None:
    """Refuses records that must not be skipped or that belong to pairs."""
    if kind in (FILM, PICTURE, TIMESTAMP, FILLER):
        raise CorruptStream(
            f"the record at byte {offset:,} is of kind {kind:#04x}, which has no place among the"
            " frames of a film; it was not made by crossband"
        )
    if not kind & ANCILLARY:
        raise UnsupportedVersion(
            f"the record at byte {offset:,} is of kind {kind:#04x}, which format version {VERSION}"
            " does not know and which must not be skipped; update crossband"
        )
