# SPDX-License-Identifier: Apache-2.0
"""Each way in which a file may hold a picture: depth, colour, palette, alpha, compression."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from crossband.errors import SourceError
from crossband.pair import Modality
from crossband.sources import read

PngMaker = Callable[..., bytes]


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, format=format, **options)
    return file.getvalue()


def tiff(samples: npt.NDArray[Any], **options: Any) -> bytes:
    file = BytesIO()
    options.setdefault("photometric", "minisblack" if samples.ndim == 2 else "rgb")
    tifffile.imwrite(file, samples, metadata=None, **options)
    return file.getvalue()


def noise(*shape: int, bits: int = 8) -> npt.NDArray[Any]:
    return np.random.randint(0, 1 << bits, shape).astype(np.uint8 if bits <= 8 else np.uint16)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_16_bit_png_of_any_kind_keeps_all_16_bits(
    make_png: PngMaker, colour_type: int, channels: int, interlaced: bool
) -> None:
    gray = noise(13, 17, 1, bits=16)
    samples = np.repeat(gray, channels, axis=2)
    image = read(
        make_png(samples, colour_type, interlaced=interlaced), Modality.INFRARED, drop_alpha=True
    )
    assert image.raster.bit_depth == 16
    assert np.array_equal(image.raster.samples, gray[..., 0])


def test_16_bit_rgb_png_that_differs_in_the_low_byte_only_is_a_colour_picture(
    make_png: PngMaker,
) -> None:
    samples = np.repeat(noise(6, 6, 1, bits=16) & 0xFFFE, 3, axis=2)
    samples[3, 3, 1] += 1
    with pytest.raises(SourceError, match="differ by up to 1;"):
        read(make_png(samples, 2), Modality.INFRARED)


@pytest.mark.parametrize(
    ("significant_bits", "top", "bit_depth"), [(12, 4095, 12), (12, 65_535, 16), (16, 4095, 16)]
)
def test_png_significant_bits_count_when_the_samples_fit(
    make_png: PngMaker,
    make_chunk: Callable[[bytes, bytes], bytes],
    significant_bits: int,
    top: int,
    bit_depth: int,
) -> None:
    samples = np.full((4, 4, 1), top, np.uint16)
    data = make_png(samples, 0, extra=make_chunk(b"sBIT", bytes([significant_bits])))
    assert read(data, Modality.INFRARED).raster.bit_depth == bit_depth


@pytest.mark.parametrize(
    ("highest", "bit_depth"), [(1023, 10), (4095, 12), (16_383, 14), (3071, 16), (0, 16)]
)
def test_tiff_highest_sample_value_tells_the_depth(highest: int, bit_depth: int) -> None:
    data = tiff(noise(5, 6, bits=10), extratags=[(281, "H", 1, highest, True)])
    assert read(data, Modality.INFRARED).raster.bit_depth == bit_depth


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("width", [1, 45])
def test_packed_tiff_is_unpacked_at_its_own_depth(bits: int, width: int) -> None:
    samples = noise(31, width, bits=bits)
    raster = read(tiff(samples, bitspersample=bits, rowsperstrip=8), Modality.INFRARED).raster
    assert raster.bit_depth == bits
    assert np.array_equal(raster.samples, samples)


TIFF_WAYS: list[dict[str, Any]] = [
    {},
    {"byteorder": ">"},
    {"compression": "zlib"},
    {"compression": "zlib", "predictor": True, "byteorder": ">"},
    {"compression": "lzw"},
    {"compression": "lzw", "predictor": True},
    {"compression": "lzw", "byteorder": ">"},
    {"compression": "packbits"},
    {"tile": (16, 16)},
    {"tile": (16, 16), "compression": "zlib"},
    {"rowsperstrip": 4},
    {"bigtiff": True},
    {"photometric": "miniswhite"},
    {"photometric": "miniswhite", "compression": "lzw"},
]


@pytest.mark.parametrize("options", TIFF_WAYS, ids=str)
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_is_read_however_it_is_laid_out(options: dict[str, Any], bits: int) -> None:
    samples = noise(33, 21, bits=bits)
    image = read(tiff(samples, **options), Modality.INFRARED)
    inverted = options.get("photometric") == "miniswhite"
    assert np.array_equal(image.raster.samples, (1 << bits) - 1 - samples if inverted else samples)
    assert bool(image.notes) == inverted


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("bits", [8, 16])
def test_colour_tiff_is_read_in_either_plane_order(
    planar: str, compression: str | None, bits: int
) -> None:
    gray = noise(12, 9, 1, bits=bits)
    samples = np.repeat(gray, 3, axis=2)
    stored = samples if planar == "contig" else np.moveaxis(samples, -1, 0)
    data = tiff(stored, planarconfig=planar, compression=compression, photometric="rgb")
    image = read(data, Modality.INFRARED)
    assert np.array_equal(image.raster.samples, gray[..., 0])
    assert "three equal channels taken as one" in image.notes[0]


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_few_bits_in_a_tiff_are_scaled_to_8(bits: int, photometric: str) -> None:
    samples = noise(7, 13, bits=bits)
    data = tiff(samples, bitspersample=bits, photometric=photometric)
    want = samples if photometric == "minisblack" else (1 << bits) - 1 - samples
    raster = read(data, Modality.INFRARED).raster
    assert raster.bit_depth == 8
    assert np.array_equal(raster.samples, want * (255 // ((1 << bits) - 1)))


@pytest.mark.parametrize("image", [Image.new("L", (40, 30), 77), Image.new("RGB", (40, 30), 77)])
def test_jpeg_in_a_tiff_is_read_as_rgb_or_gray(image: Image.Image) -> None:
    raster = read(saved(image, "TIFF", compression="jpeg"), Modality.VISIBLE).raster
    assert np.abs(raster.samples.astype(int) - np.array(image)).max() <= 2


@pytest.mark.parametrize(
    ("image", "note"),
    [
        (Image.new("1", (5, 4), 1), "1-bit samples scaled to 8 bits"),
        (Image.new("P", (5, 4), 0), "palette colours read as RGB"),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_few_bits_and_palettes_become_8_bits_and_say_so(
    image: Image.Image, note: str, format: str
) -> None:
    read_back = read(saved(image, format), Modality.VISIBLE)
    assert note in read_back.notes[0]
    assert read_back.raster.bit_depth == 8
    assert read_back.raster.samples.shape[:2] == (4, 5)


def test_palette_colours_are_those_of_the_palette() -> None:
    colours = noise(1, 8, 3)
    image = Image.fromarray(np.repeat(colours, 6, axis=0)).quantize(8, dither=Image.Dither.NONE)
    want = np.array(image.convert("RGB"))
    for format in ("PNG", "TIFF"):
        assert np.array_equal(read(saved(image, format), Modality.VISIBLE).raster.samples, want)


ALPHA: list[tuple[str, bytes]] = [
    ("RGBA PNG", saved(Image.fromarray(noise(5, 6, 4)), "PNG")),
    ("LA PNG", saved(Image.fromarray(noise(5, 6, 2)), "PNG")),
    ("transparent colour", saved(Image.new("RGB", (6, 5)), "PNG", transparency=(0, 0, 0))),
    ("transparent entry", saved(Image.new("P", (6, 5)), "PNG", transparency=0)),
    ("RGBA WebP", saved(Image.fromarray(noise(5, 6, 4)), "WEBP", lossless=True)),
    ("RGBA TIFF", tiff(noise(5, 6, 4), extrasamples=["unassalpha"])),
    ("RGBA LZW TIFF", tiff(noise(5, 6, 4), extrasamples=["unassalpha"], compression="lzw")),
    ("LA TIFF", saved(Image.fromarray(noise(5, 6, 2)), "TIFF")),
]


@pytest.mark.parametrize("data", [data for _, data in ALPHA], ids=[name for name, _ in ALPHA])
def test_alpha_is_left_out_only_on_request(data: bytes) -> None:
    with pytest.raises(SourceError, match="use --drop-alpha"):
        read(data, Modality.VISIBLE)
    image = read(data, Modality.VISIBLE, drop_alpha=True)
    assert image.raster.samples.shape[:2] == (5, 6)
    assert image.notes[-1].endswith("alpha left out")


def test_the_colours_under_alpha_are_kept() -> None:
    samples = noise(7, 7, 4)
    for data in (
        saved(Image.fromarray(samples), "PNG"),
        saved(Image.fromarray(samples), "WEBP", lossless=True, exact=True),
        tiff(samples, extrasamples=["unassalpha"]),
        tiff(samples, extrasamples=["unassalpha"], compression="lzw"),
    ):
        raster = read(data, Modality.VISIBLE, drop_alpha=True).raster
        assert np.array_equal(raster.samples, samples[..., :3])


def test_a_reduced_copy_beside_the_picture_is_no_second_picture() -> None:
    samples = noise(16, 16)
    file = BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(samples, photometric="minisblack", metadata=None)
        writer.write(samples[::2, ::2], photometric="minisblack", metadata=None, subfiletype=1)
    assert np.array_equal(read(file.getvalue(), Modality.INFRARED).raster.samples, samples)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("profile", [b"", b"not a profile", b"\0" * 4000])
def test_a_colour_profile_is_ignored(format: str, profile: bytes) -> None:
    image = Image.fromarray(noise(8, 8, 3))
    assert read(saved(image, format, icc_profile=profile), Modality.VISIBLE).raster.channels == 3


def test_the_first_picture_of_a_multi_picture_jpeg_is_taken_and_said_so() -> None:
    first, second = (Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (40, 200))
    file = BytesIO()
    first.save(file, format="MPO", save_all=True, append_images=[second])
    image = read(file.getvalue(), Modality.INFRARED)
    assert abs(int(image.raster.samples[0, 0]) - 40) < 3
    assert "first of the 2 pictures" in image.notes[0]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_bytes_behind_the_picture_do_not_matter(format: str) -> None:
    data = saved(Image.fromarray(noise(8, 8, 3)), format)
    clean = read(data, Modality.VISIBLE).raster
    assert read(data + b"\0" * 100, Modality.VISIBLE).raster.equals(clean)
