# SPDX-License-Identifier: Apache-2.0
"""What a folder of pictures becomes, and what is said of the bad ones among them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from crossband import datasets
from crossband.errors import TrainingError
from crossband.training.data import PictureStore, find_pairs, read_infrared, read_visible


def picture(path: Path, samples: npt.NDArray[np.generic] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((64, 64), 7, np.uint8) if samples is None else samples).save(path)
    return path


def own(root: Path, *names: str) -> Path:
    """The two-folder layout with flat gray pairs of 64x64."""
    for name in names:
        for camera in ("visible", "infrared"):
            picture(root / camera / f"{name}.png")
    return root


def store(root: Path, **sources: float) -> PictureStore:
    return PictureStore(root, sources or {".": 1.0}, split="train", smallest=64, device="cpu")


# --------------------------------------------------------------------------------------- layouts


@pytest.mark.parametrize(
    "layout",
    [
        "{split}/visible {split}/infrared",
        "{split}/vis {split}/ir",
        "{split}/vi {split}/thermal",
        "video/{split}_clip/vis video/{split}_clip/ir",
        "day/{split}/vis day/{split}/ir",
    ],
)
@pytest.mark.parametrize("split", ["train", "val"])
def test_pairs_are_found_in_each_layout_and_only_in_their_split(
    tmp_path: Path, layout: str, split: str
) -> None:
    for part in ("train", "val"):
        visible, infrared = layout.format(split=part).split()
        picture(tmp_path / visible / f"{part}.png")
        picture(tmp_path / infrared / f"{part}.png")
    (found,) = find_pairs(tmp_path, ".", split)
    assert found.visible is not None and found.infrared is not None
    assert found.visible.stem == found.infrared.stem == split
    assert not found.orphan


def test_single_pictures_are_found(tmp_path: Path) -> None:
    picture(tmp_path / "mono" / "train" / "a.png")
    picture(tmp_path / "train" / "ir" / "b.png")
    found = find_pairs(tmp_path, ".", "train")
    assert [(f.name, f.visible is None, f.orphan) for f in found] == [
        ("a", False, False),
        ("train/b", True, False),
    ]


def test_a_folder_without_splits_keeps_the_last_tenth_of_its_names_for_validation(
    tmp_path: Path,
) -> None:
    own(tmp_path, *(f"{number:02}" for number in range(20)))
    train, val = (find_pairs(tmp_path, ".", split) for split in ("train", "val"))
    assert [f.name for f in train] == [f"{number:02}" for number in range(18)]
    assert [f.name for f in val] == ["18", "19"]
    assert find_pairs(tmp_path, ".", "test") == []


def test_a_single_pair_is_trained_on(tmp_path: Path) -> None:
    own(tmp_path, "only")
    assert len(find_pairs(tmp_path, ".", "train")) == 1
    assert find_pairs(tmp_path, ".", "val") == []


# --------------------------------------------------------------------------------------- reading


def test_infrared_of_16_bits_is_stretched_to_its_own_range(tmp_path: Path) -> None:
    counts = np.linspace(7000, 9000, 64 * 64).reshape(64, 64).astype(np.uint16)
    levels = read_infrared(picture(tmp_path / "a.png", counts))
    assert (levels.dtype, levels.min(), levels.max()) == (np.uint8, 0, 255)


def test_pictures_are_read_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert read_visible(tmp_path / "a.jpg").shape == (30, 20, 3)


def test_gray_becomes_three_equal_channels(tmp_path: Path) -> None:
    samples = read_visible(picture(tmp_path / "a.png"))
    assert samples.shape == (64, 64, 3)
    assert (samples == 7).all()


# ------------------------------------------------------------------------------------- bad input


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nowhere is not a folder"):
        store(tmp_path, nowhere=1.0)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no pair of at least 64x64 .*docs/training\.md"):
        store(tmp_path)


def test_folders_without_a_common_name_are_refused_and_five_orphans_named(tmp_path: Path) -> None:
    for number in range(4):
        picture(tmp_path / "visible" / f"VIS_{number}.png")
        picture(tmp_path / "infrared" / f"IR_{number}.png")
    with pytest.raises(TrainingError) as caught:
        store(tmp_path)
    names = (
        "infrared/IR_0.png, infrared/IR_1.png, infrared/IR_2.png, infrared/IR_3.png,"
        " visible/VIS_0.png and 3 more"
    )
    assert names in str(caught.value)
    assert "\n" not in str(caught.value)


def test_five_of_some_orphans_are_named_and_they_count_as_single_pictures(tmp_path: Path) -> None:
    own(tmp_path / "train", "a", "b")
    for number in range(7):
        picture(tmp_path / "train" / "visible" / f"lost{number}.png")
    report = store(tmp_path).report
    (note,) = report.notes
    assert note.startswith("7 of the pictures (train/visible/lost0.png, ")
    assert "lost4.png and 2 more) have no partner" in note
    assert (report.pairs, report.visible_only, report.infrared_only) == (2, 7, 0)


def test_single_pictures_of_one_camera_alone_are_no_orphans(tmp_path: Path) -> None:
    own(tmp_path / "pairs" / "train", "a")
    picture(tmp_path / "thermal" / "train" / "ir" / "b.png")
    found = store(tmp_path, pairs=1.0, thermal=0.0)
    assert found.report.notes == ()
    assert found.report.infrared_only == 1


def test_pairs_of_two_sizes_are_left_out_and_counted(tmp_path: Path) -> None:
    own(tmp_path / "train", "a", "b", "c")
    picture(tmp_path / "train" / "infrared" / "b.png", np.zeros((64, 80), np.uint8))
    report = store(tmp_path).report
    assert report.pairs == 2
    assert report.notes == (
        "1 of the pictures (./train/b) were left out: visible and infrared differ in size",
    )


def test_pictures_smaller_than_a_crop_are_left_out_and_counted(tmp_path: Path) -> None:
    own(tmp_path / "train", "a", "b")
    for camera in ("visible", "infrared"):
        picture(tmp_path / "train" / camera / "b.png", np.zeros((64, 63), np.uint8))
    report = store(tmp_path).report
    assert (report.pairs, report.small) == (1, ("./train/b",))


@pytest.mark.parametrize(
    "levels",
    [
        lambda ramp: ramp,
        lambda ramp: ramp * 256,
        lambda ramp: ramp * 257,
    ],
    ids=["as they are", "times 256", "times 257"],
)
def test_8_bits_in_a_16_bit_file_are_noticed_and_taken(
    tmp_path: Path, levels: Callable[[npt.NDArray[np.uint16]], npt.NDArray[np.uint16]]
) -> None:
    own(tmp_path / "train", "a")
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) % 256
    picture(tmp_path / "train" / "infrared" / "a.png", levels(ramp))
    report = store(tmp_path).report
    assert report.pairs == 1
    assert "16-bit files that hold 8-bit levels" in report.notes[0]


def test_true_16_bits_are_not_noted(tmp_path: Path) -> None:
    own(tmp_path / "train", "a")
    ramp = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    picture(tmp_path / "train" / "infrared" / "a.png", ramp)
    assert store(tmp_path).report.notes == ()


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """101 pairs, so that one bad file is less than 1 % and three are more."""
    own(tmp_path / "train", "000")
    for camera in ("visible", "infrared"):
        folder = tmp_path / "train" / camera
        for number in range(1, 101):
            shutil.copy(folder / "000.png", folder / f"{number:03}.png")
    return tmp_path


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


def replace_by_text(path: Path) -> None:
    path.write_text("not a picture")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def break_chunk(path: Path) -> None:
    """A PNG whose picture data is of an impossible kind; Pillow raises SyntaxError."""
    data = bytearray(path.read_bytes())
    data[12:16] = b"\xff\xff\xff\xff"
    path.write_bytes(bytes(data))


def make_float(path: Path) -> None:
    Image.fromarray(np.zeros((64, 64), np.float32)).save(path, format="TIFF")


@pytest.mark.parametrize("spoil", [truncate, replace_by_text, empty, break_chunk, make_float])
@pytest.mark.parametrize("camera", ["visible", "infrared"])
def test_a_corrupt_picture_is_left_out_and_named(
    many: Path, spoil: Callable[[Path], None], camera: str
) -> None:
    spoil(many / "train" / camera / "050.png")
    report = store(many).report
    assert report.pairs == 100
    (unreadable,) = report.unreadable
    assert unreadable.startswith("./train/050: ")
    assert "\n" not in unreadable and str(many) not in unreadable
    assert "could not be read and were left out" in report.notes[0]


def test_more_than_1_percent_corrupt_pictures_stop_the_training(many: Path) -> None:
    for name in ("010", "020", "030"):
        truncate(many / "train" / "visible" / f"{name}.png")
    with pytest.raises(TrainingError) as caught:
        store(many)
    assert str(caught.value).startswith("3 of 202 files cannot be read, more than 1 %: ./train/010")
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------ published layouts


def layout_of(root: Path, *splits: str, count: int = 10) -> Path:
    """LLVIP's layout with that many flat pairs in each of its splits."""
    for split in splits:
        for number in range(count):
            for camera in ("visible", "infrared"):
                picture(root / camera / split / f"{split}{number}.png")
    return root


def names(root: Path, layout: str) -> dict[str, list[str]]:
    return {
        split: [files.name for files in find_pairs(root, ".", split, layout)]
        for split in datasets.SPLITS
    }


def test_a_published_set_trains_on_its_train_split_without_the_last_tenth(tmp_path: Path) -> None:
    found = names(layout_of(tmp_path, "train", "test"), "llvip-full")
    assert found["train"] == [f"train{number}" for number in range(9)]
    assert found["val"] == ["train9"]
    assert found["test"] == [f"test{number}" for number in range(10)]


def test_a_published_set_that_has_only_a_test_split_here_is_parted_too(tmp_path: Path) -> None:
    for number in range(10):
        picture(tmp_path / "Vis" / f"{number}.png")
        picture(tmp_path / "Ir" / f"{number}.png")
    found = names(tmp_path, "m3fd-full")
    assert (found["train"], found["val"]) == ([f"{n}" for n in range(9)], ["9"])


def test_splits_of_the_authors_are_kept(tmp_path: Path) -> None:
    for split in ("train", "val", "video"):
        picture(tmp_path / split / "RGB" / f"{split}.jpg")
        picture(tmp_path / split / "thermal_8_bit" / f"{split}.jpeg")
    found = names(tmp_path, "flir-adas")
    assert found == {"train": ["train"], "val": ["val"], "test": ["video"]}


def test_pictures_without_partners_by_design_are_single_pictures(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for camera, name in (("rgb", "a"), ("thermal", "b")):
            folder = tmp_path / "FLIR" / f"images_{camera}_{split}" / "data"
            picture(folder / f"video-{name}-frame-1-x.jpg")
    layouts = {"FLIR": "flir-adas-v2"}
    with pytest.raises(
        TrainingError, match=r"train pictures of flir-adas-v2 have no partners: use"
    ):
        PictureStore(
            tmp_path, {"FLIR": 1.0}, split="train", smallest=64, device="cpu", layouts=layouts
        )
    own(tmp_path / "mine" / "train", "a")
    shares = {"FLIR": 0.0, "mine": 1.0}
    report = PictureStore(
        tmp_path, shares, split="train", smallest=64, device="cpu", layouts=layouts
    ).report
    assert (report.pairs, report.visible_only, report.infrared_only) == (1, 1, 1)
    assert report.notes == ()


def test_test_pictures_are_never_trained_on_where_a_split_was_made(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("a.png,b.png,val\nc.png,d.png,test\n")
    found = names(tmp_path, "list")
    assert (found["train"], found["val"], found["test"]) == ([], [], ["c"])


def test_a_layout_is_of_its_source_alone(tmp_path: Path) -> None:
    own(tmp_path / "mine" / "train", "a", "b")
    layout_of(tmp_path / "LLVIP", "train")
    found = PictureStore(
        tmp_path,
        {"mine": 1.0, "LLVIP": 1.0},
        split="train",
        smallest=64,
        device="cpu",
        layouts={"LLVIP": "llvip-full"},
    )
    assert [group.count for group in found.groups] == [2, 9]


def test_what_a_published_set_lacks_is_told(tmp_path: Path) -> None:
    layout_of(tmp_path, "train")
    (tmp_path / "infrared" / "train" / "train3.png").unlink()
    found = find_pairs(tmp_path, ".", "train", "llvip-full")
    assert [files.name for files in found if files.orphan] == ["train3"]


def test_a_list_that_cannot_be_read_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("one path\n")
    with pytest.raises(TrainingError, match=r"pairs\.csv: line 1 is"):
        find_pairs(tmp_path, ".", "train", "list")


def test_the_checksum_tells_other_pictures_and_other_pairs(tmp_path: Path) -> None:
    own(tmp_path / "train", "a", "b", "c")
    before = store(tmp_path).checksum
    assert store(tmp_path).checksum == before
    picture(tmp_path / "train" / "visible" / "b.png", np.full((64, 64), 8, np.uint8))
    assert store(tmp_path).checksum != before
