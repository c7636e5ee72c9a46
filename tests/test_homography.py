# SPDX-License-Identifier: Apache-2.0
"""A homography of eight integers says what the matrix said, and never more than it may."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossband.errors import PictureError
from crossband.homography import REACH, UNIT, Homography, Size, homography_of

VISIBLE, INFRARED = Size(900, 1450), Size(300, 500)
RIG = np.array([[2.6, 0.12, 40], [-0.1, 2.7, 25], [1e-5, -4e-5, 1]])
"""An infrared camera that sees most of what the visible one does, a little turned."""


def corners_of(size: Size) -> np.ndarray:
    """The middles of a picture's corner pixels, as columns."""
    right, below = size.width - 1, size.height - 1
    return np.array([[0, right, right, 0], [0, 0, below, below], [1, 1, 1, 1]], np.float64)


def mapped(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    found = matrix @ points
    return found[:2] / found[2]


def test_a_matrix_comes_back_within_a_quarter_of_a_pixel():
    back = homography_of(RIG, INFRARED, VISIBLE).matrix(INFRARED, VISIBLE)
    points = corners_of(INFRARED)
    assert np.abs(mapped(back, points) - mapped(RIG, points)).max() < 0.25


def test_no_displacement_is_plain_scaling():
    homography = Homography((0,) * 8)
    places = homography.places(Size(96, 160), Size(96, 160), to_infrared=True)
    assert places.inside.all()
    assert (places.rows == np.arange(6)[:, None]).all()
    assert (places.columns == np.arange(10)).all()
    matrix = homography.matrix(Size(100, 200), Size(300, 800))
    assert np.allclose(matrix, [[4, 0, 1.5], [0, 3, 1], [0, 0, 1]])


@pytest.mark.parametrize("to_infrared", [True, False])
@pytest.mark.parametrize("finer", [1, 2])
def test_positions_look_where_the_matrix_says(to_infrared, finer):
    homography = homography_of(RIG, INFRARED, VISIBLE)
    size, partner = (VISIBLE, INFRARED) if to_infrared else (INFRARED, VISIBLE)
    places = homography.places(size, partner, to_infrared=to_infrared, finer=finer)
    cell = 16 // finer
    rows, columns = places.inside.shape
    assert (rows, columns) == tuple(finer * -(-side // 16) for side in (size.height, size.width))
    y, x = np.mgrid[:rows, :columns] * cell + (cell - 1) / 2
    matrix = np.linalg.inv(RIG) if to_infrared else RIG
    right, down = (mapped(matrix, np.stack([x, y, 1 + 0 * x]).reshape(3, -1)) + 0.5) / cell
    away = np.hypot(places.right.flatten() - right, places.down.flatten() - down)
    assert away.max() < 1 / cell
    inside = places.inside
    assert (places.rows[inside] == np.floor(places.down[inside])).all()
    assert (places.columns[inside] == np.floor(places.right[inside])).all()
    sides = [finer * -(-side // 16) for side in (partner.height, partner.width)]
    whole = [0 <= a < sides[0] and 0 <= b < sides[1] for a, b in zip(down, right, strict=True)]
    assert (inside.flatten() != whole).mean() < 0.05  # but for those on the border


def test_a_shift_by_a_position_leaves_a_column_outside():
    homography = homography_of(
        np.array([[1, 0, 16], [0, 1, 0], [0, 0, 1.0]]), Size(64, 64), Size(64, 64)
    )
    places = homography.places(Size(64, 64), Size(64, 64), to_infrared=True)
    assert places.columns.tolist() == [[0, 0, 1, 2]] * 4
    assert places.inside.tolist() == [[False, True, True, True]] * 4


def test_both_ways_are_inverse():
    homography = homography_of(RIG, INFRARED, VISIBLE)
    there, back = (homography.integers(to_infrared=way).astype(float) for way in (False, True))
    both = there @ back
    assert np.allclose(both / both[2, 2], np.eye(3), atol=1e-5)


def test_a_mirrored_view_is_allowed():
    mirrored = homography_of(
        np.array([[-1, 0, 63], [0, 1, 0], [0, 0, 1.0]]), Size(32, 64), Size(32, 64)
    )
    places = mirrored.places(Size(32, 64), Size(32, 64), to_infrared=True)
    assert places.columns.tolist() == [[3, 2, 1, 0]] * 2


@given(st.tuples(*[st.integers(-REACH, REACH - 1)] * 8), st.booleans())
def test_whatever_can_be_coded_gives_finite_places(displacements, to_infrared):
    try:
        homography = Homography(displacements)
    except PictureError:
        return
    assert np.abs(homography.integers(to_infrared=to_infrared)).max() <= 1 << 24
    for size, partner in ((Size(1, 1), Size(65_535, 65_535)), (Size(65_535, 16), Size(16, 65_535))):
        places = homography.places(size, partner, to_infrared=to_infrared, finer=2)
        assert np.isfinite(places.down).all() and np.isfinite(places.right).all()
        assert (places.rows >= 0).all() and (places.columns >= 0).all()
        assert places.rows.max() < 2 * -(-partner.height // 16)
        assert places.columns.max() < 2 * -(-partner.width // 16)


@pytest.mark.parametrize(
    ("displacements", "says"),
    [
        ((0,) * 7, "7 numbers; it must have 8"),
        ((REACH, *[0] * 7), f"by {REACH} units"),
        ((-REACH - 1, *[0] * 7), f"by {-REACH - 1} units"),
        ((0, 0, -UNIT, 0, -UNIT, 0, 0, 0), "singular"),  # all on the left edge
        ((0, 0, -UNIT, 0, -UNIT, -UNIT, 0, -UNIT), "singular"),  # all in one point
        ((0, 0, 0, 0, -3000, -3000, 0, 0), "singular"),  # a dent
        ((UNIT, 0, -UNIT, 0, 0, 0, 0, 0), "singular"),  # crossed over
    ],
)
def test_corners_that_no_camera_sees_are_refused(displacements, says):
    with pytest.raises(PictureError, match=says):
        Homography(displacements)


@pytest.mark.parametrize(
    ("matrix", "says"),
    [
        (np.eye(2), "no 3x3 matrix"),
        (np.full((3, 3), np.nan), "finite numbers"),
        (np.full((3, 3), np.inf), "finite numbers"),
        (np.zeros((3, 3)), "is singular"),
        (np.ones((3, 3)), "is singular"),
        (np.diag([1e-9, 1e-9, 1]), "is singular"),
        (np.array([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1]]), "to infinity"),
        (np.array([[1, 0, 2000], [0, 1, 0], [0, 0, 1]]), "outside of the visible one"),
        (np.array([[1, 0, 0], [0, 1, -400], [0, 0, 1]]), "outside of the visible one"),
        (np.diag([20.0, 20, 1]), "5.9 widths or heights"),
    ],
)
def test_a_matrix_that_cannot_be_used_is_refused_in_one_line(matrix, says):
    with pytest.raises(PictureError, match=says) as caught:
        homography_of(np.asarray(matrix, np.float64), INFRARED, VISIBLE)
    assert "\n" not in str(caught.value)
