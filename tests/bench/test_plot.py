# SPDX-License-Identifier: Apache-2.0
"""Plots: exactly the curves and points that the rows have, readable in either mode."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("bjontegaard", reason="needs bjontegaard: pip install crossband[bench]")
pytest.importorskip("matplotlib", reason="needs matplotlib: pip install crossband[bench]")

from crossband.bench.drawing import COLOURS, draw, standalone
from crossband.bench.findings import find
from crossband.bench.plots import Plot, plots
from crossband.bench.rows import Row, RowFile
from crossband.cli import main
from crossband.errors import OutputError

Measured = Callable[..., list[Row]]
Drawn = Callable[[str], dict[str, list[Any]]]
SVG = "{http://www.w3.org/2000/svg}"


def plots_of(rows: list[Row], reference: str = "x265") -> dict[str, Plot]:
    made = plots(find(rows, reference=reference), sort_by="crossband")
    return {plot.name: plot for plot in made}


@pytest.fixture
def street(measured: Measured) -> dict[str, Plot]:
    return plots_of(measured("x265") + measured("crossband", factor=2))


def test_a_set_has_a_plot_of_each_measure_of_each_picture(street: dict[str, Plot]) -> None:
    assert list(street) == [
        "street-visible-psnr",
        "street-infrared-psnr",
        "street-visible-ms-ssim",
        "street-infrared-ms-ssim",
        "street-pair-psnr",
        "street-pair-ms-ssim",
        "street-encode-time",
        "street-decode-time",
        "street-visible-pictures",
        "street-infrared-pictures",
        "street-pair-pictures",
    ]


def test_a_curve_has_the_mean_of_the_rows_at_each_quality(street: dict[str, Plot]) -> None:
    (_, ours) = street["street-visible-psnr"].series
    assert ours.codec == "crossband"
    for mark, quality in zip(ours.marks, (1, 2, 3, 4), strict=True):
        bytes_of_both = [2000 * 2**quality, 2200 * 2**quality]
        assert mark.x == pytest.approx(8 * sum(bytes_of_both) / 2 / 100_000)
        assert mark.y == pytest.approx(28 + 3 * quality)
        assert mark.name == f"quality {quality}"
    (_, structure) = street["street-infrared-ms-ssim"].series
    assert [mark.y for mark in structure.marks] == pytest.approx([0.9, 0.95, 0.975, 0.9875])


def test_the_pair_by_ms_ssim_has_both_pictures_bits_and_mean(street: dict[str, Plot]) -> None:
    (_, ours) = street["street-pair-ms-ssim"].series
    # The smallest files of both pictures: MS-SSIM 0.95 and 0.9.
    bytes_of_both = (2000 + 2200) * 2 / 2
    rate_bpp = 8 * bytes_of_both / 100_000 + 8 * bytes_of_both / 2 / 80_000
    assert ours.marks[0].x == pytest.approx(rate_bpp)
    assert ours.marks[0].y == pytest.approx((-10 * math.log10(0.05) + 10) / 2)


def test_a_codec_of_twice_the_bytes_loses_a_hundred_percent_on_every_picture(
    street: dict[str, Plot],
) -> None:
    for column in ("visible", "infrared", "pair"):
        plot = street[f"street-{column}-pictures"]
        (series,) = plot.series  # the reference loses nothing and is not shown
        assert series.codec == "crossband"
        assert sorted(mark.name for mark in series.marks) == ["a", "b"]
        assert [mark.x for mark in series.marks] == pytest.approx([100, 100], abs=0.1)
        assert [plot.y.names[round(mark.y)] for mark in series.marks] == [
            mark.name for mark in series.marks
        ]


def test_the_worst_picture_is_on_top(measured: Measured) -> None:
    dear = measured("crossband", images=("a",), factor=3)
    cheap = measured("crossband", images=("b",), factor=0.5)
    plot = plots_of(measured("x265") + dear + cheap)["street-pair-pictures"]
    assert plot.y.names[-1] == "a"


def test_time_stands_against_the_bd_rate_of_the_pair(street: dict[str, Plot]) -> None:
    points = {
        series.codec: [(mark.x, mark.y) for mark in series.marks]
        for series in street["street-decode-time"].series
    }
    assert points["x265"] == [pytest.approx((0.125, 0), abs=1e-6)]
    assert points["crossband"] == [pytest.approx((0.25, 100), abs=0.1)]


def test_the_best_split_is_drawn_from_end_to_end(measured: Measured) -> None:
    rows = measured("x265")
    (series,) = plots_of(rows)["street-pair-psnr"].series
    (codec,) = find(rows, reference="x265").sets[0].averages
    curve = codec.pair_curve()
    assert curve is not None
    on_curve = set(zip(curve.rate_bpp, curve.psnr_db, strict=True))
    assert {(mark.x, mark.y) for mark in series.marks} <= on_curve
    ends = (series.marks[0], series.marks[-1])
    assert [mark.y for mark in ends] == [curve.psnr_db[0], curve.psnr_db[-1]]


def test_every_point_is_drawn_with_its_values_and_at_its_place(
    street: dict[str, Plot], drawn_points: Drawn
) -> None:
    scales: dict[str, Callable[[float], float]] = {
        "log": math.log,
        "ms-ssim": lambda value: math.log(1 - value),
    }
    for plot in street.values():
        found = drawn_points(draw(plot))
        assert list(found) == [series.codec for series in plot.series]
        for series in plot.series:
            values = [(point.x, point.y) for point in found[series.codec]]
            wanted = [(mark.x, mark.y) for mark in series.marks]
            assert np.array(values) == pytest.approx(np.array(wanted), rel=1e-5)
        # One straight rule a direction leads from values to places, for all series of a plot.
        points = [point for of_codec in found.values() for point in of_codec]
        for direction, axis in enumerate((plot.x, plot.y)):
            scale = scales.get(axis.scale, float)
            scaled = [scale((point.x, point.y)[direction]) for point in points]
            places = [point.at[direction] for point in points]
            if max(scaled) - min(scaled) < 1e-3:
                continue
            slope, offset = np.polyfit(scaled, places, 1)
            assert places == pytest.approx(slope * np.array(scaled) + offset, abs=0.1)


def test_a_curve_of_one_point_is_a_point_without_a_bd_rate(
    measured: Measured, drawn_points: Drawn
) -> None:
    made = plots_of(measured("x265") + measured("crossband", qualities=(2.0,)))
    assert len(drawn_points(draw(made["street-visible-psnr"]))["crossband"]) == 1
    assert len(drawn_points(draw(made["street-pair-psnr"]))["crossband"]) == 1
    assert [series.codec for series in made["street-encode-time"].series] == ["x265"]
    assert "street-pair-pictures" not in made


def test_one_codec_of_one_point_alone_is_drawn(measured: Measured, drawn_points: Drawn) -> None:
    made = plots_of(measured("x265", qualities=(2.0,), images=("a",)))
    for name in ("street-visible-psnr", "street-visible-ms-ssim"):
        assert len(drawn_points(draw(made[name]))["x265"]) == 1


def test_a_set_without_infrared_has_visible_plots_only(measured: Measured) -> None:
    rows = measured("x265", infrared=False) + measured("crossband", factor=2, infrared=False)
    made = plots_of(rows)
    assert not [name for name in made if "infrared" in name or "pair" in name]
    assert {"street-visible-psnr", "street-encode-time", "street-visible-pictures"} <= set(made)


def test_without_ms_ssim_there_is_no_such_plot(measured: Measured) -> None:
    assert not [name for name in plots_of(measured("x265", ms_ssim=False)) if "ms-ssim" in name]


def test_small_pictures_have_plots_of_ssim_that_are_named_so(
    measured: Measured, drawn_points: Drawn
) -> None:
    made = plots_of(measured("x265", ms_ssim=False, ssim=True))
    assert not [name for name in made if name.endswith("ms-ssim")]
    plot = made["street-visible-ssim"]
    assert (plot.y.label, plot.title) == ("SSIM", "street, visible: SSIM")
    svg = draw(plot)
    assert [point.y for point in drawn_points(svg)["x265"]] == pytest.approx(
        [0.975, 0.9875, 0.99375, 0.996875], abs=1e-6
    )
    assert "MS-SSIM" not in svg
    assert ", SSIM 0.9750<" in svg


def test_names_of_sets_make_safe_and_different_file_names(measured: Measured) -> None:
    rows = [
        row for name in ("../../etc", "etc", "$^{x", "…") for row in measured("x265", dataset=name)
    ]
    made = plots(find(rows, reference="x265"), sort_by="x265")
    assert len({plot.name for plot in made}) == len(made) == 4 * 8
    for plot in made:
        assert re.fullmatch(r"[a-z0-9-]+", plot.name)
    assert "$^{x" in draw(next(plot for plot in made if plot.dataset == "$^{x"))


def test_codecs_differ_without_colour(measured: Measured) -> None:
    names = [f"codec{number}" for number in range(12)]
    rows = [row for name in names for row in measured(name, images=("a",))]
    root = ElementTree.fromstring(draw(plots_of(rows, names[0])["street-visible-psnr"]))
    looks = set()
    for group in root.iter(f"{SVG}g"):
        if "data-codec" in group.attrib:
            (marker,) = (path.attrib["d"] for path in group.iterfind(f".//{SVG}defs/{SVG}path"))
            looks.add(marker)
    assert len(looks) == len(names)


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


@pytest.mark.parametrize(("colour", "page"), [*itertools.product(COLOURS, ("#ffffff", "#14171c"))])
def test_curves_stand_out_from_the_page_in_light_and_dark(colour: str, page: str) -> None:
    brighter, darker = sorted((luminance(colour), luminance(page)), reverse=True)
    assert (brighter + 0.05) / (darker + 0.05) >= 3  # WCAG 2, graphical objects


def test_text_is_text_and_takes_the_colour_of_the_page(street: dict[str, Plot]) -> None:
    svg = draw(street["street-visible-psnr"])
    root = ElementTree.fromstring(svg)
    texts = [text for text in root.iter(f"{SVG}text")]
    assert {"bits per pixel", "PSNR, dB", "x265", "crossband"} <= {text.text for text in texts}
    assert all("fill: currentColor" in text.attrib["style"] for text in texts)
    assert "#010203" not in svg


def test_a_file_of_its_own_has_a_dark_mode(street: dict[str, Plot]) -> None:
    text = standalone(draw(street["street-encode-time"]))
    style = ElementTree.fromstring(text.encode()).find(f"{SVG}style")
    assert style is not None
    assert "@media(prefers-color-scheme:dark)" in (style.text or "")


def test_the_same_rows_give_the_same_bytes(measured: Measured) -> None:
    first, second = (draw(plots_of(measured("x265"))["street-visible-psnr"]) for _ in range(2))
    assert first == second


@pytest.fixture
def rows_file(measured: Measured, tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    with contextlib.closing(RowFile(path)) as file:
        for row in measured("x265", infrared=False, ms_ssim=False, images=("a",)):
            file.add(row)
    return path


def test_the_command_writes_a_file_a_plot(
    rows_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "plots"
    assert main(["bench", "plot", str(rows_file), "-o", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    files = sorted(str(path) for path in folder.iterdir())
    assert sorted(each["file"] for each in told["plots"]) == files
    assert len(files) == 3
    assert main(["bench", "plot", str(rows_file), "-o", str(folder)]) == 3
    assert "exists; it is replaced only on request" in capsys.readouterr().err
    assert main(["bench", "plot", str(rows_file), "-o", str(folder), "--force"]) == 0


def test_all_plots_are_written_or_none(
    rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crossband import sources

    real, calls = sources.atomic_write, itertools.count()

    def full_disk(path: Path, data: bytes, *, force: bool) -> None:
        if next(calls) == 2:
            raise OutputError("the disk is full")
        real(path, data, force=force)

    monkeypatch.setattr(sources, "atomic_write", full_disk)
    assert main(["bench", "plot", str(rows_file), "-o", str(tmp_path / "plots")]) == 3
    assert list((tmp_path / "plots").iterdir()) == []


@pytest.mark.parametrize("output", ["rows.jsonl", "absent/plots"])
def test_a_folder_that_cannot_be_is_told_in_one_line(
    rows_file: Path, tmp_path: Path, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "plot", str(rows_file), "-o", str(tmp_path / output)]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert output in line
