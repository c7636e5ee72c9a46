# SPDX-License-Identifier: Apache-2.0
"""Picture files in, rasters out; what a camera cannot have made is refused in one line."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias, TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from crossband.errors import SourceError
from crossband.pair import Modality, Pair, Raster
from crossband.sources.jpeg import read_jpeg
from crossband.sources.kind import HEAD_BYTES, Kind, identify
from crossband.sources.png import read_png
from crossband.sources.radiometric import read_radiometric_jpeg
from crossband.sources.stored import StoredPicture
from crossband.sources.webp import read_webp

_Result = TypeVar("_Result")

MAX_FILE_BYTES = 1 << 30
"""Largest file: the largest picture, 16-bit RGB without compression, needs 0.8 GiB."""

Source: TypeAlias = str | os.PathLike[str] | bytes | BinaryIO
"""A path, the bytes of a file, or an open binary file or pipe."""


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One picture and what there is to say about how it was read."""

    raster: Raster
    notes: tuple[str, ...] = ()
    """For the user, one line each, starting with the name of the file."""


@dataclass(frozen=True, slots=True)
class SourcePair:
    """Two pictures, or one, and what there is to say about how they were read."""

    pair: Pair
    notes: tuple[str, ...] = ()
    """For the user, one line each, starting with the name of the file."""


@dataclass(frozen=True, slots=True)
class _NamedPicture:
    """A decoded file that does not yet belong to a camera."""

    name: str
    picture: StoredPicture


def read(source: Source, modality: Modality, *, drop_alpha: bool = False) -> SourceImage:
    """The picture of one camera from a PNG, JPEG, TIFF or WebP file.

    The kind of file is told by its bytes, not by its name. Infrared keeps its own depth, 8 to 16
    bits: no step of the way has fewer. Orientation tags are honoured, colour profiles are not.
    EXIF, XMP, colour profile and TIFF tags come along as metadata, with orientation 1.

    Args:
        source: path, bytes, or binary file (a pipe will do).
        modality: visible takes 8-bit RGB and gray; infrared takes one channel, or three that are
            equal everywhere, of 8 to 16 bits.
        drop_alpha: take a picture with alpha and leave the alpha out, instead of refusing it.

    Raises:
        SourceError: the file is missing, damaged, or holds something else. One line.
    """
    return _assign(_load(source), modality, drop_alpha=drop_alpha)


def read_part(
    name: str, data: bytes, modality: Modality, *, drop_alpha: bool = False
) -> SourceImage:
    """The picture of one camera from the bytes of a picture file that stand in another file.

    Args:
        name: of the other file, for messages.
        data: the picture file.
        modality: as for `read`.
        drop_alpha: as for `read`.

    Raises:
        SourceError: as for `read`, without a name if the bytes cannot be decoded.
    """
    return take(name, _decode(data), modality, drop_alpha=drop_alpha)


def take(
    name: str, picture: StoredPicture, modality: Modality, *, drop_alpha: bool = False
) -> SourceImage:
    """The raster of one camera from decoded samples.

    Raises:
        SourceError: the camera cannot have made them.
    """
    return _assign(_NamedPicture(name, picture), modality, drop_alpha=drop_alpha)


def read_pair(
    visible: Source | None, infrared: Source | None, *, drop_alpha: bool = False
) -> SourcePair:
    """Both pictures of a scene; either may be None.

    Channels that speak for swapped arguments become part of the error, or a note if both pictures
    can be used as they are.

    Raises:
        SourceError: as for `read`.
        PictureError: both are None.
    """
    seen = None if visible is None else _load(visible)
    felt = None if infrared is None else _load(infrared)
    swapped = (
        seen is not None
        and felt is not None
        and seen.picture.is_gray
        and (felt.picture.channels > seen.picture.channels or not felt.picture.is_gray)
    )
    images: dict[Modality, SourceImage] = {}
    for modality, named in ((Modality.VISIBLE, seen), (Modality.INFRARED, felt)):
        if named is not None:
            images[modality] = _assign(named, modality, drop_alpha=drop_alpha, swapped=swapped)
    notes = [note for image in images.values() for note in image.notes]
    if swapped and seen is not None and felt is not None:
        notes.append(
            f"{seen.name}: has one channel and {felt.name} (infrared) has three;"
            " were visible and infrared swapped?"
        )
    return SourcePair(
        Pair(**{modality.value: image.raster for modality, image in images.items()}), tuple(notes)
    )


def read_radiometric(source: Source) -> SourcePair:
    """The pair in one radiometric JPEG: the counts of its sensor and its visible picture.

    The counts are infrared of 16 bits, as the sensor has them (no orientation is applied). What
    turns them into temperatures is their metadata `calibration`. A file without a visible picture,
    as those of DJI cameras, gives the infrared one alone.

    Raises:
        SourceError: the file is missing, damaged, or no radiometric JPEG. One line.
    """
    name = _name(source)
    try:
        picture = _guarded(read_radiometric_jpeg, _read_bytes(source))
    except SourceError as error:
        raise SourceError(f"{name}: {error}") from error.__cause__
    except OSError as error:
        raise SourceError(f"{name}: {_unreadable(error)}") from error
    infrared = _assign(_NamedPicture(name, picture.infrared), Modality.INFRARED, drop_alpha=False)
    visible = None
    if picture.visible is not None:
        visible = _assign(_NamedPicture(name, picture.visible), Modality.VISIBLE, drop_alpha=False)
    notes = (
        *(visible.notes if visible else ()),
        *infrared.notes,
        *(f"{name}: {note}" for note in picture.notes),
    )
    return SourcePair(Pair(visible.raster if visible else None, infrared.raster), notes)


def _assign(
    named: _NamedPicture, modality: Modality, *, drop_alpha: bool, swapped: bool = False
) -> SourceImage:
    """The raster of one camera, or the reason why the file cannot come from it."""
    picture, notes = named.picture, list(named.picture.notes)
    samples = picture.samples
    if picture.has_alpha:
        if not drop_alpha:
            raise SourceError(
                f"{named.name}: has alpha (transparency); {modality.value} pictures are taken"
                " without: use --drop-alpha (in Python drop_alpha=True) to leave it out"
            )
        notes.append("alpha left out")
    bits = samples.dtype.itemsize * 8
    if modality is Modality.VISIBLE:
        if bits > 8:
            hint = " (were visible and infrared swapped?)" if picture.channels == 1 else ""
            raise SourceError(
                f"{named.name}: has {bits}-bit samples; visible pictures are 8-bit RGB or gray:"
                f" convert it to 8 bits{hint}"
            )
        raster = Raster(
            samples[..., 0] if picture.channels == 1 else samples, metadata=picture.metadata
        )
    else:
        if (spread := picture.channel_spread) > 0:
            swap = " (were visible and infrared swapped?)" if swapped else ""
            fix = "export it from the camera as gray, better as 16-bit counts"
            if picture.holds_counts:
                fix = "take the counts that it holds with --radiometric (read_radiometric)"
            raise SourceError(
                f"{named.name}: is a colour picture or a rendering in false colours, its channels"
                f" differ by up to {spread:,}; infrared pictures have one channel of 8 to 16 bits,"
                f" or three equal ones: {fix}{swap}"
            )
        if picture.channels == 3:
            notes.append("three equal channels taken as one")
        # Copied, so that the other two channels do not stay in memory.
        raster = Raster(
            np.ascontiguousarray(samples[..., 0]),
            max(8, picture.declared_depth),
            picture.metadata,
        )
    return SourceImage(raster, tuple(f"{named.name}: {note}" for note in notes))


def _load(source: Source) -> _NamedPicture:
    """The decoded file; every way in which that can fail is a SourceError with its name."""
    name = _name(source)
    try:
        data = _read_bytes(source)
        return _NamedPicture(name, _decode(data))
    except SourceError as error:
        raise SourceError(f"{name}: {error}") from error.__cause__
    except OSError as error:
        raise SourceError(f"{name}: {_unreadable(error)}") from error


def _name(source: Source) -> str:
    if isinstance(source, bytes):
        return "picture in memory"
    name = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    if not isinstance(name, str | os.PathLike):
        return "picture stream"
    text = os.fspath(name)
    if text == "<stdin>":
        return "standard input"
    return text if text and text.isprintable() else repr(text)


def _read_bytes(source: Source) -> bytes:
    if isinstance(source, bytes):
        identify(source[:HEAD_BYTES])
        return source
    if not isinstance(source, str | os.PathLike):
        return _read_stream(source)
    try:
        with Path(source).open("rb") as stream:
            return _read_stream(stream)
    except FileNotFoundError:
        raise SourceError(
            "there is no such file; a PNG, JPEG, TIFF or WebP picture is needed: check the path"
        ) from None
    except IsADirectoryError:
        raise SourceError("is a folder; one picture file is needed: name a file in it") from None
    except SourceError:  # which is a ValueError
        raise
    except ValueError as error:  # a zero byte in the name
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> SourceError:
    reason = getattr(error, "strerror", None) or _one_line(error)
    return SourceError(
        f"cannot be read ({reason}); a readable file is needed: check it and its permissions"
    )


def _read_stream(stream: BinaryIO) -> bytes:
    head = stream.read(HEAD_BYTES)
    identify(head)  # before the rest is read: it may be a film, or endless
    data = head + stream.read(MAX_FILE_BYTES + 1 - len(head))
    if len(data) > MAX_FILE_BYTES:
        raise SourceError(
            f"has more than {MAX_FILE_BYTES:,} bytes, the most that is taken: cut it into tiles"
        )
    return data


def _decode(data: bytes) -> StoredPicture:
    return _guarded(_READERS[identify(data[:HEAD_BYTES])], data)


def _guarded(reader: Callable[[bytes], _Result], data: bytes) -> _Result:
    """What the reader gives; whatever else it raises becomes a SourceError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks about odd tags, large sizes, ...
            return reader(data)
    except SourceError:
        raise
    except Image.DecompressionBombError as error:
        raise SourceError(
            f"has more pixels than Pillow's MAX_IMAGE_PIXELS allows ({_one_line(error)}):"
            " cut it into tiles"
        ) from error
    except MemoryError as error:
        raise SourceError(
            "needs more memory than there is: cut it into tiles or free memory"
        ) from error
    except Exception as error:  # decoders raise nearly anything on damaged data
        kind = identify(data[:HEAD_BYTES])
        raise SourceError(
            f"is a damaged {kind.value} file ({_damage(error)}): copy or save it again"
        ) from error


def _damage(error: Exception) -> str:
    """The decoder's own words, unless they are about its own insides."""
    inside = (UnidentifiedImageError, LookupError, TypeError, AttributeError, ArithmeticError)
    return "its structure makes no sense" if isinstance(error, inside) else _one_line(error)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _read_tiff_lazily(data: bytes) -> StoredPicture:
    # tifffile takes longer to import than all else here, and most files are no TIFF.
    from crossband.sources.tiff import read_tiff

    return read_tiff(data)


_READERS: dict[Kind, Callable[[bytes], StoredPicture]] = {
    Kind.PNG: read_png,
    Kind.JPEG: read_jpeg,
    Kind.TIFF: _read_tiff_lazily,
    Kind.WEBP: read_webp,
}
