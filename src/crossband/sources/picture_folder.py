# SPDX-License-Identifier: Apache-2.0
"""A folder of numbered pictures as a recording."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from crossband.errors import SourceError
from crossband.pair import Camera, Modality
from crossband.sources.reading import SourceImage, read
from crossband.sources.recording import Recording, TimedRaster

_ENDINGS = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"}
_MAX_NUMBER = 10**12
"""A million frames a second for ten days; larger numbers are dates, not counts."""


def read_folder(
    folder: str | os.PathLike[str],
    modality: Modality,
    *,
    frames_per_second: float = 30,
    drop_alpha: bool = False,
) -> Recording:
    """The numbered pictures of a folder, in the order of their numbers.

    The number is the last one in the file's name. Picture n is at n / `frames_per_second` seconds,
    so that equal numbers of two folders are one instant and missing numbers are a silent camera.

    Raises:
        SourceError: there is no numbered picture, two have the same number, or the first one
            cannot be read.
    """
    path = Path(folder)
    name = os.fspath(folder)
    numbered: dict[int, Path] = {}
    left_out = 0
    for file in sorted(path.iterdir()):
        if file.suffix.lower() not in _ENDINGS or file.name.startswith("."):
            continue
        digits = re.findall(r"\d+", file.stem)
        if not digits:
            left_out += 1
            continue
        number = int(digits[-1])
        if number > _MAX_NUMBER:
            raise SourceError(
                f"{file}: its number {number:,} is too large for a count of frames, at most"
                f" {_MAX_NUMBER:,} is taken: number the pictures 0, 1, 2, ..."
            )
        if number in numbered:
            raise SourceError(
                f"{name}: {numbered[number].name} and {file.name} have the same number {number};"
                " each number may stand once: rename one of them"
            )
        numbered[number] = file
    if not numbered:
        raise SourceError(
            f"{name}: has no numbered pictures (such as 0001.png); PNG, JPEG, TIFF and WebP are"
            " taken"
        )
    order = sorted(numbered)
    period_us = 1e6 / frames_per_second
    first = read(numbered[order[0]], modality, drop_alpha=drop_alpha)
    notes = list(first.notes)
    if left_out:
        notes.append(f"{name}: {left_out} pictures without a number in their names left out")
    camera = Camera.of(first.raster, modality)

    def frames() -> Iterator[TimedRaster]:
        for number in order:
            file = numbered[number]
            image: SourceImage = read(file, modality, drop_alpha=drop_alpha)
            yield TimedRaster(image.raster, round(number * period_us), file.name)

    return Recording(name, camera, period_us, len(order), tuple(notes), frames())
