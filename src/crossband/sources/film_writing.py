# SPDX-License-Identifier: Apache-2.0
"""Decoded films out to files that keep every sample: FFV1, lossless x264, or numbered PNG."""

from __future__ import annotations

import os
import secrets
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from crossband.errors import OutputError
from crossband.pair import Camera, Raster
from crossband.sources.atomic import check_destination
from crossband.sources.video import DEPTH_TAG, load_av
from crossband.sources.writing import write

FilmFormat: TypeAlias = Literal["ffv1", "x264", "png"]
"""What `open_sink` can write; all keep every sample."""

_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG of FFmpeg."""
_CONTAINERS = {".mkv": "matroska", ".mp4": "mp4"}


class Sink(Protocol):
    """Takes the pictures of one camera; the file or folder appears at `close`, whole."""

    def write(self, raster: Raster, *, number: int, timestamp_us: int, rest_ns: int = 0) -> None:
        """Appends a picture: its number in the film, from 0, and its stamp.

        `rest_ns` is what the microseconds leave out; films for players have no place for it.
        """

    def close(self) -> None:
        """Puts the result in its place."""

    def discard(self) -> None:
        """Leaves nothing behind."""


def open_sink(
    path: str | os.PathLike[str],
    camera: Camera,
    *,
    format: FilmFormat,
    frames_per_second: float = 30,
    force: bool = False,
) -> Sink:
    """A place for the pictures of one camera.

    FFV1 goes into Matroska, which keeps times to the millisecond; x264 into Matroska or MP4, which
    keeps microseconds. PNG pictures lie in a folder, named by their number; times are not kept.

    Args:
        path: a file that ends in .mkv or .mp4, or for PNG a folder that does not exist.
        camera: what all pictures are like.
        format: decides alone.
        frames_per_second: what players are told; the pictures have their own times.
        force: replace a file that exists.

    Raises:
        OutputError: the format cannot hold the camera, or the path cannot be written.
        SourceError: PyAV is missing.
    """
    if format == "png":
        return _Folder(Path(path), force=force)
    return _Video(Path(path), camera, format, frames_per_second, force=force)


class _Folder:
    def __init__(self, path: Path, *, force: bool) -> None:
        if path.exists() and not (force and path.is_dir()):
            raise OutputError(
                f"{path}: exists; a folder of pictures is replaced only on request: use --force (in"
                " Python force=True) or another name"
            )
        check_destination(path.parent / f"{path.name}.png", force=True)  # that its folder exists
        self._path = path
        self._part = path.parent / f".crossband-{secrets.token_hex(8)}.part"
        try:
            self._part.mkdir()
        except OSError as error:
            raise _refused(path, error) from error

    def write(self, raster: Raster, *, number: int, timestamp_us: int, rest_ns: int = 0) -> None:
        write(raster, self._part / f"{number:06d}.png")

    def close(self) -> None:
        try:
            if self._path.exists():
                shutil.rmtree(self._path)
            self._part.rename(self._path)
        except OSError as error:
            raise _refused(self._path, error) from error

    def discard(self) -> None:
        shutil.rmtree(self._part, ignore_errors=True)


class _Video:
    def __init__(
        self,
        path: Path,
        camera: Camera,
        format: Literal["ffv1", "x264"],
        frames_per_second: float,
        *,
        force: bool,
    ) -> None:
        container = _CONTAINERS.get(path.suffix.lower())
        if container is None or (format == "ffv1" and container != "matroska"):
            raise OutputError(
                f"{path}: {format} is written into"
                f" {'.mkv' if format == 'ffv1' else '.mkv and .mp4'} files: give such a name"
            )
        self._target = check_destination(path, force=force)
        self._path = path
        self._part = self._target.parent / f".crossband-{secrets.token_hex(8)}.part"
        self._av = load_av()
        encoder = {"ffv1": "ffv1", "x264": "libx264rgb" if camera.channels == 3 else "libx264"}
        self._format = self._pixel_format(encoder[format], camera, path)
        try:
            self._container = self._av.open(str(self._part), "w", format=container)
            rate = Fraction(frames_per_second).limit_denominator(1001)
            stream = self._container.add_stream(encoder[format], rate=max(rate, Fraction(1, 1000)))
            stream.width, stream.height = camera.width, camera.height
            stream.pix_fmt = self._format
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1_000_000)
            if format == "x264":
                stream.options = {"qp": "0"}
                # x264 stores lossless gray with empty colour, where gray has 0 to 255 only if told.
                stream.codec_context.color_range = _FULL_RANGE
            if camera.sample_bytes == 2 and camera.bit_depth > 8:
                stream.metadata[DEPTH_TAG] = str(camera.bit_depth)
            self._stream = stream
        except (self._av.error.FFmpegError, OSError) as error:
            self._part.unlink(missing_ok=True)
            raise _refused(path, error) from error

    def write(self, raster: Raster, *, number: int, timestamp_us: int, rest_ns: int = 0) -> None:
        frame = self._frame(raster)
        frame.color_range = _FULL_RANGE
        frame.pts, frame.time_base = timestamp_us, Fraction(1, 1_000_000)
        self._mux(frame)

    def close(self) -> None:
        self._mux(None)
        try:
            self._container.close()
            self._part.replace(self._target)
        except (self._av.error.FFmpegError, OSError) as error:
            raise _refused(self._path, error) from error

    def discard(self) -> None:
        try:
            self._container.close()
        except (self._av.error.FFmpegError, OSError, ValueError):
            pass  # it goes anyway
        finally:
            self._part.unlink(missing_ok=True)

    def _mux(self, frame: Any) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except (self._av.error.FFmpegError, OSError) as error:
            raise _refused(self._path, error) from error

    def _pixel_format(self, encoder: str, camera: Camera, path: Path) -> str:
        if camera.channels == 3:
            return "bgr0" if encoder == "ffv1" else "rgb24"
        if camera.sample_bytes == 1:
            return "gray"
        known = {format.name for format in self._av.Codec(encoder, "w").video_formats}
        for bits in (9, 10, 12, 14, 16):
            if bits >= camera.bit_depth and f"gray{bits}le" in known:
                return f"gray{bits}le"
        raise OutputError(
            f"{path}: x264 holds gray of 8 and 10 bits, this camera has {camera.bit_depth}: use"
            " --codec ffv1 or png"
        )

    def _frame(self, raster: Raster) -> Any:
        if raster.samples.dtype == np.uint8:
            kind = "rgb24" if raster.channels == 3 else "gray"
            frame = self._av.VideoFrame.from_ndarray(raster.samples, format=kind)
            return frame if self._format == kind else frame.reformat(format=self._format)
        frame = self._av.VideoFrame(raster.width, raster.height, self._format)
        plane = frame.planes[0]
        rows = np.zeros((raster.height, plane.line_size // 2), "<u2")
        rows[:, : raster.width] = raster.samples
        plane.update(rows.tobytes())
        return frame


def _refused(path: Path, error: Exception) -> OutputError:
    reason = " ".join(str(getattr(error, "strerror", None) or error).split())
    return OutputError(f"{path}: cannot be written ({reason}): make room or write elsewhere")
