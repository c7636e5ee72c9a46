# SPDX-License-Identifier: Apache-2.0
"""Scene cuts are found, and what merely looks like one is not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossband import Modality, Pair, Raster
from crossband.scenes import block_means, is_cut
from crossband.sources import read_pair
from crossband.testing import synthetic_pair

Change = Callable[[np.ndarray], np.ndarray]


def scene() -> Pair:
    return synthetic_pair(visible=(96, 130), infrared=(80, 100), infrared_bit_depth=14)


def changed(pair: Pair, change: Change, *modalities: Modality) -> Pair:
    """The pair with the samples of these cameras changed."""
    rasters = {each.value: pair.get(each) for each in Modality}
    for modality in modalities:
        raster = pair.get(modality)
        assert raster is not None
        samples = change(raster.samples.astype(np.float64)).clip(0, raster.peak)
        rasters[modality.value] = Raster(samples.astype(raster.samples.dtype), raster.bit_depth)
    return Pair(**rasters)


def turned(samples: np.ndarray) -> np.ndarray:
    return samples[::-1, ::-1]


def shut(samples: np.ndarray) -> np.ndarray:
    return np.full_like(samples, samples.mean())


def brighter(samples: np.ndarray) -> np.ndarray:
    return samples + 30


def noisy(samples: np.ndarray) -> np.ndarray:
    return samples + np.random.default_rng(0).normal(0, 0.1 * samples.std(), samples.shape)


BOTH = tuple(Modality)
CASES: list[tuple[Change, tuple[Modality, ...], bool]] = [
    (turned, BOTH, True),
    (turned, (Modality.VISIBLE,), False),
    (shut, (Modality.INFRARED,), False),
    (brighter, BOTH, False),
    (noisy, BOTH, False),
    (lambda samples: np.roll(samples, 3, 1), BOTH, False),
]


@pytest.mark.parametrize(("change", "modalities", "expected"), CASES)
def test_only_another_scene_in_every_camera_is_a_cut(change, modalities, expected):
    after = changed(scene(), change, *modalities)
    assert is_cut(block_means(scene()), block_means(after)) is expected


def test_frames_of_nothing_but_noise_are_one_scene():
    noise = [np.random.default_rng(n).integers(100, 110, (64, 64), np.uint8) for n in range(2)]
    before, after = (block_means(Pair(infrared=Raster(samples))) for samples in noise)
    assert not is_cut(before, after)


def test_without_a_camera_in_common_there_is_nothing_to_tell():
    pair = scene()
    alone = [block_means(replace(pair, **{each.value: None})) for each in Modality]
    assert not is_cut(*alone)
    assert not is_cut({}, alone[0])


@pytest.mark.parametrize("size", [(1, 1), (15, 17), (16, 33)])
def test_any_size_has_blocks(size):
    pair = synthetic_pair(visible=size, infrared=size)
    found = block_means(pair)
    for means in found.values():
        assert means.shape == (-(-size[0] // 16), -(-size[1] // 16))
        assert abs(means.mean()) < 1e-12
    assert not is_cut(found, found)


def test_real_films_have_cuts_between_them_and_none_inside(shared_data: Path):
    firsts = []
    for visible in sorted((shared_data / "m3svd").rglob("video/*/vis")):
        cameras = [sorted(visible.with_name(name).iterdir()) for name in ("vis", "ir")]
        frames = [
            block_means(read_pair(cameras[0][number], cameras[1][number]).pair)
            for number in (0, 1, 3)
        ]
        assert not is_cut(frames[0], frames[1]) and not is_cut(frames[0], frames[2])
        firsts.append(frames[0])
    if not firsts:
        pytest.skip("the shared pictures hold no films: m3svd/video/*/vis")
    assert all(is_cut(*pair) for pair in itertools.pairwise(firsts))
