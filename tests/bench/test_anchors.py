# SPDX-License-Identifier: Apache-2.0
"""Other codecs: their streams decode from bytes alone, and match the reference measurements."""

from __future__ import annotations

import csv
import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crossband import datasets
from crossband.bench import anchors, film_anchors
from crossband.bench.anchors import (
    Anchor,
    AnchorError,
    ExternalAnchor,
    Samples,
    jpeg2000,
    svtav1,
    vvenc,
    x265_420,
    ycbcr,
)
from crossband.bench.grids import qualities
from crossband.errors import InputError
from crossband.pair import Raster
from crossband.sources import read_pair

NAMES_IN_BASELINES = {
    "jpeg": "jpeg-420",
    "jpeg2000": "jpeg2000",
    "webp": "webp",
    "avif": "avif-aom-444-psnr-s4",
    "avif-default": "avif-aom-default",
    "jpegxl": "jxl-e7",
    "x265": "hevc-x265-444-10b",
    "x265-420": "hevc-x265-420-10b",
    "svtav1": "av1-svt-420-10b-p3",
    "vvenc": "vvc-vvenc-medium-420-10b",
}


@pytest.fixture(params=anchors.names())
def anchor(request: pytest.FixtureRequest) -> Anchor:
    found = anchors.find(request.param)
    if not found.available():
        pytest.skip(f"{found.name} is not installed: pip install crossband[bench]")
    return found


def picture(*shape: int) -> Samples:
    """Smooth shades with a bright square and a little noise."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    shades = 80 + 40 * np.sin(rows / 9) + 30 * np.cos(columns / 7)
    shades[shape[0] // 4 : shape[0] // 2, shape[1] // 4 : shape[1] // 2] += 60
    if len(shape) == 3:
        shades = shades[..., None] * np.array([1.0, 0.9, 0.7])
    noise = np.random.default_rng(1).normal(0, 2, shape)
    return np.clip(shades + noise, 0, 255).astype(np.uint8)


def psnr(first: Samples, second: Samples) -> float:
    return float(10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2)))


@pytest.mark.parametrize("shape", [(64, 80, 3), (65, 83, 3), (64, 80), (53, 47)])
def test_a_picture_of_any_size_comes_back_alike(anchor: Anchor, shape: tuple[int, ...]) -> None:
    samples = picture(*shape)
    stream = anchor.encode(samples, qualities(anchor.name)[3])
    decoded = anchor.decode(stream.data, shape)
    assert decoded.dtype == np.uint8
    assert decoded.shape == shape
    assert psnr(samples, decoded) > 22
    assert stream.settings and stream.pixel_format


def test_a_grid_goes_from_small_to_large(anchor: Anchor) -> None:
    samples = picture(64, 80, 3)
    sizes = [len(anchor.encode(samples, quality).data) for quality in qualities(anchor.name)[::2]]
    assert sizes == sorted(sizes)
    assert sizes[0] < 0.7 * sizes[-1]


def test_a_version_names_library_and_package(anchor: Anchor) -> None:
    assert sum(character.isdigit() for character in anchor.version()) >= 4
    assert "unknown" not in anchor.version()


def test_bytes_that_hold_no_picture_are_an_error(anchor: Anchor) -> None:
    with pytest.raises(AnchorError):
        anchor.decode(b"no picture at all, only text that goes on for a while", (64, 80, 3))


def test_an_unknown_anchor_is_told_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"no anchor is called bpg; allowed are jpeg, .*vvenc"):
        anchors.find("bpg")


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("RGB", r"shape \(8, 8, 3\); \(8, 8\) was coded"),
        ("I;16", "a PNG of Pillow's mode I;16; 8-bit gray or RGB is wanted"),
        ("L", r"shape \(8, 8\); \(8, 9\) was coded"),
        (None, "left no PNG"),
    ],
)
def test_two_commands_that_lose_a_picture_are_told(
    tmp_path: Path, mode: str | None, message: str
) -> None:
    other = tmp_path / "other.png"
    if mode is None:
        other.write_bytes(b"none")
    else:
        Image.new(mode, (8, 8)).save(other)
    encode, decode = "cp {input} {output} {quality}", f"sh -c 'cp {other} {{output}}' {{input}}"
    codec = ExternalAnchor("mine", encode, decode)
    with pytest.raises(AnchorError, match=message):
        codec.decode(b"coded", (8, 9) if mode == "L" else (8, 8))


def test_conversion_to_ten_bits_and_back_is_exact() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    planes = [ycbcr.round_plane(plane) for plane in ycbcr.from_rgb(colours)]
    assert np.array_equal(ycbcr.to_rgb(*planes), colours)
    shades = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(ycbcr.to_gray(ycbcr.round_plane(ycbcr.from_gray(shades))), shades)


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 10, 3), (8, 8), (9, 3)])
def test_halved_planes_come_back_at_the_pictures_size(shape: tuple[int, ...]) -> None:
    flat = np.full(shape, 90, np.uint8)
    planes = ycbcr.halved_planes(flat, align=4)
    height, width = planes[0].shape
    assert (height % 4, width % 4) == (0, 0)
    assert [plane.shape for plane in planes[1:]] == [(height // 2, width // 2)] * 2
    assert np.array_equal(ycbcr.from_halved_planes(planes, shape), flat)


def test_a_picture_below_the_encoders_smallest_comes_back() -> None:
    if not svtav1.available():
        pytest.skip("svtav1 is not installed: pip install crossband[bench]")
    samples = picture(5, 9, 3)
    decoded = svtav1.decode(svtav1.encode(samples, 20).data, samples.shape)
    assert psnr(samples, decoded) > 25


def test_finer_chroma_needs_more_bytes_and_gives_better_colour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not x265_420.available():
        pytest.skip("x265 is not installed: pip install crossband[bench]")
    samples = picture(64, 80, 3)
    fine = x265_420.encode(samples, 33)
    assert "cbqpoffs=-6" in fine.settings
    monkeypatch.setattr(x265_420, "CHROMA", "")
    coarse = x265_420.encode(samples, 33)
    assert len(fine.data) > len(coarse.data)
    fine_psnr, coarse_psnr = (
        psnr(samples, x265_420.decode(each.data, samples.shape)) for each in (fine, coarse)
    )
    assert fine_psnr > coarse_psnr


@pytest.mark.parametrize(
    ("name", "container", "colour", "gray"),
    [
        ("x265", "hevc", "yuv444p10le", "gray10le"),
        ("x265-420", "hevc", "yuv420p10le", "gray10le"),
        ("svtav1", "obu", "yuv420p10le", "yuv420p10le"),
        ("avif", "mov", "yuv444p", "gray"),
        ("avif-default", "mov", "yuv420p", "gray"),
        ("vvenc", "vvc", "yuv420p10le", "yuv420p10le"),
    ],
)
def test_a_stream_has_the_samples_that_its_name_says(
    name: str, container: str, colour: str, gray: str
) -> None:
    if not anchors.find(name).available():
        pytest.skip(f"{name} is not installed: pip install crossband[bench]")
    import av

    for shape, expected in (((64, 80, 3), colour), ((64, 80), gray)):
        stream = anchors.find(name).encode(picture(*shape), qualities(name)[3])
        with av.open(io.BytesIO(stream.data), format=container) as file:
            assert next(file.decode(video=0)).format.name == expected
        assert stream.pixel_format == expected.removesuffix("le")


def test_jpeg_2000_has_the_colour_transform_and_the_9_7_wavelet() -> None:
    if not jpeg2000.available():
        pytest.skip("this Pillow has no JPEG 2000")
    for shape, transform in (((64, 80, 3), 1), ((64, 80), 0)):
        data = jpeg2000.encode(picture(*shape), 3).data
        # COD of ISO/IEC 15444-1, A.6.1: length, style, progression, layers, transform, ..., wavelet
        begin = data.index(b"\xff\x52") + 2
        assert (data[begin + 6], data[begin + 11]) == (transform, 0)


@pytest.mark.parametrize("name", [*anchors.names(), *film_anchors.ANCHORS])
def test_every_codec_has_the_same_five_names(name: str) -> None:
    of = (anchors if name in anchors.names() else film_anchors).find(name)
    assert of.name == name
    assert isinstance(of.available(), bool)
    assert all(callable(getattr(of, each)) for each in ("version", "encode", "decode"))


def test_vvenc_is_skipped_where_ffmpeg_or_its_package_lacks_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for absent in (lambda name: None, lambda name: True):
        monkeypatch.setattr(vvenc, "find_spec", absent)
        monkeypatch.setattr(
            vvenc, "_ffmpeg", lambda words: subprocess.CompletedProcess(words, 0, b" V libx265")
        )
        vvenc._ffmpeg_has_vvenc.cache_clear()
        try:
            assert not vvenc.available()
        finally:
            vvenc._ffmpeg_has_vvenc.cache_clear()


def test_gray_has_flat_chroma() -> None:
    gray = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    for plane in ycbcr.from_rgb(gray)[1:]:
        assert (ycbcr.round_plane(plane) == ycbcr.MIDDLE).all()


def test_an_anchor_repeats_the_reference_measurement(
    anchor: Anchor, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What we set better than the reference measurements did
    monkeypatch.setattr(svtav1, "PRESET", 3)
    monkeypatch.setattr(x265_420, "CHROMA", "")
    baselines = shared_data.parent / "baselines.csv"
    if not baselines.is_file():
        pytest.skip(f"no reference measurements in {baselines.parent}")
    step, name = 3, "FLIR_09350"
    with baselines.open(encoding="utf-8", newline="") as file:
        (row,) = (
            row
            for row in csv.DictReader(file)
            if row["codec"] == NAMES_IN_BASELINES[anchor.name]
            and (row["dataset"], row["image"]) == ("roadscene", f"{name}.jpg")
            and row["q_index"] == str(step)
        )
    (path,) = (pair for pair in datasets.find("roadscene").pairs(shared_data) if pair.name == name)
    pair = read_pair(path.visible, path.infrared).pair
    # Infrared of VVenC: flat chroma, which costs some bytes, was made otherwise there.
    for raster, short in ((pair.visible, "vis"), (pair.infrared, "ir")):
        assert isinstance(raster, Raster)
        stream = anchor.encode(raster.samples.astype(np.uint8), qualities(anchor.name)[step])
        decoded = anchor.decode(stream.data, raster.samples.shape)
        assert len(stream.data) == pytest.approx(int(row[f"bytes_{short}"]), rel=0.02)
        assert psnr(raster.samples, decoded) == pytest.approx(float(row[f"psnr_{short}"]), abs=0.1)
