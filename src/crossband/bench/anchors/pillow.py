# SPDX-License-Identifier: Apache-2.0
"""The codecs that Pillow has: JPEG, JPEG 2000, WebP and AVIF share this."""

from __future__ import annotations

import io
from importlib.metadata import version
from typing import Any

import numpy as np

from crossband.bench.anchors.anchor import AnchorError, Samples, check_shape


def has(feature: str) -> bool:
    """Whether this Pillow was built with the library, under Pillow's name for it."""
    from PIL import features

    return bool(features.check(feature))


def describe(library: str, feature: str) -> str:
    """Library and Pillow with their versions."""
    from PIL import features

    return (
        f"{library} {features.version(feature) or 'of unknown version'}, Pillow {version('pillow')}"
    )


def save(samples: Samples, format_: str, **options: Any) -> bytes:
    """The bytes that Pillow writes.

    Raises:
        AnchorError: Pillow or its library refused.
    """
    from PIL import Image

    file = io.BytesIO()
    try:
        Image.fromarray(samples).save(file, format_, **options)
    except (OSError, ValueError) as error:
        raise AnchorError(
            f"{format_}: Pillow refused a picture of shape {samples.shape}: {error}"
        ) from error
    return file.getvalue()


def load(data: bytes, format_: str, shape: tuple[int, ...]) -> Samples:
    """The samples in the bytes of a file of that format and no other.

    Raises:
        AnchorError: the bytes hold no such picture.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=(format_,)) as image:
            # WebP and AVIF give one channel back as three
            samples = np.asarray(image.convert("RGB" if len(shape) == 3 else "L"))
    except OSError as error:
        raise AnchorError(f"{format_}: Pillow cannot read what it wrote: {error}") from error
    return check_shape(format_, samples, shape)
