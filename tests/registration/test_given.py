# SPDX-License-Identifier: Apache-2.0
"""Homographies from JSON files, and files that hold none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crossband.errors import PictureError, SourceError
from crossband.homography import Size, homography_of
from crossband.registration import read_homography

INFRARED, VISIBLE = Size(240, 320), Size(480, 640)
MATRIX = [[2.1, 0.05, -10], [-0.03, 1.9, 7], [1e-4, -5e-5, 1]]
CALIBRATION = {
    "infrared_K": [[400, 0, 160], [0, 400, 120], [0, 0, 1]],
    "visible_K": [[800, 0, 320], [0, 800, 240], [0, 0, 1]],
    "R": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "t": [0.05, 0, 0],
    "distance": 4,
}


def written(tmp_path: Path, content: object) -> Path:
    file = tmp_path / "rig.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def test_a_matrix_is_read(tmp_path):
    found = read_homography(
        written(tmp_path, {"homography": MATRIX}), infrared=INFRARED, visible=VISIBLE
    )
    assert found == homography_of(np.array(MATRIX), INFRARED, VISIBLE)


def test_a_calibration_gives_the_map_of_its_plane(tmp_path):
    found = read_homography(written(tmp_path, CALIBRATION), infrared=INFRARED, visible=VISIBLE)
    # A point 4 m away at (0.1, 0.2): by the pinhole model of each camera.
    infrared = np.array([400 * 0.1 / 4 + 160, 400 * 0.2 / 4 + 120, 1])
    visible = np.array([800 * 0.15 / 4 + 320, 800 * 0.2 / 4 + 240])
    seen = found.matrix(INFRARED, VISIBLE) @ infrared
    assert np.allclose(seen[:2] / seen[2], visible, atol=0.2)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "other keys"),
        ({}, "other keys"),
        ({"homography": MATRIX, "unit": "mm"}, "other keys"),
        ({"homography": [[1, 0], [0, 1]]}, "homography must be 3 x 3 finite numbers"),
        ({"homography": [[1, 0, 0], [0, 1], [0, 0, 1]]}, "homography must be 3 x 3"),
        ({"homography": "identity"}, "homography must be 3 x 3"),
        ({"homography": None}, "homography must be 3 x 3"),
        ({"homography": [[float("nan")] * 3] * 3}, "homography must be 3 x 3 finite"),
        ({"homography": [[10**400, 0, 0], [0, 1, 0], [0, 0, 1]]}, "homography must be 3 x 3"),
        (CALIBRATION | {"distance": 0}, "distance is 0; it must be above 0"),
        (CALIBRATION | {"distance": [4]}, "distance must be 1 finite numbers"),
        (CALIBRATION | {"t": [1, 2]}, "t must be 3 finite numbers"),
        (CALIBRATION | {"infrared_K": [[0] * 3] * 3}, "infrared_K is singular"),
        ({"homography": MATRIX, "more": "x" * (1 << 20)}, "larger than 1,048,576 bytes"),
    ],
)
def test_a_file_without_a_homography_is_refused_in_one_line(tmp_path, content, says):
    with pytest.raises(SourceError, match=says) as caught:
        read_homography(written(tmp_path, content), infrared=INFRARED, visible=VISIBLE)
    assert str(caught.value).startswith(str(tmp_path / "rig.json"))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(SourceError, match="cannot be read"):
        read_homography(tmp_path / name, infrared=INFRARED, visible=VISIBLE)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "rig.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="is no JSON"):
        read_homography(tmp_path / "rig.json", infrared=INFRARED, visible=VISIBLE)


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        ([[1, 0, 0], [0, 1, 0], [0, 0, 0]], "singular"),
        (np.eye(3) * [1, 1, 1] + [[0, 0, 9999], [0] * 3, [0] * 3], "outside"),
    ],
)
def test_a_homography_of_no_use_is_refused(tmp_path, matrix, says):
    content = {"homography": np.asarray(matrix).tolist()}
    with pytest.raises(PictureError, match=says):
        read_homography(written(tmp_path, content), infrared=INFRARED, visible=VISIBLE)
