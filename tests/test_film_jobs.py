# SPDX-License-Identifier: Apache-2.0
"""Films that several jobs work on: the same bytes and pictures, and whole films however it ends."""

from __future__ import annotations

import io
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

import crossband
from crossband import Pair, PictureError, Raster, Writer
from crossband.container import Damage
from crossband.frame_codec import FrameCodec
from crossband.testing import synthetic_pair


@pytest.fixture(scope="module")
def scene() -> list[Pair]:
    """Two scenes of a camera that pans; the infrared one is silent for a while."""
    pairs = []
    for seed, count in ((5, 7), (9, 6)):
        still = synthetic_pair(visible=(32, 48), infrared=(32, 48), seed=seed)
        for number in range(count):
            visible, infrared = (
                replace(each, samples=np.roll(each.samples[:: 1 if seed == 5 else -1], number, 1))
                for each in (still.visible, still.infrared)
                if each is not None
            )
            pairs.append(Pair(visible, None if number in (2, 3) else infrared))
    return pairs


@pytest.fixture
def written(scene, tiny_codec, tiny_predictor):
    def write(jobs: int, keyframe: int = 3) -> bytes:
        file = io.BytesIO()
        with Writer(
            file, codec=tiny_codec, predictor=tiny_predictor, keyframe=keyframe, jobs=jobs
        ) as writer:
            for pair in scene:
                writer.write(pair)
        return file.getvalue()

    return write


@pytest.mark.parametrize("keyframe", [1, 3, 100])
def test_a_film_has_the_same_bytes_whatever_the_jobs(written, keyframe):
    assert written(1, keyframe) == written(2, keyframe) == written(5, keyframe)


@pytest.mark.parametrize("ahead", [64, 2])
def test_a_film_shows_the_same_whatever_the_jobs(
    written, tiny_codec, tiny_predictor, monkeypatch, ahead
):
    monkeypatch.setattr("crossband.film._AHEAD", ahead)
    file = io.BytesIO(written(1, 5))
    films = [
        crossband.open(file, codec=tiny_codec, predictor=tiny_predictor, jobs=jobs)
        for jobs in (1, 2, 5)
    ]
    for span in (slice(None), slice(3, 9), slice(1, None, 2)):
        one, *others = (list(film[span].frames()) for film in films)
        assert len(one) == len(range(13)[span])
        for other in others:
            assert [each.timestamp_us for each in other] == [each.timestamp_us for each in one]
            assert all(a.pair.equals(b.pair) for a, b in zip(one, other, strict=True))


def test_jobs_name_what_is_damaged_and_go_on(written, tiny_codec, tiny_predictor):
    whole = bytearray(written(1))
    film = crossband.open(io.BytesIO(bytes(whole)), codec=tiny_codec, predictor=tiny_predictor)
    places = [each.offset for each in film._entries]
    whole[places[4] + 40] ^= 1
    found = []
    for jobs in (1, 3):
        film = crossband.open(
            io.BytesIO(bytes(whole)), codec=tiny_codec, predictor=tiny_predictor, jobs=jobs
        )
        damages: list[Damage] = []
        times = [each.timestamp_us for each in film.frames(on_damage=damages.append)]
        found.append((times, [each.message for each in damages]))
    assert found[0] == found[1]
    assert 1 <= len(found[0][1]) <= 3
    assert len(found[0][0]) + len(found[0][1]) == 13


def test_threads_are_as_they_were_afterwards(written, tiny_codec, tiny_predictor):
    before = torch.get_num_threads()
    film = crossband.open(
        io.BytesIO(written(3)), codec=tiny_codec, predictor=tiny_predictor, jobs=3
    )
    next(iter(film))
    list(film)
    assert torch.get_num_threads() == before


class Interrupted(FrameCodec):
    """Waits at frame 6 for the writer to be stopped; frames up to 3 are coded by then."""

    is_first_done = threading.Event()
    is_reached = threading.Event()
    may_go_on = threading.Event()

    def encode(self, pair, **options):
        number = int(pair.visible.samples[0, 0, 0])
        if number == 6:
            assert self.is_first_done.wait(30)
            self.is_reached.set()
            assert self.may_go_on.wait(30)
        coded = super().encode(pair, **options)
        if number == 3:
            self.is_first_done.set()
        return coded


def numbered(count: int) -> list[Pair]:
    return [Pair(visible=Raster(np.full((16, 16, 3), number, np.uint8))) for number in range(count)]


@pytest.mark.parametrize("way", ["stop", "ctrl-c"])
def test_a_stopped_film_has_the_frames_that_were_coded(
    tiny_codec, tiny_predictor, monkeypatch, way
):
    monkeypatch.setattr("crossband.frame_codec.FrameCodec", Interrupted)
    for event in (Interrupted.is_first_done, Interrupted.is_reached, Interrupted.may_go_on):
        event.clear()
    file = io.BytesIO()
    writer = Writer(file, codec=tiny_codec, predictor=tiny_predictor, keyframe=4, jobs=2)
    try:
        with writer:
            for pair in numbered(12):
                writer.write(pair)
            assert Interrupted.is_reached.wait(30)
            if way == "stop":
                writer.stop()
            threading.Timer(0.2, Interrupted.may_go_on.set).start()
            if way == "ctrl-c":
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    film = crossband.open(file, codec=tiny_codec, predictor=tiny_predictor)
    assert film.ending is None
    assert len(film) == 7  # what a job has begun it ends
    assert writer.frames == len(film)
    assert np.allclose(film.timestamps_us, np.arange(7) * 1e6 / 30, atol=2)  # none is left out


def test_a_frame_that_cannot_be_coded_ends_the_film_before_it(
    tiny_codec, tiny_predictor, monkeypatch
):
    def encode(self, pair, **options):
        if pair.visible.samples[0, 0, 0] == 6:
            raise PictureError("the sixth")
        return plain(self, pair, **options)

    plain = FrameCodec.encode
    monkeypatch.setattr(FrameCodec, "encode", encode)
    file = io.BytesIO()
    with (
        pytest.raises(PictureError, match="sixth"),
        Writer(file, codec=tiny_codec, predictor=tiny_predictor, keyframe=4, jobs=2) as writer,
    ):
        for pair in numbered(30):
            writer.write(pair)
    film = crossband.open(file, codec=tiny_codec, predictor=tiny_predictor)
    assert film.ending is None
    assert len(film) == 6
    with pytest.raises(PictureError, match="closed"):
        writer.write(numbered(1)[0])


def test_frames_too_large_to_wait_are_coded_one_by_one(
    scene, tiny_codec, tiny_predictor, monkeypatch
):
    monkeypatch.setattr("crossband.in_order.WAITING_BYTES", 10_000)
    file = io.BytesIO()
    with Writer(file, codec=tiny_codec, predictor=tiny_predictor, keyframe=3, jobs=4) as writer:
        for number, pair in enumerate(scene[:2], 1):
            writer.write(pair)
            assert writer.frames == number
    with crossband.open(file, codec=tiny_codec, predictor=tiny_predictor, jobs=4) as film:
        assert len(list(film)) == 2


def test_no_job_is_no_number_of_jobs():
    with pytest.raises(PictureError, match="jobs is 0"):
        Writer(io.BytesIO(), jobs=0)
