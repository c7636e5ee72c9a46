# SPDX-License-Identifier: Apache-2.0
"""What a film's records hold (docs/format.md §14): cameras, key frames, index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossband.container.fields import (
    VARINT_MAX,
    Cursor,
    folded,
    pack_signed,
    pack_varint,
    unfolded,
)
from crossband.container.framing import HEADER_BYTES, LAST, MAGIC, WEIGHTS_ID_BYTES
from crossband.container.pair_file import FILM, PIXELS_PER_BYTE
from crossband.container.picture import PictureRecord, pack_registration, unpack_registration
from crossband.errors import CorruptStream, PictureError
from crossband.pair import Camera, Modality

KEY_FRAME = 0x03
"""Kind of a key frame record: critical."""
PREDICTED_FRAME = 0x04
"""Kind of the record of a frame that rests on the one before: critical."""
FRAMES = (KEY_FRAME, PREDICTED_FRAME)
"""Kinds of the records that hold a frame."""
INDEX = 0x45
"""Kind of the index record: ancillary, the last one."""
HEAD_BYTES = HEADER_BYTES + 1
"""What tells a film from a pair: the header and the kind of the first record."""
BLOCK_BYTES = 1 << 17
"""Most bytes of a frame for each 64x64 block, begun ones counted: 32 bytes a pixel."""
MAX_FRAME_BYTES = 1 << 30
"""Most bytes of any frame."""
MAX_OTHER_BYTES = 1 << 24
"""Most bytes of a record that is no frame, beside `ENTRY_BYTES` for each frame before it."""
ENTRY_BYTES = 27
"""Most bytes of a frame in the index: its kind and two variable-length integers, rounded up."""
_OTHER_INTERVAL = 127
"""In place of how much longer than the interval before one is: the interval itself follows."""
OFFSET_BYTES = 8
"""The offset of the index record, at its end."""
MAX_OFFSET_NS = (1 << 62) - 1
"""Furthest that a picture's stamp can be from its frame's, either way."""

# Second field byte of a camera.
_DEPTH_MASK = 0x0F
_TWO_BYTES = 0x10
_THREE_CHANNELS = 0x20
_SAME_SIZE = 0x40
_INFRARED_CAMERA = 0x80
# Shape byte of a frame.
_TWO_PICTURES = 0x01
_FULL_RANGE = (0x02, 0x04)
_OWN_STAMPS = 0x08
_REGISTERED = 0x10
_SHAPES = 0x1F
# First field byte of a picture, as in a picture record.
_QUALITY_MASK = 0x3F
_INFRARED = 0x40
_CONDITIONAL = 0x80


@dataclass(frozen=True, slots=True)
class FilmHeader:
    """What all frames of a film share.

    Raises:
        PictureError: a weights id has another length, or the cameras are not one or two, the
            visible one first.
    """

    weights_id: bytes
    """First 8 bytes of the SHA-256 of the weight file that codes key frames."""
    cameras: tuple[Camera, ...]
    """Visible, infrared, or both in this order."""
    predictor_id: bytes = b""
    """The same of the weight file that codes predicted frames; empty: there are none."""

    def __post_init__(self) -> None:
        for weights_id, lengths in (
            (self.weights_id, (WEIGHTS_ID_BYTES,)),
            (self.predictor_id, (0, WEIGHTS_ID_BYTES)),
        ):
            if len(weights_id) not in lengths:
                raise PictureError(
                    f"the weights id has {len(weights_id)} bytes; it must have {WEIGHTS_ID_BYTES}"
                )
        order = [list(Modality).index(camera.modality) for camera in self.cameras]
        if order not in ([0], [1], [0, 1]):
            raise PictureError(
                "the film's cameras are"
                f" {', '.join(camera.modality.value for camera in self.cameras) or 'missing'};"
                " visible, infrared, and both in this order are allowed"
            )

    def get(self, modality: Modality) -> Camera | None:
        """One camera, or None."""
        return next((camera for camera in self.cameras if camera.modality is modality), None)

    @property
    def max_frame_bytes(self) -> int:
        """Most bytes that the payload of a frame can have."""
        blocks = sum(-(-camera.height // 64) * -(-camera.width // 64) for camera in self.cameras)
        return min(blocks * BLOCK_BYTES, MAX_FRAME_BYTES)


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame: a coded pair, or one picture while the other camera is silent.

    Raises:
        PictureError: a value is outside its range, there is no picture, both are of one modality,
            or the first is conditional.
    """

    timestamp_us: int
    """Microseconds on the clock of the cameras, 0 to 2^63 - 1."""
    pictures: tuple[PictureRecord, ...]
    """In the order of coding; only the second may be conditional."""
    predicted: bool = False
    """Whether each picture is coded given what its camera showed last; else a key frame."""
    offsets_ns: tuple[int, ...] = ()
    """Nanoseconds from `timestamp_us` to each picture's own stamp; none if all are 0."""

    def __post_init__(self) -> None:
        if self.offsets_ns and (
            len(self.offsets_ns) != len(self.pictures) or not any(self.offsets_ns)
        ):
            raise PictureError(
                f"the frame has the stamps {self.offsets_ns} for {len(self.pictures)} pictures; one"
                " each, or none where all are 0, are allowed"
            )
        for offset_ns in self.offsets_ns:
            if not -1000 * self.timestamp_us <= offset_ns <= MAX_OFFSET_NS:
                raise PictureError(
                    f"a picture's stamp is {offset_ns} ns from the frame's; it must be 0 or later"
                    f" and at most {MAX_OFFSET_NS:,} ns after it"
                )
        if not 0 <= self.timestamp_us <= VARINT_MAX:
            raise PictureError(
                f"the frame's time is {self.timestamp_us} us; it must be 0 to {VARINT_MAX:,}"
            )
        if not 1 <= len(self.pictures) <= 2:
            raise PictureError(f"the frame has {len(self.pictures)} pictures; 1 and 2 are allowed")
        if len({picture.modality for picture in self.pictures}) < len(self.pictures):
            raise PictureError(
                f"the frame has two {self.pictures[0].modality.value} pictures; one of each"
                " modality is allowed"
            )
        if self.pictures[0].conditional:
            raise PictureError(
                "the frame's first picture is conditional; only the second of two can be coded"
                " given the other"
            )

    def get(self, modality: Modality) -> PictureRecord | None:
        """The picture of one camera, or None."""
        return next((picture for picture in self.pictures if picture.modality is modality), None)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """Where a frame is."""

    number: int
    """Which frame of the film, from 0."""
    timestamp_us: int
    """Its time."""
    offset: int
    """Where its record starts in the file."""
    predicted: bool = False
    """Whether it rests on the frame before."""


def is_film(head: bytes) -> bool:
    """Whether a file that starts with these bytes is a film; `HEAD_BYTES` of them tell."""
    return len(head) >= HEAD_BYTES and head.startswith(MAGIC) and head[HEADER_BYTES] & ~LAST == FILM


def pack_film(header: FilmHeader) -> bytes:
    """The payload of the film record."""
    packed = bytearray()
    before: Camera | None = None
    for camera in header.cameras:
        size = (camera.height, camera.width)
        same_size = before is not None and (before.height, before.width) == size
        packed.append(
            (camera.bit_depth - 1)
            | _TWO_BYTES * (camera.sample_bytes == 2)
            | _THREE_CHANNELS * (camera.channels == 3)
            | _SAME_SIZE * same_size
            | _INFRARED_CAMERA * (camera.modality is Modality.INFRARED)
        )
        if not same_size:
            packed += camera.height.to_bytes(2, "little") + camera.width.to_bytes(2, "little")
        before = camera
    return bytes(packed) + header.predictor_id


def unpack_film(weights_id: bytes, payload: memoryview) -> FilmHeader:
    """The film in the payload of a film record.

    Raises:
        CorruptStream: the payload is not what `pack_film` makes of any film.
    """
    cursor = Cursor(payload, place="the film record")
    cameras: list[Camera] = []
    # What is left is a camera of 1 or 5 bytes, or one and the weights, or the weights alone.
    while not cameras or cursor.left not in (0, WEIGHTS_ID_BYTES):
        field = cursor.unsigned(1, "a camera")
        if field & _SAME_SIZE:
            if not cameras:
                raise CorruptStream("the film's first camera has the size of one before it")
            height, width = cameras[-1].height, cameras[-1].width
        else:
            height = cursor.unsigned(2, "the height")
            width = cursor.unsigned(2, "the width")
            if cameras and (cameras[-1].height, cameras[-1].width) == (height, width):
                raise CorruptStream(
                    f"the film record repeats the size {width}x{height}; the same-size bit must"
                    " stand for it"
                )
        try:
            cameras.append(
                Camera(
                    Modality.INFRARED if field & _INFRARED_CAMERA else Modality.VISIBLE,
                    height,
                    width,
                    channels=3 if field & _THREE_CHANNELS else 1,
                    sample_bytes=2 if field & _TWO_BYTES else 1,
                    bit_depth=(field & _DEPTH_MASK) + 1,
                )
            )
        except PictureError as error:
            raise CorruptStream(f"the film record is damaged: {error}") from error
        if len(cameras) > 2:
            raise CorruptStream("the film has more than two cameras; 1 and 2 are allowed")
    predictor_id = bytes(cursor.take(cursor.left, "the weights of predicted frames"))
    try:
        return FilmHeader(weights_id, tuple(cameras), predictor_id)
    except PictureError as error:
        raise CorruptStream(f"the film record is damaged: {error}") from error


def pack_frame(frame: FrameRecord, header: FilmHeader) -> bytes:
    """The payload of a frame's record, without its kind.

    Raises:
        PictureError: a picture is not of the film's cameras, the frame is too long, or it is a
            predicted one of a film without weights for such.
    """
    if frame.predicted and not header.predictor_id:
        raise PictureError(
            "the frame is predicted, and the film names no weights that predict; code a key frame"
        )
    shape = _TWO_PICTURES * (len(frame.pictures) == 2)
    for picture, full_range in zip(frame.pictures, _FULL_RANGE, strict=False):
        shape |= full_range * (picture.low == 0 and picture.high == picture.peak)
        shape |= _REGISTERED * (picture.registration is not None)
    shape |= _OWN_STAMPS * bool(frame.offsets_ns)
    packed = bytearray(pack_varint(frame.timestamp_us))
    packed.append(shape)
    for offset_ns in frame.offsets_ns:
        packed += pack_signed(offset_ns)
    for index, picture in enumerate(frame.pictures):
        camera = Camera(
            picture.modality,
            picture.height,
            picture.width,
            picture.channels,
            picture.sample_bytes,
            picture.bit_depth,
        )
        if header.get(picture.modality) != camera:
            raise PictureError(
                f"the frame's {picture.modality.value} picture is {camera}; the film has"
                f" {header.get(picture.modality) or 'no such camera'}"
            )
        packed.append(
            picture.quality_index
            | _INFRARED * (picture.modality is Modality.INFRARED)
            | _CONDITIONAL * picture.conditional
        )
        if not shape & _FULL_RANGE[index]:
            packed += picture.low.to_bytes(2, "little") + picture.high.to_bytes(2, "little")
        if picture.registration is not None:
            packed += pack_registration(picture.registration)
        try:
            packed += picture.symbols_crc.to_bytes(crc_bytes(frame.predicted), "little")
        except OverflowError:
            raise PictureError(
                f"the predicted frame's {picture.modality.value} picture has symbol checksum"
                f" {picture.symbols_crc}; it must have 16 bits"
            ) from None
        if index + 1 < len(frame.pictures):
            packed += pack_varint(len(picture.stream))
        packed += picture.stream
    # Zero bytes at the end of a stream mean nothing to the coder; huge blank pictures need them.
    packed += bytes(max(0, _least_bytes(frame.pictures) - len(packed)))
    if len(packed) > header.max_frame_bytes:
        raise PictureError(
            f"the frame has {len(packed):,} bytes; {header.max_frame_bytes:,} are allowed for"
            " its size"
        )
    return bytes(packed)


def unpack_frame(kind: int, payload: memoryview, header: FilmHeader) -> FrameRecord:
    """The frame in the payload of a record.

    Args:
        kind: of the record, one of `FRAMES`.
        payload: of the record.
        header: of the film.

    Raises:
        CorruptStream: the payload is not what `pack_frame` makes of any frame of this film.
    """
    predicted = kind == PREDICTED_FRAME
    if predicted and not header.predictor_id:
        raise CorruptStream("the frame is predicted, but the film names no weights that predict")
    cursor = Cursor(payload, place="the frame record")
    timestamp_us = cursor.varint("the timestamp")
    shape = cursor.unsigned(1, "the shape byte")
    count = 2 if shape & _TWO_PICTURES else 1
    if shape & ~_SHAPES or (count == 1 and shape & (_FULL_RANGE[1] | _REGISTERED)):
        raise CorruptStream(f"the frame has the shape byte {shape:#04x}, which stands for nothing")
    pictures: list[PictureRecord] = []
    try:
        own = count if shape & _OWN_STAMPS else 0
        offsets_ns = tuple(cursor.signed("the stamp of a picture") for _ in range(own))
        if own and not any(offsets_ns):
            raise CorruptStream("the frame spells out stamps that are all its own time")
        for index in range(count):
            first = cursor.unsigned(1, "the field byte")
            modality = Modality.INFRARED if first & _INFRARED else Modality.VISIBLE
            camera = header.get(modality)
            if camera is None:
                raise CorruptStream(
                    f"the frame has a {modality.value} picture; the film has no such camera"
                )
            low, high = 0, (1 << camera.bit_depth) - 1
            if not shape & _FULL_RANGE[index]:
                full = (low, high)
                low = cursor.unsigned(2, "the range")
                high = cursor.unsigned(2, "the range")
                if (low, high) == full:
                    raise CorruptStream(
                        f"the frame spells out the full range 0 to {high}; the full-range bit must"
                        " stand for it"
                    )
            registered = index == 1 and shape & _REGISTERED
            registration = unpack_registration(cursor) if registered else None
            symbols_crc = cursor.unsigned(crc_bytes(predicted), "the symbol checksum")
            last = index + 1 == count
            length = cursor.left if last else cursor.varint("the length of the first stream")
            pictures.append(
                PictureRecord(
                    modality=modality,
                    height=camera.height,
                    width=camera.width,
                    channels=camera.channels,
                    sample_bytes=camera.sample_bytes,
                    bit_depth=camera.bit_depth,
                    low=low,
                    high=high,
                    quality_index=first & _QUALITY_MASK,
                    conditional=bool(first & _CONDITIONAL),
                    stream=bytes(cursor.take(length, "the stream")),
                    symbols_crc=symbols_crc,
                    registration=registration,
                )
            )
        frame = FrameRecord(timestamp_us, tuple(pictures), predicted, offsets_ns)
    except PictureError as error:
        raise CorruptStream(f"the frame record is damaged: {error}") from error
    if len(payload) < (least := _least_bytes(pictures)):
        raise CorruptStream(
            f"the frame declares {sum(picture.pixels for picture in pictures):,} pixels in"
            f" {len(payload):,} bytes, at least {least:,} are needed; it was not made by crossband"
        )
    return frame


def crc_bytes(predicted: bool) -> int:
    """Bytes of a picture's symbol checksum: what differs in a film differs in many frames, so the
    lower half is enough where frames are small."""
    return 2 if predicted else 4


def pack_index(entries: Sequence[IndexEntry], offset: int) -> bytes:
    """The payload of the index record.

    Args:
        entries: every frame.
        offset: where the index record itself starts.
    """
    packed = bytearray()
    before, usual_us = IndexEntry(0, 0, 0), 0
    for entry in entries:
        interval_us = entry.timestamp_us - before.timestamp_us
        later = folded(interval_us - usual_us)
        packed.append(entry.predicted | min(later, _OTHER_INTERVAL) << 1)
        if later >= _OTHER_INTERVAL:
            packed += pack_varint(interval_us)
        packed += pack_varint(entry.offset - before.offset)
        before, usual_us = entry, interval_us
    return bytes(packed) + offset.to_bytes(OFFSET_BYTES, "little")


def unpack_index(payload: memoryview, offset: int) -> list[IndexEntry]:
    """All frames of a film.

    Args:
        payload: that of an index record.
        offset: where the record starts.

    Raises:
        CorruptStream: the entries are not those of a film.
    """
    if len(payload) < OFFSET_BYTES:
        raise CorruptStream("the index is cut short: it has no offset of its own")
    own = int.from_bytes(payload[-OFFSET_BYTES:], "little")
    if own != offset:
        raise CorruptStream(f"the index says that it is at byte {own:,}; it is at {offset:,}")
    cursor = Cursor(payload[:-OFFSET_BYTES], place="the index")
    entries: list[IndexEntry] = []
    before, usual_us = IndexEntry(0, 0, 0), 0
    while cursor.left:
        kind = cursor.unsigned(1, "the kind of an entry")
        interval_us = usual_us + unfolded(kind >> 1)
        if kind >> 1 == _OTHER_INTERVAL:
            interval_us = cursor.varint("the time of an entry")
        entry = IndexEntry(
            len(entries),
            before.timestamp_us + interval_us,
            before.offset + cursor.varint("the offset of an entry"),
            predicted=bool(kind & 1),
        )
        if (
            (entry.predicted and not entries)
            or interval_us < bool(entries)  # only the first frame may be at 0
            or min(folded(interval_us - usual_us), _OTHER_INTERVAL) != kind >> 1  # shortest form
            or not before.offset < entry.offset < offset
        ):
            raise CorruptStream(f"entry {len(entries)} of the index does not follow the one before")
        entries.append(entry)
        before, usual_us = entry, interval_us
    if not entries:
        raise CorruptStream("the index lists no frame; a film has at least one")
    return entries


def _least_bytes(pictures: Sequence[PictureRecord]) -> int:
    """The shortest payload that may declare so many pixels."""
    return -(-sum(picture.pixels for picture in pictures) // PIXELS_PER_BYTE)
