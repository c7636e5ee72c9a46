# SPDX-License-Identifier: Apache-2.0
"""Rows that plots and reports are tested with, and a way to read drawn points back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

from crossband.bench.rows import Row

SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class DrawnPoint:
    """A point as a page has it."""

    x: float
    y: float
    at: tuple[float, float]
    """Where it is drawn."""


def _drawn_points(svg: str) -> dict[str, list[DrawnPoint]]:
    root = ElementTree.fromstring(svg)
    return {
        group.attrib["data-codec"]: [
            DrawnPoint(
                float(use.attrib["data-x"]),
                float(use.attrib["data-y"]),
                (float(use.attrib["x"]), float(use.attrib["y"])),
            )
            for use in group.iter(f"{SVG}use")
        ]
        for group in root.iter(f"{SVG}g")
        if "data-codec" in group.attrib
    }


@pytest.fixture(scope="session")
def drawn_points() -> Callable[[str], dict[str, list[DrawnPoint]]]:
    """What an SVG shows, by codec."""
    return _drawn_points


def _measured(
    codec: str,
    *,
    dataset: str = "street",
    images: Sequence[str] = ("a", "b"),
    factor: float = 1,
    qualities: Sequence[float] = (1.0, 2.0, 3.0, 4.0),
    start_db: float = 28,
    infrared: bool = True,
    ms_ssim: bool = True,
    ssim: bool = False,
    seconds: bool = True,
    version: str = "1.0",
) -> list[Row]:
    """Twice the bytes and 3 dB more with each quality; picture `b` costs a tenth more than `a`."""
    rows = []
    for place, image in enumerate(images):
        for quality in qualities:
            size_bytes = round(factor * (1 + 0.1 * place) * 1000 * 2**quality)
            psnr_db = start_db + 3 * quality
            loss = 0.1 / 2**quality
            rows.append(
                Row(
                    dataset=dataset,
                    image=image,
                    input="0123456789abcdef",
                    codec=codec,
                    version=version,
                    settings=f"speed=1:q={quality:g}",
                    pixel_format="rgb24 | gray" if infrared else "rgb24",
                    quality=quality,
                    pixels_visible=100_000,
                    pixels_infrared=80_000 if infrared else None,
                    bytes_visible=size_bytes,
                    bytes_infrared=size_bytes // 2 if infrared else None,
                    bpp=0.0,
                    psnr_visible=psnr_db,
                    psnr_infrared=psnr_db - 1 if infrared else None,
                    msssim_visible=1 - loss if ms_ssim else None,
                    msssim_infrared=1 - 2 * loss if ms_ssim and infrared else None,
                    encode_s=0.5 * factor if seconds else None,
                    decode_s=0.125 * factor if seconds else None,
                    ssim_visible=1 - loss / 2 if ssim else None,
                    ssim_infrared=1 - loss if ssim and infrared else None,
                    encode_peak_bytes=round(quality) << 20 if seconds else None,
                    decode_peak_bytes=3 << 20 if seconds else None,
                )
            )
    return rows


@pytest.fixture(scope="session")
def measured() -> Callable[..., list[Row]]:
    """Makes rows; no codec runs for them."""
    return _measured
