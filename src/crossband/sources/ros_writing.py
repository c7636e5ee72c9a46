# SPDX-License-Identifier: Apache-2.0
"""Decoded films out to a ROS 1 bag or an MCAP file: one image topic for each camera."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from crossband.errors import OutputError
from crossband.pair import Camera, Modality, Raster
from crossband.sources.atomic import check_destination
from crossband.sources.film_writing import Sink
from crossband.sources.ros import IMAGE, load_rosbags

BAG_ENDINGS = (".bag", ".mcap")
"""Names of the files that `open_bag` writes: a ROS 1 bag, and ROS 2 messages in MCAP."""
DEFAULT_TOPICS = {each: f"/{each.value}/image_raw" for each in Modality}
"""What the topics are called if nobody says otherwise."""
_ENCODINGS = {(1, 1): "mono8", (1, 2): "mono16", (3, 1): "rgb8"}
"""By channels and bytes of a sample."""


def open_bag(
    path: str | os.PathLike[str],
    cameras: Iterable[Camera],
    *,
    topics: Mapping[Modality, str] = DEFAULT_TOPICS,
    force: bool = False,
) -> dict[Modality, Sink]:
    """A place for the pictures of each camera, all in one file.

    The file appears when the last of them is closed. Pictures are sensor_msgs/Image of mono8,
    mono16 or rgb8, little-endian; each message is stamped and recorded at its picture's stamp. How
    many of 16 bits are in use has no place there.

    Args:
        path: a file that ends in .bag or .mcap.
        cameras: those of the film.
        topics: of each camera.
        force: replace a file that exists.

    Raises:
        OutputError: the path cannot be written.
        SourceError: rosbags is missing.
    """
    bag = _Bag(Path(path), force=force)
    return {each.modality: bag.topic(each, topics[each.modality]) for each in cameras}


class _Bag:
    """The file that all topics share."""

    def __init__(self, path: Path, *, force: bool) -> None:
        self._path = path
        self._target = check_destination(path, force=force)
        self._rosbags = load_rosbags()
        self._is_ros1 = path.suffix.lower() == ".bag"
        self.typestore = self._rosbags.typestore("ROS1_NOETIC" if self._is_ros1 else "ROS2_HUMBLE")
        # A ROS 2 writer makes a folder with the file in it.
        self._part = self._target.parent / f".crossband-{secrets.token_hex(8)}.part"
        self._writer = (
            self._rosbags.writer_1(self._part)
            if self._is_ros1
            else self._rosbags.writer_2(self._part, version=9, storage_plugin=self._rosbags.mcap)
        )
        self._open: set[Modality] = set()
        self._is_empty = True
        self._is_done = False
        try:
            self._writer.open()
        except Exception as error:
            self.abandon()
            raise self._refused(error) from error

    def topic(self, camera: Camera, name: str) -> _Topic:
        """One camera's place."""
        self._open.add(camera.modality)
        try:
            connection = self._writer.add_connection(name, IMAGE, typestore=self.typestore)
        except Exception as error:
            self.abandon()
            raise self._refused(error) from error
        return _Topic(self, camera, connection)

    def write(self, connection: Any, message: Any, time_ns: int) -> None:
        """Appends a message."""
        pack = self.typestore.serialize_ros1 if self._is_ros1 else self.typestore.serialize_cdr
        try:
            self._writer.write(connection, time_ns, pack(message, IMAGE))
        except Exception as error:  # a full disk, a stamp that ROS cannot hold
            raise self._refused(error) from error
        self._is_empty = False

    def finish(self, modality: Modality) -> None:
        """One camera is done; after the last one the file is put in its place."""
        self._open.discard(modality)
        if self._open or self._is_done:
            return
        if self._is_empty:
            self.abandon()
            return
        try:
            self._writer.close()
            made = self._part if self._is_ros1 else self._part / f"{self._part.name}.mcap"
            made.replace(self._target)
        except Exception as error:
            raise self._refused(error) from error
        self._is_done = True
        self._clear()

    def abandon(self) -> None:
        """Leaves nothing behind but what is already in its place."""
        if not self._is_done:
            self._is_done = True
            with suppress(Exception):  # it goes anyway
                self._writer.close()
            self._clear()

    def _clear(self) -> None:
        if self._part.is_dir():
            shutil.rmtree(self._part, ignore_errors=True)
        else:
            self._part.unlink(missing_ok=True)

    def _refused(self, error: Exception) -> OutputError:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        return OutputError(
            f"{self._path}: cannot be written ({reason}): make room or write elsewhere"
        )


class _Topic:
    """The place of one camera's pictures, a `Sink`."""

    def __init__(self, bag: _Bag, camera: Camera, connection: Any) -> None:
        self._bag = bag
        self._camera = camera
        self._connection = connection
        self._count = 0

    def write(self, raster: Raster, *, number: int, timestamp_us: int, rest_ns: int = 0) -> None:
        types = self._bag.typestore.types
        time_ns = 1000 * timestamp_us + rest_ns
        seconds, nanoseconds = divmod(time_ns, 10**9)
        stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=nanoseconds)
        header_type = types["std_msgs/msg/Header"]
        header = {"stamp": stamp, "frame_id": self._camera.modality.value}
        if "seq" in header_type.__dataclass_fields__:  # ROS 1
            header["seq"] = self._count
        samples = np.ascontiguousarray(raster.samples, raster.samples.dtype.newbyteorder("<"))
        message = types[IMAGE](
            header=header_type(**header),
            height=raster.height,
            width=raster.width,
            encoding=_ENCODINGS[raster.channels, samples.itemsize],
            is_bigendian=0,
            step=raster.width * raster.channels * samples.itemsize,
            data=samples.reshape(-1).view(np.uint8),
        )
        self._bag.write(self._connection, message, time_ns)
        self._count += 1

    def close(self) -> None:
        self._bag.finish(self._camera.modality)

    def discard(self) -> None:
        if self._count:
            self._bag.abandon()
        else:
            self._bag.finish(self._camera.modality)
