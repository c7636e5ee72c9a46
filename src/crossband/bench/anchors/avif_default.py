# SPDX-License-Identifier: Apache-2.0
"""AVIF as Pillow writes it when nothing but the quality is asked for: libaom, speed 6, 4:2:0."""

from __future__ import annotations

from crossband.bench.anchors import avif, pillow
from crossband.bench.anchors.anchor import Samples, Stream

name = "avif-default"
available = avif.available
version = avif.version
decode = avif.decode


def encode(samples: Samples, quality: float) -> Stream:
    """An AVIF file; quality 0 to 100, higher is better. Tuned for SSIM, as libaom has it."""
    data = pillow.save(samples, "AVIF", quality=int(quality), max_threads=1)
    # Pillow finds that all three channels of gray are one
    return Stream(data, f"quality={int(quality)}", "yuv420p" if samples.ndim == 3 else "gray")
