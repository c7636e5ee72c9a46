# SPDX-License-Identifier: Apache-2.0
"""Each file that cannot be used gets one line: its name, what it is, what is taken, what to do."""

from __future__ import annotations

import random
import re
import struct
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image, ImageFile

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
    tifffile.imwrite(file, samples, metadata=None, **options)
    return file.getvalue()


def refused(source: Path | bytes, modality: Modality = Modality.INFRARED) -> str:
    with pytest.raises(SourceError) as error:
        read(source, modality)
    message = str(error.value)
    assert "\n" not in message
    name = str(source) if isinstance(source, Path) else "picture in memory"
    assert message.startswith(f"{name}: ")
    assert ": " in message.removeprefix(f"{name}: ")  # what is wrong: what to do
    return message


def resized(data: bytes, *, width: int, height: int) -> bytes:
    """The same file with another size in its header, checksums right."""
    if data[:4] == b"\x89PNG":
        import zlib

        body = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
        return data[:12] + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    if data[:3] == b"\xff\xd8\xff":
        start = data.index(b"\xff\xc0") + 5
        return data[:start] + struct.pack(">HH", height, width) + data[start + 4 :]
    with tifffile.TiffFile(BytesIO(data)) as file:
        tags = file.pages[0].tags
        edited = bytearray(data)
        for code, value in ((256, width), (257, height)):
            start = tags[code].valueoffset
            form = "<H" if tags[code].dtype == 3 else "<I"
            edited[start : start + struct.calcsize(form)] = struct.pack(form, value)
    return bytes(edited)


NOISE = np.random.default_rng(1).integers(0, 256, (40, 50)).astype(np.uint8)
GRAY = Image.fromarray(NOISE)
COLOUR = Image.fromarray(np.random.default_rng(2).integers(0, 256, (40, 50, 3)).astype(np.uint8))


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "missing.png")


def test_a_folder(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)


def test_a_name_with_a_line_break_stays_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as error:
        read(tmp_path / "a\nb.png", Modality.INFRARED)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a\0b.png", "x" * 300])
def test_a_name_that_cannot_be_a_name(name: str) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        read(name, Modality.INFRARED)


def test_a_file_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, mode: str = "r") -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "Permission denied" in refused(tmp_path / "a.png")


def test_a_stream_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^picture stream: is empty"):
        read(BytesIO(), Modality.INFRARED)
    path = tmp_path / "empty.png"
    path.touch()
    with path.open("rb") as stream, pytest.raises(SourceError, match=r"empty\.png: is empty"):
        read(stream, Modality.INFRARED)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"not a picture\n", "is a text file"),
        ("größer als ein Bild\n".encode() * 100, "is a text file"),
        (saved(GRAY, "GIF"), "is a GIF picture"),
        (saved(GRAY, "BMP"), "is a BMP picture"),
        (saved(GRAY, "PPM"), "is a Netpbm picture"),
        (saved(GRAY, "JPEG2000"), "is a JPEG 2000 picture"),
        (b"%PDF-1.7", "is a PDF document"),
        (b"\x89PNG", "no picture that is known"),
        (b"\x89PNG\r\n\x1a\n", "is truncated"),
        (b"\xff\xd8\xff", "is truncated"),
        (b"\xff\xd8\xff\xd9\0\0", "no frame header"),
        (b"II*\0", "is a damaged TIFF file"),
        (b"RIFF\0\0\0\0WEBP", "is truncated"),
        (bytes(1000), "no picture that is known"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_something_else_named_png(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    assert words in refused(path)


FILES = {
    "PNG": saved(GRAY, "PNG"),
    "colour PNG": saved(COLOUR, "PNG"),
    "16-bit PNG": saved(Image.fromarray(NOISE.astype(np.uint16) * 257), "PNG"),
    "JPEG": saved(GRAY, "JPEG"),
    "progressive JPEG": saved(GRAY, "JPEG", progressive=True),
    "lossless WebP": saved(GRAY, "WEBP", lossless=True),
    "WebP": saved(GRAY, "WEBP"),
    "TIFF": tiff(NOISE),
    "zlib TIFF": tiff(NOISE, compression="zlib", rowsperstrip=8),
    "LZW TIFF": tiff(NOISE, compression="lzw", rowsperstrip=8),
    "packed TIFF": tiff(NOISE.astype(np.uint16) << 4, bitspersample=12),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.05, 0.2, 0.5, 0.9, 0.98])
def test_a_truncated_file(name: str, part: float) -> None:
    data = FILES[name]
    message = refused(data[: int(len(data) * part)], Modality.VISIBLE)
    assert "truncated" in message or "damaged" in message


@pytest.mark.parametrize("name", ["PNG", "colour PNG", "16-bit PNG"])
def test_a_flipped_bit_in_the_samples_of_a_png(name: str) -> None:
    data = bytearray(FILES[name])
    data[len(data) // 2] ^= 4
    assert "checksum of its IDAT chunk" in refused(bytes(data), Modality.VISIBLE)


@pytest.mark.parametrize("name", FILES)
def test_damage_of_any_kind_is_a_source_error_or_a_picture(name: str) -> None:
    for _ in range(60):
        data = bytearray(FILES[name])
        for _ in range(random.randint(1, 4)):
            data[random.randrange(len(data))] = random.randrange(256)
        try:
            read(bytes(data), Modality.VISIBLE)
        except SourceError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("name", ["PNG", "16-bit PNG", "JPEG", "TIFF"])
def test_a_zero_sized_picture(name: str) -> None:
    assert "is 0x40 pixels" in refused(resized(FILES[name], width=0, height=40))


@pytest.mark.parametrize("name", ["PNG", "16-bit PNG", "TIFF"])
def test_a_side_above_65535(name: str) -> None:
    assert "at most 65,535" in refused(resized(FILES[name], width=65_536, height=40))


@pytest.mark.parametrize("name", ["PNG", "16-bit PNG", "JPEG", "TIFF", "packed TIFF"])
def test_a_large_size_is_refused_before_memory_is_taken(name: str) -> None:
    data = resized(FILES[name], width=60_000, height=60_000)
    tracemalloc.start()
    try:
        assert "at most 134,217,728 are taken" in refused(data)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_large_webp_is_refused_before_memory_is_taken() -> None:
    data = bytearray(FILES["lossless WebP"])
    data[21:25] = struct.pack("<I", 16_382 | 16_382 << 14)
    assert "is 16383x16383 = 268,402,689 pixels" in refused(bytes(data))


@pytest.mark.parametrize("name", ["PNG", "16-bit PNG", "TIFF"])
def test_a_size_that_the_bytes_cannot_hold(name: str) -> None:
    message = refused(resized(FILES[name], width=5000, height=5000))
    assert "truncated" in message or "damaged" in message


def test_a_smaller_limit_of_pillow_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    assert "MAX_IMAGE_PIXELS" in refused(FILES["PNG"])


def test_a_doubtful_size_does_not_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", NOISE.size - 1)  # warns up to twice that
    read(FILES["PNG"], Modality.INFRARED)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_colour_infrared(format: str) -> None:
    assert "is a colour picture" in refused(saved(COLOUR, format))


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (NOISE.astype(np.float32), "32-bit floating point"),
        (np.where(NOISE > 9, np.nan, 293.15), "64-bit floating point samples.*scale them"),
        (NOISE.astype(np.float16), "16-bit floating point"),
        (NOISE.astype(np.int16), "16-bit signed"),
        (NOISE.astype(np.uint32), "32-bit unsigned"),
    ],
    ids=["float32", "NaN", "float16", "int16", "uint32"],
)
def test_a_tiff_of_other_numbers(samples: npt.NDArray[Any], words: str) -> None:
    assert re.search(words, refused(tiff(samples, photometric="minisblack")))


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_a_cmyk_picture(format: str) -> None:
    data = saved(Image.new("CMYK", (8, 8)), format)
    assert f"is a CMYK {format}" in refused(data, Modality.VISIBLE)


def test_a_tiff_of_five_channels() -> None:
    data = tiff(np.zeros((8, 8, 5), np.uint8), photometric="minisblack", planarconfig="contig")
    assert "is a TIFF of 5 channels" in refused(data)


def test_a_tiff_of_several_pages() -> None:
    data = tiff(np.zeros((3, 8, 8), np.uint16), photometric="minisblack")
    assert "holds 3 pages" in refused(data)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_an_animation(format: str) -> None:
    frames = [Image.new("RGB", (8, 8), (value, 0, 0)) for value in (0, 100, 200)]
    data = saved(frames[0], format, save_all=True, append_images=frames[1:])
    assert "is an animation of 3 frames" in refused(data, Modality.VISIBLE)


def test_alpha() -> None:
    data = saved(COLOUR.convert("RGBA"), "PNG")
    assert "--drop-alpha" in refused(data, Modality.VISIBLE)


@pytest.mark.parametrize("colour_type", [0, 2])
def test_a_16_bit_visible(make_png: PngMaker, colour_type: int) -> None:
    samples = np.zeros((4, 4, 1 if colour_type == 0 else 3), np.uint16)
    message = refused(make_png(samples, colour_type), Modality.VISIBLE)
    assert "16-bit samples" in message
    assert ("swapped" in message) == (colour_type == 0)


def test_a_colour_type_that_has_no_16_bits(make_png: PngMaker) -> None:
    assert "damaged" in refused(make_png(np.zeros((4, 4, 1), np.uint16), 3))


def test_a_file_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossband.sources.reading.MAX_FILE_BYTES", 1000)
    assert "has more than 1,000 bytes" in refused_stream(FILES["PNG"])


def refused_stream(data: bytes) -> str:
    with pytest.raises(SourceError) as error:
        read(BytesIO(data), Modality.INFRARED)
    return str(error.value)


def test_too_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: ImageFile.ImageFile) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    assert "needs more memory than there is" in refused(FILES["JPEG"])
