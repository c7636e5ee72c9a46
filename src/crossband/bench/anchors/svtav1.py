# SPDX-License-Identifier: Apache-2.0
"""AV1 intra by SVT-AV1, preset 0, 10 bits, 4:2:0, infrared in luma with flat chroma.

    samples ──► YCbCr ──► edges repeated to multiples of 8 ──► chroma halved ──► raw stream

The slowest preset but for research (-1), tuned for PSNR; `avif=1` is its mode for stills. It takes
no 4:4:4 and no picture of one side below 64 pixels.
"""

from __future__ import annotations

import os
from importlib.metadata import version as package_version

import numpy as np

from crossband.bench.anchors import pyav, ycbcr
from crossband.bench.anchors.anchor import Samples, Stream, check_shape

name = "svtav1"

PRESET = 0
"""The reference measurements have 3: 0.15 dB less at equal bytes, ten times faster."""
_ALIGN = 8
"""Sides are padded to this, AV1's own grain."""
_SMALLEST = 64
_PARAMS = "avif=1:tune=1:lp=1"


def available() -> bool:
    """Whether PyAV is installed and has SVT-AV1 and dav1d."""
    return pyav.has("libsvtav1", mode="w") and pyav.has("libdav1d", mode="r")


def version() -> str:
    """PyAV's and libavcodec's: SVT-AV1 tells its own in its log only."""
    import av

    libavcodec = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"SVT-AV1 in libavcodec {libavcodec}, PyAV {package_version('av')}"


def encode(samples: Samples, quality: float) -> Stream:
    """A raw AV1 stream with its sequence header; quality is crf, 1 to 63, lower is better."""
    os.environ.setdefault("SVT_LOG", "1")  # errors only; else it tells its settings every time
    crf = str(int(quality))
    options = {"preset": str(PRESET), "crf": crf, "svtav1-params": _PARAMS}
    planes = ycbcr.halved_planes(_enlarge(samples), align=_ALIGN)
    data = pyav.encode(planes, "libsvtav1", "yuv420p10le", options)
    return Stream(data, f"preset={PRESET} crf={crf} {_PARAMS}", "yuv420p10")


def decode(data: bytes, shape: tuple[int, ...]) -> Samples:
    """The picture in a stream."""
    planes = pyav.decode(data, "libdav1d")
    return check_shape(name, ycbcr.from_halved_planes(planes, shape), shape)


def _enlarge(samples: Samples) -> Samples:
    """At least 64 pixels a side, by repeated edges."""
    missing = [max(_SMALLEST - side, 0) for side in samples.shape[:2]]
    edges = [(0, each) for each in missing] + [(0, 0)] * (samples.ndim - 2)
    return np.pad(samples, edges, mode="edge")
