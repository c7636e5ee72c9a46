# SPDX-License-Identifier: Apache-2.0
"""Film codecs of others: one camera's frames to one raw stream and back.

x265-ra    HEVC by x265 veryslow, random access; 10 bits, 4:4:4, infrared 4:0:0
x265-ldp   the same with P frames only: low delay, as crossband's films are
svtav1-ra  AV1 by SVT-AV1 preset 4, random access; 10 bits, 4:2:0, infrared with flat chroma
vvenc-ra   VVC by VVenC medium, random access; likewise
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from crossband.bench.anchors import pyav, svtav1, vvenc, x265, ycbcr
from crossband.bench.anchors.anchor import AnchorError, Samples, Stream
from crossband.errors import InputError

_X265 = "qp={qp}:keyint={keyint}:min-keyint={keyint}:scenecut=0:aq-mode=0:psy-rd=0:psy-rdoq=0"
_ALIGN = 8
_VVENC_FRAMES = 32
"""Frames of VVenC's hierarchy: intervals are multiples of it."""


@dataclass(frozen=True, slots=True)
class FilmAnchor:
    """One codec with one way to use it."""

    name: str
    available: Callable[[], bool]
    version: Callable[[], str]
    grid: tuple[float, ...]
    """Qualities, from the smallest films to the largest; as in the reference measurements."""
    encode: Callable[[Sequence[Samples], float, int | None], Stream]
    """Frames, quality and the most frames from one key frame to the next (None: the whole film is
    one group) to a raw stream; raises AnchorError."""
    decode: Callable[[bytes, tuple[int, ...]], Iterator[Samples]]
    """A stream and the shape of a frame to the frames; raises AnchorError."""


def find(name: str) -> FilmAnchor:
    """The anchor of that name.

    Raises:
        InputError: there is none.
    """
    if name not in ANCHORS:
        raise InputError(f"no film codec is called {name}; allowed are {', '.join(ANCHORS)}")
    return ANCHORS[name]


def _x265(more: str) -> Callable[[Sequence[Samples], float, int | None], Stream]:
    def encode(frames: Sequence[Samples], quality: float, keyframe: int | None) -> Stream:
        colour = frames[0].ndim == 3
        kind = "yuv444p10" if colour else "gray10"
        params = _X265.format(qp=int(quality), keyint=keyframe or -1)
        if keyframe is None:
            params = params.replace(":min-keyint=-1", "")
        options = {
            "preset": "veryslow",
            "x265-params": f"{params}{more}:info=0:pools=none:frame-threads=1:log-level=none",
        }
        planes = (
            [
                ycbcr.round_plane(plane)
                for plane in (ycbcr.from_rgb(each) if colour else (ycbcr.from_gray(each),))
            ]
            for each in frames
        )
        data = pyav.encode_film(planes, "libx265", f"{kind}le", options)
        return Stream(data, f"preset=veryslow:{params}{more}:info=0", kind)

    return encode


def _from_x265(data: bytes, shape: tuple[int, ...]) -> Iterator[Samples]:
    for planes in pyav.decode_film(data, "hevc"):
        yield ycbcr.to_rgb(*planes) if len(shape) == 3 else ycbcr.to_gray(planes[0])


def _svtav1(frames: Sequence[Samples], quality: float, keyframe: int | None) -> Stream:
    os.environ.setdefault("SVT_LOG", "1")
    params = f"tune=1:lp=1:keyint={keyframe or -1}:scd=0"
    options = {"preset": "4", "crf": str(int(quality)), "svtav1-params": params}
    planes = (ycbcr.halved_planes(each, align=_ALIGN) for each in frames)
    data = pyav.encode_film(planes, "libsvtav1", "yuv420p10le", options)
    return Stream(data, f"preset=4 crf={int(quality)} {params}", "yuv420p10")


def _from_svtav1(data: bytes, shape: tuple[int, ...]) -> Iterator[Samples]:
    for planes in pyav.decode_film(data, "libdav1d"):
        yield ycbcr.from_halved_planes(planes, shape)


def _vvenc(frames: Sequence[Samples], quality: float, keyframe: int | None) -> Stream:
    if keyframe is not None and keyframe % _VVENC_FRAMES:
        raise AnchorError(
            f"vvenc-ra has key frames at multiples of {_VVENC_FRAMES} frames, not {keyframe}"
        )
    interval = keyframe or -(-len(frames) // _VVENC_FRAMES) * _VVENC_FRAMES
    planes = [ycbcr.halved_planes(each, align=_ALIGN) for each in frames]
    params = vvenc.COLOUR_PARAMS if frames[0].ndim == 3 else vvenc.GRAY_PARAMS
    return vvenc.encode_planes(planes, qp=int(quality), interval=interval, params=params)


def _from_vvenc(data: bytes, shape: tuple[int, ...]) -> Iterator[Samples]:
    for planes in pyav.decode_film(data, "vvc"):
        yield ycbcr.from_halved_planes(planes, shape)


_HEVC_GRID = (45, 40, 35, 30, 25, 20)
ANCHORS: dict[str, FilmAnchor] = {
    each.name: each
    for each in (
        FilmAnchor("x265-ra", x265.available, x265.version, _HEVC_GRID, _x265(""), _from_x265),
        FilmAnchor(
            "x265-ldp",
            x265.available,
            x265.version,
            _HEVC_GRID,
            _x265(":bframes=0"),
            _from_x265,
        ),
        FilmAnchor(
            "svtav1-ra",
            svtav1.available,
            svtav1.version,
            (61, 52, 42, 32, 22, 12),
            _svtav1,
            _from_svtav1,
        ),
        FilmAnchor(
            "vvenc-ra",
            vvenc.available,
            vvenc.version,
            (44, 39, 34, 29, 25, 21),
            _vvenc,
            _from_vvenc,
        ),
    )
}
