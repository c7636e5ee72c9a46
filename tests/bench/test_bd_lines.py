# SPDX-License-Identifier: Apache-2.0
"""BD-rates one by one: range, interval, and how many pictures lose."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("bjontegaard", reason="needs bjontegaard: pip install crossband[bench]")

from crossband.bench.bd_lines import bd_lines, bd_markdown
from crossband.bench.findings import find
from crossband.bench.rows import Row, RowFile
from crossband.cli import main

Measured = Callable[..., list[Row]]


def test_a_line_says_what_the_figure_is_over(measured: Measured) -> None:
    # Qualities are 3 dB apart: 31 to 40 dB against 34 to 43 dB.
    rows = measured("x265") + measured("webp", start_db=31)
    lines = {line.of: line for line in bd_lines(find(rows, reference="x265"))}
    assert list(lines) == ["visible", "infrared", "pair"]
    assert lines["visible"].common_db == pytest.approx((34, 40))
    assert lines["infrared"].common_db == pytest.approx((33, 39))
    assert lines["visible"].percent == pytest.approx(-50, abs=0.1)
    assert (lines["visible"].images, lines["visible"].worse_on) == (2, 0)
    cut = bd_lines(find(rows, reference="x265", psnr_range=(35, 38)))
    assert cut[0].common_db == pytest.approx((35, 38))


def test_an_interval_holds_the_figure_and_losing_pictures_are_counted(measured: Measured) -> None:
    ours = measured("webp", images=("a",), factor=0.5) + measured("webp", images=("b",), factor=2)
    found = find(measured("x265") + ours, reference="x265")
    (visible, *_) = bd_lines(found, resamples=50)
    assert visible.worse_on == 1
    assert visible.percent is not None and visible.interval is not None
    assert visible.interval.low < visible.percent < visible.interval.high


def test_curves_without_a_common_range_are_not_available(measured: Measured) -> None:
    rows = measured("x265") + measured("webp", start_db=60)
    found = find(rows, reference="x265")
    lines = bd_lines(found, resamples=10)
    assert {(line.percent, line.interval, line.common_db) for line in lines} == {(None,) * 3}
    text = bd_markdown(lines, reference="x265")
    assert "| street | webp | pair, best split | n/a | none | 2 | 0 |" in text


@pytest.fixture
def stored(measured: Measured, tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    with contextlib.closing(RowFile(path)) as file:
        for row in measured("x265") + measured("webp", factor=2):
            file.add(row)
    return path


def test_the_command_prints_a_line_a_figure(
    stored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "bd", str(stored), "--bootstrap", "20", "--pictures"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| data set | codec | of | BD-rate against x265 |")
    assert (
        lines[2] == "| street | webp | visible | +100.0 % [+100.0, +100.0] | 31.0 to 40.0 | 2 | 2 |"
    )
    assert "| street | b | webp | +100.0 % | +100.0 % | +100.0 % |" in lines


def test_the_command_prints_json(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "bd", str(stored), "--bootstrap", "0", "--pictures", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [line["of"] for line in found["lines"]] == ["visible", "infrared", "pair"]
    assert found["lines"][0]["interval"] is None
    assert [each["image"] for each in found["pictures"]] == ["a", "b"]
    assert found["pictures"][0]["pair"] == pytest.approx(100, abs=0.1)
