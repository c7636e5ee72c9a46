# SPDX-License-Identifier: Apache-2.0
"""What every codec that crossband is held against can do: the same five names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from crossband.errors import CrossbandError

Samples = npt.NDArray[np.uint8]
"""8-bit samples, (height, width) for one channel or (height, width, 3) for RGB."""


class AnchorError(CrossbandError):
    """A codec of somebody else refused or lost a picture."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One coded picture: what a file of that codec holds."""

    data: bytes
    """All that the decoder needs besides the picture's size."""
    settings: str
    """Every setting that is not the codec's own default, as its documentation writes it."""
    pixel_format: str
    """What went into the encoder, as ffmpeg calls it: `yuv444p10`, `gray`."""


class Anchor(Protocol):
    """One codec. A module with these five names is one; so is an object.

    `quality` is the codec's own scale, on which higher may be worse: see `grids.py`. An encoder
    runs in one thread, at the setting that its users pick when bytes matter, tuned for PSNR
    wherever it can be.
    """

    @property
    def name(self) -> str:
        """Unique among the anchors."""

    def available(self) -> bool:
        """Whether the packages that it needs are installed; loads little."""

    def version(self) -> str:
        """The library that does the work, and its version."""

    def encode(self, samples: Samples, quality: float) -> Stream:
        """The picture's stream: one channel as gray, three as colour.

        Raises:
            AnchorError: the encoder refused.
        """

    def decode(self, data: bytes, shape: tuple[int, ...]) -> Samples:
        """The picture in a stream.

        Args:
            data: what `encode` gave, and nothing else.
            shape: that of the samples; a raw stream may hold a padded picture.

        Raises:
            AnchorError: the bytes hold no such picture.
        """


def check_shape(name: str, samples: Samples, shape: tuple[int, ...]) -> Samples:
    """The samples, if they have the shape that was coded.

    Raises:
        AnchorError: they do not.
    """
    if samples.shape != shape:
        raise AnchorError(f"{name} gave a picture of shape {samples.shape}; {shape} was coded")
    return samples
