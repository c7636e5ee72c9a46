# SPDX-License-Identifier: Apache-2.0
"""JPEG XL by libjxl, effort 7, with a Butteraugli distance as quality."""

from __future__ import annotations

from importlib.metadata import version as package_version
from importlib.util import find_spec

import numpy as np

from crossband.bench.anchors.anchor import AnchorError, Samples, Stream, check_shape

name = "jpegxl"


def available() -> bool:
    """Whether imagecodecs is installed."""
    return find_spec("imagecodecs") is not None


def version() -> str:
    """Libjxl's and imagecodecs' version."""
    import imagecodecs

    library = str(imagecodecs.jpegxl_version())
    return f"{library}, imagecodecs {package_version('imagecodecs')}"


def encode(samples: Samples, quality: float) -> Stream:
    """A JPEG XL codestream; quality is the distance, 0.1 to 25, lower is better."""
    import imagecodecs

    try:
        data = imagecodecs.jpegxl_encode(
            np.ascontiguousarray(samples), distance=quality, effort=7, lossless=False, numthreads=1
        )
    except Exception as error:  # JpegxlError of no public base
        raise AnchorError(f"{name} refused a picture of shape {samples.shape}: {error}") from error
    pixel_format = "rgb24" if samples.ndim == 3 else "gray"
    return Stream(bytes(data), f"distance={quality:g} effort=7", pixel_format)


def decode(data: bytes, shape: tuple[int, ...]) -> Samples:
    """The picture in a codestream."""
    import imagecodecs

    try:
        samples = np.asarray(imagecodecs.jpegxl_decode(data, numthreads=1))
    except Exception as error:
        raise AnchorError(f"{name} cannot read what it wrote: {error}") from error
    return check_shape(name, samples.reshape(samples.shape[: len(shape)]), shape)
