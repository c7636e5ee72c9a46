# SPDX-License-Identifier: Apache-2.0
"""`--max-error-kelvin`, `compare` in kelvin, and a radiometric JPEG there and back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossband import Modality, Raster
from crossband.sources import calibration_of, read, read_radiometric, write
from crossband.sources.directories import Entry, pack_block, read_directory
from crossband.testing import synthetic_pair
from crossband.testing.radiometric import (
    GPS,
    PALETTE,
    Record,
    camera_record,
    dji_jpeg,
    embedded_record,
    fff,
    flir_jpeg,
    raw_record,
)

Run = Callable[..., Any]
GPS_TAG = 34853
SCENE = synthetic_pair(visible=(48, 64), infrared=(30, 40), infrared_bit_depth=14, seed=4)
assert SCENE.infrared is not None and SCENE.visible is not None
COUNTS = (14_000 + SCENE.infrared.samples // 4).astype(np.uint16)


def exif() -> bytes:
    """Make, and a GPS directory with a position."""
    place = (
        Entry(1, 2, 2, b"N\0"),
        Entry(2, 5, 3, np.array([48, 1, 12, 1, 2999, 100], "<u4").tobytes()),
    )
    block = pack_block([Entry(271, 2, 5, b"FLIR\0"), Entry(GPS_TAG, 4, 1, b"", place)], order="<")
    return b"Exif\0\0" + block


@pytest.fixture
def radiometric(run: Run) -> Path:
    """A FLIR radiometric JPEG with calibration, GPS and a visible picture."""
    records = (
        camera_record(),
        raw_record(COUNTS),
        embedded_record(SCENE.visible.samples),
        Record(PALETTE, b"iron"),
        Record(GPS, bytes(range(90))),
    )
    Path("FLIR0042.jpg").write_bytes(flir_jpeg(fff(*records), exif=exif()))
    return Path("FLIR0042.jpg")


def gps_of(block: bytes) -> dict[int, bytes]:
    """Values of the GPS directory of an EXIF block or TIFF file."""
    (entry,) = (each for each in read_directory(block).entries if each.code == GPS_TAG)
    return {each.code: each.value for each in entry.below or ()}


@pytest.mark.parametrize("bound", [0.05, 0.5])
def test_a_radiometric_jpeg_there_and_back(run: Run, radiometric: Path, bound: float) -> None:
    words = ("--radiometric", radiometric, "--max-error-kelvin", bound, "-o", "pair.xb")
    assert run("encode", *words).code == 0
    decoded = run("decode", "pair.xb", "-o", ".", "--format", "tiff", "--visible-format", "jpeg")
    assert decoded.code == 0
    source = read_radiometric(radiometric).pair.infrared
    assert source is not None
    back = read(Path("pair.infrared.tiff"), Modality.INFRARED).raster
    calibration = calibration_of(source.metadata)
    assert calibration is not None
    off = calibration.kelvin(back.samples) - calibration.kelvin(source.samples)
    assert 0 < np.abs(off).max() <= bound
    assert Path("pair.infrared.calibration").read_bytes() == source.metadata.calibration
    assert Path("pair.infrared.calibration").read_bytes() == camera_record().payload
    assert Path("pair.infrared.maker").read_bytes() == source.metadata.maker
    assert gps_of(Path("pair.infrared.tiff").read_bytes()) == gps_of(exif()[6:])
    with Image.open("pair.visible.jpeg") as picture:
        assert (picture.format, picture.size) == ("JPEG", (64, 48))


def test_the_bound_is_in_the_note_in_info_and_in_json(run: Run, radiometric: Path) -> None:
    words = ("--radiometric", radiometric, "--max-error-kelvin", 0.2, "-o", "a.xb", "--json")
    made = run("encode", *words)
    picture = made.json["pictures"][0]
    assert 0 < picture["max_error_kelvin"] <= 0.2
    counts = picture["max_error"]
    assert f"--max-error-kelvin 0.2 is a bound of {counts} counts" in made.complaint
    assert f"within {counts} counts, {picture['max_error_kelvin']:.3g} K" in run("info", "a.xb").out


def test_compare_takes_the_counts_of_the_jpeg_and_tells_kelvin(run: Run, radiometric: Path) -> None:
    run("encode", "--radiometric", radiometric, "--max-error-kelvin", 0.2, "-o", "a.xb")
    run("decode", "a.xb", "-o", ".", "--format", "tiff")
    facts = run("compare", radiometric, "a.infrared.tiff", "--json").json
    error = facts["error_kelvin"]
    assert 0 < error["mean"] <= error["percentile_95"] <= error["largest"] <= 0.2
    assert 0 < facts["error_counts"]["largest"] < 40
    lines = run("compare", "a.infrared.tiff", radiometric).out.splitlines()
    assert lines[-1].endswith(f"largest {error['largest']:.4f} K")
    data = radiometric.read_bytes()
    again = run("compare", "-", "a.infrared.tiff", "--json", stdin=data).json
    assert again["error_kelvin"] == error


def test_compare_finds_the_calibration_beside_a_decoded_picture(
    run: Run, radiometric: Path
) -> None:
    run("encode", "--radiometric", radiometric, "--max-error", 5, "-o", "a.xb")
    run("decode", "a.xb", "-o", ".")
    write(Raster(COUNTS), "counts.png")
    facts = run("compare", "counts.png", "a.infrared.png", "--json").json
    assert facts["error_kelvin"]["largest"] > 0
    write(Raster(COUNTS), "other.png")
    assert run("compare", "counts.png", "other.png", "--json").json["error_kelvin"] is None


def test_linear_counts_have_their_calibration_on_the_command_line(run: Run) -> None:
    write(Raster(COUNTS), "counts.tiff", format="tiff")
    linear = ("--kelvin-per-count", 0.04)
    words = ("--infrared-only", "counts.tiff", "--max-error-kelvin", 0.1, *linear)
    made = run("encode", *words, "-o", "a.xb", "--json")
    assert made.json["pictures"][0]["max_error"] == 2
    run("decode", "a.xb", "-o", ".", "--format", "tiff")
    facts = run("compare", "counts.tiff", "a.infrared.tiff", *linear, "--json").json
    assert facts["error_kelvin"]["largest"] == pytest.approx(0.08)


def test_a_bound_below_one_count_is_lossless_and_said_so(run: Run, radiometric: Path) -> None:
    words = ("--radiometric", radiometric, "--max-error-kelvin", 0.001, "-o", "a.xb")
    made = run("encode", *words)
    assert "below one count" in made.complaint and "coded lossless" in made.complaint
    assert "lossless" in run("info", "a.xb").out


def test_without_metadata_the_bound_still_rests_on_the_calibration(
    run: Run, radiometric: Path
) -> None:
    words = ("--radiometric", radiometric, "--max-error-kelvin", 0.2, "--strip-metadata")
    assert run("encode", *words, "-o", "a.xb").code == 0
    facts = run("info", "a.xb", "--json").json
    assert facts["metadata_bytes"] == 0
    assert facts["pictures"][0]["max_error"] > 0
    assert facts["pictures"][0]["max_error_kelvin"] is None


def test_a_kelvin_bound_without_calibration_is_one_line(run: Run) -> None:
    write(Raster(COUNTS), "counts.png")
    words = ("--infrared-only", "counts.png", "--max-error-kelvin", 0.1, "-o", "a.xb")
    outcome = run("encode", *words)
    assert outcome.code == 3
    assert "has no calibration; give kelvin_per_count (--kelvin-per-count)" in outcome.complaint
    assert not Path("a.xb").exists()


def test_a_kelvin_bound_with_dji_s_calibration_is_one_line(run: Run) -> None:
    Path("DJI_0001_T.JPG").write_bytes(dji_jpeg(COUNTS))
    words = ("--radiometric", "DJI_0001_T.JPG", "--max-error-kelvin", 0.1, "-o", "a.xb")
    outcome = run("encode", *words)
    assert outcome.code == 3
    assert "not known (only FLIR's is)" in outcome.complaint
    assert run("encode", *words, "--kelvin-per-count", 0.0156).code == 0


def test_a_dead_pixel_without_temperature_is_one_line(run: Run) -> None:
    counts = COUNTS.copy()
    counts[3, 3] = 0
    Path("dead.jpg").write_bytes(flir_jpeg(fff(camera_record(), raw_record(counts))))
    outcome = run("encode", "--radiometric", "dead.jpg", "--max-error-kelvin", 1, "-o", "a.xb")
    assert outcome.code == 3
    assert "gives 0 no temperature" in outcome.complaint
    assert not Path("a.xb").exists()


def test_two_calibrations_are_one_line(run: Run, radiometric: Path) -> None:
    words = ("--max-error-kelvin", 1, "--kelvin-per-count", 1)
    outcome = run("encode", "--radiometric", radiometric, "-o", "a.xb", *words)
    assert outcome.code == 3
    assert "has a calibration of its own; leave kelvin_per_count out" in outcome.complaint
    assert not Path("a.xb").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--max-error-kelvin", 1, "--max-error", 2), "a bound of its own"),
        (("--max-error-kelvin", 1, "--lossless"), "a bound of its own"),
        (("--max-error-kelvin", 0), "--max-error-kelvin is 0"),
        (("--max-error-kelvin", "nan"), "--max-error-kelvin is nan"),
        (("--max-error-kelvin", 1, "--target-bytes", 900), "contradict"),
        (("--max-error-kelvin", 1, "--order", "auto"), "always first"),
        (("--max-error-kelvin", 1, "--kelvin-per-count", -1), "--kelvin-per-count is -1"),
        (("--kelvin-per-count", 1), "give both or neither"),
    ],
)
def test_words_that_do_not_fit_together_are_refused(
    run: Run, radiometric: Path, words: tuple[Any, ...], complaint: str
) -> None:
    outcome = run("encode", "--radiometric", radiometric, "-o", "a.xb", *words)
    assert outcome.code == 2
    assert complaint in outcome.complaint
    assert not Path("a.xb").exists()
