# SPDX-License-Identifier: Apache-2.0
"""A run looks for test pictures among those that it trains on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from crossband.errors import TrainingError
from crossband.testing import synthetic_pair
from crossband.training.loop import Run
from crossband.training.recipe import Recipe
from crossband.training.split_check import refuse_test_pictures

CAMERAS = ("visible", "infrared")


def own(folder: Path, name: str, seed: int) -> None:
    """One rendered pair."""
    pair = synthetic_pair(visible=(96, 128), infrared=(96, 128), seed=seed)
    for camera in CAMERAS:
        raster = getattr(pair, camera)
        (folder / camera).mkdir(parents=True, exist_ok=True)
        Image.fromarray(raster.samples).save(folder / camera / f"{name}.png")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pairs to train on and two others to test on."""
    for number in range(3):
        own(tmp_path / "own" / "train", f"a{number}", number)
    for number in range(2):
        own(tmp_path / "own" / "test", f"b{number}", 10 + number)
    return tmp_path


def leak(data: Path, cameras: tuple[str, ...] = CAMERAS) -> None:
    """Gives the second training pair to the test split, coded as JPEG and a little darker."""
    for camera in cameras:
        with Image.open(data / "own" / "train" / camera / "a1.png") as image:
            darker = image.point(lambda level: level * 9 // 10)
        darker.save(data / "own" / "test" / camera / "b1.jpg", quality=50)
        (data / "own" / "test" / camera / "b1.png").unlink()


def test_other_pictures_are_no_matter(data: Path) -> None:
    refuse_test_pictures(data, ["own"])


def test_a_pair_that_is_in_the_test_split_too_is_refused_and_named(data: Path) -> None:
    leak(data)
    with pytest.raises(
        TrainingError,
        match=r"^1 training pictures look like test pictures \(own/train/visible/a1.png like"
        r" own/test/visible/b1.jpg\): no figure on these would count; take them out",
    ):
        refuse_test_pictures(data, ["own"])


def test_one_camera_alone_is_not_enough(data: Path) -> None:
    leak(data, ("infrared",))
    refuse_test_pictures(data, ["own"])


def test_a_single_picture_is_judged_by_itself(data: Path) -> None:
    leak(data)
    (data / "own" / "train" / "infrared" / "a1.png").unlink()
    with pytest.raises(TrainingError, match=r"a1\.png like"):
        refuse_test_pictures(data, ["own"])


def test_the_test_split_of_another_source_counts_too(data: Path) -> None:
    leak(data)
    (data / "other").mkdir()
    shutil.move(data / "own" / "test", data / "other" / "test")
    with pytest.raises(TrainingError, match=r"like other/test/visible/b1\.jpg"):
        refuse_test_pictures(data, ["own", "other"])


def test_a_set_that_gives_its_test_pictures_to_training_has_none_to_compare(data: Path) -> None:
    for number in range(3):
        own(data / "own" / "m3fd", f"c{number}", number)
    for camera, name in zip(CAMERAS, ("Vis", "Ir"), strict=True):
        shutil.move(data / "own" / "m3fd" / camera, data / "own" / "m3fd" / name)
    refuse_test_pictures(data / "own", ["m3fd"], {"m3fd": "m3fd-full"})


def test_a_run_looks_when_it_begins(data: Path, recipe: Recipe, tmp_path: Path) -> None:
    leak(data)
    own_recipe = replace(recipe, sources={"own": 1.0}, validation_sources={})
    with pytest.raises(TrainingError, match="look like test pictures"):
        Run(own_recipe, data, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_no_test_picture_of_these_sets_is_in_their_train_splits(shared_data: Path) -> None:
    refuse_test_pictures(shared_data, ["msrs", "tno", "vifb", "visir_match"])
