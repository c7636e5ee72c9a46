# SPDX-License-Identifier: Apache-2.0
"""JPEG 2000 by OpenJPEG: 9-7 wavelet, colour transform, one layer of a given rate, bare stream."""

from __future__ import annotations

from crossband.bench.anchors import pillow
from crossband.bench.anchors.anchor import AnchorError, Samples, Stream

name = "jpeg2000"

# A step is one target for colour and a lower one for one channel, so that both pictures of a pair
# come out alike. OpenJPEG takes the ratio to 8-bit samples.
COLOUR_BPP = (0.06, 0.12, 0.22, 0.38, 0.60, 0.90, 1.25, 1.60)
"""Target of each step for three channels, in bits per pixel."""
GRAY_BPP = (0.02, 0.05, 0.10, 0.20, 0.34, 0.56, 0.85, 1.10)
"""Target of each step for one channel, in bits per pixel."""


def available() -> bool:
    """Whether this Pillow has it."""
    return pillow.has("jpg_2000")


def version() -> str:
    """OpenJPEG's and Pillow's version."""
    return pillow.describe("OpenJPEG", "jpg_2000")


def encode(samples: Samples, quality: float) -> Stream:
    """A JPEG 2000 codestream; quality is a step, 0 to 7, higher is better."""
    targets = COLOUR_BPP if samples.ndim == 3 else GRAY_BPP
    if quality not in range(len(targets)):
        raise AnchorError(f"{name} has no step {quality}; allowed are 0 to {len(targets) - 1}")
    ratio = (24 if samples.ndim == 3 else 8) / targets[int(quality)]
    # mct: without it each colour channel is coded on its own, at twice the bits
    data = pillow.save(
        samples,
        "JPEG2000",
        quality_mode="rates",
        quality_layers=[ratio],
        irreversible=True,
        mct=1 if samples.ndim == 3 else 0,
        no_jp2=True,
    )
    pixel_format = "rgb24" if samples.ndim == 3 else "gray"
    mct = " mct=1" if samples.ndim == 3 else ""
    return Stream(data, f"rates={ratio:.4g} irreversible{mct} no_jp2", pixel_format)


def decode(data: bytes, shape: tuple[int, ...]) -> Samples:
    """The picture in a codestream."""
    return pillow.load(data, "JPEG2000", shape)
