# SPDX-License-Identifier: Apache-2.0
"""A partner that is blank, saturated, frozen or of another scene costs next to nothing (rule 3)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import crossband
from crossband import Modality, Pair, Raster
from crossband.codec import Codec
from crossband.container import unpack
from crossband.frame_codec import FrameCodec
from crossband.sources import read
from crossband.testing import synthetic_pair

ORDERS = ("infrared-first", "visible-first")
MOST_BYTES = 8
"""More than coding alone."""
HEIGHT, WIDTH = 96, 128
FRAMES = 5
FAILS_AT = 3
"""The frame of a film where the partner fails: a key frame and two live ones are before it."""
REAL = {"visible": "vis", "infrared": "ir"}


def filled(raster: Raster, value: int) -> Raster:
    return replace(raster, samples=np.full_like(raster.samples, value))


def failed(pair: Pair, modality: Modality, how: str) -> Pair:
    """The pair with one picture as a camera gives it that fails."""
    raster = pair.get(modality)
    assert raster is not None
    values = {"blank": 0, "saturated": raster.peak}
    if how in values:
        other = filled(raster, values[how])
    else:
        turned = np.ascontiguousarray(raster.samples[::-1, ::-1])
        other = replace(raster, samples=np.roll(turned, WIDTH // 3, 1))
    return replace(pair, **{modality.value: other})


@cache
def rendered(frame: int) -> Pair:
    """A camera that pans over a drawn scene, two pixels a frame."""
    whole = synthetic_pair(visible=(HEIGHT, WIDTH + 32), infrared=(HEIGHT, WIDTH + 32), seed=3)
    return cut(whole, 0, 2 * frame)


def cut(pair: Pair, top: int, left: int) -> Pair:
    rasters = [pair.get(each) for each in (Modality.VISIBLE, Modality.INFRARED)]
    return Pair(
        *(
            replace(
                each,
                samples=np.ascontiguousarray(each.samples[top : top + HEIGHT, left : left + WIDTH]),
            )
            for each in rasters
            if each is not None
        )
    )


def real_film(shared_data: Path) -> list[Pair]:
    """A cut of a film of two cameras."""
    folder = shared_data / "m3svd" / "video" / "test_0111_1803"
    names = [sorted((folder / each).iterdir())[:FRAMES] for each in REAL.values()]
    return [
        cut(Pair(*(read(n, m).raster for n, m in zip(each, Modality, strict=True))), 180, 240)
        for each in zip(*names, strict=True)
    ]


@pytest.fixture(params=["rendered", "real"])
def film(request: pytest.FixtureRequest) -> list[Pair]:
    """Frames of 128x96 pixels whose cameras lie on each other."""
    if request.param == "rendered":
        return [rendered(frame) for frame in range(FRAMES)]
    return real_film(request.getfixturevalue("shared_data"))


@pytest.mark.parametrize("order", [*ORDERS, "auto"])
@pytest.mark.parametrize("how", ["blank", "saturated", "unrelated"])
@pytest.mark.parametrize("modality", list(Modality))
def test_a_pair_with_a_failed_camera_costs_no_more_than_its_pictures_alone(
    base_codec, film, modality, how, order
):
    pair = failed(film[0], modality, how)
    records = unpack(base_codec.encode(pair, order=order)).records
    for each in records:
        lone = Pair(**{each.modality.value: pair.get(each.modality)})
        (alone,) = unpack(base_codec.encode(lone)).records
        assert each.coded_bytes <= alone.coded_bytes + MOST_BYTES


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("how", ["blank", "saturated"])
def test_a_blank_camera_costs_nothing_at_any_effort(tiny_codec, how, order):
    first = Modality.INFRARED if order == "infrared-first" else Modality.VISIBLE
    pair = failed(rendered(0), first, how)
    second = unpack(tiny_codec.encode(pair, order=order, effort=1)).records[1]
    lone = Pair(**{second.modality.value: pair.get(second.modality)})
    assert second == unpack(tiny_codec.encode(lone, effort=1)).records[0]


@pytest.fixture(scope="module")
def predictor() -> Codec:
    """The shipped weights of films."""
    return crossband.load("base-video")


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("how", ["blank", "saturated", "frozen", "unrelated"])
def test_a_camera_that_fails_within_a_group_costs_the_other_one_nothing(
    base_codec, predictor, film, how, order
):
    """Each frame against the same frame with its second picture alone, given the same past."""
    codec = FrameCodec(base_codec, predictor, keyframe=32)
    first = Modality.INFRARED if order == "infrared-first" else Modality.VISIBLE
    live = 0
    for number, pair in enumerate(film):
        if number >= FAILS_AT:
            if how == "frozen":
                pair = replace(pair, **{first.value: film[FAILS_AT - 1].get(first)})
            else:
                pair = failed(pair, first, how)
        past = dict(codec._past)
        records, predicted = codec.encode(pair, quality=50, order=order, effort=5)
        if not predicted:
            assert number == 0
            continue
        coder = predictor.encode_frame
        alone = coder(pair, quality=43, order=order, past=past, alone=True, show=False).records
        assert [each.quality_index for each in alone] == [each.quality_index for each in records]
        assert records[1].coded_bytes <= alone[1].coded_bytes + MOST_BYTES
        live += 1
    assert live == FRAMES - 1
