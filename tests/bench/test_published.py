# SPDX-License-Identifier: Apache-2.0
"""Published curves: the figures of their source, beside measured ones and never among them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bjontegaard", reason="needs bjontegaard: pip install crossband[bench]")
pytest.importorskip("matplotlib", reason="needs matplotlib: pip install crossband[bench]")
pytest.importorskip("jinja2", reason="needs jinja2: pip install crossband[bench]")

from crossband import datasets
from crossband.bench import published
from crossband.bench.bd import Curve, bd_rate
from crossband.bench.drawing import draw
from crossband.bench.findings import find
from crossband.bench.plots import Plot, plots
from crossband.bench.report import write_report
from crossband.bench.rows import Row, RowFile
from crossband.bench.table import average
from crossband.cli import main
from crossband.pair import Modality

Measured = Callable[..., list[Row]]
Drawn = Callable[[str], dict[str, list[Any]]]
NAMES = ["Lu 2022 (published)", "Minnen 2018 (published)", "BPG 4:4:4 (published)"]


def curve(dataset: str, modality: Modality, codec: str, content: str = "stills") -> Curve:
    (found,) = (
        each.curve
        for each in published.read().curves
        if (each.dataset, each.modality, each.codec, each.content)
        == (dataset, modality, codec, content)
    )
    return found


@pytest.mark.parametrize(
    ("dataset", "modality", "percent"),
    [
        ("flir", Modality.VISIBLE, -30.2),
        ("flir", Modality.INFRARED, -21.6),
        ("kaist", Modality.VISIBLE, -18.6),
        ("kaist", Modality.INFRARED, -21.3),
    ],
)
def test_the_points_give_the_gains_over_bpg_that_the_source_tells(
    dataset: str, modality: Modality, percent: float
) -> None:
    found = bd_rate(curve(dataset, modality, "BPG 4:4:4"), curve(dataset, modality, "Lu 2022"))
    assert found == pytest.approx(percent, abs=0.6)


@pytest.mark.parametrize(("codec", "percent"), [("FVC", -15.4), ("x265", -51.9)])
def test_the_points_of_the_film_give_the_gains_that_the_source_tells(
    codec: str, percent: float
) -> None:
    (name,) = {each.codec for each in published.read().curves if each.codec.startswith(codec)}
    ours, other = (curve("kaist", Modality.VISIBLE, each, "film") for each in ("Lu 2022", name))
    assert bd_rate(other, ours) == pytest.approx(percent, abs=0.1)


def test_a_codec_on_a_published_curve_stands_at_zero_against_it(measured: Measured) -> None:
    points = curve("flir", Modality.VISIBLE, "BPG 4:4:4")
    pixels = 10_000_000
    rows = [
        Row(
            **{
                field: getattr(row, field)
                for field in Row.__dataclass_fields__
                if field not in ("pixels_visible", "bytes_visible", "psnr_visible")
            },
            pixels_visible=pixels,
            bytes_visible=round(rate * pixels / 8),
            psnr_visible=psnr,
        )
        for row, rate, psnr in zip(
            measured("x265", dataset="FLIR", images=("a",), qualities=(1, 2, 3, 4, 5)),
            points.rate_bpp,
            points.psnr_db,
            strict=True,
        )
    ]
    lines = {line.against: line for line in published.compare(average(rows))}
    assert list(lines) == ["Lu 2022", "Minnen 2018", "BPG 4:4:4"]
    assert lines["BPG 4:4:4"].visible == pytest.approx(0, abs=0.01)
    # BPG needs more than the paper's codec, whatever stands in its place.
    assert lines["Lu 2022"].visible == pytest.approx(100 / (1 - 0.297) - 100, abs=0.2)


def test_a_missing_modality_has_no_bd_rate(measured: Measured) -> None:
    lines = published.compare(average(measured("x265", dataset="flir", infrared=False)))
    assert {line.infrared for line in lines} == {None}
    assert None not in {line.visible for line in lines}


@pytest.mark.parametrize(
    ("dataset", "curves"),
    [
        ("flir-adas", ["flir"] * 6),
        ("flir-adas-v2", ["flir"] * 6),
        ("flir-aligned", ["flir"] * 6),
        ("kaist", ["kaist"] * 6),
        ("kaist-films", ["kaist"] * 3),
    ],
)
def test_every_way_to_point_at_a_set_has_its_curves(dataset: str, curves: list[str]) -> None:
    found = published.curves(dataset)
    assert [each.dataset for each in found] == curves
    content = "film" if dataset.endswith("films") else "stills"
    assert {each.content for each in found} == {content}
    assert dataset in {*datasets.names(), "kaist-films"}


@pytest.mark.parametrize("dataset", ["street", "flir_full", "kaist-film", "folder"])
def test_other_sets_have_no_published_curves(measured: Measured, dataset: str) -> None:
    rows = measured("x265", dataset=dataset)
    assert published.compare(average(rows)) == []
    made = plots(find(rows, reference="x265"), sort_by="x265")
    assert not any(series.published for plot in made for series in plot.series)


def plots_of(rows: list[Row]) -> dict[str, Plot]:
    return {plot.name: plot for plot in plots(find(rows, reference="x265"), sort_by="x265")}


def test_published_curves_are_drawn_dashed_beside_psnr_only(
    measured: Measured, drawn_points: Drawn
) -> None:
    made = plots_of(measured("x265", dataset="kaist") + measured("crossband", dataset="kaist"))
    for name, plot in made.items():
        of_others = [series.codec for series in plot.series if series.published]
        assert of_others == (NAMES if name.endswith(("visible-psnr", "infrared-psnr")) else [])
    plot = made["kaist-infrared-psnr"]
    svg = draw(plot)
    drawn = drawn_points(svg)
    assert list(drawn) == ["x265", "crossband", *NAMES]
    points = curve("kaist", Modality.INFRARED, "Lu 2022")
    assert [(p.x, p.y) for p in drawn[NAMES[0]]] == list(
        zip(points.rate_bpp, points.psnr_db, strict=True)
    )
    for number, series in enumerate(plot.series):
        if series.published:
            group = svg.partition(f'data-codec="{series.codec}"')[2].partition("<use")[0]
            assert "stroke-dasharray" in group, number
    assert f"{NAMES[0]}, not measured here, " in svg
    assert all(f">{name}<" in svg for name in NAMES)  # in the legend


def test_a_set_without_infrared_has_no_published_infrared_alone(measured: Measured) -> None:
    made = plots_of(measured("x265", dataset="flir", infrared=False))
    assert "flir-visible-psnr" in made
    assert "flir-infrared-psnr" not in made


def test_the_report_says_that_they_were_not_measured_here(measured: Measured) -> None:
    pages = {}
    for dataset in ("street", "flir"):
        findings = find(measured("x265", dataset=dataset), reference="x265")
        pages[dataset] = write_report(findings, ())
    assert "Published figures, not measured here." in pages["flir"]
    assert "<td>x265</td><td>Lu 2022</td>" in pages["flir"]
    assert "CVPR 2022" in pages["flir"]
    assert "ublished" not in pages["street"]


def test_the_table_has_them_apart_with_a_footnote(
    measured: Measured, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    with contextlib.closing(RowFile(path)) as file:
        for dataset in ("street", "flir"):
            for row in measured("x265", dataset=dataset):
                file.add(row)
    assert main(["bench", "table", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.count("| flir | 2 | x265 | ") == 3
    assert "| x265 | Lu 2022 * | " in out
    assert "| street | 2 | x265 | " not in out
    assert "the partner's bits are not. Source: Lu, Zhong, " in out.splitlines()[-1]
    assert main(["bench", "table", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["published"]
    assert [line["against"] for line in told["lines"]] == [
        "Lu 2022",
        "Minnen 2018",
        "BPG 4:4:4",
    ]
