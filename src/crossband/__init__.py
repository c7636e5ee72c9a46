# SPDX-License-Identifier: Apache-2.0
"""A learned codec for pairs of infrared and visible pictures.

Example:
    data = crossband.encode(visible, infrared, quality=50)
    pair = crossband.decode(data)
    pair.visible.samples, pair.infrared.samples
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from crossband.errors import (
    CorruptStream,
    CrossbandError,
    InputError,
    MissingPicture,
    MissingWeights,
    NotCrossband,
    OutputError,
    PictureError,
    SourceError,
    StreamError,
    TargetUnreachable,
    TrainingError,
    UnsupportedVersion,
)
from crossband.homography import Homography
from crossband.pair import Camera, Clip, Frame, Metadata, Modality, Pair, Raster

if TYPE_CHECKING:
    import os
    from typing import BinaryIO

    from crossband.codec import Codec
    from crossband.container import PairFile
    from crossband.film import Film
    from crossband.film_writer import Writer

__version__ = "0.1.0"

__all__ = [
    "Camera",
    "Clip",
    "CorruptStream",
    "CrossbandError",
    "Film",
    "Frame",
    "Homography",
    "InputError",
    "Metadata",
    "MissingPicture",
    "MissingWeights",
    "Modality",
    "NotCrossband",
    "OutputError",
    "Pair",
    "PictureError",
    "Raster",
    "SourceError",
    "StreamError",
    "TargetUnreachable",
    "TrainingError",
    "UnsupportedVersion",
    "Writer",
    "__version__",
    "decode",
    "encode",
    "info",
    "load",
    "open",
]


def encode(
    visible: npt.NDArray[Any] | Raster | None,
    infrared: npt.NDArray[Any] | Raster | None,
    quality: float = 50,
    *,
    order: Literal["infrared-first", "visible-first", "auto"] = "infrared-first",
    effort: int = 5,
    max_error: int | None = None,
    max_error_kelvin: float | None = None,
    kelvin_per_count: float | None = None,
    registration: Homography | None = None,
) -> bytes:
    """The bytes of one file that holds both pictures, or the one that is given.

    Args:
        visible: 8-bit RGB or gray, (height, width[, 3]), or None.
        infrared: one channel of uint8 or uint16, (height, width), or None. Give a `Raster` to say
            how many of the 16 bits are in use, or to have its metadata carried.
        quality: 0 to 100, higher is better and larger.
        order: which picture is coded first, on its own; the other is coded knowing it.
        effort: 1 to 9, higher tries more and takes longer.
        max_error: no infrared sample comes back further off than this, in counts; 0 is lossless.
            The encoder proves it on its own bytes.
        max_error_kelvin: the same in kelvin, above 0: a bound in counts that keeps every
            temperature so near, by the calibration that the infrared picture carries (that of FLIR
            cameras is known) or by `kelvin_per_count`. Below one count it is lossless.
        kelvin_per_count: for `max_error_kelvin`, of linear counts without calibration, as 0.04.
        registration: where the infrared picture lies in the visible one, which
            `crossband.registration.estimate` finds; None: each fills the other.

    Raises:
        PictureError: a picture or an option outside its range, options that contradict each
            other, or a bound in kelvin without a calibration that is known.
    """
    pair = Pair(visible=_raster(visible), infrared=_raster(infrared))
    return _base().encode(
        pair,
        quality=quality,
        order=order,
        effort=effort,
        max_error=max_error,
        max_error_kelvin=max_error_kelvin,
        kelvin_per_count=kelvin_per_count,
        registration=registration,
    )


def decode(data: bytes, *, only: Modality | None = None) -> Pair:
    """The pictures in the bytes of a file, each of its own size, type and depth.

    Args:
        data: what `encode` gave.
        only: decode this picture and leave the other one None.

    Raises:
        StreamError: the bytes are damaged, of a newer version, or something else.
    """
    return _base().decode(data, only=only)


def info(data: bytes) -> PairFile:
    """What the header of a file says; needs neither weights nor torch.

    Raises:
        StreamError: the bytes are damaged, of a newer version, or something else.
    """
    from crossband.container import unpack

    return unpack(data)


def load(name: str = "base") -> Codec:
    """A codec that keeps its weights loaded, for more than one pair."""
    from crossband.codec import load as load_codec

    return load_codec(name)


def open(
    source: str | os.PathLike[str] | BinaryIO,
    *,
    only: Modality | None = None,
    codec: Codec | None = None,
    predictor: Codec | None = None,
    jobs: int = 1,
) -> Film:
    """A film that is read and decoded where it is looked at; `Writer` makes films.

    Args:
        source: a path, or a binary file that can seek (it stays open).
        only: decode these pictures and leave the others None.
        codec: what `load` gave; the weights that the film names if not given.
        predictor: likewise, for the frames between key frames.
        jobs: groups of frames that are decoded at once where the film is iterated, each on one
            core and ahead of what was asked for, up to 1 GiB of samples.

    Raises:
        SourceError: the file is not there or cannot be read.
        StreamError: it is no film, of a newer version, or its header is damaged.
    """
    from crossband.film import open_film

    return open_film(source, only=only, codec=codec, predictor=predictor, jobs=jobs)


def __getattr__(name: str) -> Any:
    # What these need takes longer to import than all of this.
    if name == "Film":
        from crossband.film import Film

        return Film
    if name == "Writer":
        from crossband.film_writer import Writer

        return Writer
    raise AttributeError(f"module 'crossband' has no attribute '{name}'")


@lru_cache(maxsize=1)
def _base() -> Codec:
    return load("base")


def _raster(picture: npt.NDArray[Any] | Raster | None) -> Raster | None:
    if picture is None or isinstance(picture, Raster):
        return picture
    return Raster(np.asarray(picture))
