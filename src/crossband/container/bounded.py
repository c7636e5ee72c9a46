# SPDX-License-Identifier: Apache-2.0
"""An infrared picture with a guaranteed error, and its record (docs/format.md §15)."""

from __future__ import annotations

from dataclasses import dataclass, field

from crossband.container.fields import Cursor, pack_varint
from crossband.errors import CorruptStream, PictureError
from crossband.pair import MAX_SIDE, Modality

NETWORK = 1
"""The network that predicts; version 1 of the format knows one."""
COEFFICIENTS = 31
"""Weights of the linear prediction."""
MAX_LEVELS = 4_096
"""Values that may have a level each."""
PIXELS_PER_BYTE = 256
"""Pixels that one byte of the stream can hold: what a hostile size can cost in time."""
LARGEST_NOISE = 1 << 20

_DEPTH_MASK = 0x0F
_TWO_BYTES = 0x10
_COEFFICIENTS = 0x20
_LEVELS = 0x40
_ROUNDING = 0x80


@dataclass(frozen=True, slots=True)
class BoundedRecord:
    """One infrared picture whose every sample comes back within `max_error` counts.

    Samples are `low + step * value`; values are coded with an error of at most `bound`, and are up
    to `rounding` counts from the source's samples before they are coded.

    Raises:
        PictureError: a value is outside its range.
    """

    height: int
    """Rows, 1 to 65,535."""
    width: int
    """Columns, 1 to 65,535."""
    sample_bytes: int
    """1 or 2, the type of the decoded samples."""
    bit_depth: int
    """Bits in use, 1 to 8 times `sample_bytes`."""
    low: int
    """Smallest sample."""
    step: int
    """Samples from one value to the next; some cameras use only every fourth count."""
    top: int
    """Largest value; 0 in a constant picture."""
    bound: int
    """Largest error of a value; 0 is lossless."""
    origin: int
    """The value that stands above and to the left of the first one."""
    noise: int
    """Usual error of the linear prediction, in 1/16 of a value, 1 to 2^20."""
    coefficients: tuple[int, ...]
    """31 weights of the linear prediction in 1/4096, or none."""
    levels: tuple[int, ...]
    """How often each value occurs, 0 to 15 for 0 to `top`, or none."""
    samples_crc: int
    """CRC-32C of the decoded samples, as little-endian 16-bit integers, row by row."""
    stream: bytes = field(repr=False)
    """Entropy-coded values."""
    rounding: int = 0
    """Counts that samples were moved by at most to come to lie on the steps."""

    def __post_init__(self) -> None:
        if not (1 <= self.height <= MAX_SIDE and 1 <= self.width <= MAX_SIDE):
            raise PictureError(
                f"infrared picture is {self.width}x{self.height} pixels; each side must be 1 to"
                f" {MAX_SIDE:,}"
            )
        if self.sample_bytes not in (1, 2) or not 1 <= self.bit_depth <= 8 * self.sample_bytes:
            raise PictureError(
                f"infrared picture has {self.bit_depth} bits in {self.sample_bytes} bytes; 1 to 8"
                " bits a byte and 1 or 2 bytes are allowed"
            )
        if self.low < 0 or self.top < 0 or self.step < 1 or self.high > (1 << self.bit_depth) - 1:
            raise PictureError(
                f"infrared picture has samples from {self.low} in {self.top} steps of {self.step};"
                f" they must stay within 0 to {(1 << self.bit_depth) - 1}"
            )
        if self.top == 0 and self.step != 1:
            raise PictureError(f"a constant picture has steps of {self.step}; 1 is allowed")
        for name, value, low, high in (
            ("bound", self.bound, 0, self.top),
            ("first value", self.origin, 0, self.top),
            ("noise", self.noise, 1, LARGEST_NOISE),
            ("rounding", self.rounding, 0, 0xFFFF),
            ("sample checksum", self.samples_crc, 0, 0xFFFF_FFFF),
        ):
            if not low <= value <= high:
                raise PictureError(
                    f"infrared picture has the {name} {value}; {low} to {high:,} are allowed"
                )
        if len(self.coefficients) not in (0, COEFFICIENTS) or any(
            not -(1 << 15) <= weight < 1 << 15 for weight in self.coefficients
        ):
            raise PictureError(
                f"infrared picture has {len(self.coefficients)} predictor weights; none or"
                f" {COEFFICIENTS} of 16 bits are allowed"
            )
        if self.levels and (
            self.bound > 0
            or self.top >= MAX_LEVELS
            or len(self.levels) != self.top + 1
            or any(not 0 <= level <= 15 for level in self.levels)
        ):
            raise PictureError(
                f"infrared picture has {len(self.levels)} levels for {self.top + 1} values and the"
                f" bound {self.bound}; levels of 0 to 15 are for up to {MAX_LEVELS:,} values of"
                " lossless pictures"
            )
        if len(self.stream) < (least := least_stream_bytes(self.pixels, self.top)):
            raise PictureError(
                f"infrared picture of {self.pixels:,} pixels has a stream of"
                f" {len(self.stream):,} bytes; at least {least:,} must be there"
            )
        if self.top == 0 and self.stream:
            raise PictureError("a constant picture has a stream; none is allowed")

    @property
    def modality(self) -> Modality:
        """Always infrared."""
        return Modality.INFRARED

    @property
    def channels(self) -> int:
        """Always one."""
        return 1

    @property
    def conditional(self) -> bool:
        """Never: it is coded alone."""
        return False

    @property
    def high(self) -> int:
        """Largest sample."""
        return self.low + self.step * self.top

    @property
    def max_error(self) -> int:
        """No sample is further from the source's than this, in counts."""
        return self.bound * self.step + self.rounding

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.height * self.width


def least_stream_bytes(pixels: int, top: int) -> int:
    """Bytes that the stream of so many pixels must have."""
    return -(-pixels // PIXELS_PER_BYTE) if top else 0


def pack_bounded_fields(record: BoundedRecord) -> bytes:
    """The payload of a bounded record up to its stream."""
    packed = bytearray(
        [
            (record.bit_depth - 1)
            | _TWO_BYTES * (record.sample_bytes == 2)
            | _COEFFICIENTS * bool(record.coefficients)
            | _LEVELS * bool(record.levels)
            | _ROUNDING * bool(record.rounding),
            NETWORK,
        ]
    )
    for value in (record.height, record.width, record.low, record.step, record.top):
        packed += value.to_bytes(2, "little")
    packed += record.bound.to_bytes(2, "little") + record.origin.to_bytes(2, "little")
    packed += pack_varint(record.noise)
    if record.rounding:
        packed += record.rounding.to_bytes(2, "little")
    for weight in record.coefficients:
        packed += weight.to_bytes(2, "little", signed=True)
    levels = (*record.levels, *(0,) * (len(record.levels) % 2))
    packed += bytes(low | high << 4 for low, high in zip(levels[::2], levels[1::2], strict=True))
    packed += record.samples_crc.to_bytes(4, "little")
    return bytes(packed)


def pack_bounded(record: BoundedRecord) -> bytes:
    """The payload of a bounded record."""
    return pack_bounded_fields(record) + record.stream


def unpack_bounded(payload: memoryview) -> BoundedRecord:
    """The picture in the payload of a bounded record.

    Raises:
        CorruptStream: the payload is not what `pack_bounded` makes of any picture.
    """
    cursor = Cursor(payload, place="the bounded infrared record")
    flags = cursor.unsigned(1, "the field byte")
    if (network := cursor.unsigned(1, "the network")) != NETWORK:
        raise CorruptStream(
            f"the bounded infrared record names network {network}; {NETWORK} is known:"
            " update crossband"
        )
    height, width, low, step, top, bound, origin = (
        cursor.unsigned(2, name)
        for name in ("the height", "the width", "the low sample", "the step", "the top value",
                     "the bound", "the first value")
    )  # fmt: skip
    noise = cursor.varint("the noise")
    rounding = cursor.unsigned(2, "the rounding") if flags & _ROUNDING else 0
    if flags & _ROUNDING and not rounding:
        raise CorruptStream("the bounded infrared record has a rounding of 0; bit 7 must be clear")
    coefficients: tuple[int, ...] = ()
    if flags & _COEFFICIENTS:
        packed = bytes(cursor.take(2 * COEFFICIENTS, "the predictor weights"))
        coefficients = tuple(
            int.from_bytes(packed[start : start + 2], "little", signed=True)
            for start in range(0, len(packed), 2)
        )
    levels: tuple[int, ...] = ()
    if flags & _LEVELS:
        pairs = bytes(cursor.take((top + 2) // 2, "the levels"))
        spread = [nibble for pair in pairs for nibble in (pair & 15, pair >> 4)]
        if any(spread[top + 1 :]):
            raise CorruptStream("the bounded infrared record has a level beyond the top value")
        levels = tuple(spread[: top + 1])
    samples_crc = cursor.unsigned(4, "the sample checksum")
    stream = bytes(cursor.take(cursor.left, "the stream"))
    try:
        return BoundedRecord(
            height=height,
            width=width,
            sample_bytes=2 if flags & _TWO_BYTES else 1,
            bit_depth=(flags & _DEPTH_MASK) + 1,
            low=low,
            step=step,
            top=top,
            bound=bound,
            origin=origin,
            noise=noise,
            coefficients=coefficients,
            levels=levels,
            samples_crc=samples_crc,
            stream=stream,
            rounding=rounding,
        )
    except PictureError as error:
        raise CorruptStream(f"the bounded infrared record is damaged: {error}") from error
