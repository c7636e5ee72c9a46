# SPDX-License-Identifier: Apache-2.0
"""Two image topics of a ROS 1 bag, a ROS 2 bag or an MCAP file as recordings.

    bag ──► rosbags ──► sensor_msgs/Image ──────────► samples ─┬─► Raster and stamp
             (extra `ros`) sensor_msgs/CompressedImage ► file ─┘

The stamp is that of the message's header, on the clock of the cameras. Where those do not increase
(or are all zero) the times of recording are taken for both topics.
"""

from __future__ import annotations

import itertools
import os
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossband.errors import SourceError
from crossband.pair import Camera, Modality, Raster
from crossband.sources.reading import read_part, take
from crossband.sources.recording import Recording, TimedRaster
from crossband.sources.stored import Samples, StoredPicture, check_size

PIP_LINE = "pip install 'crossband[ros]'"
"""What brings rosbags."""
IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_ROS1_MAGIC, _MCAP_MAGIC, _SQLITE_MAGIC = b"#ROSBAG V2.0", b"\x89MCAP0\r\n", b"SQLite format 3\0"
_ENDINGS = {_ROS1_MAGIC: ".bag", _MCAP_MAGIC: ".mcap", _SQLITE_MAGIC: ".db3"}


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the pixels of an encoding lie in memory."""

    sample_bytes: int
    channels: int
    order: tuple[int, ...] = (0,)
    """Which channels are red, green and blue, or the one gray."""

    @property
    def has_alpha(self) -> bool:
        return self.channels == 4


_LAYOUTS = {
    "mono8": _Layout(1, 1),
    "8UC1": _Layout(1, 1),
    "mono16": _Layout(2, 1),
    "16UC1": _Layout(2, 1),
    "rgb8": _Layout(1, 3, (0, 1, 2)),
    "bgr8": _Layout(1, 3, (2, 1, 0)),
    "rgba8": _Layout(1, 4, (0, 1, 2)),
    "bgra8": _Layout(1, 4, (2, 1, 0)),
}


def is_bag(path: str | os.PathLike[str]) -> bool:
    """Whether a file or folder is a bag, told by its content."""
    return (Path(path) / "metadata.yaml").is_file() or _magic(Path(path)) is not None


def _magic(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except (OSError, ValueError):
        return None
    return next((magic for magic in _ENDINGS if head.startswith(magic)), None)


def read_bag(
    path: str | os.PathLike[str],
    topics: Mapping[Modality, str],
    *,
    tolerance_us: float = 0,
    drop_alpha: bool = False,
) -> tuple[Recording, ...]:
    """The pictures of one or two topics, the visible one first; read through once for their stamps.

    Args:
        path: a .bag, .mcap or .db3 file, or the folder of a ROS 2 bag.
        topics: of each camera; none to be told which there are.
        tolerance_us: how far apart the pictures of a pair may be; 0 for half a period of the
            slower camera.
        drop_alpha: take pictures with alpha and leave the alpha out.

    Raises:
        SourceError: rosbags is missing; the bag is damaged; a topic is missing, empty or not of
            pictures; or the two never show the same instant. Topics are then listed.
    """
    bag = _Bag(os.fspath(path))
    if not topics:
        raise SourceError(
            f"{bag.name}: is a bag; name its topics with --visible-topic and --infrared-topic"
            f" (image topics: {bag.image_topics()})"
        )
    stamps = bag.stamps(topics)
    if len(stamps) == 2:
        _check_overlap(bag, topics, stamps, tolerance_us)
    return tuple(
        _recording(bag, modality, topics[modality], stamps[modality], drop_alpha=drop_alpha)
        for modality in Modality
        if modality in topics
    )


@dataclass(frozen=True, slots=True)
class _Stamps:
    """When the pictures of a topic were seen, in the order of the bag."""

    times_ns: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def period_us(self) -> float:
        """The usual time from one to the next."""
        gaps = [late - early for early, late in itertools.pairwise(self.times_ns)]
        return statistics.median(gaps) / 1000 if gaps else 1e6 / 30


class _Bag:
    """A bag that is opened anew for everything that is asked of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._path = Path(name)
        magic = _magic(self._path)
        if magic is not None and self._path.suffix != _ENDINGS[magic]:
            raise SourceError(
                f"{name}: is a bag whose name must end in {_ENDINGS[magic]} for rosbags: rename it"
            )
        self._rosbags = load_rosbags()

    def reader(self) -> Any:
        """Of both generations of bags; a context manager."""
        typestore = self._rosbags.typestore("ROS2_HUMBLE")
        return self._rosbags.reader([self._path], default_typestore=typestore)

    def messages(self, topics: tuple[str, ...]) -> Iterator[tuple[str, int, Any]]:
        """Topic, time of recording in nanoseconds and message, in the order of the bag.

        Raises:
            SourceError: the bag is damaged, or a topic is not there or not of pictures.
        """
        try:
            with self.reader() as reader:
                connections = [each for each in reader.connections if each.topic in topics]
                self._check_topics(reader.connections, topics)
                for connection, time_ns, data in reader.messages(connections):
                    message = reader.deserialize(data, connection.msgtype)
                    yield connection.topic, time_ns, message
        except SourceError:
            raise
        except Exception as error:  # rosbags raises nearly anything on damaged data
            raise SourceError(
                f"{self.name}: is damaged or no bag that rosbags can read"
                f" ({' '.join(str(error).split()) or type(error).__name__}): record or copy it"
                " again"
            ) from error

    def image_topics(self) -> str:
        """Names, types and numbers of messages of all topics with pictures."""
        try:
            with self.reader() as reader:
                return _listed(reader.connections)
        except Exception as error:
            raise SourceError(
                f"{self.name}: is no bag that rosbags can read"
                f" ({' '.join(str(error).split()) or type(error).__name__}): record or copy it"
                " again"
            ) from error

    def stamps(self, topics: Mapping[Modality, str]) -> dict[Modality, _Stamps]:
        """Of each topic."""
        by_header: dict[str, list[int]] = {topic: [] for topic in topics.values()}
        by_log: dict[str, list[int]] = {topic: [] for topic in topics.values()}
        for topic, time_ns, message in self.messages(tuple(topics.values())):
            stamp = message.header.stamp
            by_header[topic].append(10**9 * stamp.sec + stamp.nanosec)
            by_log[topic].append(time_ns)
        for topic, stamps in by_header.items():
            if not stamps:
                raise SourceError(
                    f"{self.name}: topic {topic} has no message (image topics:"
                    f" {self.image_topics()})"
                )
        notes: tuple[str, ...] = ()
        times = by_header
        if not all(_increases(stamps) for stamps in by_header.values()):
            times = by_log
            notes = (
                f"{self.name}: stamps of the pictures do not increase; the times of recording are"
                " taken",
            )
            for topic, logged in by_log.items():
                if not _increases(logged):
                    raise SourceError(
                        f"{self.name}: neither the stamps nor the times of recording of {topic}"
                        " increase from 0 on: record it again"
                    )
        return {modality: _Stamps(tuple(times[topic]), notes) for modality, topic in topics.items()}

    def _check_topics(self, connections: list[Any], topics: tuple[str, ...]) -> None:
        types = {each.topic: each.msgtype for each in connections}
        for topic in topics:
            if types.get(topic) not in (IMAGE, COMPRESSED):
                found = f"is of {types[topic]}" if topic in types else "is not there"
                raise SourceError(
                    f"{self.name}: topic {topic} {found}; name one of pictures"
                    f" ({_listed(connections)})"
                )


def _listed(connections: list[Any]) -> str:
    counts: dict[tuple[str, str], int] = {}
    for each in connections:
        if each.msgtype in (IMAGE, COMPRESSED):
            key = (each.topic, each.msgtype.rpartition("/")[2])
            counts[key] = counts.get(key, 0) + (each.msgcount or 0)
    named = [f"{topic} ({kind}, {count:,})" for (topic, kind), count in sorted(counts.items())]
    return ", ".join(named) or "there are none"


def _increases(times_ns: list[int]) -> bool:
    """To the microsecond, which is what frames are in order by, and from 0 on."""
    return times_ns[:1] >= [0] and all(
        early // 1000 < late // 1000 for early, late in itertools.pairwise(times_ns)
    )


def _check_overlap(
    bag: _Bag,
    topics: Mapping[Modality, str],
    stamps: Mapping[Modality, _Stamps],
    tolerance_us: float,
) -> None:
    """Refuses two topics of which no two pictures could be a pair."""
    visible, infrared = (np.array(stamps[each].times_ns) for each in Modality)
    tolerance_us = tolerance_us or max(each.period_us for each in stamps.values()) / 2
    places = np.searchsorted(visible, infrared)
    before = np.abs(infrared - visible[np.maximum(places - 1, 0)])
    after = np.abs(infrared - visible[np.minimum(places, len(visible) - 1)])
    apart_us = float(np.minimum(before, after).min()) / 1000
    if apart_us > tolerance_us:
        spans = " and ".join(
            f"{topics[each]} from {stamps[each].times_ns[0] / 1e9:.3f} to"
            f" {stamps[each].times_ns[-1] / 1e9:.3f} s"
            for each in Modality
        )
        raise SourceError(
            f"{bag.name}: no picture of one topic is within {tolerance_us / 1000:g} ms of one of"
            f" the other ({apart_us / 1000:g} ms at best; {spans}): name others (image topics:"
            f" {bag.image_topics()}), or raise --tolerance"
        )


def _recording(
    bag: _Bag, modality: Modality, topic: str, stamps: _Stamps, *, drop_alpha: bool
) -> Recording:
    name = f"{bag.name} {topic}"
    notes: list[str] = list(stamps.notes)

    def frames() -> Iterator[TimedRaster]:
        for number, (_, _, message) in enumerate(bag.messages((topic,))):
            stamp_us, rest_ns = divmod(stamps.times_ns[number], 1000)
            raster, found = _raster(name, number, message, modality, drop_alpha=drop_alpha)
            if number == 0:
                notes.extend(found)
            yield TimedRaster(raster, stamp_us, f"message {number}", rest_ns)

    pictures = frames()
    first = next(pictures)
    return Recording(
        name,
        Camera.of(first.raster, modality),
        stamps.period_us,
        len(stamps.times_ns),
        tuple(notes),
        itertools.chain([first], pictures),
    )


def _raster(
    name: str, number: int, message: Any, modality: Modality, *, drop_alpha: bool
) -> tuple[Raster, tuple[str, ...]]:
    """The picture of a message, and what there is to say about how it was read."""
    try:
        if message.__msgtype__ == COMPRESSED:
            if "compresseddepth" in message.format.lower():
                raise SourceError(
                    f"{name}: message {number} is compressedDepth; PNG, JPEG, TIFF and WebP are"
                    " taken: republish it as compressed or raw"
                )
            image = read_part(name, bytes(message.data), modality, drop_alpha=drop_alpha)
        else:
            image = take(name, _stored(message), modality, drop_alpha=drop_alpha)
    except SourceError as error:
        text = str(error)
        where = text if text.startswith(name) else f"{name}: message {number} {text}"
        raise SourceError(where) from error.__cause__
    return image.raster, image.notes


def _stored(message: Any) -> StoredPicture:
    """The samples of an uncompressed picture."""
    layout = _LAYOUTS.get(message.encoding)
    if layout is None:
        raise SourceError(
            f"has pictures of encoding {message.encoding!r}; {', '.join(_LAYOUTS)} and compressed"
            " ones are taken: republish it as one of them"
        )
    width, height, step = int(message.width), int(message.height), int(message.step)
    check_size(width, height)
    row_bytes = width * layout.channels * layout.sample_bytes
    data = np.asarray(message.data, np.uint8)
    if step < row_bytes or data.size < step * (height - 1) + row_bytes:
        raise SourceError(
            f"is damaged: {width}x{height} pixels of {message.encoding} in rows of {step:,} bytes"
            f" do not fit its {data.size:,} bytes: record it again"
        )
    rows = np.zeros((height, step), np.uint8)
    rows.reshape(-1)[: min(data.size, rows.size)] = data[: rows.size]
    order = ">" if message.is_bigendian else "<"
    pixels: Samples = (
        np.ascontiguousarray(rows[:, :row_bytes])
        .view(f"{order}u{layout.sample_bytes}")
        .reshape(height, width, layout.channels)[..., list(layout.order)]
        .astype(np.uint8 if layout.sample_bytes == 1 else np.uint16)
    )
    return StoredPicture(pixels, 8 * layout.sample_bytes, has_alpha=layout.has_alpha)


class _Rosbags:
    """What is used of rosbags."""

    def __init__(self) -> None:
        from rosbags.highlevel import AnyReader
        from rosbags.rosbag1 import Writer as Writer1
        from rosbags.rosbag2 import StoragePlugin
        from rosbags.rosbag2 import Writer as Writer2
        from rosbags.typesys import Stores, get_typestore

        self.reader = AnyReader
        self.writer_1 = Writer1
        self.writer_2 = Writer2
        self.mcap = StoragePlugin.MCAP
        self._stores = Stores
        self._get_typestore = get_typestore

    def typestore(self, name: str) -> Any:
        """The message types of a ROS release, such as "ROS1_NOETIC"."""
        return self._get_typestore(self._stores[name])


def load_rosbags() -> _Rosbags:
    """The library rosbags.

    Raises:
        SourceError: it is not installed, or too old.
    """
    try:
        return _Rosbags()
    except ImportError as error:
        raise SourceError(
            f"bags are read and written with rosbags, which is not installed: {PIP_LINE}"
        ) from error
