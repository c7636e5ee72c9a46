# SPDX-License-Identifier: Apache-2.0
"""Metadata in and out of the command line: kept, listed, left out, never lost in silence."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from crossband import Metadata, Modality, Pair, Raster
from crossband.container import unpack
from crossband.sources import read, write
from crossband.testing.radiometric import (
    PALETTE,
    Record,
    camera_record,
    dji_jpeg,
    embedded_record,
    fff,
    flir_jpeg,
    raw_record,
    with_segments,
)

Run = Callable[..., Any]
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif_of_pillow(orientation: int = 1) -> bytes:
    """An EXIF block as a program without ours writes it."""
    exif = Image.Exif()
    exif[271], exif[274] = "Camera works", orientation
    return exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.fixture
def photo(pictures: tuple[Path, Path]) -> Path:
    """A JPEG photograph with EXIF, XMP and a profile, beside infrared.png."""
    path = pictures[0].with_name("photo.jpg")
    samples = np.full((24, 32, 3), 90, np.uint8)
    exif = b"Exif\0\0" + exif_of_pillow()
    Image.fromarray(samples).save(path, exif=exif, xmp=XMP, icc_profile=PROFILE)
    return path


@pytest.mark.parametrize("format", ["png", "tiff"])
def test_a_jpeg_photograph_keeps_its_metadata(run: Run, photo: Path, format: str) -> None:
    assert run("encode", photo, "infrared.png", "-o", "pair.xb").code == 0
    outcome = run("decode", "pair.xb", "-o", ".", "--format", format)
    assert (outcome.code, outcome.err) == (0, "")
    written = Path(f"pair.visible.{format}")
    kept = read(written, Modality.VISIBLE).raster.metadata
    assert (kept.xmp, kept.icc) == (XMP, PROFILE)
    with Image.open(written) as picture:
        assert picture.getexif()[271] == "Camera works"
    if format == "png":
        assert kept.exif == exif_of_pillow()
    assert not read(Path(f"pair.infrared.{format}"), Modality.INFRARED).raster.metadata


@pytest.mark.parametrize("format", ["png", "webp"])
def test_png_and_webp_keep_theirs_byte_for_byte(run: Run, photo: Path, format: str) -> None:
    source = Path(f"source.{format}")
    write(read(photo, Modality.VISIBLE).raster, source, format=format)  # type: ignore[arg-type]
    assert run("encode", "--visible-only", source, "-o", "one.xb").code == 0
    assert run("decode", "one.xb", "-o", ".", "--format", format).code == 0
    assert read(Path(f"one.visible.{format}"), Modality.VISIBLE).raster.metadata == Metadata(
        exif_of_pillow(), XMP, PROFILE
    )


def test_tags_of_a_radiometric_tiff_come_back_in_a_tiff(run: Run) -> None:
    counts = np.arange(600, dtype=np.uint16).reshape(20, 30)
    tifffile.imwrite(
        "cold.tiff",
        counts,
        metadata=None,
        software="core 3",
        extratags=[(700, 1, 4, b"<x/>", True)],
    )
    assert run("encode", "--infrared-only", "cold.tiff", "-o", "cold.xb").code == 0
    assert run("decode", "cold.xb", "-o", ".", "--format", "tiff").code == 0
    with tifffile.TiffFile("cold.infrared.tiff") as file:
        tags = file.pages[0].tags
        assert (tags[305].value, tags[700].value) == ("core 3", b"<x/>")
        assert np.array_equal(file.pages[0].asarray(), counts)


def test_a_turned_photograph_is_not_turned_twice(run: Run) -> None:
    samples = np.zeros((24, 32, 3), np.uint8)
    Image.fromarray(samples).save("turned.jpg", exif=b"Exif\0\0" + exif_of_pillow(6))
    assert run("encode", "--visible-only", "turned.jpg", "-o", "turned.xb").code == 0
    assert run("decode", "turned.xb", "-o", ".").code == 0
    with Image.open("turned.visible.png") as picture:
        assert picture.size == (24, 32)
        assert picture.getexif()[274] == 1


def test_metadata_is_left_out_on_request(run: Run, photo: Path) -> None:
    run("encode", photo, "infrared.png", "-o", "with.xb")
    assert run("encode", photo, "infrared.png", "-o", "bare.xb", "--strip-metadata").code == 0
    bare, whole = Path("bare.xb").read_bytes(), Path("with.xb").read_bytes()
    assert unpack(bare).metadata == ()
    assert unpack(bare).records == unpack(whole).records
    assert len(whole) - len(bare) == run("info", "with.xb", "--json").json["metadata_bytes"]
    assert run("info", "bare.xb", "--json").json["metadata_bytes"] == 0


def test_info_lists_the_metadata(run: Run, photo: Path) -> None:
    run("encode", photo, "infrared.png", "-o", "pair.xb")
    assert "visible EXIF, visible XMP, visible ICC" in run("info", "pair.xb").out
    lines = run("info", "pair.xb", "--metadata").out.splitlines()
    assert f"XMP, {len(XMP)} bytes" in lines[-2]
    facts = run("info", "pair.xb", "--metadata", "--json").json["metadata"]
    assert [fact["kind"] for fact in facts] == ["EXIF", "XMP", "ICC"]
    assert facts[1]["sha256"] == hashlib.sha256(XMP).hexdigest()


def test_info_says_that_there_is_none(run: Run, coded: Path) -> None:
    assert run("info", coded, "--metadata").out.splitlines()[-1] == "  no metadata"
    assert run("info", coded, "--metadata", "--json").json["metadata"] == []


@pytest.fixture
def odd(storing_codec: Any) -> Path:
    """A file with metadata that no PNG can hold."""
    said = Metadata(xmp="<x/>".encode("utf-16"), calibration=b"R B F O")
    Path("odd.xb").write_bytes(
        storing_codec.encode(Pair(infrared=Raster(np.zeros((4, 4), np.uint16), metadata=said)))
    )
    return Path("odd.xb")


def test_what_the_format_cannot_hold_is_put_beside_and_said(run: Run, odd: Path) -> None:
    outcome = run("decode", odd, "-o", ".")
    assert outcome.code == 0
    assert Path("odd.infrared.xmp").read_bytes() == "<x/>".encode("utf-16")
    assert Path("odd.infrared.calibration").read_bytes() == b"R B F O"
    assert outcome.err.splitlines() == [
        "crossband: odd.infrared.png: png cannot hold its xmp metadata whole;"
        " it is in odd.infrared.xmp",
        "crossband: odd.infrared.png: png cannot hold its calibration metadata whole;"
        " it is in odd.infrared.calibration",
    ]
    told = run("decode", odd, "-o", ".", "--force", "--json").json["pictures"]["infrared"]
    assert told["sidecars"] == ["odd.infrared.xmp", "odd.infrared.calibration"]


def test_a_file_in_the_way_of_metadata_stops_everything(run: Run, odd: Path) -> None:
    Path("odd.infrared.xmp").write_bytes(b"mine")
    outcome = run("decode", odd, "-o", ".")
    assert outcome.code == 3
    assert "--force" in outcome.complaint
    assert not Path("odd.infrared.png").exists()
    assert Path("odd.infrared.xmp").read_bytes() == b"mine"


def test_standard_output_takes_the_picture_and_says_what_is_missing(run: Run, odd: Path) -> None:
    outcome = run("decode", odd, "-o", "-")
    assert outcome.code == 0
    picture = outcome.out.encode("utf-8", "surrogateescape")
    assert Image.open(io.BytesIO(picture)).size == (4, 4)
    assert [line.split(" metadata")[0] for line in outcome.err.splitlines()] == [
        "crossband: the xmp",
        "crossband: the calibration",
    ]


def test_too_much_metadata_is_refused_before_any_work(run: Run, photo: Path) -> None:
    huge = Metadata(xmp=b"x" * (1 << 24) + b"y")
    write(Raster(np.zeros((4, 4, 3), np.uint8), metadata=huge), "huge.tiff", format="tiff")
    outcome = run("encode", "--visible-only", "huge.tiff", "-o", "huge.xb")
    assert outcome.code == 3
    assert "16,777,217 bytes of metadata; at most 16,777,216" in outcome.complaint
    assert not Path("huge.xb").exists()
    assert (
        run("encode", "--visible-only", "huge.tiff", "-o", "huge.xb", "--strip-metadata").code == 0
    )


def test_a_radiometric_jpeg_becomes_a_pair_with_its_calibration(run: Run) -> None:
    counts = np.arange(7_000, 7_600, dtype=np.uint16).reshape(20, 30)
    visible = np.full((24, 32, 3), 90, np.uint8)
    camera = camera_record()
    records = (camera, raw_record(counts), embedded_record(visible), Record(PALETTE, b"iron"))
    Path("flir.jpg").write_bytes(flir_jpeg(fff(*records)))
    outcome = run("encode", "--radiometric", "flir.jpg", "-o", "pair.xb")
    assert (outcome.code, outcome.err) == (0, "")
    assert run("decode", "pair.xb", "-o", ".").code == 0
    infrared = read(Path("pair.infrared.png"), Modality.INFRARED).raster
    assert np.array_equal(infrared.samples, counts)
    assert Path("pair.infrared.calibration").read_bytes() == camera.payload
    assert Path("pair.visible.png").exists()


def test_a_radiometric_jpeg_is_named_alone(run: Run, pictures: tuple[Path, Path]) -> None:
    outcome = run("encode", *pictures, "--radiometric", "flir.jpg", "-o", "pair.xb")
    assert outcome.code == 2
    assert "give it alone" in outcome.complaint


def test_a_dji_jpeg_keeps_its_counts_and_what_its_maker_wrote(run: Run) -> None:
    counts = np.arange(18_000, 18_600, dtype=np.uint16).reshape(20, 30)
    Path("DJI_0001_T.JPG").write_bytes(dji_jpeg(counts))
    outcome = run("encode", "--radiometric", "DJI_0001_T.JPG", "--lossless", "-o", "a.xb")
    assert outcome.code == 0
    (line,) = [line for line in outcome.err.splitlines() if "temperatures" in line]
    assert line.endswith("temperatures are not available")
    kinds = [fact["kind"] for fact in run("info", "a.xb", "--metadata", "--json").json["metadata"]]
    assert kinds == ["EXIF", "CALIBRATION", "MAKER"]
    assert run("decode", "a.xb", "-o", ".", "--format", "tiff").code == 0
    assert np.array_equal(tifffile.imread("a.infrared.tiff"), counts)
    assert Path("a.infrared.calibration").read_bytes().startswith(b"\xff\xe4")
    assert Path("a.infrared.maker").read_bytes().startswith(b"\xff\xe6")
    words = ("--radiometric", "DJI_0001_T.JPG", "--strip-metadata")
    assert run("encode", *words, "-o", "b.xb").code == 0
    assert run("info", "b.xb", "--metadata", "--json").json["metadata"] == []


def test_too_much_of_a_maker_s_data_is_refused_before_any_work(run: Run) -> None:
    counts = np.zeros((4, 4), np.uint16)
    huge = [(7, bytes(65_000))] * 260
    Path("huge.jpg").write_bytes(with_segments(dji_jpeg(counts), huge))
    outcome = run("encode", "--radiometric", "huge.jpg", "-o", "huge.xb")
    assert outcome.code == 3
    assert "--strip-metadata" in outcome.err.splitlines()[-1]
    assert not Path("huge.xb").exists()
    words = ("--radiometric", "huge.jpg", "--strip-metadata", "-o", "huge.xb")
    assert run("encode", *words).code == 0


@pytest.mark.parametrize("only", ["visible", "infrared"])
def test_numpy_gets_the_samples_and_the_metadata_lies_beside(
    run: Run, photo: Path, only: str
) -> None:
    run("encode", photo, "infrared.png", "-o", "pair.xb")
    outcome = run("decode", "pair.xb", "-o", ".", "--format", "npy", "--only", only)
    assert outcome.code == 0
    run("decode", "pair.xb", "-o", ".", "--format", "tiff", "--only", only)
    samples = np.load(f"pair.{only}.npy", allow_pickle=False)
    assert np.array_equal(samples, tifffile.imread(f"pair.{only}.tiff"))
    assert samples.dtype == (np.uint8 if only == "visible" else np.uint16)
    if only == "visible":
        assert Path("pair.visible.xmp").read_bytes() == XMP
        assert Path("pair.visible.exif").read_bytes() == exif_of_pillow()
