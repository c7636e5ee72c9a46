# SPDX-License-Identifier: Apache-2.0
"""JPEG, WebP and AVIF of a picture at about a given PSNR, through Pillow."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, features

from crossband.bench.metrics import psnr
from crossband.pair import Raster


@dataclass(frozen=True, slots=True)
class Rival:
    """A codec with the settings it is shown with."""

    name: str
    settings: str
    """In words, for the reader of the table."""
    colour: tuple[dict[str, Any], ...]
    """Pillow's options for RGB; of several the one that gives the smallest file is taken."""
    gray: dict[str, Any]
    draft: dict[str, Any]
    """Options that make it fast, to come near the quality; empty if it is fast."""
    feature: str
    """Pillow's name for what it needs."""


_AVIF: dict[str, Any] = {"codec": "aom", "speed": 4, "advanced": {"tune": "psnr"}}

RIVALS = (
    Rival(
        name="JPEG",
        settings="optimised progressive, 4:2:0 or 4:4:4, the smaller",
        colour=(
            {"optimize": True, "progressive": True, "subsampling": "4:2:0"},
            {"optimize": True, "progressive": True, "subsampling": "4:4:4"},
        ),
        gray={"optimize": True, "progressive": True},
        draft={},
        feature="jpg",
    ),
    Rival(
        name="WebP",
        settings="method 6",
        colour=({"method": 6},),
        gray={"method": 6},
        draft={},
        feature="webp",
    ),
    Rival(
        name="AVIF",
        settings="aom speed 4, tune psnr, 4:4:4",
        colour=({**_AVIF, "subsampling": "4:4:4"},),
        gray={**_AVIF, "subsampling": "4:0:0"},
        draft={"speed": 9},
        feature="avif",
    ),
)


@dataclass(frozen=True, slots=True)
class RivalPicture:
    """What a codec made of one picture."""

    quality: int
    size_bytes: int
    psnr_db: float
    encode_s: float
    """The one encode that is shown, not the search for its quality."""
    decode_s: float
    reached: bool
    """Whether its PSNR is at least the one asked for; if not, this is the codec's best."""


def is_available(rival: Rival) -> bool:
    """Whether this Pillow has the codec."""
    return bool(features.check(rival.feature))


def at_least(rival: Rival, raster: Raster, target_db: float) -> RivalPicture:
    """The picture at the codec's lowest quality whose PSNR is at least `target_db`.

    Args:
        rival: the codec.
        raster: an 8-bit picture.
        target_db: PSNR to come nearest to from above.
    """
    options = rival.colour if raster.channels == 3 else (rival.gray,)
    tried = [_lowest_quality(rival, raster, target_db, one) for one in options]
    enough = [one for one in tried if one.reached]
    if enough:
        return min(enough, key=lambda one: one.size_bytes)
    return max(tried, key=lambda one: one.psnr_db)


def _lowest_quality(
    rival: Rival, raster: Raster, target_db: float, options: dict[str, Any]
) -> RivalPicture:
    cache: dict[int, RivalPicture] = {}

    def attempt(quality: int) -> RivalPicture:
        if quality not in cache:
            cache[quality] = _code(rival, raster, quality, options, target_db)
        return cache[quality]

    def reaches(quality: int) -> bool:
        return attempt(quality).reached

    if not rival.draft:
        return attempt(_bisect(reaches, _WORST, _BEST))
    drafted = {**options, **rival.draft}
    near = _bisect(
        lambda quality: _code(rival, raster, quality, drafted, target_db).reached, _WORST, _BEST
    )
    # The slow settings do better than the draft, so the quality lies at it or some steps below;
    # the window moves on where it does not.
    low, high = max(_WORST, near - _WINDOW), near
    while high < _BEST and not reaches(high):
        low, high = high + 1, min(_BEST, high + _WINDOW)
    quality = _bisect(reaches, low, high)
    while quality == low and low > _WORST and reaches(quality):
        low, high = max(_WORST, low - _WINDOW), low
        quality = _bisect(reaches, low, high)
        if quality == high:
            break
    return attempt(quality)


_WORST, _BEST, _WINDOW = 1, 100, 15


def _bisect(reaches: Callable[[int], bool], low: int, high: int) -> int:
    """Lowest quality that reaches, where more quality never reaches less; `high` if none does."""
    while low < high:
        middle = (low + high) // 2
        if reaches(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _code(
    rival: Rival, raster: Raster, quality: int, options: dict[str, Any], target_db: float
) -> RivalPicture:
    buffer = io.BytesIO()
    started = time.perf_counter()
    Image.fromarray(raster.samples).save(buffer, format=rival.name, quality=quality, **options)
    encoded = time.perf_counter()
    data = buffer.getvalue()
    with Image.open(io.BytesIO(data)) as picture:
        samples = np.asarray(picture.convert("RGB" if raster.channels == 3 else "L"))
    decoded = time.perf_counter()
    value = psnr(raster, Raster(samples))
    return RivalPicture(
        quality=quality,
        size_bytes=len(data),
        psnr_db=value,
        encode_s=encoded - started,
        decode_s=decoded - encoded,
        reached=value >= target_db,
    )
