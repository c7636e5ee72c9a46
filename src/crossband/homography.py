# SPDX-License-Identifier: Apache-2.0
"""Where the infrared picture lies in the visible one: eight integers (docs/format.md §5a)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from crossband.errors import PictureError

UNIT = 4096
"""Displacements are in 1/4096 of the visible picture's width or height: 0.16 px of 640."""
REACH = 2 * UNIT
"""A corner moves by -8192 to 8191 units: two widths or heights. Two bytes hold it."""
MATRIX_BITS = 24
"""Entries of the integer matrix are below 2^24, so that every product of §5a fits in 63 bits."""
_PLACE_BITS = 16
"""Places within a picture are in 2^-16 of its side."""
_LARGEST_PLACE = 1 << _PLACE_BITS + 1
"""Beyond, a position is further outside of its picture than that is long: as in tiny ones."""
_LEAST_DETERMINANT = 1e-9
"""Of a matrix that is scaled to map a unit square; what is below is a line or a point."""

Integers = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Size:
    """Of a picture, in pixels."""

    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Places:
    """Where each position of one picture's grid looks in its partner's."""

    rows: Integers
    """Nearest row of the partner's grid, (height, width); 0 where there is none."""
    columns: Integers
    """Likewise."""
    inside: npt.NDArray[np.bool_]
    """Whether it looks at the partner's grid at all."""
    down: Reals
    """Where exactly, in rows of the partner's grid from its upper edge, (height, width)."""
    right: Reals
    """In columns from its left edge."""


@dataclass(frozen=True, slots=True)
class Homography:
    """A projective map from the infrared picture to the visible one.

        infrared corners        in the visible picture
        1 ───── 2                1' ──────── 2'
        │       │      ──►        \\          │      each corner: right, down of where plain
        4 ───── 3                 4' ─────── 3'     scaling of one picture to the other puts it

    Raises:
        PictureError: there are not eight integers within reach, or the corners are no convex
            quadrilateral, which no camera sees.
    """

    displacements: tuple[int, ...]
    """Right and down of corners 1 to 4, in 1/4096 of the visible picture's width and height."""

    def __post_init__(self) -> None:
        if len(self.displacements) != 8:
            raise PictureError(
                f"the homography has {len(self.displacements)} numbers; it must have 8, two a"
                " corner"
            )
        for value in self.displacements:
            if not -REACH <= value < REACH:
                raise PictureError(
                    f"the homography moves a corner by {value} units of 1/{UNIT}; allowed are"
                    f" {-REACH} to {REACH - 1}, two widths or heights"
                )
        turns = self._turns()
        if not (all(turn > 0 for turn in turns) or all(turn < 0 for turn in turns)):
            raise PictureError(
                "the homography is singular: the corners of the infrared picture are no convex"
                " quadrilateral in the visible one"
            )

    @property
    def corners(self) -> tuple[tuple[int, int], ...]:
        """(right, down) of the four corners in 1/4096 of the visible picture's sides."""
        plain = ((0, 0), (UNIT, 0), (UNIT, UNIT), (0, UNIT))
        moved = zip(self.displacements[::2], self.displacements[1::2], strict=True)
        return tuple((x + dx, y + dy) for (x, y), (dx, dy) in zip(plain, moved, strict=True))

    def _turns(self) -> tuple[int, ...]:
        """At each corner, twice the signed area of the triangle with its two neighbours."""
        around = (*self.corners, *self.corners[:2])
        sides = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(around)]
        return tuple(a[0] * b[1] - a[1] * b[0] for a, b in pairwise(sides))

    def integers(self, *, to_infrared: bool) -> Integers:
        """The 3x3 integer matrix from one picture to the other, in shares of their sides (§5a)."""
        (x1, y1), (x2, y2), (x3, y3), (x4, y4) = self.corners
        # Heckbert, "Fundamentals of Texture Mapping and Image Warping", 1989, section 2.2.3,
        # times its denominator.
        ax, ay, bx, by = x2 - x3, y2 - y3, x4 - x3, y4 - y3
        sx, sy = x1 - x2 + x3 - x4, y1 - y2 + y3 - y4
        i = ay * bx - ax * by
        g, h = sy * bx - sx * by, ay * sx - ax * sy
        rows = [
            [(x2 - x1) * i + x2 * g, (x4 - x1) * i + x4 * h, x1 * i],
            [(y2 - y1) * i + y2 * g, (y4 - y1) * i + y4 * h, y1 * i],
            [UNIT * g, UNIT * h, UNIT * i],
        ]
        if to_infrared:
            rows = _adjugate(rows)
        mirrored = self._turns()[0] < 0
        largest = max(abs(each) for row in rows for each in row)
        shift = max(0, largest.bit_length() - MATRIX_BITS)
        return np.array([[(-n if mirrored else n) >> shift for n in row] for row in rows], np.int64)

    def places(
        self, size: Size, partner: Size, *, to_infrared: bool, finer: Literal[1, 2] = 1
    ) -> Places:
        """Where the positions of a picture's grid look.

        Args:
            size: of the picture.
            partner: size of the other one.
            to_infrared: whether the other one is the infrared picture.
            finer: 1 for the grids at 1/16, 2 for those at 1/8, of twice as many rows and columns.
        """
        matrix, cell = self.integers(to_infrared=to_infrared), 16 // finer
        height, width = (finer * -(-side // 16) for side in (size.height, size.width))
        rows, columns = (finer * -(-side // 16) for side in (partner.height, partner.width))
        down = _middles(height, cell, size.height)[:, None]
        right = _middles(width, cell, size.width)[None, :]
        x, y, scale = (row[0] * right + row[1] * down + (row[2] << _PLACE_BITS) for row in matrix)
        front = scale > 0
        scale = np.where(front, scale, 1)
        row, column = y * partner.height // (cell * scale), x * partner.width // (cell * scale)
        inside = front & (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        return Places(
            np.where(inside, row, 0),
            np.where(inside, column, 0),
            inside,
            y / scale * (partner.height / cell),
            x / scale * (partner.width / cell),
        )

    def matrix(self, infrared: Size, visible: Size) -> Reals:
        """The 3x3 matrix in pixel coordinates, (0, 0) being the middle of the first pixel."""
        shares = self.integers(to_infrared=False).astype(np.float64)
        whole: Reals = _from_shares(visible) @ shares @ np.linalg.inv(_from_shares(infrared))
        whole /= whole[2, 2]
        return whole


def homography_of(matrix: Reals, infrared: Size, visible: Size) -> Homography:
    """The nearest homography that can be coded.

    Args:
        matrix: 3x3, from pixels of the infrared picture to those of the visible one, (0, 0) being
            the middle of the first pixel: the convention of OpenCV.
        infrared: its size.
        visible: its size.

    Raises:
        PictureError: the matrix has another shape, is not finite or singular, folds the infrared
            picture over, or puts it outside of the visible one.
    """
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise PictureError(
            "the homography is no 3x3 matrix of finite numbers; give three rows of three"
        )
    shares = np.linalg.inv(_from_shares(visible)) @ matrix @ _from_shares(infrared)
    largest = np.abs(shares).max()
    if largest == 0 or abs(np.linalg.det(shares / largest)) < _LEAST_DETERMINANT:
        raise PictureError(
            "the homography is singular: it maps the infrared picture onto a line or a point;"
            " calibrate again"
        )
    corners = shares @ np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]], np.float64)
    if corners[2].min() * corners[2].max() <= 0:
        raise PictureError(
            "the homography maps a part of the infrared picture to infinity; it must keep it in"
            " front of the visible camera"
        )
    placed = corners[:2] / corners[2]
    if min(placed.max(axis=1)) <= 0 or max(placed.min(axis=1)) >= 1:
        raise PictureError(
            "the homography maps the infrared picture outside of the visible one; does it lead"
            " from infrared to visible pixels?"
        )
    moved = np.rint((placed - [[0, 1, 1, 0], [0, 0, 1, 1]]) * UNIT).T.flatten()
    if abs(moved).max() >= REACH:
        raise PictureError(
            "the homography moves a corner by"
            f" {abs(moved).max() / UNIT:.1f} widths or heights of the visible picture; less than"
            f" {REACH // UNIT} are allowed"
        )
    return Homography(tuple(int(each) for each in moved))


def _middles(count: int, cell: int, side: int) -> Integers:
    """Middles of a grid's positions in 2^-16 of the picture's side."""
    middles = (2 * np.arange(count, dtype=np.int64) + 1) * (cell << _PLACE_BITS - 1) // side
    return np.minimum(middles, _LARGEST_PLACE)


def _adjugate(m: list[list[int]]) -> list[list[int]]:
    """The inverse times the determinant."""
    return [
        [
            m[(c + 1) % 3][(r + 1) % 3] * m[(c + 2) % 3][(r + 2) % 3]
            - m[(c + 1) % 3][(r + 2) % 3] * m[(c + 2) % 3][(r + 1) % 3]
            for c in range(3)
        ]
        for r in range(3)
    ]


def _from_shares(size: Size) -> Reals:
    """From shares of the sides to coordinates in which (0, 0) is the first pixel's middle."""
    return np.array([[size.width, 0, -0.5], [0, size.height, -0.5], [0, 0, 1]], np.float64)
