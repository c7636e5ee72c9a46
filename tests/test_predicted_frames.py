# SPDX-License-Identifier: Apache-2.0
"""Frames that rest on the one before: what the encoder saw is what every decoder shows."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

import crossband
from crossband import CorruptStream, Film, MissingPicture, Modality, Pair, Raster, Writer
from crossband.codec import Codec
from crossband.container import Damage, FilmReader, StoredFrame
from crossband.errors import MissingWeights, PictureError
from crossband.frame_codec import FrameCodec
from crossband.homography import Homography
from crossband.testing import synthetic_pair

FRAMES = 9
KEYFRAME = 4


def moved(pair: Pair, by: int) -> Pair:
    """The pair with both pictures rolled some columns: the same scene, a little later."""
    rasters = {
        m: replace(raster, samples=np.roll(raster.samples, by, 1))
        for m in Modality
        if (raster := pair.get(m)) is not None
    }
    return Pair(rasters.get(Modality.VISIBLE), rasters.get(Modality.INFRARED))


@pytest.fixture(scope="module")
def scene() -> list[Pair]:
    """A camera that pans; for two frames the visible one is silent."""
    first = synthetic_pair(visible=(40, 64), infrared=(32, 48), seed=5, infrared_bit_depth=14)
    pairs = [moved(first, number) for number in range(FRAMES)]
    pairs[2:4] = [Pair(None, each.infrared) for each in pairs[2:4]]
    return pairs


@pytest.fixture(scope="module")
def coded(scene: list[Pair], tiny_codec: Codec, tiny_predictor: Codec) -> bytes:
    file = io.BytesIO()
    with Writer(file, codec=tiny_codec, predictor=tiny_predictor, keyframe=KEYFRAME) as writer:
        for pair in scene:
            writer.write(pair)
    return file.getvalue()


@pytest.fixture
def film(coded: bytes, tiny_codec: Codec, tiny_predictor: Codec) -> Film:
    return crossband.open(io.BytesIO(coded), codec=tiny_codec, predictor=tiny_predictor)


def records(coded: bytes) -> list[StoredFrame]:
    found = list(FilmReader(io.BytesIO(coded)))
    assert not any(isinstance(each, Damage) for each in found)
    return found


@pytest.mark.parametrize("order", ["infrared-first", "visible-first"])
def test_registered_frames_come_back_as_the_encoder_shows_them(
    scene, tiny_codec, tiny_predictor, order
):
    registration = Homography((300, -200, 100, 400, -500, 0, 200, -300))
    encoder = FrameCodec(tiny_codec, tiny_predictor, keyframe=KEYFRAME)
    decoder = FrameCodec(tiny_codec, tiny_predictor, keyframe=KEYFRAME)
    kinds = set()
    for pair in scene:
        pictures, predicted = encoder.encode(
            pair, quality=60, order=order, effort=1, registration=registration
        )
        shown = Pair(**{m.value: each.raster for m, each in encoder._past.items() if pair.get(m)})
        decoded = decoder.decode(pictures, predicted=predicted)
        assert decoded is not None and decoded.equals(shown)
        for each in pictures:
            assert each.registration == (registration if each.conditional else None)
        kinds.add((predicted, pictures[-1].conditional))
    assert kinds >= {(False, True), (True, True)}


def same(one: Pair, other: Pair) -> bool:
    return all(
        (a := one.get(m)) is (b := other.get(m)) is None
        or (a is not None and b is not None and np.array_equal(a.samples, b.samples))
        for m in Modality
    )


def test_key_frames_come_at_their_interval_and_when_a_camera_is_back(coded):
    # Frame 4 is the fourth after the last key frame; its visible camera was silent meanwhile.
    assert [each.frame.predicted for each in records(coded)] == [
        *(False, True, True, True),
        *(False, True, True, True),
        False,
    ]


def test_a_camera_that_was_silent_since_the_key_frame_needs_another_one(
    scene, tiny_codec, tiny_predictor
):
    codec = FrameCodec(tiny_codec, tiny_predictor, keyframe=32)
    kinds = [
        codec.encode(pair, quality=50, order="infrared-first", effort=5)[1]
        for pair in (Pair(None, scene[0].infrared), scene[1], scene[4])
    ]
    assert kinds == [False, False, True]


def test_the_decoder_shows_what_the_encoder_went_on_from(scene, tiny_codec, tiny_predictor):
    encoder = FrameCodec(tiny_codec, tiny_predictor, keyframe=KEYFRAME)
    decoder = FrameCodec(tiny_codec, tiny_predictor)
    for pair in scene:
        pictures, predicted = encoder.encode(pair, quality=60, order="infrared-first", effort=5)
        shown = decoder.decode(pictures, predicted=predicted)
        assert shown is not None
        for modality in (each.modality for each in pictures):
            seen, kept = shown.get(modality), encoder._past[modality].raster
            assert seen is not None
            assert np.array_equal(seen.samples, kept.samples)
        assert shown.visible is None or shown.visible.samples.shape == (40, 64, 3)


def test_a_predicted_frame_is_conditional_on_the_one_before(scene, tiny_codec, tiny_predictor):
    codecs = [FrameCodec(tiny_codec, tiny_predictor, keyframe=32) for _ in range(2)]
    for codec, first in zip(codecs, (scene[0], moved(scene[0], 20)), strict=True):
        codec.encode(first, quality=60, order="infrared-first", effort=5)
    one, other = (
        codec.encode(scene[1], quality=60, order="infrared-first", effort=5)[0] for codec in codecs
    )
    assert one != other


@pytest.mark.parametrize("number", [0, 3, 4, 6, 7, 8])
def test_any_frame_comes_without_the_others(film, coded, number, tiny_codec, tiny_predictor):
    all_at_once = list(film)
    alone = crossband.open(io.BytesIO(coded), codec=tiny_codec, predictor=tiny_predictor)
    assert same(alone[number], all_at_once[number])


def test_frames_come_in_any_order_and_beside_an_iteration(film):
    all_at_once = list(film)
    for number, pair in enumerate(film):
        assert same(pair, all_at_once[number])
        assert same(film[-1 - number], all_at_once[-1 - number])


def test_a_slice_reads_from_the_key_frame_before_it(film):
    all_at_once = list(film)
    assert [same(a, b) for a, b in zip(film[6:8], all_at_once[6:8], strict=True)] == [True, True]
    read = [event.number for event in film[6:8].stored()]
    assert read == [4, 5, 6, 7]
    assert [event.number for event in film[::4].stored()] == [0, 4, 8]
    assert len(list(film[1::5])) == 2


def test_the_camera_coded_first_comes_without_the_other(film, coded, tiny_codec, tiny_predictor):
    weights = {"codec": tiny_codec, "predictor": tiny_predictor}
    for only in Modality:
        alone = crossband.open(io.BytesIO(coded), only=only, **weights)
        found = [pair.get(only) for pair in alone]
        wanted = [raster for pair in film if (raster := pair.get(only)) is not None]
        for one, other in zip(found, wanted, strict=True):
            assert np.array_equal(one.samples, other.samples)
    with pytest.raises(MissingPicture, match="frame 2 lacks"):
        crossband.open(io.BytesIO(coded), only=Modality.VISIBLE, **weights)[2]


def test_symbols_are_those_of_one_thread_and_two(scene, tiny_codec, tiny_predictor):
    made = []
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            codec = FrameCodec(tiny_codec, tiny_predictor, keyframe=32)
            pictures = [
                codec.encode(pair, quality=50, order="infrared-first", effort=5)[0]
                for pair in scene[:2]
            ]
            decoder = FrameCodec(tiny_codec, tiny_predictor)
            torch.set_num_threads(3 - count)
            for number, each in enumerate(pictures):  # a wrong symbol fails its checksum
                assert decoder.decode(each, predicted=number > 0) is not None
            made.append([len(p.stream) for each in pictures for p in each])
    finally:
        torch.set_num_threads(threads)
    assert len(made) == 2


def test_another_scene_starts_with_a_key_frame(scene, tiny_codec, tiny_predictor):
    codec = FrameCodec(tiny_codec, tiny_predictor, keyframe=32)
    other = synthetic_pair(visible=(40, 64), infrared=(32, 48), seed=9, infrared_bit_depth=14)
    turned = Pair(
        *(
            Raster(r.samples[::-1, ::-1].copy(), r.bit_depth)
            for r in (other.visible, other.infrared)
        )
    )
    kinds = [
        codec.encode(pair, quality=50, order="infrared-first", effort=5)[1]
        for pair in (scene[0], scene[1], turned, turned)
    ]
    assert kinds == [False, True, False, True]


def test_a_prediction_that_fails_becomes_a_key_frame(
    scene, tiny_codec, tiny_predictor, monkeypatch
):
    monkeypatch.setattr("crossband.frame_codec._FAILED", 0.0)
    codec = FrameCodec(tiny_codec, tiny_predictor, keyframe=32)
    frames = [
        codec.encode(pair, quality=50, order="infrared-first", effort=5) for pair in scene[:2]
    ]
    assert [predicted for _, predicted in frames] == [False, False]
    first = tiny_codec.encode_frame(scene[1], quality=50)
    finer = frames[1][0][0].quality_index
    assert finer > first.records[0].quality_index
    alone = tiny_codec.encode_frame(scene[1], quality=100 * finer / 63)
    assert frames[1][0] == alone.records


def test_a_frame_that_costs_more_than_its_key_frame_becomes_one(
    scene, tiny_codec, tiny_predictor, monkeypatch
):
    monkeypatch.setattr("crossband.scenes.is_cut", lambda before, after: False)
    codec = FrameCodec(tiny_codec, tiny_predictor, keyframe=32)
    gray = Pair(
        *(
            Raster(np.full_like(r.samples, 4000 if r.bit_depth > 8 else 128), r.bit_depth)
            for r in (scene[0].visible, scene[0].infrared)
        )
    )
    kinds = [
        codec.encode(pair, quality=50, order="infrared-first", effort=5)[1]
        for pair in (gray, gray, scene[0])
    ]
    assert kinds == [False, True, False]


def test_key_frames_are_finer_than_the_frames_between_and_lone_ones_as_asked(
    scene, tiny_codec, tiny_predictor
):
    film = FrameCodec(tiny_codec, tiny_predictor, keyframe=2)
    keys = FrameCodec(tiny_codec)
    for quality in (0.0, 50.0, 100.0):
        coded = [
            codec.encode(pair, quality=quality, order="infrared-first", effort=1)[0]
            for codec, pair in ((film, scene[0]), (film, scene[1]), (keys, scene[0]))
        ]
        key, predicted, alone = (pictures[0].quality_index for pictures in coded)
        assert predicted <= alone <= key
        assert predicted < key


def test_the_range_of_counts_only_grows_within_a_group(scene, tiny_codec, tiny_predictor):
    codec = FrameCodec(tiny_codec, tiny_predictor, keyframe=32)
    infrared = scene[0].infrared
    assert infrared is not None
    ranges = []
    for low, high in ((3000, 5000), (3100, 4900), (2900, 5100)):
        samples = infrared.samples.clip(low, high)
        samples[0, :2] = low, high
        pictures, _ = codec.encode(
            Pair(None, Raster(samples, 14)), quality=50, order="infrared-first", effort=5
        )
        ranges.append((pictures[0].low, pictures[0].high))
    assert ranges == [(3000, 5000), (3000, 5000), (2900, 5100)]


def test_a_damaged_frame_costs_the_rest_of_its_group(coded, tiny_codec, tiny_predictor):
    data = bytearray(coded)
    data[records(coded)[5].offset + 12] ^= 1
    film = crossband.open(io.BytesIO(bytes(data)), codec=tiny_codec, predictor=tiny_predictor)
    damages: list[Damage] = []
    times = [frame.timestamp_us for frame in film.frames(on_damage=damages.append)]
    whole = [each.frame.timestamp_us for each in records(coded)]
    assert times == whole[:5] + whole[8:]
    assert [each.number for each in damages] == [5, 6, 7]
    assert "frame 6" in damages[1].message
    assert "rests on frame 5, which was not decoded" in damages[1].message
    with pytest.raises(CorruptStream, match="frame 5 at byte"):
        list(film)
    with pytest.raises(CorruptStream, match="frame 5 at byte"):
        film[7]
    assert film[4].visible is not None


def test_a_film_that_broke_off_plays_up_to_there(coded, scene, tiny_codec, tiny_predictor):
    stored = records(coded)
    for cut in (each.offset + each.size_bytes for each in stored):
        part = crossband.open(io.BytesIO(coded[:cut]), codec=tiny_codec, predictor=tiny_predictor)
        assert part.ending is not None
        assert len(part) == sum(each.offset < cut for each in stored)
    part = crossband.open(
        io.BytesIO(coded[: stored[-2].offset + 9]), codec=tiny_codec, predictor=tiny_predictor
    )
    assert len(list(part)) == FRAMES - 2


def test_without_a_predictor_every_frame_is_a_key_frame(scene, tiny_codec):
    file = io.BytesIO()
    with Writer(file, codec=tiny_codec) as writer:
        for pair in scene[:2]:
            writer.write(pair)
    assert not any(each.frame.predicted for each in records(file.getvalue()))
    assert FilmReader(io.BytesIO(file.getvalue())).header.predictor_id == b""


def test_weights_that_are_not_here_are_named(coded, tiny_codec):
    film = crossband.open(io.BytesIO(coded), codec=tiny_codec)
    with pytest.raises(MissingWeights, match="which are not here"):
        film[0]


def test_weights_of_films_code_no_pairs_and_those_of_pairs_no_films(
    scene, tiny_codec, tiny_predictor
):
    with pytest.raises(PictureError, match="code frames of films"):
        tiny_predictor.encode(scene[0])
    with pytest.raises(PictureError, match="key frames need weights of pictures"):
        FrameCodec(tiny_predictor)
    with pytest.raises(PictureError, match="key frames need weights of pictures"):
        FrameCodec(tiny_codec, tiny_codec)
    for make in (lambda: FrameCodec(tiny_codec, keyframe=0), lambda: Writer("x", keyframe=0)):
        with pytest.raises(PictureError, match="keyframe is 0"):
            make()


def test_a_film_shows_the_same_in_whatever_order_a_machine_adds(monkeypatch):
    """In float32 4 samples of the first frame and 15 of the eighth differed."""
    scene = synthetic_pair(visible=(96, 128), infrared=(96, 128), seed=5)
    file = io.BytesIO()
    with Writer(file) as writer:
        for number in range(8):
            writer.write(moved(scene, 3 * number))
    with crossband.open(file) as film:
        assert [each.frame.predicted for each in film.stored()] == [False] + [True] * 7
        here = list(film)
    plain = torch.nn.Conv2d._conv_forward

    def backwards(layer, features, weight, bias):
        if layer.groups == 1:
            features, weight = features.flip(1), weight.flip(1)
        return plain(layer, features, weight, bias)

    monkeypatch.setattr(torch.nn.Conv2d, "_conv_forward", backwards)
    with crossband.open(file) as film:
        assert all(a.equals(b) for a, b in zip(here, film, strict=True))
