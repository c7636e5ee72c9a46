# SPDX-License-Identifier: Apache-2.0
"""JPEG by libjpeg-turbo, 4:2:0, progressive with optimised tables."""

from __future__ import annotations

from crossband.bench.anchors import pillow
from crossband.bench.anchors.anchor import Samples, Stream

name = "jpeg"


def available() -> bool:
    """Whether this Pillow has it."""
    return pillow.has("jpg")


def version() -> str:
    """Libjpeg-turbo's and Pillow's version."""
    return pillow.describe("libjpeg-turbo", "libjpeg_turbo")


def encode(samples: Samples, quality: float) -> Stream:
    """A JPEG file; quality 1 to 95, higher is better."""
    data = pillow.save(samples, "JPEG", quality=int(quality), optimize=True, progressive=True)
    pixel_format = "yuvj420p" if samples.ndim == 3 else "gray"
    return Stream(data, f"quality={int(quality)} optimize progressive", pixel_format)


def decode(data: bytes, shape: tuple[int, ...]) -> Samples:
    """The picture in a JPEG file."""
    return pillow.load(data, "JPEG", shape)
