# SPDX-License-Identifier: Apache-2.0
"""One picture through an encoder or decoder of PyAV, planes in and planes out."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from typing import Any

import numpy as np

from crossband.bench.anchors.anchor import AnchorError
from crossband.bench.anchors.ycbcr import Plane


def has(codec: str, *, mode: str) -> bool:
    """Whether PyAV is installed and has the codec for mode `r` or `w`."""
    if find_spec("av") is None:
        return False
    import av

    try:
        av.codec.Codec(codec, mode)  # type: ignore[arg-type, unused-ignore]
    except ValueError:  # UnknownCodecError is one
        return False
    return True


def encode(
    planes: Sequence[Plane], codec: str, pixel_format: str, options: dict[str, str]
) -> bytes:
    """The packets of one frame, in one thread.

    Raises:
        AnchorError: the encoder refused.
    """
    import av

    height, width = planes[0].shape
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height = width, height
    context.pix_fmt = pixel_format
    context.time_base = Fraction(1, 25)
    context.thread_count = 1
    context.options = options
    frame = av.VideoFrame(width, height, pixel_format)
    for plane, samples in zip(frame.planes, planes, strict=True):
        lines = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        lines[:, : plane.width] = samples
        plane.update(lines.tobytes())
    frame.pts = 0
    try:
        packets = [*context.encode(frame), *context.encode(None)]
    except (OSError, ValueError) as error:
        raise AnchorError(f"{codec} refused a picture of {width}x{height}: {error}") from error
    return b"".join(bytes(packet) for packet in packets)


def decode(data: bytes, codec: str) -> tuple[Plane, ...]:
    """The planes of the one frame in a raw stream of 10-bit samples.

    Raises:
        AnchorError: the bytes hold no such frame.
    """
    import av

    context: Any = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    try:
        frames = [
            frame
            for packet in [*context.parse(data), *context.parse(b""), None]
            for frame in context.decode(packet)
        ]
    except (OSError, ValueError) as error:
        raise AnchorError(f"{codec} cannot read the stream: {error}") from error
    if len(frames) != 1:
        raise AnchorError(f"{codec} found {len(frames)} pictures in the stream; one was coded")
    return tuple(
        np.frombuffer(bytes(plane), np.uint16).reshape(plane.height, -1)[:, : plane.width]
        for plane in frames[0].planes
    )
