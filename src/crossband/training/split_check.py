# SPDX-License-Identifier: Apache-2.0
"""Whether pictures that are trained on look like pictures of the sources' test splits."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossband.datasets.check.likeness import ALIKE_BITS, nearest_before, perceptual_hash
from crossband.errors import TrainingError
from crossband.training.data import (
    UNREADABLE,
    PictureFiles,
    find_pairs,
    read_infrared,
    read_visible,
)

_NAMED = 5
"""How many a message names."""
MOST_EACH = 500
"""Test pairs of a source that are looked at, evenly spread."""


def refuse_test_pictures(
    root: Path, sources: Iterable[str], layouts: dict[str, str] | None = None
) -> None:
    """Looks for training pictures that are near duplicates of test pictures, of any source.

    A pair is one if each camera's picture looks like that of some test pair; a single picture, if
    it does. A source whose layout gives its test pictures to training too has none to compare.

    Args:
        root: folder of the sources.
        sources: whose pictures are trained on.
        layouts: as for `PictureStore`.

    Raises:
        TrainingError: there are some; the first five are named.
    """
    if names := _near_duplicates(root, sources, layouts or {}):
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise TrainingError(
            f"{len(names)} training pictures look like test pictures ({', '.join(names[:_NAMED])}"
            f"{more}): no figure on these would count; take them out of either split"
        )


def _near_duplicates(root: Path, sources: Iterable[str], layouts: dict[str, str]) -> list[str]:
    """Training pictures' names, each with that of a test picture."""
    trained: list[PictureFiles] = []
    tested: list[PictureFiles] = []
    for source in sources:
        layout = layouts.get(source, "")
        train, test = (find_pairs(root, source, split, layout) for split in ("train", "test"))
        trained += train
        if not {_path(files) for files in train} & {_path(files) for files in test}:
            tested += test[:: max(1, -(-len(test) // MOST_EACH))]
    if not tested:
        return []
    found: list[list[int | None]] = []
    for camera in ("visible", "infrared"):
        mine, theirs = ([_hash(files, camera) for files in each] for each in (trained, tested))
        near = nearest_before(mine, theirs, most_bits=ALIKE_BITS, earlier=False)
        found.append([None if each is None else each[0] for each in near])
    names = []
    for files, *alike in zip(trained, *found, strict=True):
        pictures = (files.visible, files.infrared)
        there = [like for like, path in zip(alike, pictures, strict=True) if path]
        if None not in there:
            names.append(f"{_name(root, files)} like {_name(root, tested[there[0] or 0])}")
    return names


def _path(files: PictureFiles) -> Path:
    path = files.visible or files.infrared
    assert path is not None  # a pair has at least one file
    return path


def _name(root: Path, files: PictureFiles) -> str:
    return _path(files).relative_to(root).as_posix()


def _hash(files: PictureFiles, camera: str) -> int | None:
    """None: there is no such picture, it cannot be read, or there is next to nothing on it."""
    path: Path | None = getattr(files, camera)
    if path is None:
        return None
    try:
        samples: npt.NDArray[np.uint8] = (
            read_visible(path) if camera == "visible" else read_infrared(path)
        )
    except UNREADABLE:
        return None  # the store names it
    return perceptual_hash(samples.mean(2) if samples.ndim == 3 else samples)
