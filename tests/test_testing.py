# SPDX-License-Identifier: Apache-2.0
"""The renderer that other tests rest on."""

from __future__ import annotations

import hashlib
import time

import numpy as np
import pytest
from hypothesis import given, settings

from crossband import Modality, Pair, PictureError
from crossband.testing import synthetic_pair
from crossband.testing.strategies import pairs


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 1), (7, 5), (161, 120), (300, 401)])
def test_any_size_is_drawn_at_that_size(size: tuple[int, int]) -> None:
    other = (size[0] // 2 + 1, size[1] // 2 + 1)
    pair = synthetic_pair(visible=size, infrared=other)
    assert pair.visible is not None and pair.infrared is not None
    assert pair.visible.samples.shape == (*size, 3)
    assert pair.infrared.samples.shape == other


def test_a_seed_gives_the_same_samples_on_every_machine() -> None:
    # Digests of what the first machine drew: the renderer rounds exactly in every step.
    digest = hashlib.sha256()
    for seed in (0, 1, 2, 3):
        pair = synthetic_pair(
            visible=(96, 128), infrared=(60, 80), seed=seed, infrared_bit_depth=14
        )
        assert pair.visible is not None and pair.infrared is not None
        digest.update(pair.visible.samples.tobytes())
        digest.update(pair.infrared.samples.astype("<u2").tobytes())
    assert digest.hexdigest() == DIGEST


DIGEST = "f030636dcb2473e429e4c74b3c4a681f13575038b7e6a988a6d2bc8362e644bd"


def test_seeds_give_different_scenes() -> None:
    first, second = synthetic_pair(seed=1), synthetic_pair(seed=2)
    assert first.visible is not None and second.visible is not None
    assert not first.visible.equals(second.visible)


def test_a_missing_picture_changes_nothing_in_the_other() -> None:
    size = (40, 50)
    both = synthetic_pair(visible=size, infrared=size)
    visible = synthetic_pair(visible=size, infrared=None)
    infrared = synthetic_pair(visible=None, infrared=size)
    assert visible.infrared is None and infrared.visible is None
    assert both.equals(Pair(visible=visible.visible, infrared=infrared.infrared))


def edges(plane: np.ndarray) -> np.ndarray:
    """Where neighbouring samples differ most: the strongest tenth."""
    plane = plane.astype(float)
    step = np.abs(np.diff(plane, axis=0))[:, :-1] + np.abs(np.diff(plane, axis=1))[:-1]
    strong: np.ndarray = step > np.quantile(step, 0.9)
    return strong


def test_both_cameras_see_the_same_edges_and_other_brightness() -> None:
    pair = synthetic_pair(visible=(256, 320), infrared=(256, 320), noise=0)
    assert pair.visible is not None and pair.infrared is not None
    visible = pair.visible.samples.mean(axis=-1)
    infrared = pair.infrared.samples
    shared = (edges(visible) & edges(infrared)).sum() / edges(infrared).sum()
    assert shared > 0.3  # by chance 0.1
    # the sky is bright to one camera and cold to the other
    assert visible[:20].mean() > visible[-60:].mean()
    assert infrared[:20].mean() < infrared[-60:].mean()


def test_a_shift_moves_the_infrared_camera_alone() -> None:
    size = (100, 160)
    plain = synthetic_pair(visible=size, infrared=size, noise=0)
    moved = synthetic_pair(visible=size, infrared=size, noise=0, shift=(0.1, 0.05))
    assert plain.visible is not None and moved.visible is not None
    assert plain.infrared is not None and moved.infrared is not None
    assert plain.visible.equals(moved.visible)
    difference = np.abs(
        moved.infrared.samples[20:90, 20:150].astype(int)
        - plain.infrared.samples[10:80, 12:142].astype(int)
    )
    # clouds and foliage are painted in picture coordinates; the layout moves
    assert np.median(difference) <= 4


@pytest.mark.parametrize("depth", [8, 9, 10, 12, 14, 16])
def test_infrared_has_the_depth_asked_for(depth: int) -> None:
    raster = synthetic_pair(visible=None, infrared=(64, 80), infrared_bit_depth=depth).infrared
    assert raster is not None
    assert raster.bit_depth == depth
    assert raster.samples.dtype == (np.uint8 if depth == 8 else np.uint16)
    assert np.ptp(raster.samples) > raster.peak // 8


def test_gray_visible_is_drawn() -> None:
    raster = synthetic_pair(visible=(20, 30), infrared=None, visible_channels=1).visible
    assert raster is not None and raster.channels == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"visible": None, "infrared": None},
        {"visible": (0, 5)},
        {"infrared": (5, 65_536)},
        {"infrared_bit_depth": 7},
        {"infrared_bit_depth": 17},
        {"visible_channels": 2},
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(PictureError):
        synthetic_pair(**wrong)  # type: ignore[arg-type]


def test_a_scene_of_640x512_takes_less_than_half_a_second() -> None:
    # Processor time, best of three: other work on the machine must not fail the test.
    seconds = []
    for seed in range(3):
        started = time.process_time()
        synthetic_pair(seed=seed)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 0.5


@settings(max_examples=30)
@given(pairs(max_side=24))
def test_strategies_draw_valid_pairs(pair: Pair) -> None:
    for modality in Modality:
        if (raster := pair.get(modality)) is not None:
            assert max(raster.height, raster.width) <= 24
            assert int(raster.samples.max()) <= raster.peak


def test_strategies_reach_every_kind_of_pair() -> None:
    seen: set[str] = set()

    @settings(max_examples=150)
    @given(pairs(max_side=8))
    def collect(pair: Pair) -> None:
        seen.add("no visible" if pair.visible is None else f"visible {pair.visible.channels}")
        if pair.infrared is None:
            seen.add("no infrared")
        else:
            seen.add("deep" if pair.infrared.bit_depth > 8 else "8 bits")
            if int(np.ptp(pair.infrared.samples)) == 0:
                seen.add("constant")

    collect()
    assert seen >= {"no visible", "no infrared", "visible 1", "visible 3", "deep", "8 bits"}
    assert "constant" in seen
