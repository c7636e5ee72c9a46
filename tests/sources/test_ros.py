# SPDX-License-Identifier: Apache-2.0
"""Bags of ROS: pictures and stamps in and out, and what cannot be used is one line."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossband.errors import OutputError, SourceError
from crossband.pair import Camera, Modality, Raster
from crossband.sources import is_bag, match, open_bag, read_bag
from crossband.sources.ros import COMPRESSED, IMAGE

HAS_ROSBAGS = True
try:
    import rosbags  # noqa: F401
except ImportError:
    HAS_ROSBAGS = False
pytestmark = pytest.mark.skipif(not HAS_ROSBAGS, reason="needs rosbags: pip install rosbags")

TOPICS = {Modality.VISIBLE: "/rgb", Modality.INFRARED: "/thermal"}
START_NS = 1_700_000_000_123_456_789
PERIOD_NS = 33_333_333
KINDS = ["scene.bag", "scene.mcap", "scene"]
"""ROS 1, MCAP, and the folder of a ROS 2 bag with SQLite."""


def seen(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A small colour picture and one of 16 bits."""
    draw = np.random.default_rng(number)
    return (
        draw.integers(0, 256, (9, 12, 3)).astype(np.uint8),
        draw.integers(20_000, 30_000, (6, 8)).astype(np.uint16),
    )


class BagWriter:
    """Writes messages as another program would."""

    def __init__(self, path: Path) -> None:
        from rosbags.rosbag1 import Writer as Writer1
        from rosbags.rosbag2 import StoragePlugin
        from rosbags.rosbag2 import Writer as Writer2
        from rosbags.typesys import Stores, get_typestore

        self.path = path
        self.is_ros1 = path.suffix == ".bag"
        self.store = get_typestore(Stores.ROS1_NOETIC if self.is_ros1 else Stores.ROS2_HUMBLE)
        mcap = path.suffix == ".mcap"
        self.made = path.with_name("made") if mcap else path
        self.writer: Any = (
            Writer1(path)
            if self.is_ros1
            else Writer2(
                self.made,
                version=9,
                storage_plugin=StoragePlugin.MCAP if mcap else StoragePlugin.SQLITE3,
            )
        )
        self.connections: dict[str, Any] = {}

    def __enter__(self) -> BagWriter:
        self.writer.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.writer.close()
        if self.made != self.path:
            (self.made / "made.mcap").replace(self.path)

    def header(self, stamp_ns: int) -> Any:
        types = self.store.types
        seconds, rest = divmod(stamp_ns, 10**9)
        stamp = types["builtin_interfaces/msg/Time"](sec=seconds, nanosec=rest)
        more = {"seq": 0} if self.is_ros1 else {}
        return types["std_msgs/msg/Header"](stamp=stamp, frame_id="a", **more)

    def put(self, topic: str, kind: str, stamp_ns: int, *, log_ns: int = 0, **fields: Any) -> None:
        if topic not in self.connections:
            self.connections[topic] = self.writer.add_connection(topic, kind, typestore=self.store)
        message = self.store.types[kind](header=self.header(stamp_ns), **fields)
        pack = self.store.serialize_ros1 if self.is_ros1 else self.store.serialize_cdr
        self.writer.write(self.connections[topic], log_ns or stamp_ns, pack(message, kind))

    def image(
        self, topic: str, stamp_ns: int, samples: np.ndarray, encoding: str, **more: Any
    ) -> None:
        rows = np.ascontiguousarray(samples).reshape(samples.shape[0], -1).view(np.uint8)
        fields = {
            "height": samples.shape[0],
            "width": samples.shape[1],
            "encoding": encoding,
            "is_bigendian": 0,
            "step": rows.shape[1],
            "data": rows.reshape(-1),
        }
        log_ns = more.pop("log_ns", 0)
        self.put(topic, IMAGE, stamp_ns, log_ns=log_ns, **(fields | more))


def write_scene(path: Path, *, count: int = 5, late_ns: int = 0) -> Path:
    """Both topics, the infrared one so much later."""
    with BagWriter(path) as bag:
        for number in range(count):
            visible, infrared = seen(number)
            stamp_ns = START_NS + number * PERIOD_NS
            bag.image("/rgb", stamp_ns, visible, "rgb8")
            bag.image("/thermal", stamp_ns + late_ns, infrared, "mono16")
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_two_topics_come_out_with_their_stamps(tmp_path: Path, kind: str) -> None:
    path = write_scene(tmp_path / kind, late_ns=4_000_321)
    assert is_bag(path)
    visible, infrared = read_bag(path, TOPICS)
    assert visible.period_us == pytest.approx(PERIOD_NS / 1000)
    assert (visible.frame_count, infrared.frame_count) == (5, 5)
    _, frames = match(visible, infrared)
    for number, frame in enumerate(frames):
        for modality, samples in zip(Modality, seen(number), strict=True):
            raster = frame.pair.get(modality)
            assert raster is not None and np.array_equal(raster.samples, samples)
        stamp_ns = START_NS + number * PERIOD_NS
        assert frame.stamp_ns(Modality.VISIBLE) == stamp_ns
        assert frame.stamp_ns(Modality.INFRARED) == stamp_ns + 4_000_321
    assert number == 4


@pytest.mark.parametrize(
    ("encoding", "made"),
    [
        ("mono8", np.arange(48, dtype=np.uint8).reshape(6, 8)),
        ("8UC1", np.arange(48, dtype=np.uint8).reshape(6, 8)),
        ("mono16", np.arange(48, dtype=np.uint16).reshape(6, 8) * 999),
        ("16UC1", np.arange(48, dtype=np.uint16).reshape(6, 8) * 999),
    ],
)
@pytest.mark.parametrize("big", [0, 1])
def test_gray_of_every_encoding_and_byte_order(
    tmp_path: Path, encoding: str, made: np.ndarray, big: int
) -> None:
    stored = made.astype(made.dtype.newbyteorder(">" if big else "<"))
    with BagWriter(tmp_path / "a.bag") as bag:
        bag.image("/thermal", START_NS, stored, encoding, is_bigendian=big)
    (recording,) = read_bag(tmp_path / "a.bag", {Modality.INFRARED: "/thermal"})
    (picture,) = recording
    assert np.array_equal(picture.raster.samples, made)


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8", "rgba8", "bgra8"])
def test_colour_of_every_encoding(tmp_path: Path, encoding: str) -> None:
    visible, _ = seen(1)
    stored = visible if encoding.startswith("rgb") else visible[..., ::-1]
    if encoding.endswith("a8"):
        stored = np.concatenate([stored, np.full((9, 12, 1), 255, np.uint8)], axis=-1)
    with BagWriter(tmp_path / "a.bag") as bag:
        bag.image("/rgb", START_NS, stored, encoding)
    topics = {Modality.VISIBLE: "/rgb"}
    if encoding.endswith("a8"):
        with pytest.raises(SourceError, match="alpha"):
            read_bag(tmp_path / "a.bag", topics)
    (recording,) = read_bag(tmp_path / "a.bag", topics, drop_alpha=True)
    (picture,) = recording
    assert np.array_equal(picture.raster.samples, visible)


def test_rows_may_be_longer_than_their_pixels(tmp_path: Path) -> None:
    _, infrared = seen(1)
    rows = np.zeros((6, 20), np.uint8)
    rows[:, :16] = infrared.view(np.uint8)
    with BagWriter(tmp_path / "a.bag") as bag:
        # The last row may end with its pixels.
        bag.image("/t", START_NS, infrared, "mono16", step=20, data=rows.reshape(-1)[:-4])
    (recording,) = read_bag(tmp_path / "a.bag", {Modality.INFRARED: "/t"})
    (picture,) = recording
    assert np.array_equal(picture.raster.samples, infrared)


def test_compressed_pictures_are_files_of_their_own(tmp_path: Path) -> None:
    visible, infrared = seen(1)
    files = {}
    for name, samples in (("/rgb", visible), ("/thermal", infrared)):
        file = io.BytesIO()
        Image.fromarray(samples).save(file, "PNG")
        files[name] = np.frombuffer(file.getvalue(), np.uint8)
    with BagWriter(tmp_path / "a.mcap") as bag:
        bag.put("/rgb", COMPRESSED, START_NS, format="rgb8; png compressed", data=files["/rgb"])
        bag.put("/thermal", COMPRESSED, START_NS, format="png", data=files["/thermal"])
    recordings = read_bag(tmp_path / "a.mcap", TOPICS)
    for recording, samples in zip(recordings, (visible, infrared), strict=True):
        (picture,) = recording
        assert np.array_equal(picture.raster.samples, samples)


@pytest.mark.parametrize("stamps", [[0, 0, 0], [3, 2, 1], [5, 5, 6]])
def test_stamps_that_do_not_increase_give_way_to_the_times_of_recording(
    tmp_path: Path, stamps: list[int]
) -> None:
    with BagWriter(tmp_path / "a.bag") as bag:
        for number, stamp in enumerate(stamps):
            visible, infrared = seen(number)
            log_ns = START_NS + number * PERIOD_NS
            bag.image("/rgb", log_ns, visible, "rgb8")
            bag.image("/thermal", stamp * 10**9, infrared, "mono16", log_ns=log_ns)
    visible, infrared = read_bag(tmp_path / "a.bag", TOPICS)
    assert "the times of recording are taken" in visible.notes[0]
    assert [picture.stamp_ns for picture in infrared] == [
        START_NS + number * PERIOD_NS for number in range(3)
    ]


# --- refusals -------------------------------------------------------------------------------


def odd(**more: Any) -> Callable[[Path], None]:
    """A bag whose one infrared message has such fields."""

    def make(path: Path) -> None:
        with BagWriter(path) as bag:
            bag.image("/rgb", START_NS, seen(1)[0], "rgb8")
            fields = {"encoding": "mono16"} | more
            bag.image("/thermal", START_NS, seen(1)[1], fields.pop("encoding"), **fields)

    return make


def other_topic(path: Path) -> None:
    with BagWriter(path) as bag:
        bag.image("/rgb", START_NS, seen(1)[0], "rgb8")


def other_type(path: Path) -> None:
    with BagWriter(path) as bag:
        bag.image("/rgb", START_NS, seen(1)[0], "rgb8")
        kind = "sensor_msgs/msg/TimeReference"
        stamp = bag.header(START_NS).stamp
        bag.put("/thermal", kind, START_NS, time_ref=stamp, source="gps")


def no_message(path: Path) -> None:
    with BagWriter(path) as bag:
        bag.image("/rgb", START_NS, seen(1)[0], "rgb8")
        bag.writer.add_connection("/thermal", IMAGE, typestore=bag.store)


def never(path: Path) -> None:
    with BagWriter(path) as bag:
        for number in range(3):
            bag.image("/rgb", START_NS + number * PERIOD_NS, seen(1)[0], "rgb8")
            late_ns = START_NS + 60 * 10**9 + number * PERIOD_NS
            bag.image("/thermal", late_ns, seen(1)[1], "mono16")


def swapped(path: Path) -> None:
    with BagWriter(path) as bag:
        bag.image("/rgb", START_NS, seen(1)[1], "mono16")
        bag.image("/thermal", START_NS, seen(1)[0], "bgr8")


def cut(path: Path) -> None:
    write_scene(path)
    path.write_bytes(path.read_bytes()[:-3000])


def depth(path: Path) -> None:
    with BagWriter(path) as bag:
        bag.image("/rgb", START_NS, seen(1)[0], "rgb8")
        data = np.zeros(40, np.uint8)
        bag.put("/thermal", COMPRESSED, START_NS, format="16UC1; compressedDepth", data=data)


def torn(path: Path) -> None:
    with BagWriter(path) as bag:
        bag.image("/rgb", START_NS, seen(1)[0], "rgb8")
        data = np.frombuffer(b"\x89PNG\r\n\x1a\n", np.uint8)
        bag.put("/thermal", COMPRESSED, START_NS, format="png", data=data)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (other_topic, r"topic /thermal is not there.*\(/rgb \(Image, 1\)\)"),
        (other_type, r"is of sensor_msgs/msg/TimeReference; .*\(/rgb \(Image, 1\)\)"),
        (no_message, r"topic /thermal has no message .*/rgb \(Image, 1\)"),
        (never, r"no picture of one topic is within .*59933.*/rgb \(Image, 3\), /thermal"),
        (swapped, "16-bit samples.*swapped"),
        (cut, "is damaged or no bag"),
        (odd(encoding="32FC1"), "'32FC1'; mono8"),
        (odd(step=3), "rows of 3 bytes"),
        (odd(height=60), "do not fit its 96 bytes"),
        (odd(width=0), "message 0 is 0x6 pixels"),
        (odd(width=70_000), "at most 65,535"),
        (depth, "compressedDepth"),
        (torn, "/thermal: message 0 is truncated"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, make: Any, reason: str) -> None:
    path = tmp_path / "odd.bag"
    make(path)
    with pytest.raises(SourceError, match=reason) as caught:
        visible, infrared = read_bag(path, TOPICS)
        _, frames = match(visible, infrared)
        list(frames)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}")


def test_a_bag_without_topics_lists_them(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene.mcap")
    with pytest.raises(SourceError, match=r"/rgb \(Image, 5\), /thermal \(Image, 5\)"):
        read_bag(path, {})


def test_a_bag_of_another_name_is_told_its_ending(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "scene.bag").rename(tmp_path / "scene.dat")
    with pytest.raises(SourceError, match=r"must end in \.bag"):
        read_bag(path, TOPICS)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_any_damage_is_told_in_one_line_or_costs_nothing(tmp_path: Path, kind: str) -> None:
    data = write_scene(tmp_path / kind).read_bytes()
    draw = np.random.default_rng(7)
    path = tmp_path / f"damaged{Path(kind).suffix}"
    for _ in range(40):
        damaged = bytearray(data)
        for place in draw.integers(16, len(data), 3):
            damaged[place] = draw.integers(0, 256)
        path.write_bytes(damaged)
        try:
            for recording in read_bag(path, TOPICS):
                list(recording)
        except SourceError as error:
            assert "\n" not in str(error)


# --- out ------------------------------------------------------------------------------------


def cameras() -> list[Camera]:
    visible, infrared = (Raster(samples) for samples in seen(0))
    return [Camera.of(visible, Modality.VISIBLE), Camera.of(infrared, Modality.INFRARED)]


@pytest.mark.parametrize("kind", KINDS[:2])
def test_what_is_written_is_read_again(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    sinks = open_bag(path, cameras(), topics=TOPICS)
    for number in range(5):
        for modality, samples in zip(Modality, seen(number), strict=True):
            stamp_us, rest_ns = divmod(START_NS + number * PERIOD_NS, 1000)
            sinks[modality].write(
                Raster(samples), number=number, timestamp_us=stamp_us, rest_ns=rest_ns
            )
    assert not path.exists()
    for sink in sinks.values():
        sink.close()
    assert [each.name for each in tmp_path.iterdir()] == [kind]
    for recording, modality in zip(read_bag(path, TOPICS), Modality, strict=True):
        for number, picture in enumerate(recording):
            samples = seen(number)[list(Modality).index(modality)]
            assert np.array_equal(picture.raster.samples, samples)
            assert picture.stamp_ns == START_NS + number * PERIOD_NS


@pytest.mark.parametrize("kind", KINDS[:2])
@pytest.mark.parametrize("written", [0, 1])
def test_a_bag_that_is_given_up_leaves_nothing(tmp_path: Path, kind: str, written: int) -> None:
    sinks = open_bag(tmp_path / kind, cameras())
    for number in range(written):
        sinks[Modality.VISIBLE].write(Raster(seen(0)[0]), number=number, timestamp_us=number)
        sinks[Modality.VISIBLE].close()
    for sink in sinks.values():
        sink.discard()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.bag").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists"):
        open_bag(tmp_path / "a.bag", cameras())
    assert (tmp_path / "a.bag").read_bytes() == b"mine"


def test_a_stamp_that_ros_cannot_hold_is_one_line(tmp_path: Path) -> None:
    sinks = open_bag(tmp_path / "a.bag", cameras())
    with pytest.raises(OutputError, match="cannot be written"):
        sinks[Modality.VISIBLE].write(Raster(seen(0)[0]), number=0, timestamp_us=10**17)
    for sink in sinks.values():
        sink.discard()
    assert list(tmp_path.iterdir()) == []


def test_without_rosbags_the_line_that_brings_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_scene(tmp_path / "scene.bag")
    for name in [name for name in sys.modules if name.partition(".")[0] == "rosbags"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rosbags", None)
    for call in (
        lambda: read_bag(path, TOPICS),
        lambda: open_bag(tmp_path / "b.bag", cameras()),
    ):
        with pytest.raises(SourceError, match=r"pip install 'crossband\[ros\]'"):
            call()
    assert not (tmp_path / "b.bag").exists()
