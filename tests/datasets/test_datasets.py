# SPDX-License-Identifier: Apache-2.0
"""Data sets: which files make a pair, by split."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from crossband import datasets
from crossband.errors import InputError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_files_of_one_stem_make_a_pair_whatever_they_end_in(tmp_path: Path) -> None:
    touch(tmp_path, "msrs/test/vis/b.webp", "msrs/test/ir/b.png", "msrs/train/vis/a.webp")
    (pair,) = datasets.find("msrs").pairs(tmp_path, "test")
    assert pair.name == "b"
    assert pair.visible == tmp_path / "msrs/test/vis/b.webp"
    assert pair.infrared == tmp_path / "msrs/test/ir/b.png"


def test_a_frame_of_a_clip_is_named_after_both(tmp_path: Path) -> None:
    clip = "m3svd/video/test_0111_1803"
    touch(tmp_path, *(f"{clip}/{camera}/000{i}.png" for camera in ("vis", "ir") for i in (1, 0)))
    found = datasets.find("m3svd").pairs(tmp_path, "test")
    assert [pair.name for pair in found] == ["0111_1803/0000", "0111_1803/0001"]


def test_a_picture_without_partner_is_listed_alone(tmp_path: Path) -> None:
    touch(tmp_path, "thermal16/test/ir/a.png", "kodak/mono/test/b.webp")
    (alone,) = datasets.find("thermal16").pairs(tmp_path, "test")
    assert alone.visible is None
    (alone,) = datasets.find("kodak").pairs(tmp_path, "test")
    assert alone.infrared is None


def test_a_folder_of_ones_own_needs_no_split(tmp_path: Path) -> None:
    touch(tmp_path, "visible/a.JPG", "infrared/a.png", "infrared/notes.txt")
    (pair,) = datasets.find("folder").pairs(tmp_path)
    assert (pair.name, pair.infrared) == ("a", tmp_path / "infrared/a.png")
    with pytest.raises(InputError, match="no train pair of folder"):
        datasets.find("folder").pairs(tmp_path, "train")


def test_an_unknown_name_and_a_missing_root_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no data set is called nyuv2; allowed are .*msrs"):
        datasets.find("nyuv2")
    with pytest.raises(InputError, match="is not a folder"):
        datasets.find("msrs").pairs(tmp_path / "absent")


@pytest.mark.parametrize(
    ("length", "count", "expected"),
    [
        (37, 10, (0, 4, 8, 12, 16, 20, 24, 28, 32, 36)),
        (5, 5, range(5)),
        (2, 9, (0, 1)),
        (9, 1, (0,)),
    ],
)
def test_spread_takes_both_ends(length: int, count: int, expected: tuple[int, ...]) -> None:
    assert datasets.spread(range(length), count) == tuple(expected)


def test_every_source_lists_what_its_manifest_counts(shared_data: Path) -> None:
    with (shared_data / "MANIFEST.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if "mp4" not in row["source"]]
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counts[row["source"], row["split"]] += int(row["frames"]) if row["kind"] == "video" else 1
    for (source, split), count in counts.items():
        assert split in datasets.SPLITS
        assert len(datasets.find(source).pairs(shared_data, split)) == count, (source, split)
