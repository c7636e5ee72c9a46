# SPDX-License-Identifier: Apache-2.0
"""Two files become one pair, and swapped ones are noticed when the channels say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossband.errors import PictureError, SourceError
from crossband.pair import Modality
from crossband.sources import read, read_pair


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    gray = np.random.randint(0, 256, (12, 16)).astype(np.uint8)
    pictures = {
        "colour": np.random.randint(0, 256, (24, 32, 3)).astype(np.uint8),
        "gray": gray,
        "equal": np.stack([gray] * 3, axis=-1),
        "deep": np.random.randint(0, 65_536, (12, 16)).astype(np.uint16),
    }
    paths = {}
    for name, samples in pictures.items():
        paths[name] = tmp_path / f"{name}.png"
        Image.fromarray(samples).save(paths[name])
    return paths


@pytest.mark.parametrize("visible", ["colour", "gray", "equal"])
@pytest.mark.parametrize("infrared", ["gray", "deep"])
def test_pictures_of_any_two_sizes_make_a_pair(
    files: dict[str, Path], visible: str, infrared: str
) -> None:
    both = read_pair(files[visible], files[infrared])
    assert both.pair.visible is not None
    assert both.pair.infrared is not None
    assert both.pair.visible.equals(read(files[visible], Modality.VISIBLE).raster)
    assert both.pair.infrared.equals(read(files[infrared], Modality.INFRARED).raster)
    assert both.notes == ()


def test_either_picture_may_be_missing_but_not_both(files: dict[str, Path]) -> None:
    assert read_pair(files["colour"], None).pair.infrared is None
    assert read_pair(None, files["deep"]).pair.visible is None
    with pytest.raises(PictureError):
        read_pair(None, None)


def test_a_colour_picture_with_equal_channels_as_infrared_is_said(files: dict[str, Path]) -> None:
    both = read_pair(files["colour"], files["equal"])
    assert both.notes == (f"{files['equal']}: three equal channels taken as one",)


@pytest.mark.parametrize("visible", ["gray", "equal", "deep"])
def test_swapped_files_are_refused_with_a_hint(files: dict[str, Path], visible: str) -> None:
    with pytest.raises(SourceError, match="were visible and infrared swapped") as error:
        read_pair(files[visible], files["colour"])
    assert "\n" not in str(error.value)


def test_two_colour_pictures_are_refused_without_the_hint(files: dict[str, Path]) -> None:
    with pytest.raises(SourceError, match=r"colour\.png: is a colour picture") as error:
        read_pair(files["colour"], files["colour"])
    assert "swapped" not in str(error.value)


def test_fewer_channels_in_the_visible_file_are_remarked_on(files: dict[str, Path]) -> None:
    both = read_pair(files["gray"], files["equal"])
    assert both.notes[-1].endswith("were visible and infrared swapped?")


@pytest.mark.parametrize(
    ("source", "visible", "infrared"),
    [
        ("roadscene/test", "vis", "ir"),
        ("msrs/test", "vis", "ir"),
        ("llvip/test", "vis", "ir"),
        ("flir16/test", "vis", "ir"),
        ("tno/test", "vis", "ir"),
    ],
)
def test_real_pairs_are_read_without_a_false_alarm(
    shared_data: Path, source: str, visible: str, infrared: str
) -> None:
    path = min((shared_data / source / visible).iterdir())
    partner = next((shared_data / source / infrared).glob(f"{path.stem}.*"))
    both = read_pair(path, partner)
    assert not [note for note in both.notes if "swapped" in note]
    assert both.pair.infrared is not None
    assert both.pair.infrared.bit_depth == (16 if source == "flir16/test" else 8)
