# SPDX-License-Identifier: Apache-2.0
"""Published layouts: each is found as its archive unpacks, and only its own splits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossband import datasets
from crossband.datasets import Split
from crossband.errors import InputError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


LAYOUTS: dict[str, dict[Split, tuple[str, str, str]]] = {
    "llvip-full": {
        "train": ("010001", "visible/train/010001.jpg", "infrared/train/010001.jpg"),
        "test": ("190001", "visible/test/190001.jpg", "infrared/test/190001.jpg"),
    },
    "msrs-full": {
        "train": ("00633D", "train/vi/00633D.png", "train/ir/00633D.png"),
        "test": ("00537D", "test/vi/00537D.png", "test/ir/00537D.png"),
    },
    "roadscene-full": {
        "test": ("FLIR_00006", "crop_LR_visible/FLIR_00006.jpg", "cropinfrared/FLIR_00006.jpg"),
    },
    "m3fd-full": {"test": ("00000", "Vis/00000.png", "Ir/00000.png")},
    "kaist": {
        "train": (
            "set00/V000/I01689",
            "set00/V000/visible/I01689.jpg",
            "set00/V000/lwir/I01689.jpg",
        ),
        "test": (
            "set11/V001/I00000",
            "set11/V001/visible/I00000.png",
            "set11/V001/lwir/I00000.png",
        ),
    },
    "flir-adas": {
        "train": ("FLIR_00001", "train/RGB/FLIR_00001.jpg", "train/thermal_8_bit/FLIR_00001.jpeg"),
        "val": ("FLIR_08863", "val/RGB/FLIR_08863.jpg", "val/thermal_8_bit/FLIR_08863.jpeg"),
        "test": (
            "FLIR_video_00001",
            "video/RGB/FLIR_video_00001.jpg",
            "video/thermal_8_bit/FLIR_video_00001.jpeg",
        ),
    },
    "m3svd-full": {
        "train": (
            "0111_1716/0000",
            "train/visible_Enhance/0111_1716/0000.png",
            "train/infrared_Enhance/0111_1716/0000.png",
        ),
        "val": ("seq001/1", "val/vi/seq001/1.png", "val/ir/seq001/1.png"),
        "test": (
            "0113_1714/000001",
            "test/visible_Enhance/0113_1714/000001.png",
            "test/infrared_Enhance/0113_1714/000001.png",
        ),
    },
    "folder": {
        "train": ("a", "train/vi/a.png", "train/thermal/a.tif"),
        "test": ("video/7/b", "video/test_7/vis/b.png", "video/test_7/ir/b.png"),
    },
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_split_of_a_layout_has_its_own_pairs(name: str, tmp_path: Path) -> None:
    for _, visible, infrared in LAYOUTS[name].values():
        touch(tmp_path, visible, infrared)
    for split in datasets.SPLITS:
        if split not in LAYOUTS[name]:
            with pytest.raises(InputError, match=f"no {split} pair of {name}"):
                datasets.find(name).pairs(tmp_path, split)
            continue
        stem, visible, infrared = LAYOUTS[name][split]
        (pair,) = datasets.find(name).pairs(tmp_path, split)
        assert pair.name == stem
        assert (pair.visible, pair.infrared) == (tmp_path / visible, tmp_path / infrared)


def test_all_pairs_are_those_of_the_splits_that_a_set_has(tmp_path: Path) -> None:
    for _, visible, infrared in LAYOUTS["llvip-full"].values():
        touch(tmp_path, visible, infrared)
    found = datasets.select("llvip-full:all").pairs(tmp_path)
    assert [pair.name for pair in found] == ["010001", "190001"]
    with pytest.raises(InputError, match="no test pair of kaist"):
        datasets.select("kaist:all").pairs(tmp_path)


def test_flir_pictures_without_partner_are_listed_alone(tmp_path: Path) -> None:
    touch(tmp_path, "train/RGB/FLIR_1.jpg", "train/thermal_8_bit/FLIR_1.jpeg")
    touch(tmp_path, "train/thermal_8_bit/FLIR_2.jpeg")
    both, alone = datasets.find("flir-adas").pairs(tmp_path, "train")
    assert both.visible is not None
    assert alone.visible is None


V2_MAP = "rgb_to_thermal_vid_map.json"


def flir_2(root: Path, map_folder: Path) -> Path:
    """FLIR ADAS v2 with a pair and two single frames in its films, one more in the map."""
    for camera, names in (("rgb", "ab"), ("thermal", "xy")):
        for split in ("images_{}_train", "images_{}_val", "video_{}_test"):
            folder = split.format(camera)
            touch(root, *(f"{folder}/data/video-{name}-frame-000001-q.jpg" for name in names))
            touch(root, f"{folder}/coco.json", f"{folder}/analyticsData/deep.tiff")
    pairs = {"a": "y", "gone": "x"}
    (map_folder / V2_MAP).write_text(
        json.dumps(
            {
                f"video-{v}-frame-000001-q.jpg": f"video-{i}-frame-000001-q.jpg"
                for v, i in pairs.items()
            }
        )
    )
    return root


@pytest.mark.parametrize("beside", [False, True])
def test_flir_2_pairs_the_frames_of_its_films_by_the_map(tmp_path: Path, beside: bool) -> None:
    root = tmp_path / "FLIR_ADAS_v2"
    root.mkdir()
    flir_2(root, tmp_path if beside else root)
    found = datasets.find("flir-adas-v2").pairs(root, "test")
    assert [
        (p.name[6], p.visible and p.visible.name[6], p.infrared and p.infrared.name[6])
        for p in found
    ] == [("a", "a", "y"), ("b", "b", None), ("x", None, "x")]
    assert found[0].infrared == root / "video_thermal_test/data/video-y-frame-000001-q.jpg"


def test_flir_2_has_single_pictures_to_train_on(tmp_path: Path) -> None:
    flir_2(tmp_path, tmp_path)
    for split in ("train", "val"):
        found = datasets.find("flir-adas-v2").pairs(tmp_path, split)
        assert [p.name[6] for p in found if p.infrared is None] == ["a", "b"]
        assert [p.name[6] for p in found if p.visible is None] == ["x", "y"]


def test_flir_2_without_its_map_has_no_pairs(tmp_path: Path) -> None:
    (flir_2(tmp_path, tmp_path) / V2_MAP).unlink()
    found = datasets.find("flir-adas-v2").pairs(tmp_path, "test")
    assert not any(p.visible and p.infrared for p in found)


@pytest.mark.parametrize("text", ["{", "[]", '{"a.jpg": 3}'])
def test_flir_2_with_another_map_is_told(tmp_path: Path, text: str) -> None:
    (flir_2(tmp_path, tmp_path) / V2_MAP).write_text(text)
    with pytest.raises(InputError, match=rf"{V2_MAP}: .*; unpack it again"):
        datasets.find("flir-adas-v2").pairs(tmp_path, "test")


def test_frames_that_m3svd_spoilt_on_purpose_are_left_alone(tmp_path: Path) -> None:
    for kind in ("visible_Enhance", "infrared_Enhance", "infrared_noise", "visible_Blur"):
        touch(tmp_path, f"test/{kind}/0111_1716/0000.png")
    (pair,) = datasets.find("m3svd-full").pairs(tmp_path, "test")
    assert (pair.visible, pair.infrared) == (
        tmp_path / "test/visible_Enhance/0111_1716/0000.png",
        tmp_path / "test/infrared_Enhance/0111_1716/0000.png",
    )


def test_flir_aligned_pairs_files_of_other_names_by_its_lists(tmp_path: Path) -> None:
    for name in ("FLIR_1", "FLIR_2", "FLIR_3", "FLIR_4"):
        images = f"JPEGImages/{name}"
        touch(tmp_path, f"{images}_RGB.jpg", f"{images}_PreviewData.jpeg")
    (tmp_path / "align_train.txt").write_text("FLIR_2_PreviewData\nFLIR_1\nFLIR_gone\n")
    (tmp_path / "align_validation.txt").write_text("FLIR_3_PreviewData\r\n")
    first, second = datasets.find("flir-aligned").pairs(tmp_path, "train")
    assert (first.name, second.name) == ("FLIR_1", "FLIR_2")
    assert first.visible == tmp_path / "JPEGImages/FLIR_1_RGB.jpg"
    assert first.infrared == tmp_path / "JPEGImages/FLIR_1_PreviewData.jpeg"
    (only,) = datasets.find("flir-aligned").pairs(tmp_path, "val")
    assert only.name == "FLIR_3"
    with pytest.raises(InputError, match="no test pair of flir-aligned"):
        datasets.find("flir-aligned").pairs(tmp_path)


def test_a_folder_lists_what_training_finds_in_it(tmp_path: Path) -> None:
    data = pytest.importorskip("crossband.training.data", reason="needs torch")
    for name in ("a", "b"):
        touch(tmp_path, f"x/train/visible/{name}.png", f"x/train/ir/{name}.png")
        touch(tmp_path, f"x/video/val_1/vis/{name}.png", f"x/video/val_1/infrared/{name}.png")
        touch(tmp_path, f"plain/vi/{name}.png", f"plain/thermal/{name}.png")
    for split in ("train", "val"):
        trained = data.find_pairs(tmp_path, "x", split)
        listed = datasets.find("folder").pairs(tmp_path / "x", split)
        assert [(p.visible, p.infrared) for p in trained] == [
            (p.visible, p.infrared) for p in listed
        ]
    trained = [p for split in ("train", "val") for p in data.find_pairs(tmp_path, "plain", split)]
    listed = datasets.find("folder").pairs(tmp_path / "plain")
    assert [p.visible for p in trained] == [p.visible for p in listed]


def test_a_list_names_pairs_that_lie_anywhere(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text(
        "visible,infrared,split\n"
        'left/"odd".png,right/1.tif,train\n'
        '"left/with, comma.png", right/2.tif\n\n'
        ",right/3.tif,val\n",
        encoding="utf-8-sig",
    )
    found = {split: datasets.find("list").pairs(tmp_path, split)[0] for split in datasets.SPLITS}
    assert found["train"].visible == tmp_path / 'left/"odd".png'
    assert (found["test"].name, found["test"].infrared) == (
        "left/with, comma",
        tmp_path / "right/2.tif",
    )
    assert (found["val"].visible, found["val"].name) == (None, "right/3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png\n", r"line 1 is 'a.png'; allowed is VISIBLE,INFRARED"),
        ("a.png,b.png\n,,test\n", r"line 2 is ',,test'; allowed is"),
        ("a.png,b.png,holdout\n", "with SPLIT one of train, val, test"),
        ("a.png,b.png\na.jpg,c.png\n", "line 2 names a again"),
        ("", "no test pair of list"),
    ],
)
def test_a_list_that_cannot_be_used_is_told_by_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        datasets.find("list").pairs(tmp_path)


def test_a_list_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"cannot be read .* a UTF-8 file with two paths a line"):
        datasets.find("list").pairs(tmp_path)
