# SPDX-License-Identifier: Apache-2.0
"""Films and folders in, pairs in order of time out, and lossless films back."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from crossband.errors import OutputError, SourceError
from crossband.pair import Camera, Modality, Raster
from crossband.sources import (
    Recording,
    TimedRaster,
    alone,
    is_film_file,
    match,
    open_sink,
    read_folder,
    read_video,
    write,
)

VISIBLE, INFRARED = Modality.VISIBLE, Modality.INFRARED
TIMES = (0, 40_000, 130_000)


def picture(modality: Modality, depth: int = 8, seed: int = 0) -> Raster:
    random = np.random.default_rng(seed)
    if modality is VISIBLE:
        return Raster(random.integers(0, 256, (34, 46, 3)).astype(np.uint8))
    kind = np.uint8 if depth == 8 else np.uint16
    return Raster(random.integers(0, 1 << depth, (34, 46)).astype(kind), depth)


def encode_video(path: Path, codec: str, pix_fmt: str, pictures: list[np.ndarray], **options):
    """A film with PyAV, for what crossband itself never writes."""
    rotation = options.pop("rotation", 0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if rotation:
            stream.set_display_rotation(rotation)
        for samples in pictures:
            frame = av.VideoFrame.from_ndarray(samples, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("format", "ending", "modality", "depth"),
    [
        ("ffv1", "mkv", VISIBLE, 8),
        ("ffv1", "mkv", INFRARED, 8),
        ("ffv1", "mkv", INFRARED, 10),
        ("ffv1", "mkv", INFRARED, 12),
        ("ffv1", "mkv", INFRARED, 13),
        ("ffv1", "mkv", INFRARED, 14),
        ("ffv1", "mkv", INFRARED, 16),
        ("x264", "mkv", VISIBLE, 8),
        ("x264", "mp4", INFRARED, 8),
        ("x264", "mp4", INFRARED, 10),
    ],
)
def test_a_written_film_is_read_back_sample_for_sample(tmp_path, format, ending, modality, depth):
    pictures = [picture(modality, depth, seed) for seed in range(3)]
    path = tmp_path / f"film.{ending}"
    sink = open_sink(path, Camera.of(pictures[0], modality), format=format)
    for number, (raster, at_us) in enumerate(zip(pictures, TIMES, strict=True)):
        sink.write(raster, number=number, timestamp_us=at_us)
    assert not path.exists()
    sink.close()
    assert is_film_file(path)
    recording = read_video(path, modality)
    frames = list(recording)
    assert [frame.timestamp_us for frame in frames] == list(TIMES)
    assert all(a.raster.equals(b) for a, b in zip(frames, pictures, strict=True))
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_folder_of_pictures_is_read_back_by_its_numbers(tmp_path):
    pictures = [picture(INFRARED, 14, seed) for seed in range(3)]
    sink = open_sink(tmp_path / "ir", Camera.of(pictures[0], INFRARED), format="png")
    for number, raster in zip((3, 4, 10), pictures, strict=True):
        sink.write(raster, number=number, timestamp_us=0)
    sink.close()
    recording = read_folder(tmp_path / "ir", INFRARED, frames_per_second=25)
    frames = list(recording)
    assert [frame.timestamp_us for frame in frames] == [120_000, 160_000, 400_000]
    assert all(a.raster.equals(b) for a, b in zip(frames, pictures, strict=True))
    with pytest.raises(OutputError, match="exists"):
        open_sink(tmp_path / "ir", Camera.of(pictures[0], INFRARED), format="png")


def test_a_discarded_film_leaves_nothing(tmp_path):
    raster = picture(VISIBLE)
    for format, name in (("ffv1", "a.mkv"), ("png", "a")):
        sink = open_sink(tmp_path / name, Camera.of(raster, VISIBLE), format=format)
        sink.write(raster, number=0, timestamp_us=0)
        sink.discard()
    assert list(tmp_path.iterdir()) == []


def test_what_a_film_format_cannot_hold_is_refused(tmp_path):
    deep = Camera(INFRARED, 34, 46, 1, 2, 14)
    with pytest.raises(OutputError, match=r"x264 holds gray of 8 and 10 bits.*14.*ffv1"):
        open_sink(tmp_path / "a.mkv", deep, format="x264")
    with pytest.raises(OutputError, match=r"ffv1 is written into \.mkv files"):
        open_sink(tmp_path / "a.mp4", deep, format="ffv1")
    assert list(tmp_path.iterdir()) == []


def gradient(height: int = 48, width: int = 64) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 4, columns * 3, 255 - rows * 4], axis=-1).astype(np.uint8)


def test_a_gray_film_of_three_planes_is_infrared(tmp_path):
    gray = np.repeat(gradient()[..., :1], 3, axis=-1)
    encode_video(tmp_path / "ir.mp4", "mpeg4", "yuv420p", [gray] * 2)
    recording = read_video(tmp_path / "ir.mp4", INFRARED)
    frames = list(recording)
    assert recording.camera == Camera(INFRARED, 48, 64)
    assert np.abs(frames[1].raster.samples.astype(int) - gray[..., 0]).mean() < 4
    assert "left out" in recording.notes[0]
    encode_video(tmp_path / "vis.mp4", "mpeg4", "yuv420p", [gradient()] * 2)
    with pytest.raises(SourceError, match=r"is a colour film.*swapped"):
        read_video(tmp_path / "vis.mp4", INFRARED)


def test_interlaced_films_are_refused_with_the_filter_that_helps(tmp_path):
    options = {"x264-params": "interlaced=1:tff=1"}
    encode_video(tmp_path / "a.mkv", "libx264", "yuv420p", [gradient()] * 3, **options)
    with pytest.raises(SourceError, match=r"frame 0 is interlaced.*-vf bwdif"):
        read_video(tmp_path / "a.mkv", VISIBLE)


def test_a_film_on_its_side_is_turned_upright(tmp_path):
    encode_video(tmp_path / "a.mp4", "libx264", "yuv444p", [gradient()] * 2)
    encode_video(tmp_path / "b.mp4", "libx264", "yuv444p", [gradient()] * 2, rotation=90)
    upright, turned = (read_video(tmp_path / f"{n}.mp4", VISIBLE) for n in "ab")
    assert (turned.camera.height, turned.camera.width) == (64, 48)
    wanted = np.rot90(next(iter(upright)).raster.samples)
    assert np.array_equal(next(iter(turned)).raster.samples, wanted)
    assert "turned upright" in turned.notes[0]


def test_deep_visible_films_are_refused(tmp_path):
    encode_video(tmp_path / "a.mkv", "ffv1", "yuv420p10le", [gradient()])
    with pytest.raises(SourceError, match="10-bit samples"):
        read_video(tmp_path / "a.mkv", VISIBLE)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("empty.mp4", b"", "is no film"),
        ("text.mp4", b"no film at all\n" * 99, "is no film"),
        ("head.mp4", b"\0\0\0\x14ftypisom\0\0\0\0isom", "is no film|has no video"),
    ],
)
def test_what_is_no_film_is_refused_in_one_line(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=message) as caught:
        read_video(tmp_path / name, VISIBLE)
    assert "\n" not in str(caught.value)


def test_sound_alone_is_no_film(tmp_path):
    with av.open(str(tmp_path / "a.mka"), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate, frame.time_base, frame.pts = 8000, Fraction(1, 8000), 0
        container.mux(stream.encode(frame))
    with pytest.raises(SourceError, match="has no video"):
        read_video(tmp_path / "a.mka", VISIBLE)


def test_without_pyav_the_line_that_installs_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(SourceError, match=r"pip install 'crossband\[film\]'"):
        read_video(tmp_path / "a.mp4", VISIBLE)


def test_pictures_that_change_midway_are_refused_by_name(tmp_path):
    write(picture(VISIBLE), tmp_path / "1.png")
    write(Raster(gradient()), tmp_path / "2.png")
    with pytest.raises(SourceError, match=r"2\.png is 64x48.*the first one 46x34"):
        list(read_folder(tmp_path, VISIBLE))


def test_folders_without_order_are_refused(tmp_path):
    with pytest.raises(SourceError, match="no numbered pictures"):
        read_folder(tmp_path, VISIBLE)
    write(picture(VISIBLE), tmp_path / "a7.png")
    write(picture(VISIBLE), tmp_path / "b07.png")
    with pytest.raises(SourceError, match=r"a7\.png and b07\.png have the same number 7"):
        read_folder(tmp_path, VISIBLE)


# --- matching ----------------------------------------------------------------------------------


def recording(modality: Modality, times_ms: list[float], period_ms: float = 40) -> Recording:
    """Pictures whose every sample is their number."""
    size = (4, 4, 3) if modality is VISIBLE else (4, 4)
    frames = [
        TimedRaster(Raster(np.full(size, n, np.uint8)), round(1000 * ms), f"frame {n}")
        for n, ms in enumerate(times_ms)
    ]
    name = f"{modality.value}.mkv"
    camera = Camera.of(frames[0].raster, modality)
    return Recording(name, camera, 1000 * period_ms, len(frames), (), frames)


def numbers(frames) -> list[tuple[int | None, int | None]]:
    """(visible, infrared) numbers of each pair."""
    return [
        tuple(
            None if (raster := frame.pair.get(m)) is None else int(raster.samples.flat[0])
            for m in Modality
        )
        for frame in frames
    ]


def steady(count: int, period_ms: float, start_ms: float = 0) -> list[float]:
    return [start_ms + n * period_ms for n in range(count)]


@pytest.mark.parametrize("shift_ms", [0, 10, 19])
def test_equal_rates_pair_frame_by_frame(shift_ms):
    visible = recording(VISIBLE, steady(5, 40))
    infrared = recording(INFRARED, steady(5, 40, shift_ms))
    report, frames = match(visible, infrared)
    assert numbers(frames) == [(n, n) for n in range(5)]
    assert report.lines() == [
        "matched nearest by time, at most 20 ms apart, visible leading: 5 pairs"
    ]


def test_the_slower_camera_leads_and_surplus_is_dropped_by_number():
    visible = recording(VISIBLE, steady(12, 100 / 3), 100 / 3)
    infrared = recording(INFRARED, steady(4, 100), 100)
    report, frames = match(visible, infrared)
    assert numbers(frames) == [(0, 0), (3, 1), (6, 2), (9, 3)]
    assert report.dropped[VISIBLE] == [1, 2, 4, 5, 7, 8, 10, 11]
    assert report.leader is INFRARED
    assert (
        "8 visible pictures dropped, nearer ones were there: 1-2, 4-5, 7-8, 10-11"
        in (report.lines()[1])
    )


@pytest.mark.parametrize("silent", [VISIBLE, INFRARED])
def test_a_silent_camera_leaves_its_partner_alone(silent):
    talking = silent.partner
    times = {talking: steady(8, 40), silent: [0, 40, 200, 240, 280]}
    report, frames = match(recording(VISIBLE, times[VISIBLE]), recording(INFRARED, times[INFRARED]))
    frames = list(frames)
    got = [pair if silent is INFRARED else pair[::-1] for pair in numbers(frames)]
    assert got == [(0, 0), (1, 1), (2, None), (3, None), (4, None), (5, 2), (6, 3), (7, 4)]
    assert [frame.timestamp_us for frame in frames] == [40_000 * n for n in range(8)]
    assert report.alone[talking] == 3
    assert report.dropped == {VISIBLE: [], INFRARED: []}


def test_a_camera_that_starts_late_or_ends_early_leaves_its_partner_alone():
    report, frames = match(
        recording(VISIBLE, steady(3, 40, 80)), recording(INFRARED, steady(7, 40))
    )
    assert numbers(frames) == [
        (None, 0), (None, 1), (0, 2), (1, 3), (2, 4), (None, 5), (None, 6),
    ]  # fmt: skip
    assert report.alone[INFRARED] == 4


def test_matching_holds_few_pictures():
    taken = []

    def frames():
        for n, ms in enumerate(steady(200, 40)):
            taken.append(n)
            yield TimedRaster(Raster(np.zeros((4, 4), np.uint8)), round(1000 * ms), f"frame {n}")

    infrared = Recording("ir", Camera(INFRARED, 4, 4), 40_000, None, (), frames())
    _, pairs = match(recording(VISIBLE, steady(200, 40)), infrared)
    for n, _ in enumerate(pairs):
        assert len(taken) <= n + 3


def test_strict_matching_names_the_first_frame_without_a_partner():
    visible = recording(VISIBLE, steady(4, 40))
    _, frames = match(visible, recording(INFRARED, [0, 40, 95, 120]), rule="strict")
    assert numbers(frames) == [(n, n) for n in range(4)]
    _, frames = match(
        visible, recording(INFRARED, [0, 40, 95, 120]), rule="strict", tolerance_us=10_000
    )
    with pytest.raises(SourceError, match=r"frame 2 is 15 ms from frame 2.*--tolerance"):
        list(frames)
    _, frames = match(visible, recording(INFRARED, steady(3, 40)), rule="strict")
    with pytest.raises(SourceError, match=r"infrared\.mkv: ends after 3 frames"):
        list(frames)


def test_times_that_go_back_are_refused():
    with pytest.raises(SourceError, match=r"frame 2 is at 40000 us, the one before at 40000 us"):
        list(alone(recording(VISIBLE, [0, 40, 40])))
