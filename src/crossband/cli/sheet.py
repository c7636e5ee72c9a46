# SPDX-License-Identifier: Apache-2.0
"""One picture of original, decoded and error side by side, a row for each camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from crossband.pair import Raster

ERROR_GAIN = 8
"""How much errors are brightened to be seen."""

_PANEL_MAX = 640
_GAP = 12
_TITLE = 30
_INK = (235, 235, 235)
_PAPER = (24, 24, 28)

Gray = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One camera's picture before and after."""

    name: str
    original: Raster
    decoded: Raster
    caption: str
    """Such as "12,345 bytes, 36.1 dB"."""


def draw_sheet(rows: list[SheetRow], title: str) -> Image.Image:
    """Original, decoded and brightened error of each row, with labels.

    Pictures wider or higher than 640 pixels are scaled down; infrared of more than 8 bits is
    shown from its lowest to its highest sample.
    """
    panels = [_panels(row) for row in rows]
    widths = [max(one[0].width for one in panels)] * 3
    heights = [one[0].height for one in panels]
    font = ImageFont.load_default(15)
    sheet = Image.new(
        "RGB",
        (
            sum(widths) + _GAP * 4,
            _TITLE + _GAP + sum(height + _TITLE + _GAP for height in heights),
        ),
        _PAPER,
    )
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, 8), title, fill=_INK, font=ImageFont.load_default(17))
    top = _TITLE + _GAP
    for row, pictures in zip(rows, panels, strict=True):
        captions = (
            f"{row.name}, original",
            f"{row.name}, decoded: {row.caption}",
            f"{row.name}, error x{ERROR_GAIN}",
        )
        left = _GAP
        for picture, caption, width in zip(pictures, captions, widths, strict=True):
            pen.text((left, top), _fit(caption, font, width), fill=_INK, font=font)
            sheet.paste(picture, (left, top + _TITLE - 6))
            left += width + _GAP
        top += pictures[0].height + _TITLE + _GAP
    return sheet


def _fit(caption: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The caption, cut where the panel ends."""
    while len(caption) > 1 and font.getlength(caption) > max(width, 60):
        caption = caption[:-1]
    return caption


def _panels(row: SheetRow) -> tuple[Image.Image, Image.Image, Image.Image]:
    low = 0 if row.original.bit_depth <= 8 else int(row.original.samples.min())
    high = 255 if row.original.bit_depth <= 8 else max(low + 1, int(row.original.samples.max()))
    before = _to_eight_bits(row.original, low, high)
    after = _to_eight_bits(row.decoded, low, high)
    difference = np.abs(before.astype(np.int32) - after.astype(np.int32)) * ERROR_GAIN
    error = np.minimum(difference, 255).astype(np.uint8)
    return _fitted(before, "original"), _fitted(after, "original"), _fitted(error, "error")


def _to_eight_bits(raster: Raster, low: int, high: int) -> Gray:
    if raster.bit_depth <= 8:
        return raster.samples.astype(np.uint8)
    scaled = (raster.samples.astype(np.float32) - low) * np.float32(255 / (high - low))
    rounded: Gray = np.clip(scaled + 0.5, 0, 255).astype(np.uint8)
    return rounded


def _fitted(samples: Gray, kind: Literal["original", "error"]) -> Image.Image:
    picture = Image.fromarray(samples).convert("RGB")
    longest = max(picture.size)
    if longest <= _PANEL_MAX:
        return picture
    # errors are averaged, never sharpened: Lanczos would invent some
    method = Image.Resampling.BOX if kind == "error" else Image.Resampling.LANCZOS
    size = (
        max(1, picture.width * _PANEL_MAX // longest),
        max(1, picture.height * _PANEL_MAX // longest),
    )
    return picture.resize(size, method)
