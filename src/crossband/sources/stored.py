# SPDX-License-Identifier: Apache-2.0
"""A picture as its file holds it, before anyone asks which camera it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from crossband.errors import SourceError
from crossband.pair import MAX_SIDE, Metadata

MAX_PIXELS = 1 << 27
"""Most pixels of one picture (16,384 x 8,192); below the size at which Pillow refuses too."""

Samples: TypeAlias = npt.NDArray[Any]
"""Unsigned integers of 8 or 16 bits; `Raster` checks the type."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredPicture:
    """Decoded samples of one file, upright, alpha already taken off."""

    samples: Samples
    """(height, width, channels), channels 1 or 3."""
    declared_depth: int
    """Bits in use as the file says; all bits of the type when it says nothing."""
    has_alpha: bool = False
    """Whether the file has an alpha channel or a transparent colour."""
    notes: tuple[str, ...] = ()
    """What the user should know, one sentence each."""
    metadata: Metadata = field(default_factory=Metadata)
    """What the file says beside the samples, fit for them being upright."""
    holds_counts: bool = False
    """Whether the file has counts of an infrared sensor too, of which this is a rendering."""

    @property
    def channels(self) -> int:
        """1 or 3."""
        return int(self.samples.shape[2])

    @property
    def is_gray(self) -> bool:
        """Whether there is one channel, or three that are equal everywhere."""
        return self.channel_spread == 0

    @property
    def channel_spread(self) -> int:
        """Largest difference between two channels of one pixel; 0 for gray."""
        if self.channels == 1:
            return 0
        first = self.samples[..., :1]
        spread = np.maximum(first, self.samples[..., 1:]) - np.minimum(first, self.samples[..., 1:])
        return int(spread.max())


@dataclass(frozen=True, slots=True)
class RadiometricPicture:
    """What one radiometric file holds."""

    infrared: StoredPicture
    """Counts of the sensor, 16 bits, with the camera's calibration as metadata."""
    visible: StoredPicture | None
    """What the camera for visible light saw, if there is one and its picture is known."""
    notes: tuple[str, ...] = ()
    """What the user should know, one sentence each."""


def check_size(width: int, height: int) -> None:
    """Refuses a size before memory for it is taken.

    Raises:
        SourceError: a side is 0 or above 65,535, or there are too many pixels.
    """
    if width < 1 or height < 1:
        raise SourceError(
            f"is {width}x{height} pixels; at least 1x1 is needed: save the picture again"
        )
    if width > MAX_SIDE or height > MAX_SIDE:
        raise SourceError(
            f"is {width}x{height} pixels; each side may have at most {MAX_SIDE:,}:"
            " cut it into tiles"
        )
    if width * height > MAX_PIXELS:
        raise SourceError(
            f"is {width}x{height} = {width * height:,} pixels; at most {MAX_PIXELS:,} are taken:"
            " cut it into tiles"
        )


def honoured_depth(samples: Samples, declared: int | None) -> int:
    """Bits in use: what the file declares, unless a sample needs more.

    A declared depth that the samples exceed means that they are scaled up to the whole type, as
    PNG asks of a writer that sets sBIT; then all bits are in use.
    """
    type_bits = samples.dtype.itemsize * 8
    if declared is None or not 1 <= declared < type_bits:
        return type_bits
    return declared if int(samples.max()) >> declared == 0 else type_bits
