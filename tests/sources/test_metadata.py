# SPDX-License-Identifier: Apache-2.0
"""EXIF, XMP, colour profile and TIFF tags come out of picture files and into them again."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from crossband.pair import Metadata, Modality, Raster
from crossband.sources import left_over, read, write
from crossband.sources.directories import (
    BadDirectory,
    Entry,
    pack_block,
    read_directory,
    with_value,
)

PICTURE = (np.arange(7 * 5 * 3).reshape(5, 7, 3) * 2).astype(np.uint8)
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>\xc3\xa9</x:xmpmeta>"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION = 274
FORMATS = ["png", "jpeg", "webp", "tiff"]


def exif_block(*, orientation: int = 1, order: str = "<", **more: Entry) -> bytes:
    """Make, orientation, an Exif directory with a time, and a GPS one."""

    def short(code: int, value: int) -> Entry:
        return Entry(code, 3, 1, struct.pack(f"{order}H", value))

    def text(code: int, value: bytes) -> Entry:
        return Entry(code, 2, len(value) + 1, value + b"\0")

    below = (text(36867, b"2026:01:31 12:00:00"), short(34855, 400))
    return pack_block(
        [
            text(271, b"Camera works"),
            short(ORIENTATION, orientation),
            Entry(34665, 4, 1, b"", below),
            Entry(34853, 4, 1, b"", (text(1, b"N"),)),
            *more.values(),
        ],
        order=order,
    )


def full(**changes: bytes) -> Raster:
    """A picture with all that a file can say."""
    return Raster(PICTURE, metadata=replace(Metadata(exif_block(), XMP, PROFILE), **changes))


def written(raster: Raster, format: str) -> bytes:
    file = io.BytesIO()
    write(raster, file, format=format)  # type: ignore[arg-type]
    return file.getvalue()


def read_back(data: bytes) -> Metadata:
    return read(data, Modality.VISIBLE).raster.metadata


def pillow_exif(data: bytes) -> dict[int, Any]:
    """The tags as another program sees them, those of the directories below too."""
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        return {**exif, **exif.get_ifd(34665), **exif.get_ifd(34853)}


@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_metadata_comes_back_byte_for_byte(format, order):
    raster = full(exif=exif_block(order=order))
    assert read_back(written(raster, format)) == raster.metadata
    assert not left_over(raster, format=format)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    st.sampled_from(["png", "webp", "tiff"]),
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=99).map(str.encode),
    st.sampled_from([b"", exif_block(), exif_block(order=">")]),
)
def test_any_xmp_stays_as_it_is_beside_any_exif(format, xmp, exif):
    raster = full(xmp=xmp, exif=exif)
    data = written(raster, format)
    assert read_back(data).xmp == xmp
    assert np.array_equal(read(data, Modality.VISIBLE).raster.samples, PICTURE)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("samples", [PICTURE, PICTURE[..., 0]])
def test_a_tiff_file_has_the_values_of_the_exif_block(order, samples):
    raster = Raster(samples, metadata=Metadata(exif_block(order=order), XMP))
    data = written(raster, "tiff")
    assert not left_over(raster, format="tiff")
    seen = pillow_exif(data)
    assert (seen[271], seen[36867], seen[34855], seen[1]) == (
        *("Camera works", "2026:01:31 12:00:00", 400, "N"),
    )
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert np.array_equal(file.pages[0].asarray(), samples)
        assert file.pages[0].tags[700].value == XMP
    again = read(data, Modality.VISIBLE).raster
    assert again.equals(raster)
    assert written(again, "tiff") == data


def test_tags_of_a_tiff_file_become_the_exif_block_of_a_png_file():
    file = io.BytesIO()
    tags = [(271, 2, 0, "Camera works", True), (65_000, 12, 2, (1.5, -2.5), True)]
    tifffile.imwrite(
        file, PICTURE, photometric="rgb", metadata=None, software="made here", extratags=tags,
        resolution=(300, 300), resolutionunit=2,
    )  # fmt: skip
    raster = read(file.getvalue(), Modality.VISIBLE).raster
    seen = pillow_exif(written(raster, "png"))
    assert (seen[271], seen[305], seen[65_000]) == ("Camera works", "made here", (1.5, -2.5))
    assert (seen[282], seen[296]) == (300, 2)
    assert not {256, 257, 258, 259, 262, 273, 277, 279} & set(seen)


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_says_nothing_has_no_metadata(format):
    data = written(Raster(PICTURE), format)
    assert not read_back(data)
    assert written(Raster(PICTURE, metadata=Metadata()), format) == data


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("format", ["png", "jpeg", "webp"])
def test_a_turned_picture_is_turned_once(format, orientation, order):
    turned, upright = (exif_block(orientation=each, order=order) for each in (orientation, 1))
    file = io.BytesIO()
    prefix = b"Exif\0\0" if format == "jpeg" else b""
    Image.fromarray(PICTURE).save(file, format=format, exif=prefix + turned, lossless=True)
    once = read(file.getvalue(), Modality.VISIBLE)
    assert f"orientation tag ({orientation})" in once.notes[0]
    assert once.raster.metadata.exif == upright
    twice = read(written(once.raster, "png"), Modality.VISIBLE)
    assert twice.raster.equals(once.raster)
    assert twice.notes == ()


def test_an_orientation_in_the_xmp_counts_once_too():
    packet = b'<rdf:Description tiff:Orientation="6"/>'
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, format="JPEG", xmp=packet)
    once = read(file.getvalue(), Modality.VISIBLE).raster
    assert once.samples.shape == (7, 5, 3)
    assert once.metadata.xmp == packet.replace(b"6", b"1")
    assert read(written(once, "png"), Modality.VISIBLE).raster.equals(once)


def test_a_picture_made_upright_in_python_is_never_turned_by_its_old_tag():
    raster = full(exif=exif_block(orientation=6))
    assert read(written(raster, "png"), Modality.VISIBLE).raster.equals(raster)


@pytest.mark.parametrize(
    ("format", "changes", "left"),
    [
        ("png", {"xmp": "<x/>".encode("utf-16")}, {"xmp"}),
        ("png", {"exif": b"no block"}, {"exif"}),
        ("webp", {"exif": b"no block"}, {"exif"}),
        ("tiff", {"exif": b"no block"}, {"exif"}),
        ("png", {"icc": PROFILE[:16] + b"GRAY" + PROFILE[20:]}, {"icc"}),
        ("tiff", {"icc": b"short"}, {"icc"}),
        ("png", {"calibration": b"counts"}, {"calibration"}),
        ("jpeg", {"xmp": bytes(65_505)}, {"xmp"}),
        ("jpeg", {"xmp": bytes(65_504)}, set()),
        ("tiff", {"exif": exif_block(maker=Entry(512, 4, 1, b"abcd"))}, {"exif"}),
    ],
)
def test_what_a_format_cannot_hold_is_left_over_whole(format, changes, left):
    raster = full(**changes)
    over = left_over(raster, format=format)
    assert {name for name in ("exif", "xmp", "icc", "calibration") if getattr(over, name)} == left
    assert all(getattr(over, name) == getattr(raster.metadata, name) for name in left)
    back = read_back(written(raster, format))
    for name in {"exif", "xmp", "icc"} - left:
        assert getattr(back, name) or not getattr(raster.metadata, name)


def test_a_thumbnail_keeps_the_block_out_of_tiff():
    block = exif_block()
    count = struct.unpack_from("<H", block, 8)[0]
    at = 10 + 12 * count
    with_next = block[:at] + struct.pack("<I", 8) + block[at + 4 :]
    assert left_over(full(exif=with_next), format="tiff").exif == with_next
    assert not left_over(full(exif=with_next), format="png")


def test_a_block_that_only_says_upright_is_no_loss_in_tiff():
    block = pack_block([Entry(ORIENTATION, 3, 1, struct.pack("<H", 1))], order="<")
    raster = Raster(PICTURE, metadata=Metadata(exif=block))
    assert not left_over(raster, format="tiff")
    assert not read_back(written(raster, "tiff"))


# --- chunks of PNG --------------------------------------------------------------------------


def with_chunk(data: bytes, name: bytes, body: bytes, *, last: bool = False) -> bytes:
    chunk = struct.pack(">I", len(body)) + name + body
    chunk += struct.pack(">I", zlib.crc32(name + body))
    at = len(data) - 12 if last else 33
    return data[:at] + chunk + data[at:]


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("compressed", [False, True])
def test_xmp_of_a_png_file_is_found_wherever_it_is(last, compressed):
    packet = zlib.compress(XMP) if compressed else XMP
    body = b"XML:com.adobe.xmp\0" + bytes([compressed]) + b"\0\0\0" + packet
    data = with_chunk(written(Raster(PICTURE), "png"), b"iTXt", body, last=last)
    assert read_back(data) == Metadata(xmp=XMP)


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt"])
def test_the_exif_block_that_imagemagick_writes_as_text_is_found(name):
    block = b"Exif\0\0" + exif_block()
    text = f"\nexif\n{len(block):8}\n{block.hex()}\n".encode()
    rest = b"\0" + zlib.compress(text) if name == b"zTXt" else text
    body = b"Raw profile type exif\0" + rest
    data = with_chunk(written(Raster(PICTURE), "png"), name, body)
    assert read_back(data) == Metadata(exif=exif_block())
    other = with_chunk(data, b"eXIf", exif_block(order=">"), last=True)
    assert read_back(other) == Metadata(exif=exif_block(order=">"))


def test_a_damaged_chunk_is_left_out_and_said_so():
    data = bytearray(with_chunk(written(Raster(PICTURE), "png"), b"eXIf", exif_block(), last=True))
    data[-20] ^= 1
    image = read(bytes(data), Modality.VISIBLE)
    assert not image.raster.metadata
    assert image.notes == ("picture in memory: its eXIf chunk is damaged and left out",)


def test_texts_that_are_not_carried_are_named():
    data = written(full(), "png")
    for keyword in (b"Software", b"Author", b"A"):
        data = with_chunk(data, b"tEXt", keyword + b"\0words")
    data = with_chunk(data, b"iTXt", b"B\0\0\0\0\0words")
    assert read(data, Modality.VISIBLE).notes == (
        "picture in memory: its texts (B, A, Author and 1 more) are left out",
    )


def test_parts_of_a_jpeg_that_are_not_carried_are_named():
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "JPEG", comment=b"words")
    data = file.getvalue()
    iptc = struct.pack(">HH", 0xFFED, 2 + 14) + b"Photoshop 3.0\0"
    assert read(data[:2] + iptc + data[2:], Modality.VISIBLE).notes == (
        "picture in memory: its comments and IPTC and Photoshop data are left out",
    )


# --- directories ----------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_block_packs_to_the_bytes_it_was_read_from(order):
    block = exif_block(order=order)
    directory = read_directory(block)
    assert pack_block(directory.entries, order=directory.order) == block


def test_setting_a_value_changes_two_bytes():
    block, other = exif_block(orientation=8), exif_block(orientation=1)
    assert with_value(block, ORIENTATION, 1) == other
    assert sum(a != b for a, b in zip(block, other, strict=True)) == 1


@settings(deadline=None, derandomize=True)
@given(st.data())
def test_any_bytes_are_a_directory_or_refused(data):
    block = bytearray(exif_block())
    for _ in range(data.draw(st.integers(1, 6))):
        block[data.draw(st.integers(4, len(block) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(block[: data.draw(st.integers(0, len(block)))])
    assert len(with_value(cut, ORIENTATION, 1)) == len(cut)
    try:
        directory = read_directory(cut)
    except BadDirectory:
        return
    assert len(pack_block(directory.entries, order=directory.order)) < 20 * len(block)
    assert written(full(exif=cut), "tiff")


def test_values_that_overlap_to_more_than_the_file_are_refused():
    entry = struct.pack("<HHII", 65_000, 7, 900, 8)
    block = b"II*\0" + struct.pack("<IH", 8, 100) + entry * 100 + bytes(4)
    with pytest.raises(BadDirectory, match="larger"):
        read_directory(block)
