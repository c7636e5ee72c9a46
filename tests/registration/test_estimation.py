# SPDX-License-Identifier: Apache-2.0
"""A known displacement of rendered cameras is found; what cannot be believed is not."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from crossband.homography import Size
from crossband.pair import Raster
from crossband.registration import estimate
from crossband.registration.estimation import CLEAR
from crossband.testing import synthetic_pair

SIZE = Size(384, 512)
FROM_CORNER = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
"""From coordinates in which (0, 0) is the first pixel's middle to those of its corner."""


def turned(
    *, degrees: float = 0, scale: float = 1, right: float = 0, down: float = 0, size: Size = SIZE
) -> np.ndarray:
    """About the middle, between coordinates from the corner."""
    cos, sin = scale * np.cos(np.deg2rad(degrees)), scale * np.sin(np.deg2rad(degrees))
    x, y = size.width / 2, size.height / 2
    there = np.array([[1, 0, x + right], [0, 1, y + down], [0, 0, 1]])
    back = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    return there @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) @ back


def seen_through(samples: np.ndarray, matrix: np.ndarray, size: Size) -> Raster:
    """A camera of `size` whose every pixel shows what `matrix` leads it to."""
    image = Image.fromarray(samples.squeeze())
    moved = image.transform(
        (size.width, size.height),
        Image.Transform.PERSPECTIVE,
        tuple((matrix / matrix[2, 2]).flatten()[:8]),
        Image.Resampling.BILINEAR,
    )
    return Raster(np.asarray(moved))


def error_px(found: np.ndarray, wanted: np.ndarray, infrared: Size) -> float:
    """Mean distance over what lies in the visible picture, in its pixels."""
    down, right = np.mgrid[0 : infrared.height : 9j, 0 : infrared.width : 9j]
    points = np.stack([right, down, np.ones_like(right)]).reshape(3, -1)
    away = []
    for point in points.T:
        a, b = found @ point, wanted @ point
        a, b = a[:2] / a[2], b[:2] / b[2]
        if 0 <= b[0] <= SIZE.width and 0 <= b[1] <= SIZE.height:
            away.append(np.hypot(*(a - b)))
    return float(np.mean(away))


@pytest.mark.parametrize(
    "displacement",
    [
        {"right": 6},
        {"right": -40, "down": 16},
        {"degrees": 3},
        {"degrees": -5, "right": 8, "down": 4},
        {"scale": 0.9},
        {"scale": 1.15},
        {"scale": 0.7, "right": 20, "down": 10},
        {"degrees": 4, "scale": 1.2, "right": -24},
    ],
    ids=str,
)
def test_a_known_displacement_is_found_to_a_pixel(displacement):
    scene = synthetic_pair(visible=(384, 512), infrared=(384, 512), seed=1)
    wanted = turned(**displacement)
    infrared = seen_through(scene.infrared.samples, wanted, SIZE)
    found = estimate(scene.visible, infrared)
    assert found.homography is not None, found.reason
    matrix = FROM_CORNER @ found.homography.matrix(SIZE, SIZE) @ np.linalg.inv(FROM_CORNER)
    assert error_px(matrix, wanted, SIZE) < 1.5
    assert found.after > found.before + 0.1
    assert found.clearness > CLEAR


def test_cameras_of_other_size_shape_and_view_are_found():
    """A thermal camera that sees the middle of the width, at fewer pixels and another aspect."""
    scene = synthetic_pair(visible=(384, 512), infrared=(384, 512), seed=2, infrared_bit_depth=14)
    small = Size(160, 240)
    wanted = turned(scale=0.6, degrees=2, right=15) @ np.diag([512 / 240, 512 / 240, 1])
    wanted = np.array([[1, 0, 0], [0, 1, 192 - (wanted @ [120, 80, 1])[1]], [0, 0, 1]]) @ wanted
    infrared = seen_through((scene.infrared.samples >> 6).astype(np.uint8), wanted, small)
    found = estimate(scene.visible, infrared)
    assert found.homography is not None, found.reason
    matrix = FROM_CORNER @ found.homography.matrix(small, SIZE) @ np.linalg.inv(FROM_CORNER)
    assert error_px(matrix, wanted, small) < 2


def test_an_inverted_infrared_picture_is_found_as_well():
    scene = synthetic_pair(visible=(384, 512), infrared=(384, 512), seed=3)
    wanted = turned(right=14, degrees=-2)
    infrared = seen_through(255 - scene.infrared.samples, wanted, SIZE)
    found = estimate(scene.visible, infrared)
    assert found.homography is not None, found.reason
    matrix = FROM_CORNER @ found.homography.matrix(SIZE, SIZE) @ np.linalg.inv(FROM_CORNER)
    assert error_px(matrix, wanted, SIZE) < 1.5


def test_pictures_that_lie_on_each_other_need_none():
    scene = synthetic_pair(visible=(240, 320), infrared=(240, 320), seed=4)
    found = estimate(scene.visible, scene.infrared)
    assert found.homography is None
    assert re.search("as they are|no homography is better than plain scaling", found.reason)


def test_strangers_are_refused():
    visible = synthetic_pair(visible=(240, 320), infrared=None, seed=5).visible
    noise = np.random.default_rng(0).integers(0, 256, (240, 320)).astype(np.uint8)
    found = estimate(visible, Raster(noise))
    assert found.homography is None
    assert "agree nowhere clearly" in found.reason


@pytest.mark.parametrize("value", [0, 255])
def test_blank_pictures_are_refused(value):
    blank = Raster(np.full((100, 120), value, np.uint8))
    scene = synthetic_pair(visible=(100, 120), infrared=(100, 120)).visible
    for pair in ((scene, blank), (Raster(np.stack([blank.samples] * 3, -1)), blank)):
        found = estimate(*pair)
        assert found.homography is None
        assert "\n" not in found.reason


def test_small_pictures_are_refused():
    scene = synthetic_pair(visible=(40, 60), infrared=(200, 300))
    found = estimate(scene.visible, scene.infrared)
    assert found.homography is None
    assert "a side of 40 px, at least 48 are needed" in found.reason


def test_the_same_pictures_give_the_same_homography():
    scene = synthetic_pair(visible=(240, 320), infrared=(240, 320), seed=6, shift=(0.02, -0.05))
    assert estimate(scene.visible, scene.infrared) == estimate(scene.visible, scene.infrared)
