# SPDX-License-Identifier: Apache-2.0
"""Pictures come out the way up that their orientation tag says."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from crossband.pair import Modality
from crossband.sources import read

# A different value in each corner, large flat parts so that JPEG keeps them apart.
PICTURE = np.kron(np.array([[0, 60, 120], [180, 240, 90]], np.uint8), np.ones((16, 16), np.uint8))


def tagged(format: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    file = BytesIO()
    options: dict[str, Any] = {"lossless": True} if format == "WEBP" else {}
    Image.fromarray(PICTURE).save(file, format=format, exif=exif, **options)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_exif_orientation_is_honoured(format: str, orientation: int) -> None:
    data = tagged(format, orientation)
    with Image.open(BytesIO(data)) as image:
        want = np.array(ImageOps.exif_transpose(image).convert("L"))
    got = read(data, Modality.INFRARED)
    assert np.array_equal(got.raster.samples, want)
    assert any("turned upright" in note for note in got.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("bits", "compression"),
    [(8, None), (16, None), (12, None), (8, "zlib"), (16, "zlib"), (8, "lzw"), (16, "lzw")],
)
def test_tiff_orientation_is_honoured(orientation: int, compression: str | None, bits: int) -> None:
    samples = PICTURE.astype(np.uint8 if bits == 8 else np.uint16) << (bits - 8)
    file = BytesIO()
    tifffile.imwrite(
        file,
        samples,
        photometric="minisblack",
        metadata=None,
        compression=compression,
        bitspersample=bits,
        extratags=[(274, "H", 1, orientation, True)],
    )
    got = read(file.getvalue(), Modality.INFRARED)
    with Image.open(BytesIO(tagged("PNG", orientation))) as image:
        want = np.array(ImageOps.exif_transpose(image)).astype(samples.dtype) << (bits - 8)
    assert np.array_equal(got.raster.samples, want)
    assert any("turned upright" in note for note in got.notes) == (orientation != 1)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage that is no TIFF", b"\xff" * 50])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_broken_exif_block_means_upright(format: str, exif: bytes) -> None:
    file = BytesIO()
    Image.fromarray(PICTURE).save(file, format=format, exif=exif)
    assert read(file.getvalue(), Modality.INFRARED).raster.samples.shape == PICTURE.shape


def test_an_orientation_that_does_not_exist_means_upright() -> None:
    assert read(tagged("PNG", 9), Modality.INFRARED).raster.samples.shape == PICTURE.shape
