# SPDX-License-Identifier: Apache-2.0
"""The pictures of two cameras, as values that check themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from enum import Enum

import numpy as np
import numpy.typing as npt

from crossband.errors import PictureError

MAX_SIDE = 65_535
"""Largest height or width in pixels: the header has 16 bits for each."""


class Modality(str, Enum):
    """Which camera a picture comes from."""

    VISIBLE = "visible"
    INFRARED = "infrared"

    @property
    def partner(self) -> Modality:
        """The other camera."""
        return Modality.INFRARED if self is Modality.VISIBLE else Modality.VISIBLE


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a picture file says beside its samples, as bytes that the codec never looks into.

    Empty bytes stand for what is not there. False if all of it is empty.
    """

    exif: bytes = field(default=b"", repr=False)
    """An EXIF block from its TIFF header (`II*` or `MM*`) on; the tags of a TIFF file are one too.
    Its orientation is 1: samples are upright."""
    xmp: bytes = field(default=b"", repr=False)
    """An XMP packet."""
    icc: bytes = field(default=b"", repr=False)
    """An ICC profile; it describes the samples and is not applied to them."""
    calibration: bytes = field(default=b"", repr=False)
    """What turns the counts of a radiometric camera into temperatures, as its maker stores it."""
    maker: bytes = field(default=b"", repr=False)
    """What else a radiometric file holds in its maker's own format, pictures left out."""

    def __bool__(self) -> bool:
        return self.size_bytes > 0

    @property
    def size_bytes(self) -> int:
        """Bytes of all of it."""
        return sum(len(getattr(self, each.name)) for each in fields(self))


@dataclass(frozen=True, slots=True, eq=False)
class Raster:
    """Samples of one camera at one instant.

    Raises:
        PictureError: the samples are not unsigned integers of 8 or 16 bits, have another shape
            than (height, width) or (height, width, 3), have a side of 0 or above 65,535, or do
            not fit in `bit_depth` bits.
    """

    samples: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    """Unsigned integers: (height, width) for one channel, (height, width, 3) for RGB."""
    bit_depth: int = 0
    """Bits in use, 1 to 16; 14 for most radiometric cores, in uint16. 0: all of the type's bits."""
    metadata: Metadata = Metadata()
    """What its file says beside the samples; no part of `equals`."""

    def __post_init__(self) -> None:
        if self.samples.dtype not in (np.uint8, np.uint16):
            raise PictureError(
                f"samples are {self.samples.dtype}; allowed are uint8 and uint16: convert first"
            )
        shape = self.samples.shape
        if not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3)):
            raise PictureError(
                f"samples have shape {shape}; allowed are (height, width) and (height, width, 3)"
            )
        if not (1 <= shape[0] <= MAX_SIDE and 1 <= shape[1] <= MAX_SIDE):
            raise PictureError(
                f"picture is {shape[1]}x{shape[0]} pixels; each side must be 1 to {MAX_SIDE:,}"
            )
        type_bits = self.samples.dtype.itemsize * 8
        if self.bit_depth == 0:
            object.__setattr__(self, "bit_depth", type_bits)
        if not 1 <= self.bit_depth <= type_bits:
            raise PictureError(
                f"bit depth is {self.bit_depth}; {self.samples.dtype} samples hold 1 to {type_bits}"
            )
        if (top := int(self.samples.max())) >> self.bit_depth:
            raise PictureError(f"sample {top} does not fit in {self.bit_depth} bits")

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.samples.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.samples.shape[1])

    @property
    def channels(self) -> int:
        """1 for gray and infrared, 3 for RGB."""
        return 1 if self.samples.ndim == 2 else 3

    @property
    def peak(self) -> int:
        """Largest value that the bit depth allows."""
        return (1 << self.bit_depth) - 1

    def equals(self, other: Raster) -> bool:
        """Whether shape, type, depth and every sample are the same."""
        return (
            self.bit_depth == other.bit_depth
            and self.samples.dtype == other.samples.dtype
            and np.array_equal(self.samples, other.samples)
        )

    def without_metadata(self) -> Raster:
        """The same samples and nothing beside them."""
        return replace(self, metadata=Metadata()) if self.metadata else self


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """What the two cameras saw at one instant; either picture may be missing, not both.

    Sizes may differ.

    Raises:
        PictureError: both pictures are missing, the visible one has more than 8 bits, or the
            infrared one has three channels.
    """

    visible: Raster | None = None
    """8-bit RGB or gray."""
    infrared: Raster | None = None
    """One channel of 8 to 16 bits."""

    def __post_init__(self) -> None:
        if self.visible is None and self.infrared is None:
            raise PictureError(
                "the pair holds no picture; give a visible one, an infrared one, or both"
            )
        if self.visible is not None and self.visible.samples.dtype != np.uint8:
            raise PictureError(
                f"visible picture has {self.visible.samples.dtype} samples; 8-bit RGB or gray is"
                " allowed (were visible and infrared swapped?)"
            )
        if self.infrared is not None and self.infrared.channels != 1:
            raise PictureError(
                "infrared picture has 3 channels; one channel is allowed"
                " (were visible and infrared swapped?)"
            )

    def get(self, modality: Modality) -> Raster | None:
        """The picture of one camera, or None."""
        return self.visible if modality is Modality.VISIBLE else self.infrared

    def equals(self, other: Pair) -> bool:
        """Whether both pairs hold the same pictures, sample for sample."""
        for modality in Modality:
            mine, theirs = self.get(modality), other.get(modality)
            if (mine is None) != (theirs is None):
                return False
            if mine is not None and theirs is not None and not mine.equals(theirs):
                return False
        return True

    def without_metadata(self) -> Pair:
        """The same pictures and nothing beside their samples."""
        return Pair(
            None if self.visible is None else self.visible.without_metadata(),
            None if self.infrared is None else self.infrared.without_metadata(),
        )


@dataclass(frozen=True, slots=True)
class Camera:
    """What all pictures of one camera share in a film.

    Raises:
        PictureError: a value that no raster of the modality can have.
    """

    modality: Modality
    height: int
    """Rows, 1 to 65,535."""
    width: int
    """Columns, 1 to 65,535."""
    channels: int = 1
    """1, or 3 for RGB; infrared has 1."""
    sample_bytes: int = 1
    """1 or 2; visible has 1."""
    bit_depth: int = 8
    """Bits in use, 1 to 8 times `sample_bytes`."""

    def __post_init__(self) -> None:
        infrared = self.modality is Modality.INFRARED
        name = f"{self.modality.value} camera"
        if not (1 <= self.height <= MAX_SIDE and 1 <= self.width <= MAX_SIDE):
            raise PictureError(
                f"{name} has {self.width}x{self.height} pixels; each side must be 1 to {MAX_SIDE:,}"
            )
        if self.channels not in ((1,) if infrared else (1, 3)):
            raise PictureError(
                f"{name} has {self.channels} channels; {'1 is' if infrared else '1 and 3 are'}"
                " allowed"
            )
        if self.sample_bytes not in ((1, 2) if infrared else (1,)):
            raise PictureError(
                f"{name} has samples of {self.sample_bytes} bytes;"
                f" {'1 and 2 are' if infrared else '1 is'} allowed"
            )
        if not 1 <= self.bit_depth <= 8 * self.sample_bytes:
            raise PictureError(
                f"{name} has bit depth {self.bit_depth}; samples of {self.sample_bytes} bytes hold"
                f" 1 to {8 * self.sample_bytes}"
            )

    @classmethod
    def of(cls, raster: Raster, modality: Modality) -> Camera:
        """The camera that such a picture comes from."""
        return cls(
            modality,
            raster.height,
            raster.width,
            raster.channels,
            int(raster.samples.dtype.itemsize),
            raster.bit_depth,
        )

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.height * self.width

    @property
    def size_bytes(self) -> int:
        """Of the samples of one picture."""
        return self.pixels * self.channels * self.sample_bytes

    def __str__(self) -> str:
        kind = "RGB" if self.channels == 3 else "1 channel"
        bytes_ = ", 2 bytes each" if self.sample_bytes == 2 and self.bit_depth <= 8 else ""
        return f"{self.width}x{self.height}, {kind}, {self.bit_depth} bits{bytes_}"


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A pair and when it was seen.

    Raises:
        PictureError: a time is negative.
    """

    pair: Pair
    timestamp_us: int
    """Microseconds on the clock of the cameras."""
    visible_offset_ns: int = 0
    """From there to the stamp of the visible picture: cameras are seldom in step."""
    infrared_offset_ns: int = 0
    """From there to the stamp of the infrared picture."""

    def __post_init__(self) -> None:
        if self.timestamp_us < 0:
            raise PictureError(
                f"the frame's time is {self.timestamp_us} us; 0 and later are allowed"
            )
        if (earliest := min(self.stamp_ns(modality) for modality in Modality)) < 0:
            raise PictureError(
                f"a picture of the frame is stamped {earliest} ns; 0 and later are allowed"
            )

    def stamp_ns(self, modality: Modality) -> int:
        """When one camera saw its picture, in nanoseconds on the clock of the cameras."""
        seen = modality is Modality.VISIBLE
        offset_ns = self.visible_offset_ns if seen else self.infrared_offset_ns
        return 1000 * self.timestamp_us + offset_ns


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Pairs of one scene in order of time.

    Raises:
        PictureError: there is no pair, the numbers of pairs and timestamps differ, or the
            timestamps do not increase.
    """

    pairs: tuple[Pair, ...]
    timestamps_us: tuple[int, ...] = ()
    """Microseconds, increasing; empty if unknown."""

    def __post_init__(self) -> None:
        if not self.pairs:
            raise PictureError("the clip holds no pair; at least one is needed")
        if self.timestamps_us and len(self.timestamps_us) != len(self.pairs):
            raise PictureError(
                f"the clip has {len(self.pairs)} pairs and {len(self.timestamps_us)} timestamps;"
                " give one each or none"
            )
        if any(b <= a for a, b in zip(self.timestamps_us, self.timestamps_us[1:], strict=False)):
            raise PictureError("the clip's timestamps do not increase; sort the pairs by time")

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.pairs)
