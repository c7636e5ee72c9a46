# SPDX-License-Identifier: Apache-2.0
"""A film file as a recording, through PyAV (the extra `film`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from crossband.errors import SourceError
from crossband.pair import Camera, Modality, Raster
from crossband.sources.recording import Recording, TimedRaster
from crossband.sources.stored import check_size

PIP_LINE = "pip install 'crossband[film]'"
"""What brings PyAV."""
DEPTH_TAG = "CROSSBAND_BIT_DEPTH"
"""Tag of a stream whose samples use fewer bits than its pixel format has."""
_NEUTRAL = 3
"""How far colour may be from gray in an infrared film; lossy coders leave it 1 off."""
_GRAY_DEPTHS = (8, 9, 10, 12, 14, 16)
"""Gray pixel formats of FFmpeg."""
_MOST_US = 1 << 62


# (offset, bytes) of containers that hold films; all else is taken for a picture.
_MAGICS = (
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska, WebM
    (8, b"AVI "),
    (0, b"\x00\x00\x01\xba"),  # MPEG program stream
    (0, b"\x00\x00\x01\xb3"),  # MPEG video
    (0, b"FLV\x01"),
    (0, b"YUV4MPEG2 "),
    (0, b"DKIF"),  # IVF
    (0, b"OggS"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF, WMV
    (0, b"\x06\x0e\x2b\x34"),  # MXF
    (4, b"moov"),
    (4, b"mdat"),
    (4, b"wide"),
)
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"crx ")
_PACKET_BYTES = 188


def is_film_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is in a container of films, told by its first bytes."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(2 * _PACKET_BYTES)
    except (OSError, ValueError):
        return False
    if head[4:8] == b"ftyp":
        return head[8:12] not in _STILL_BRANDS
    if head[:1] == b"G" and head[_PACKET_BYTES : _PACKET_BYTES + 1] == b"G":  # MPEG transport
        return not head.startswith(b"GIF8")
    return any(head.startswith(magic, offset) for offset, magic in _MAGICS)


def load_av() -> ModuleType:
    """PyAV.

    Raises:
        SourceError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise SourceError(
            f"films are read and written with PyAV, which is not installed: {PIP_LINE}"
        ) from error
    av.logging.set_level(None)  # FFmpeg's own remarks are not for the user
    return av


def read_video(
    path: str | os.PathLike[str], modality: Modality, *, drop_alpha: bool = False
) -> Recording:
    """The frames of a film file, progressive, of 8 bits (visible) or 8 to 16 bits (infrared).

    Rotation of multiples of 90 degrees is applied. Times are those of the file.

    Raises:
        SourceError: PyAV is missing, or the file is no film, has no video, no frame, or is of a
            kind that is not taken.
    """
    name = os.fspath(path)
    av = load_av()
    if not Path(path).is_file():
        raise SourceError(f"{name}: there is no such file; a film is needed: check the path")
    frames = _frames(av, name, modality, drop_alpha)
    head = next(frames)
    assert isinstance(head, _Head)
    try:
        first = next(frames)
    except StopIteration:
        raise SourceError(
            f"{name}: its video has no frame; at least one is needed: record it again"
        ) from None
    assert isinstance(first, TimedRaster)

    def all_frames() -> Iterator[TimedRaster]:
        yield first
        for frame in frames:
            assert isinstance(frame, TimedRaster)
            yield frame

    return Recording(
        name,
        Camera.of(first.raster, modality),
        head.period_us,
        head.frame_count,
        tuple(f"{name}: {note}" for note in head.notes),
        all_frames(),
    )


class _Head:
    """What the file says of the whole film; notes grow with the first frame."""

    def __init__(self, period_us: float, frame_count: int | None) -> None:
        self.period_us = period_us
        self.frame_count = frame_count
        self.notes: list[str] = []


def _frames(
    av: ModuleType, name: str, modality: Modality, drop_alpha: bool
) -> Iterator[_Head | TimedRaster]:
    """First the head, then the frames; closes the file when they end."""
    try:
        container = av.open(name, options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, ValueError) as error:
        raise SourceError(
            f"{name}: is no film that FFmpeg can read ({_reason(error)}): check the file"
        ) from error
    with container:
        streams = [
            stream
            for stream in container.streams.video
            if not int(stream.disposition) & int(av.stream.Disposition.attached_pic)
        ]
        if not streams:
            raise SourceError(
                f"{name}: has no video, only {len(container.streams)} other streams; a film is"
                " needed: name another file"
            )
        stream = streams[0]
        stream.thread_type = "AUTO"
        rate = stream.average_rate or stream.guessed_rate or 30
        count = stream.frames or None
        if count is None and container.duration:
            count = round(container.duration / 1e6 * rate)
        head = _Head(1e6 / float(rate), count)
        if len(streams) > 1:
            head.notes.append(f"has {len(streams)} videos; the first one is taken")
        yield head
        depth = stream.metadata.get(DEPTH_TAG, "")
        convert = _Converter(
            name, modality, head, drop_alpha, int(depth) if depth.isdecimal() else 0
        )
        number = 0
        try:
            for frame in container.decode(stream):
                yield TimedRaster(
                    convert(frame, number), _time_us(name, frame, number), f"frame {number}"
                )
                number += 1
        except av.error.FFmpegError as error:
            raise SourceError(
                f"{name}: is damaged after frame {number - 1} ({_reason(error)}); {number} frames"
                " could be read: copy it again or cut it there"
            ) from error


def _time_us(name: str, frame: Any, number: int) -> int:
    if frame.pts is None or frame.time_base is None:
        raise SourceError(
            f"{name}: frame {number} has no time; a film with times is needed: write it anew"
            f" (ffmpeg -fflags +genpts -i {name} -c copy timed.mkv)"
        )
    at_us: int = round(frame.pts * frame.time_base * 1_000_000)
    if not 0 <= at_us < _MOST_US:
        raise SourceError(
            f"{name}: frame {number} is at {at_us} us; times from 0 on are taken: shift them"
            f" (ffmpeg -i {name} -c copy -avoid_negative_ts make_zero shifted.mkv)"
        )
    return at_us


class _Converter:
    """Frames of FFmpeg to rasters of one camera."""

    def __init__(
        self, name: str, modality: Modality, head: _Head, drop_alpha: bool, depth: int
    ) -> None:
        self._name = name
        self._modality = modality
        self._head = head
        self._drop_alpha = drop_alpha
        self._depth = depth
        self._size: tuple[int, int] | None = None

    def __call__(self, frame: Any, number: int) -> Raster:
        if frame.interlaced_frame:
            raise SourceError(
                f"{self._name}: frame {number} is interlaced; progressive films are taken:"
                f" deinterlace it first (ffmpeg -i {self._name} -vf bwdif -c:v ffv1"
                " progressive.mkv)"
            )
        size = (frame.width, frame.height)
        if self._size is not None and size != self._size:
            raise SourceError(
                f"{self._name}: frame {number} is {size[0]}x{size[1]}, those before"
                f" {self._size[0]}x{self._size[1]}; all must be alike: cut the film there or scale"
                f" it (ffmpeg -i {self._name} -vf scale={self._size[0]}:{self._size[1]} ...)"
            )
        if self._size is None:
            check_size(*size)
            self._size = size
        raster = (
            self._visible(frame) if self._modality is Modality.VISIBLE else self._infrared(frame)
        )
        return raster if not frame.rotation else self._turned(raster, frame.rotation)

    def _visible(self, frame: Any) -> Raster:
        components = self._components(frame)
        if (bits := max(component.bits for component in components)) > 8:
            raise SourceError(
                f"{self._name}: has {bits}-bit samples ({frame.format.name}); visible films are"
                " 8-bit RGB or gray: convert it to 8 bits (ffmpeg -pix_fmt yuv420p)"
            )
        if len(components) == 1 and frame.format.name.startswith("gray"):
            return Raster(np.ascontiguousarray(frame.to_ndarray(format="gray")))
        return Raster(np.ascontiguousarray(frame.to_ndarray(format="rgb24")))

    def _infrared(self, frame: Any) -> Raster:
        components = self._components(frame)
        bits = max(component.bits for component in components)
        if len(components) > 1:
            self._check_gray(frame, bits)
        if bits not in _GRAY_DEPTHS:
            raise SourceError(
                f"{self._name}: has {bits}-bit samples ({frame.format.name}); infrared films have"
                f" {', '.join(map(str, _GRAY_DEPTHS))}: convert it (ffmpeg -pix_fmt gray16le)"
            )
        if bits == 8:
            return Raster(np.ascontiguousarray(frame.to_ndarray(format="gray")))
        wanted = f"gray{bits}le"
        own = frame if frame.format.name == wanted else frame.reformat(format=wanted)
        samples = _plane(own)
        depth = self._depth if 8 < self._depth < bits else bits
        if (top := int(samples.max())) >> depth:
            raise SourceError(
                f"{self._name}: has the sample {top:,}, its tag {DEPTH_TAG} says {depth} bits;"
                " write the film anew without that tag"
            )
        return Raster(samples, depth)

    def _components(self, frame: Any) -> list[Any]:
        """Of the pixel format, without alpha."""
        if frame.format.name.startswith("pal8"):
            frame_has_alpha, components = False, list(frame.format.components)
        else:
            components = [c for c in frame.format.components if not c.is_alpha]
            frame_has_alpha = len(components) < len(frame.format.components)
        if frame_has_alpha and not self._drop_alpha:
            raise SourceError(
                f"{self._name}: has alpha (transparency); {self._modality.value} films are taken"
                " without: use --drop-alpha (in Python drop_alpha=True) to leave it out"
            )
        return components

    def _check_gray(self, frame: Any, bits: int) -> None:
        """Refuses colour; lossy coders may leave gray a little off."""
        if bits == 8:
            rgb = frame.to_ndarray(format="yuv444p")[1:]
            spread, neutral = int(np.abs(rgb.astype(np.int16) - 128).max()), _NEUTRAL
        else:
            rgb = frame.to_ndarray(format="rgb48le").astype(np.int32)
            spread = int((rgb.max(axis=-1) - rgb.min(axis=-1)).max())
            neutral = 2 * _NEUTRAL << 8
        if spread > neutral:
            raise SourceError(
                f"{self._name}: is a colour film; infrared films have one channel, or three that"
                " are equal: export it from the camera as gray (were visible and infrared swapped?)"
            )
        note = "colour channels that say nothing left out"
        if note not in self._head.notes:
            self._head.notes.append(note)

    def _turned(self, raster: Raster, rotation: int) -> Raster:
        if rotation % 90:
            raise SourceError(
                f"{self._name}: is turned by {rotation} degrees by its metadata; multiples of 90"
                f" are taken: turn the pictures themselves (ffmpeg -i {self._name} ...)"
            )
        note = f"turned upright as its metadata says ({rotation} degrees)"
        if note not in self._head.notes:
            self._head.notes.append(note)
        # FFmpeg and numpy both count anticlockwise.
        turned: np.ndarray[Any, Any] = np.ascontiguousarray(
            np.rot90(raster.samples, rotation // 90)
        )
        return Raster(turned, raster.bit_depth)


def _plane(frame: Any) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """The samples of a gray frame of 9 to 16 bits, (height, width)."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, "<u2").reshape(frame.height, plane.line_size // 2)
    return np.ascontiguousarray(rows[:, : frame.width], dtype=np.uint16)


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())
