# SPDX-License-Identifier: Apache-2.0
"""`crossband data check`: each planted defect is found, and a sound set has none."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from crossband import datasets
from crossband.datasets.check import KINDS, Audit, audit
from crossband.datasets.check.blocking import blocking
from crossband.datasets.check.depth import true_bit_depth
from crossband.datasets.check.findings import MOST_BLOCKING
from crossband.datasets.check.likeness import nearest_before, perceptual_hash
from crossband.datasets.check.offset import CLEAR_SCORE, estimate_offset
from crossband.errors import InputError

HEIGHT, WIDTH = 120, 150
Gray = npt.NDArray[np.uint8]


def scene(seed: int) -> tuple[Gray, Gray]:
    """Rectangles that both cameras see, each in shades of its own, with noise."""
    rng = np.random.default_rng(seed)
    pictures = [np.full((HEIGHT, WIDTH), 128.0) for _ in range(2)]
    for _ in range(40):
        top, left = rng.integers(0, HEIGHT - 8), rng.integers(0, WIDTH - 8)
        height, width = rng.integers(8, 50, 2)
        for picture in pictures:
            picture[top : top + height, left : left + width] = rng.integers(20, 235)
    visible, infrared = (picture + rng.normal(0, 3, picture.shape) for picture in pictures)
    return visible.clip(0, 255).astype(np.uint8), infrared.clip(0, 255).astype(np.uint8)


def save(picture: npt.NDArray[np.generic], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Six pairs without a defect: train, val and test of two each."""
    for index in range(6):
        split = ("train", "val", "test")[index // 2]
        visible, infrared = scene(index)
        save(visible, tmp_path / split / "visible" / f"{index}.png")
        save(
            infrared.astype(np.uint16) * 37 + 3_000, tmp_path / split / "infrared" / f"{index}.png"
        )
    return tmp_path


def check(root: Path) -> Audit:
    return audit(root, datasets.find("folder"))


def found(root: Path) -> dict[str, tuple[str, ...]]:
    return {finding.kind: finding.where for finding in check(root).findings}


def test_a_sound_set_has_no_defect(sound: Path) -> None:
    assert found(sound) == {}


def damage(root: Path) -> None:
    path = root / "train/visible/0.png"
    path.write_bytes(path.read_bytes()[:200])


def orphan(root: Path) -> None:
    (root / "train/infrared/0.png").rename(root / "train/infrared/0_ir.png")


def another_size(root: Path) -> None:
    save(scene(0)[1][:100], root / "train/infrared/0.png")


def eight_bits(root: Path) -> None:
    save(scene(0)[1].astype(np.uint16) * 257, root / "train/infrared/0.png")


def from_jpeg(root: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(scene(0)[0]).save(buffer, "JPEG", quality=50)
    save(np.asarray(Image.open(buffer))[:, :], root / "train/visible/0.png")


def shift(root: Path) -> None:
    save(np.roll(scene(0)[1], (5, -12), (0, 1)), root / "train/infrared/0.png")


def repeat(root: Path) -> None:
    visible = scene(0)[0].astype(int)
    save((visible * 0.9 + 12).astype(np.uint8), root / "train/visible/1.png")


def leak(root: Path) -> None:
    save(scene(0)[0] // 2 + 20, root / "val/visible/2.png")


def leak_bytes(root: Path) -> None:
    dark = np.zeros((HEIGHT, WIDTH), np.uint8)  # nothing to hash: only the bytes tell
    save(dark, root / "train/visible/0.png")
    save(dark, root / "test/visible/4.png")


@pytest.mark.parametrize(
    ("plant", "kind", "where"),
    [
        (damage, "unreadable", "train/visible/0.png"),
        (orphan, "without partner", "train/visible/0.png"),
        (another_size, "two sizes", "0 (visible 150x120, infrared 150x100)"),
        (eight_bits, "8-bit infrared in 16-bit files", "train/infrared/0.png (8 bits)"),
        (from_jpeg, "once a JPEG", "train/visible/0.png"),
        (shift, "misaligned", "0 (+12 right, -5 down"),
        (repeat, "near duplicates", "train/visible/1.png like train/visible/0.png"),
        (leak, "train pictures in val or test", "val/visible/2.png like train/visible/0.png"),
        (
            leak_bytes,
            "train pictures in val or test",
            "test/visible/4.png = train/visible/0.png (the same bytes)",
        ),
    ],
)
def test_a_planted_defect_is_found_where_it_is(
    sound: Path, plant: Callable[[Path], None], kind: str, where: str
) -> None:
    plant(sound)
    assert kind in KINDS
    assert found(sound)[kind][0].startswith(where)


def test_every_kind_of_defect_is_planted_once() -> None:
    mark = next(m for m in test_a_planted_defect_is_found_where_it_is.pytestmark)  # type: ignore[attr-defined]
    assert {kind for _, kind, _ in mark.args[1]} == set(KINDS)


def test_pairs_are_counted_by_whether_their_offset_could_be_told(sound: Path) -> None:
    another_size(sound)
    save(np.full((HEIGHT, WIDTH), 90, np.uint8), sound / "test/infrared/4.png")
    offsets = check(sound).summary()["offsets"]
    assert (offsets["clear"], offsets["unclear"], offsets["not_compared"]) == (4, 0, 2)
    assert offsets["median_distance_px"] == 0


def test_a_set_of_one_camera_has_no_orphans(tmp_path: Path) -> None:
    for index in range(2):
        save(scene(index)[1], tmp_path / "train/infrared" / f"{index}.png")
    assert found(tmp_path) == {}
    assert check(tmp_path).summary()["splits"]["train"]["infrared_only"] == 2


def test_pictures_that_have_no_partners_by_design_are_no_orphans(tmp_path: Path) -> None:
    for index, camera in enumerate(("rgb", "thermal")):
        save(scene(index)[1], tmp_path / f"images_{camera}_train/data" / f"{camera}.png")
    result = audit(tmp_path, datasets.find("flir-adas-v2"))
    assert result.findings == ()
    counts = result.summary()["splits"]["train"]
    assert counts == {"pairs": 0, "visible_only": 1, "infrared_only": 1}


def test_a_folder_without_splits_is_split_as_training_does(tmp_path: Path) -> None:
    for index in range(11):
        visible, infrared = scene(index % 10)  # the last is the first again
        save(visible, tmp_path / "visible" / f"{index:02}.png")
        save(infrared, tmp_path / "infrared" / f"{index:02}.png")
    assert check(tmp_path).summary()["splits"]["val"]["pairs"] == 1
    assert found(tmp_path)["train pictures in val or test"] == (
        "visible/10.png = visible/00.png (the same bytes)",
        "infrared/10.png = infrared/00.png (the same bytes)",
    )


def test_the_manifest_has_the_digest_of_every_file_and_no_place(sound: Path) -> None:
    manifest = check(sound).manifest()
    files = json.loads(manifest)["file_list"]
    assert {file["path"]: file["sha256"] for file in files} == {
        path.relative_to(sound).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sound.rglob("*.png")
    }
    assert str(sound).encode() not in manifest
    assert manifest == check(sound).manifest()


def test_a_folder_without_pairs_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no pair in the layout of folder .* --set"):
        check(tmp_path)
    with pytest.raises(InputError, match="is not a folder"):
        check(tmp_path / "absent")


@pytest.mark.parametrize(
    ("samples", "bits"),
    [
        ([0, 0], 0),
        ([7_000, 7_000], 13),
        ([0, 1, 255], 8),
        ([256, 512, 65_280], 8),
        ([7_000, 7_003, 16_383], 14),
        (np.arange(28_000, 65_536, 4), 14),
        (np.arange(65_536), 16),
        (np.round(np.arange(256) * 65_535 / 255 * 0.9), 8),
        (np.arange(7_000, 7_050), 13),
    ],
    ids=["zeros", "flat", "as they are", "shifted", "raw", "times four", "all", "stretched", "few"],
)
def test_bits_are_counted_whatever_they_were_multiplied_by(
    samples: npt.ArrayLike, bits: int
) -> None:
    assert true_bit_depth(np.asarray(samples).astype(np.uint16)) == bits


@pytest.mark.parametrize("corner", [(0, 0), (3, 5)])
def test_blocks_are_seen_wherever_their_grid_lies(corner: tuple[int, int]) -> None:
    gray = scene(3)[0]
    buffer = io.BytesIO()
    Image.fromarray(gray).save(buffer, "JPEG", quality=60)
    coded = np.asarray(Image.open(buffer))[corner[0] :, corner[1] :]
    assert blocking(gray) < MOST_BLOCKING / 2
    assert blocking(coded) > MOST_BLOCKING


def test_a_picture_scaled_by_two_or_four_has_no_jpeg_blocks() -> None:
    gray = scene(3)[0]
    for factor in (2, 4):
        assert blocking(gray.repeat(factor, 0).repeat(factor, 1)) < MOST_BLOCKING / 2


def test_a_hash_outlives_brightness_depth_and_size_but_not_another_scene() -> None:
    gray = scene(5)[0]
    changed = [
        gray // 2 + 40,
        gray.astype(np.uint16) * 200,
        np.asarray(Image.fromarray(gray).resize((300, 240), Image.Resampling.BILINEAR)),
    ]
    hashes = [perceptual_hash(each) for each in (gray, *changed)]
    assert all(nearest_before(hashes, hashes, most_bits=4, earlier=True)[1:])
    others = [perceptual_hash(scene(seed)[0]) for seed in range(6, 20)]
    assert not any(nearest_before(others, others, most_bits=4, earlier=True))


def test_a_picture_without_contrast_is_like_no_other() -> None:
    noise = np.random.default_rng(1).normal(20, 3, (2 * HEIGHT, 2 * WIDTH)).astype(np.uint8)
    assert perceptual_hash(noise) is None
    assert perceptual_hash(np.full((HEIGHT, WIDTH), 77)) is None
    assert nearest_before([None, None], [None, None], most_bits=4, earlier=True) == [None, None]


@pytest.mark.parametrize("down, right", [(0, 0), (3, -4), (-11, 9)])
@pytest.mark.parametrize("factor", [1, 4])
def test_an_offset_is_measured_in_pixels_of_the_picture(down: int, right: int, factor: int) -> None:
    visible, infrared = (each.repeat(factor, 0).repeat(factor, 1) for each in scene(4))
    moved = np.roll(infrared, (-down * factor, -right * factor), (0, 1))
    offset = estimate_offset(visible, moved)
    assert offset is not None
    assert offset.score > CLEAR_SCORE
    assert (offset.down_px, offset.right_px) == (down * factor, right * factor)


def test_pictures_that_have_nothing_in_common_have_no_clear_offset() -> None:
    for seed in range(8):
        offset = estimate_offset(scene(seed)[0], scene(seed + 50)[1])
        assert offset is not None
        assert offset.score < CLEAR_SCORE


def test_a_tiny_or_flat_picture_has_no_offset() -> None:
    small = np.zeros((20, 30), np.uint8)
    flat = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert estimate_offset(small, small) is None
    assert estimate_offset(scene(0)[0], flat) is None
