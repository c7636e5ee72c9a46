# SPDX-License-Identifier: Apache-2.0
"""HEVC intra by x265 veryslow: 10 bits, 4:4:4, infrared 4:0:0. BPG without its container."""

from __future__ import annotations

import functools
import re
from importlib.metadata import version as package_version

import numpy as np

from crossband.bench.anchors import pyav, ycbcr
from crossband.bench.anchors.anchor import Samples, Stream, check_shape

name = "x265"

# psy and aq lower PSNR on purpose; info is 2 kB that name the encoder
_PARAMS = (
    "keyint=1:aq-mode=0:psy-rd=0:psy-rdoq=0:info={info}:pools=none:frame-threads=1:log-level=none"
)


def available() -> bool:
    """Whether PyAV is installed and has x265."""
    return pyav.has("libx265", mode="w")


@functools.cache
def version() -> str:
    """x265's version, as it writes it into a stream, and PyAV's."""
    named = encode_planes(
        [ycbcr.round_plane(ycbcr.from_gray(np.zeros((64, 64), np.uint8)))],
        "gray10le",
        qp=30,
        info=1,
    )
    found = re.search(rb"x265 \(build \d+\) - ([\w.+-]+)", named)
    library = found[1].decode() if found else "of unknown version"
    return f"x265 {library}, PyAV {package_version('av')}"


def encode(samples: Samples, quality: float) -> Stream:
    """A raw HEVC stream with its parameter sets; quality is qp, 0 to 51, lower is better.

    x265 codes a key frame 3 steps finer than the qp says (its `ipratio`).
    """
    colour = samples.ndim == 3
    planes = ycbcr.from_rgb(samples) if colour else (ycbcr.from_gray(samples),)
    pixel_format = "yuv444p10" if colour else "gray10"
    data = encode_planes(
        [ycbcr.round_plane(plane) for plane in planes], f"{pixel_format}le", qp=int(quality), info=0
    )
    return Stream(data, settings(int(quality)), pixel_format)


def decode(data: bytes, shape: tuple[int, ...]) -> Samples:
    """The picture in a stream."""
    planes = pyav.decode(data, "hevc")
    samples = ycbcr.to_rgb(*planes) if len(shape) == 3 else ycbcr.to_gray(planes[0])
    return check_shape(name, samples, shape)


def settings(qp: int) -> str:
    """All that is not x265's default and decides about bytes."""
    return f"preset=veryslow:qp={qp}:keyint=1:aq-mode=0:psy-rd=0:psy-rdoq=0:info=0"


def encode_planes(
    planes: list[ycbcr.Plane], pixel_format: str, *, qp: int, info: int, more: str = ""
) -> bytes:
    """The stream of planes of ffmpeg's pixel format.

    Args:
        planes: luma first.
        pixel_format: of 10 bits.
        qp: 0 to 51.
        info: 1 writes x265's version and settings into the stream.
        more: parameters beside `settings`.

    Raises:
        AnchorError: the encoder refused.
    """
    params = f"qp={qp}:{_PARAMS.format(info=info)}"
    options = {"preset": "veryslow", "x265-params": f"{params}:{more}" if more else params}
    return pyav.encode(planes, "libx265", pixel_format, options)
