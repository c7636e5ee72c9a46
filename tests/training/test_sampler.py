# SPDX-License-Identifier: Apache-2.0
"""The laws of random crops, read off pictures whose samples say where they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crossband.training.data import MAX_SHIFT, Batch, PictureStore, Sampler, Variation

STILL = Variation(unrelated_share=0, shift_share=0, scale_share=0, jitter_share=0)
SIZE = 64


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> PictureStore:
    """Three pairs of other sizes: red is the row, green the column, blue the picture.

    Infrared is row + column: equal where the visible picture's red + green are, and a shift of
    one modality against the other is the change of that sum.
    """
    root = tmp_path_factory.mktemp("places")
    for camera in ("visible", "infrared"):
        (root / "train" / camera).mkdir(parents=True)
    for number, (height, width) in enumerate([(64, 64), (100, 120), (127, 90)]):
        rows, columns = np.mgrid[:height, :width].astype(np.uint8)
        visible = np.stack([rows, columns, np.full_like(rows, 50 * number)], -1)
        Image.fromarray(visible).save(root / "train" / "visible" / f"{number}.png")
        Image.fromarray(rows + columns).save(root / "train" / "infrared" / f"{number}.png")
    return PictureStore(root, {".": 1.0}, split="train", smallest=SIZE, device="cpu")


def draw(store: PictureStore, variation: Variation, *, count: int = 24, seed: int = 5) -> Batch:
    return Sampler(store, size=SIZE, variation=variation, seed=seed).draw(count)


def counts(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Visible (batch, 3, size, size) and infrared (batch, size, size) as whole numbers."""
    return (batch.visible * 255).round().int(), (batch.infrared[:, 0] * 255).round().int()


def test_crops_have_the_asked_shape_and_range(store: PictureStore) -> None:
    batch = draw(store, Variation())
    assert batch.visible.shape == (24, 3, SIZE, SIZE)
    assert batch.infrared.shape == (24, 1, SIZE, SIZE)
    for crops in (batch.visible, batch.infrared):
        assert crops.dtype == torch.float32
        assert 0 <= float(crops.min()) <= float(crops.max()) <= 1


def test_a_crop_is_a_whole_square_of_one_picture(store: PictureStore) -> None:
    visible, _ = counts(draw(store, STILL))
    for row, column, number in visible:
        assert number.unique().numel() == 1
        for place in (row, column):
            assert place.unique().numel() == SIZE
            assert int(place.max() - place.min()) == SIZE - 1
        pairs_of_places = (row * 256 + column).unique()
        assert pairs_of_places.numel() == SIZE * SIZE


def test_neighbours_in_a_crop_are_neighbours_in_the_picture(store: PictureStore) -> None:
    visible, _ = counts(draw(store, STILL))
    places = visible[:, :2]
    assert ((places[..., 1:, :] - places[..., :-1, :]).abs().sum(1) == 1).all()
    assert ((places[..., 1:] - places[..., :-1]).abs().sum(1) == 1).all()


def test_all_eight_orientations_occur(store: PictureStore) -> None:
    visible, _ = counts(draw(store, STILL, count=100))
    corners = {
        (bool(row[0, 0] < row[-1, -1]), bool(col[0, 0] < col[-1, -1]), bool(row[0, 0] == row[0, 1]))
        for row, col, _ in visible
    }
    assert len(corners) == 8


def test_unshifted_modalities_show_the_same_place(store: PictureStore) -> None:
    visible, infrared = counts(draw(store, STILL))
    assert torch.equal(infrared, visible[:, 0] + visible[:, 1])


def test_a_shift_moves_the_infrared_by_the_same_whole_pixels_and_at_most_16_a_side(
    store: PictureStore,
) -> None:
    variation = Variation(unrelated_share=0, shift_share=1, scale_share=0, jitter_share=0)
    visible, infrared = counts(draw(store, variation, count=60))
    moved = infrared - visible[:, 0] - visible[:, 1]
    # Away from the borders, where the picture ends and its edge is repeated.
    inside = (visible[:, :2] >= MAX_SHIFT).all(1) & (visible[:, :2] < SIZE - MAX_SHIFT).all(1)
    shifts = []
    for one, where in zip(moved, inside, strict=True):
        values = one[where].unique()
        assert values.numel() <= 1
        shifts += values.tolist()
    assert max(map(abs, shifts)) <= 2 * MAX_SHIFT
    assert len(set(shifts)) > 5


def test_unrelated_pictures_are_not_of_the_same_place(store: PictureStore) -> None:
    variation = Variation(unrelated_share=1, shift_share=0, scale_share=0, jitter_share=0)
    visible, infrared = counts(draw(store, variation))
    same = (infrared == visible[:, 0] + visible[:, 1]).flatten(1).all(1)
    assert same.float().mean() < 0.5


def test_jitter_changes_the_infrared_alone(store: PictureStore) -> None:
    jittered = Variation(unrelated_share=0, shift_share=0, scale_share=0, jitter_share=1)
    plain, varied = draw(store, STILL, count=4), draw(store, jittered, count=4)
    assert torch.equal(plain.visible, varied.visible)
    assert not torch.equal(plain.infrared, varied.infrared)


def test_another_saturation_keeps_every_pixels_mean(store: PictureStore) -> None:
    plain = draw(store, STILL, count=12).visible
    varied = draw(store, replace(STILL, colour_share=1), count=12).visible
    inside = ((varied > 0) & (varied < 1)).all(1)  # nothing was clipped there
    assert inside.float().mean() > 0.5
    assert ((varied - plain).mean(1)[inside].abs() <= 0.5 / 255 + 1e-6).all()
    assert (varied - plain).abs().amax((1, 2, 3)).min() > 0


def test_sharpening_raises_steps_and_leaves_planes(tmp_path: Path) -> None:
    picture = np.full((SIZE, SIZE), 100, np.uint8)
    picture[:, SIZE // 2 :] = 140
    for camera in ("vis", "ir"):
        folder = tmp_path / "step" / "train" / camera
        folder.mkdir(parents=True)
        Image.fromarray(picture).save(folder / "0.png")
    shares = {"step": 1.0}
    store = PictureStore(tmp_path, shares, split="train", smallest=SIZE, device="cpu")
    visible, infrared = counts(draw(store, replace(STILL, sharpen_share=1)))
    for crop, plain in zip(visible, infrared, strict=True):
        assert int(crop.min()) < 100 and int(crop.max()) > 140
        # Only the two columns beside the step differ.
        assert int((crop[0] != plain).sum()) == 2 * SIZE


def test_pictures_are_bytes_and_the_host_makes_nothing_as_large_as_a_crop(
    store: PictureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.visible_bytes.dtype == store.infrared_bytes.dtype == torch.uint8
    moved = []
    to_device = Sampler._to_device

    def seen(sampler: Sampler, values: np.ndarray) -> torch.Tensor:
        moved.append(values.size)
        return to_device(sampler, values)

    monkeypatch.setattr(Sampler, "_to_device", seen)
    draw(store, Variation(colour_share=1), count=4)
    assert moved and max(moved) <= 4 * 6


def test_a_seed_decides_every_draw(store: PictureStore) -> None:
    one, same, other = (draw(store, Variation(), seed=seed, count=8) for seed in (1, 1, 2))
    assert torch.equal(one.visible, same.visible) and torch.equal(one.infrared, same.infrared)
    assert not torch.equal(one.visible, other.visible)


def test_a_stored_generator_goes_on_with_the_same_crops(store: PictureStore) -> None:
    first, second = (Sampler(store, size=SIZE, variation=Variation(), seed=s) for s in (1, 9))
    first.draw(3)
    second.random.bit_generator.state = first.random.bit_generator.state
    assert torch.equal(first.draw(3).infrared, second.draw(3).infrared)


def test_shares_decide_how_often_a_source_is_drawn(tmp_path: Path) -> None:
    for source, level in (("dark", 0), ("bright", 255)):
        for camera in ("vis", "ir"):
            folder = tmp_path / source / "train" / camera
            folder.mkdir(parents=True)
            for number in range(3):
                Image.new("L", (SIZE, SIZE), level).save(folder / f"{number}.png")
    store = PictureStore(
        tmp_path, {"dark": 3.0, "bright": 1.0}, split="train", smallest=SIZE, device="cpu"
    )
    bright = draw(store, STILL, count=400).visible[:, 0, 0, 0].mean()
    assert 0.18 < float(bright) < 0.32
