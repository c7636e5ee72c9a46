# SPDX-License-Identifier: Apache-2.0
"""A homography from a JSON file: as a matrix, or as what a calibration of both cameras gives."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossband.errors import SourceError
from crossband.homography import Homography, Size, homography_of

_LARGEST_BYTES = 1 << 20
_CALIBRATION = {"infrared_K", "visible_K", "R", "t", "distance"}
_SHAPES = {"infrared_K": (3, 3), "visible_K": (3, 3), "R": (3, 3), "t": (3,), "distance": ()}
_WANTED = (
    'either {"homography": 3x3} or {"infrared_K": 3x3, "visible_K": 3x3, "R": 3x3, "t": 3 numbers,'
    ' "distance": a number}'
)

Reals = npt.NDArray[np.float64]


def read_homography(path: str | os.PathLike[str], *, infrared: Size, visible: Size) -> Homography:
    """The homography in a JSON file.

        {"homography": [[1, 0, 12], [0, 1, -3], [0, 0, 1]]}

    leads from pixels of the infrared picture to those of the visible one, (0, 0) being the middle
    of the first pixel (OpenCV's `findHomography` gives it so). A calibration

        {"infrared_K": 3x3, "visible_K": 3x3, "R": 3x3, "t": [x, y, z], "distance": 10}

    gives that of a plane which faces the infrared camera at this distance, in units of t; R and t
    lead from its coordinates to the visible camera's (OpenCV's `stereoCalibrate`, infrared camera
    first). Lenses are taken as rectified.

    Args:
        path: of the file.
        infrared: size of that picture, upright.
        visible: likewise.

    Raises:
        SourceError: the file cannot be read or holds neither.
        PictureError: the homography is singular, or maps outside of the visible picture.
    """
    file = Path(path)
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise SourceError(f"{file}: cannot be read ({error.strerror or error})") from error
    if len(data) > _LARGEST_BYTES:
        raise SourceError(f"{file}: is larger than {_LARGEST_BYTES:,} bytes; give {_WANTED}")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{file}: is no JSON; give {_WANTED}") from error
    if not isinstance(found, dict) or set(found) not in ({"homography"}, _CALIBRATION):
        raise SourceError(f"{file}: has other keys than expected; give {_WANTED}")
    return homography_of(_matrix(file, found), infrared, visible)


def _matrix(file: Path, found: Mapping[str, Any]) -> Reals:
    if "homography" in found:
        return _numbers(file, "homography", found["homography"], (3, 3))
    given = {key: _numbers(file, key, found[key], shape) for key, shape in _SHAPES.items()}
    if given["distance"] <= 0:
        raise SourceError(f"{file}: distance is {given['distance']:g}; it must be above 0")
    # Hartley and Zisserman, "Multiple View Geometry", 2004, equation 13.2, for the plane
    # z = distance of the first camera.
    plane = np.outer(given["t"], [0, 0, 1]) / given["distance"]
    try:
        matrix: Reals = (
            given["visible_K"] @ (given["R"] + plane) @ np.linalg.inv(given["infrared_K"])
        )
    except np.linalg.LinAlgError as error:
        raise SourceError(f"{file}: infrared_K is singular; calibrate again") from error
    return matrix


def _numbers(file: Path, key: str, value: object, shape: tuple[int, ...]) -> Reals:
    try:
        numbers = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        numbers = np.full((), np.nan)
    if numbers.shape != shape or not np.isfinite(numbers).all():
        wanted = " x ".join(map(str, shape)) if shape else "1"
        raise SourceError(f"{file}: {key} must be {wanted} finite numbers")
    return numbers
