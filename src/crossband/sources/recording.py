# SPDX-License-Identifier: Apache-2.0
"""What one camera recorded: its pictures in order of time, from any kind of source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crossband.errors import SourceError
from crossband.pair import Camera, Raster


@dataclass(frozen=True, slots=True, eq=False)
class TimedRaster:
    """A picture and when it was seen."""

    raster: Raster
    timestamp_us: int
    """Microseconds on the clock of the camera."""
    name: str
    """For messages: "frame 12", or a file."""
    rest_ns: int = 0
    """What the microseconds leave out of the stamp, 0 to 999 ns."""

    @property
    def stamp_ns(self) -> int:
        """The whole stamp."""
        return 1000 * self.timestamp_us + self.rest_ns


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The pictures of one camera, read when they are asked for, once.

    Iterating raises SourceError where a picture is not like the first one, times do not increase,
    or the source is damaged.
    """

    name: str
    """Of the file or folder, for messages."""
    camera: Camera
    """That of the first picture."""
    period_us: float
    """Time between two pictures where none is missing."""
    frame_count: int | None
    """About how many pictures there are; None if unknown."""
    notes: tuple[str, ...]
    """For the user, one line each, starting with the name."""
    frames: Iterable[TimedRaster]
    """Unchecked; iterate over the recording instead."""

    def __iter__(self) -> Iterator[TimedRaster]:
        last_us = -1
        for frame in self.frames:
            found = Camera.of(frame.raster, self.camera.modality)
            if found != self.camera:
                raise SourceError(
                    f"{self.name}: {frame.name} is {found}, the first one {self.camera}; all must"
                    " be alike: cut the film there or scale it"
                )
            if frame.timestamp_us <= last_us:
                raise SourceError(
                    f"{self.name}: {frame.name} is at {frame.timestamp_us} us, the one before at"
                    f" {last_us} us; times must increase: write the film anew with a constant rate"
                    " (ffmpeg -i FILM -fps_mode cfr ...)"
                )
            last_us = frame.timestamp_us
            yield frame
