# SPDX-License-Identifier: Apache-2.0
"""HEVC intra by x265 veryslow: 10 bits, 4:2:0 with finer chroma, infrared 4:0:0."""

from __future__ import annotations

from crossband.bench.anchors import pyav, x265, ycbcr
from crossband.bench.anchors.anchor import Samples, Stream, check_shape

name = "x265-420"

# RGB's PSNR counts chroma's errors fully, a qp of luma's own codes them too coarsely.
CHROMA = "cbqpoffs=-6:crqpoffs=-6"
"""x265's parameters for chroma; the reference measurements have none."""
_ALIGN = 2

available = x265.available
version = x265.version


def encode(samples: Samples, quality: float) -> Stream:
    """A raw HEVC stream with its parameter sets; quality is qp, 0 to 51, lower is better."""
    if samples.ndim == 2:
        return x265.encode(samples, quality)
    planes = ycbcr.halved_planes(samples, align=_ALIGN)
    qp = int(quality)
    data = x265.encode_planes(planes, "yuv420p10le", qp=qp, info=0, more=CHROMA)
    return Stream(data, f"{x265.settings(qp)}:{CHROMA}", "yuv420p10")


def decode(data: bytes, shape: tuple[int, ...]) -> Samples:
    """The picture in a stream."""
    if len(shape) == 2:
        return x265.decode(data, shape)
    return check_shape(name, ycbcr.from_halved_planes(pyav.decode(data, "hevc"), shape), shape)
