# SPDX-License-Identifier: Apache-2.0
"""AVIF by libaom at speed 4, tuned for PSNR, 4:4:4, one channel as 4:0:0: a whole file."""

from __future__ import annotations

from crossband.bench.anchors import pillow
from crossband.bench.anchors.anchor import Samples, Stream

name = "avif"


def available() -> bool:
    """Whether this Pillow has it."""
    return pillow.has("avif")


def version() -> str:
    """Libavif's and Pillow's version."""
    return pillow.describe("libavif", "avif")


def encode(samples: Samples, quality: float) -> Stream:
    """An AVIF file; quality 0 to 100, higher is better."""
    subsampling = "4:4:4" if samples.ndim == 3 else "4:0:0"
    data = pillow.save(
        samples,
        "AVIF",
        quality=int(quality),
        speed=4,
        subsampling=subsampling,
        codec="aom",
        advanced={"tune": "psnr"},
        max_threads=1,
    )
    settings = f"aom quality={int(quality)} speed=4 tune=psnr subsampling={subsampling}"
    return Stream(data, settings, "yuv444p" if samples.ndim == 3 else "gray")


def decode(data: bytes, shape: tuple[int, ...]) -> Samples:
    """The picture in an AVIF file."""
    return pillow.load(data, "AVIF", shape)
