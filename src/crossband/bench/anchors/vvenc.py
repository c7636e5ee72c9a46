# SPDX-License-Identifier: Apache-2.0
"""VVC intra by VVenC medium, 10 bits, 4:2:0, infrared in luma with flat chroma.

    samples ──► YCbCr ──► edges repeated ──► chroma halved ──► ffmpeg, libvvenc ──► raw stream
                          to multiples of 8

The encoder is in the ffmpeg of imageio-ffmpeg, which its wheels have for some systems only; the
decoder is PyAV's.
"""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import version as package_version
from importlib.util import find_spec

from crossband.bench.anchors import pyav, ycbcr
from crossband.bench.anchors.anchor import AnchorError, Samples, Stream, check_shape

name = "vvenc"

_ALIGN = 8
"""Sides are padded to this, VVC's own grain, so that the stream needs no cropping window."""
COLOUR_PARAMS = "accessunitdelimiter=0"
# Flat chroma is to cost nothing: with these tools on, VVenC spends 15 to 30 bytes on it.
GRAY_PARAMS = "accessunitdelimiter=0:lmchroma=0:jointcbcr=0"


def available() -> bool:
    """Whether an ffmpeg with VVenC is there and PyAV can decode VVC."""
    return pyav.has("vvc", mode="r") and _ffmpeg_has_vvenc()


@functools.cache
def version() -> str:
    """VVenC's version if it tells it, ffmpeg's, and PyAV's."""
    text = _ffmpeg(["-version"]).stdout.decode(errors="replace")
    found = re.search(r"ffmpeg version (\S+)", text)
    ffmpeg = found[1] if found else "of unknown version"
    packages = f"imageio-ffmpeg {package_version('imageio-ffmpeg')}, PyAV {package_version('av')}"
    return f"libvvenc in ffmpeg {ffmpeg}, {packages}"


def encode(samples: Samples, quality: float) -> Stream:
    """A raw VVC stream with its parameter sets; quality is qp, 0 to 63, lower is better."""
    planes = ycbcr.halved_planes(samples, align=_ALIGN)
    params = COLOUR_PARAMS if samples.ndim == 3 else GRAY_PARAMS
    return encode_planes([planes], qp=int(quality), interval=1, params=params)


def encode_planes(
    frames: Sequence[Sequence[ycbcr.Plane]], *, qp: int, interval: int, params: str
) -> Stream:
    """The raw stream of frames of 4:2:0 planes.

    Args:
        frames: planes of sides that are multiples of 8.
        qp: 0 to 63.
        interval: frames from one key frame to the next.
        params: VVenC's own.

    Raises:
        AnchorError: the encoder refused.
    """
    height, width = frames[0][0].shape
    # No colour option: ffmpeg would convert the samples to fit it.
    source = ["-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-s", f"{width}x{height}", "-i", "-"]
    coding = ["-preset", "medium", "-qp", str(qp), "-qpa", "0", "-g", str(interval)]
    coding += ["-vvenc-params", params]
    count, raw = str(len(frames)), ("-f", "vvc", "-")
    done = _ffmpeg(
        [*source, "-frames:v", count, "-c:v", "libvvenc", "-threads", "1", *coding, *raw],
        b"".join(plane.astype("<u2").tobytes() for planes in frames for plane in planes),
    )
    if done.returncode or not done.stdout:
        raise AnchorError(
            f"{name} refused a picture of {width}x{height}: {_last_line(done.stderr)}"
        )
    settings = f"preset=medium qp={qp} qpa=0 g={interval} {params}"
    return Stream(done.stdout, settings, "yuv420p10")


def decode(data: bytes, shape: tuple[int, ...]) -> Samples:
    """The picture in a stream."""
    return check_shape(name, ycbcr.from_halved_planes(pyav.decode(data, "vvc"), shape), shape)


@functools.cache
def _ffmpeg_has_vvenc() -> bool:
    if find_spec("imageio_ffmpeg") is None:
        return False
    try:
        return b"libvvenc" in _ffmpeg(["-encoders"]).stdout
    except (OSError, RuntimeError):  # RuntimeError: the wheel has no ffmpeg and there is none
        return False


def _ffmpeg(arguments: list[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=False)


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
