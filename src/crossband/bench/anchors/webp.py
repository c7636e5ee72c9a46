# SPDX-License-Identifier: Apache-2.0
"""Lossy WebP by libwebp, method 6."""

from __future__ import annotations

from crossband.bench.anchors import pillow
from crossband.bench.anchors.anchor import Samples, Stream

name = "webp"


def available() -> bool:
    """Whether this Pillow has it."""
    return pillow.has("webp")


def version() -> str:
    """Libwebp's and Pillow's version."""
    return pillow.describe("libwebp", "webp")


def encode(samples: Samples, quality: float) -> Stream:
    """A WebP file; quality 0 to 100, higher is better. One channel is coded as gray colour."""
    data = pillow.save(samples, "WEBP", quality=int(quality), method=6)
    return Stream(data, f"quality={int(quality)} method=6", "yuv420p")


def decode(data: bytes, shape: tuple[int, ...]) -> Samples:
    """The picture in a WebP file."""
    return pillow.load(data, "WEBP", shape)
