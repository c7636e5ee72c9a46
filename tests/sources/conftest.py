# SPDX-License-Identifier: Apache-2.0
"""Picture files that no library writes: built byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest

PngMaker = Callable[..., bytes]


def chunk(name: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(name + body)
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def passes(
    samples: npt.NDArray[np.uint16], *, interlaced: bool
) -> Iterator[npt.NDArray[np.uint16]]:
    """The reduced pictures of Adam7, or the whole one."""
    if not interlaced:
        yield samples
        return
    for top, left, down, right in (
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ):
        yield samples[top::down, left::right]


def png(
    samples: npt.NDArray[np.uint16],
    colour_type: int,
    *,
    interlaced: bool = False,
    extra: bytes = b"",
    size: tuple[int, int] | None = None,
) -> bytes:
    """A 16-bit PNG of (height, width, channels) samples; `size` (height, width) may lie."""
    height, width = size or samples.shape[:2]
    rows = b"".join(
        b"\2" + filtered_up(part, row)  # filter type 2, so that filters are tested too
        for part in passes(samples, interlaced=interlaced)
        if part.size
        for row in range(part.shape[0])
    )
    head = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, int(interlaced))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + extra
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def filtered_up(part: npt.NDArray[np.uint16], row: int) -> bytes:
    octets = np.ascontiguousarray(part.astype(">u2")).view(np.uint8)
    above = octets[row - 1] if row else np.zeros_like(octets[0])
    return (octets[row] - above).tobytes()


@pytest.fixture
def make_png() -> PngMaker:
    """Makes a 16-bit PNG of any colour type."""
    return png


@pytest.fixture
def make_chunk() -> Callable[[bytes, bytes], bytes]:
    """Makes one PNG chunk."""
    return chunk
