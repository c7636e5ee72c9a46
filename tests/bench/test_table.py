# SPDX-License-Identifier: Apache-2.0
"""Tables: what is averaged, what is left out, and the reference figures from the reference rows."""

from __future__ import annotations

import contextlib
import csv
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

pytest.importorskip("bjontegaard", reason="BD-rates need bjontegaard: pip install crossband[bench]")

from crossband.bench.rows import Row, RowFile, read_rows
from crossband.bench.table import (
    Interval,
    average,
    points_markdown,
    table,
    table_markdown,
    with_intervals,
)
from crossband.errors import InputError
from crossband.pair import Modality


def row(codec: str = "a", image: str = "1", quality: float = 1, **changes: object) -> Row:
    plain = Row(
        dataset="set",
        image=image,
        input="0123456789abcdef",
        codec=codec,
        version="1",
        settings="",
        pixel_format="",
        quality=quality,
        pixels_visible=1000,
        pixels_infrared=1000,
        bytes_visible=int(20 * 2**quality),
        bytes_infrared=int(10 * 2**quality),
        bpp=0.24 * 2**quality,
        psnr_visible=28.0 + 3 * quality,
        psnr_infrared=26.0 + 3 * quality,
        msssim_visible=0.9,
        msssim_infrared=None,
        encode_s=0.5,
        decode_s=0.25,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def rows(codec: str, *, factor: float = 1, images: str = "12") -> list[Row]:
    return [
        row(codec, image, quality, bytes_visible=int(factor * 1000 * 2**quality))
        for image in images
        for quality in (1.0, 2.0, 3.0, 4.0)
    ]


def test_a_codec_of_half_the_bytes_stands_at_minus_fifty() -> None:
    lines = table(average(rows("a") + rows("b", factor=0.5)), reference="a")
    (line,) = (line for line in lines if line.codec == "b")
    assert line.visible == pytest.approx(-50, abs=0.01)
    assert line.infrared == pytest.approx(0, abs=0.01)
    assert line.pair is not None and -50 < line.pair < -20
    assert "| set | 2 | b | -50.0 % | +0.0 % |" in table_markdown(lines, reference="a")


def test_only_pictures_that_every_codec_has_whole_count() -> None:
    partial = [*rows("b", images="12"), row("b", "3", 1.0)]
    averages = average(rows("a", images="123") + partial)
    assert {each.images for each in averages} == {2}


def test_no_common_picture_is_an_error() -> None:
    with pytest.raises(InputError, match="no picture has a row of every codec"):
        average(rows("a", images="1") + rows("b", images="2"))


def test_a_missing_reference_is_an_error() -> None:
    with pytest.raises(InputError, match="has no rows of x265, only of a"):
        table(average(rows("a")), reference="x265")


def test_of_two_versions_the_last_counts() -> None:
    newer = [replace(each, version="2", bytes_visible=77) for each in rows("a")]
    (found,) = average(rows("a") + newer)
    assert found.version == "2"
    assert {point.bpp_visible for point in found.points} == {77 * 8 / 1000}


def test_a_missing_modality_is_not_available_rather_than_zero() -> None:
    alone = [
        replace(each, bytes_visible=None, psnr_visible=None, msssim_visible=None)
        for each in rows("a") + rows("b")
    ]
    averages = average(alone)
    (line, _) = table(averages, reference="a")
    assert (line.visible, line.pair) == (None, None)
    assert line.infrared == pytest.approx(0, abs=1e-9)
    assert "| n/a | n/a | n/a |" in points_markdown(averages)


def test_pairs_without_a_common_modality_are_told_rather_than_averaged() -> None:
    mixed = [
        *rows("a", images="1"),
        *(replace(each, psnr_infrared=None, bytes_infrared=None) for each in rows("a", images="2")),
    ]
    (both,) = average(mixed)
    assert both.curve(Modality.INFRARED) is None and both.curve(Modality.VISIBLE) is not None
    mixed = [
        replace(each, psnr_visible=None, bytes_visible=None) if each.image == "1" else each
        for each in mixed
    ]
    with pytest.raises(InputError, match="set: some pairs have only a visible picture and others"):
        average(mixed)


def test_a_codec_of_one_point_is_in_the_table_without_a_bd_rate() -> None:
    found = rows("a") + [each for each in rows("b") if each.quality == 2]
    lines = table(average(found), reference="a")
    assert "| set | 2 | b | n/a | n/a | n/a |" in table_markdown(lines, reference="a")
    assert with_intervals(lines, found, reference="a", resamples=3)[1] == lines[1]
    lines = table(average(found), reference="b", psnr_range=(28, 37))
    assert {line.pair for line in lines} == {None}


def test_small_pictures_have_ssim_by_its_name() -> None:
    small = [
        replace(each, msssim_visible=None, ssim_visible=0.75, ssim_infrared=0.5)
        for each in rows("a")
    ]
    assert "| 0.7500 (SSIM) | " in points_markdown(average(small))
    assert points_markdown(average(small)).count("| 0.5000 (SSIM) |\n") == 4
    # Some have MS-SSIM and some SSIM: the two have no common mean.
    (mixed,) = average([*rows("a", images="1"), *(each for each in small if each.image == "2")])
    assert {(point.msssim_visible, point.ssim_visible) for point in mixed.points} == {(None, None)}


def test_rows_from_before_ssim_are_read(tmp_path: Path) -> None:
    older = asdict(row())
    assert older.pop("ssim_visible") is older.pop("ssim_infrared") is None
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(older) + "\n")
    assert read_rows(path) == [row()]
    older.pop("encode_s")
    path.write_text(json.dumps(older) + "\n")
    with pytest.raises(InputError, match=r"line 1 is damaged .*encode_s is missing or unknown"):
        read_rows(path)


def test_seconds_beside_other_jobs_are_not_available() -> None:
    untimed = [*rows("a"), *(replace(each, encode_s=None, decode_s=None) for each in rows("b"))]
    text = table_markdown(table(average(untimed), reference="a"), reference="a")
    assert text.endswith("| +0.0 % | n/a | n/a | n/a |\n")


def test_the_peak_is_the_largest_of_all_rows() -> None:
    measured = [
        replace(each, encode_peak_bytes=place << 20, decode_peak_bytes=7 << 20)
        for place, each in enumerate(rows("a"), 6)
    ]
    (line,) = table(average(measured), reference="a")
    assert line.peak_bytes == (5 + len(measured)) << 20
    text = table_markdown([line], reference="b")
    assert text.endswith(f" {5 + len(measured)} |\n")


def test_a_point_that_was_measured_again_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    (first, *others) = rows("a")
    with contextlib.closing(RowFile(path)) as file:
        for row in (first, *others, replace(first, encode_s=9.0)):
            file.add(row)
    read = read_rows(path)
    assert len(read) == 1 + len(others)
    assert read[-1].encode_s == 9.0


def spread(codec: str, factors: list[float]) -> list[Row]:
    """One picture for each factor of the visible bytes."""
    return [
        each
        for image, factor in enumerate(factors)
        for each in rows(codec, factor=factor, images=str(image))
    ]


def test_intervals_are_those_of_resampled_pictures() -> None:
    # Two pictures with 0.4 and 0.8 of the bytes: of the four resamples one has 0.4 alone, two have
    # both, one has 0.8 alone.
    found = spread("a", [1, 1]) + spread("b", [0.4, 0.8])
    lines = table(average(found), reference="a")
    reference, line = with_intervals(lines, found, reference="a", resamples=20)
    assert line.visible == pytest.approx(-40, abs=0.1)
    assert line.visible_interval == Interval(
        pytest.approx(-60, abs=0.1), pytest.approx(-20, abs=0.1)
    )
    # Both codecs come from the same resample: equal curves never differ.
    assert line.infrared_interval == Interval(pytest.approx(0), pytest.approx(0))
    assert reference.pair_interval == Interval(pytest.approx(0), pytest.approx(0))
    assert "| -40.0 % [-60.0, -20.0] | +0.0 % [" in table_markdown([line], reference="a")
    again = with_intervals(lines, found, reference="a", resamples=20)
    assert again == [reference, line]


def test_pictures_that_gain_alike_have_a_narrow_interval() -> None:
    # Pictures differ tenfold in bytes, the gain does not: unlike resamples would show the former.
    found = spread("a", [1, 10, 3]) + spread("b", [0.5, 5, 1.5])
    lines = table(average(found), reference="a")
    line = with_intervals(lines, found, reference="a", resamples=20)[1]
    assert line.visible_interval == Interval(
        pytest.approx(-50, abs=0.1), pytest.approx(-50, abs=0.1)
    )


def test_one_picture_has_no_interval() -> None:
    found = rows("a", images="1") + rows("b", images="1", factor=0.5)
    lines = table(average(found), reference="a")
    assert with_intervals(lines, found, reference="a", resamples=20) == lines


def test_an_interval_is_not_available_where_a_resample_has_no_bd_rate() -> None:
    # Picture 0 of b lies above all of a.
    found = spread("a", [1, 1]) + [
        replace(each, psnr_visible=(each.psnr_visible or 0) + (20 if each.image == "0" else 0))
        for each in spread("b", [1, 1])
    ]
    lines = table(average(found), reference="a")
    line = with_intervals(lines, found, reference="a", resamples=10)[1]
    assert line.visible_interval is None
    assert line.infrared_interval is not None


REFERENCE_FIGURES = {
    "hevc-x265-444-10b": (14.7, 17.4),
    "av1-svt-420-10b-p3": (15.2, 15.2),
    "avif-aom-444-psnr-s4": (22.3, 22.3),
    "avif-aom-default": (41.1, 40.3),
    "jpeg2000": (44.1, 52.2),
    "webp": (82.0, 79.7),
    "jxl-e7": (105.8, 85.4),
}
"""BD-rates against VVenC medium on 17 RoadScene pairs, in percent, as they were published."""


def test_the_reference_rows_give_the_reference_figures(shared_data: Path) -> None:
    baselines = shared_data.parent / "baselines.csv"
    if not baselines.is_file():
        pytest.skip(f"no reference measurements in {baselines.parent}")
    anchor = "vvc-vvenc-medium-420-10b"
    with baselines.open(encoding="utf-8", newline="") as file:
        found = [
            row(
                each["codec"],
                each["image"],
                float(each["q"]),
                pixels_visible=int(each["pixels"]),
                pixels_infrared=int(each["pixels"]),
                bytes_visible=int(each["bytes_vis"]),
                bytes_infrared=int(each["bytes_ir"]),
                psnr_visible=float(each["psnr_vis"]),
                psnr_infrared=float(each["psnr_ir"]),
            )
            for each in csv.DictReader(file)
            if each["dataset"] == "roadscene" and each["codec"] in {*REFERENCE_FIGURES, anchor}
        ]
    # Their range of 28 to 37 dB was kept by leaving out qualities, not by cutting curves.
    lines = table(average(found, steps_db=(28, 39)), reference=anchor)
    for line in lines:
        if line.codec != anchor:
            visible, infrared = REFERENCE_FIGURES[line.codec]
            assert line.images == 17
            assert line.visible == pytest.approx(visible, abs=0.1)
            assert line.infrared == pytest.approx(infrared, abs=0.8)
