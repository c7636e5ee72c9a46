# SPDX-License-Identifier: Apache-2.0
"""One picture or a film through an encoder or decoder of PyAV, planes in and planes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    return encode_film([planes], codec, pixel_format, options)


def encode_film(
    frames: Iterable[Sequence[Plane]], codec: str, pixel_format: str, options: dict[str, str]
) -> bytes:
    """The packets of frames of 10 bits, 25 a second, in one thread.

    Raises:
        AnchorError: the encoder refused.
    """
    import av

    context: Any = None
    packets = []
    try:
        for number, planes in enumerate(frames):
            if context is None:
                height, width = planes[0].shape
                context = av.CodecContext.create(codec, "w")
                context.width, context.height = width, height
                context.pix_fmt = pixel_format
                context.time_base = Fraction(1, 25)
                context.framerate = Fraction(25)
                context.thread_count = 1
                context.options = options
            frame = av.VideoFrame(width, height, pixel_format)
            for plane, samples in zip(frame.planes, planes, strict=True):
                lines = np.zeros((plane.height, plane.line_size // 2), np.uint16)
                lines[:, : plane.width] = samples
                plane.update(lines.tobytes())
            frame.pts = number
            packets += context.encode(frame)
        packets += context.encode(None)
    except (OSError, ValueError) as error:
        raise AnchorError(f"{codec} refused a picture of {width}x{height}: {error}") from error
    return b"".join(bytes(packet) for packet in packets)


def decode(data: bytes, codec: str) -> tuple[Plane, ...]:
    """The planes of the one frame in a raw stream of 10-bit samples.

    Raises:
        AnchorError: the bytes hold no such frame.
    """
    frames = list(decode_film(data, codec))
    if len(frames) != 1:
        raise AnchorError(f"{codec} found {len(frames)} pictures in the stream; one was coded")
    return frames[0]


def decode_film(data: bytes, codec: str) -> Iterator[tuple[Plane, ...]]:
    """The planes of each frame in a raw stream of 10-bit samples.

    Raises:
        AnchorError: the bytes hold no such frames.
    """
    import av

    context: Any = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    try:
        for packet in [*context.parse(data), *context.parse(b""), None]:
            for frame in context.decode(packet):
                yield tuple(
                    np.frombuffer(bytes(plane), np.uint16)
                    .reshape(plane.height, -1)[:, : plane.width]
                    .copy()
                    for plane in frame.planes
                )
    except (OSError, ValueError) as error:
        raise AnchorError(f"{codec} cannot read the stream: {error}") from error
