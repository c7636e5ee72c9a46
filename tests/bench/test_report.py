# SPDX-License-Identifier: Apache-2.0
"""The report: one page that says what the rows say and fetches nothing."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("bjontegaard", reason="needs bjontegaard: pip install crossband[bench]")
pytest.importorskip("matplotlib", reason="needs matplotlib: pip install crossband[bench]")
pytest.importorskip("jinja2", reason="needs jinja2: pip install crossband[bench]")

from crossband import datasets
from crossband.bench import coders
from crossband.bench.findings import find
from crossband.bench.plots import plots
from crossband.bench.report import write_report
from crossband.bench.rows import Row, RowFile
from crossband.bench.run import Task
from crossband.bench.run import run as run_bench
from crossband.bench.worst import most_excess
from crossband.cli import bench_rows, main

Measured = Callable[..., list[Row]]
Drawn = Callable[[str], dict[str, list[Any]]]
VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """What a browser would make of a page, as far as the tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.doctype = ""
        self.faults: list[str] = []
        self.cells: list[list[str]] = []
        self.feed(text)
        self.close()

    def handle_decl(self, declaration: str) -> None:
        self.doctype = declaration

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, text: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1][-1] += text

    def attributes(self, name: str) -> list[str]:
        return [value for _, held in self.seen if (value := held.get(name)) is not None]


def report(rows: list[Row], *, plotted: bool = True) -> str:
    findings = find(rows, reference="x265")
    return write_report(findings, plots(findings, sort_by="crossband") if plotted else ())


@pytest.fixture(scope="module")
def two_sets(measured: Measured) -> list[Row]:
    return [
        row
        for dataset, infrared in (("street", True), ("yard", False))
        for codec, factor in (("x265", 1), ("crossband", 2))
        for row in measured(codec, dataset=dataset, factor=factor, infrared=infrared)
    ]


@pytest.fixture(scope="module")
def text(two_sets: list[Row]) -> str:
    """The page of both sets."""
    return report(two_sets)


def test_the_page_is_whole_and_balanced(text: str) -> None:
    page = Page(text)
    assert page.doctype.lower() == "doctype html"
    assert (page.faults, page.open) == ([], [])
    assert text.rstrip().endswith("</html>")
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    targets = [link.removeprefix("#") for link in page.attributes("href")]
    assert set(targets) <= set(ids)


def test_a_browser_fetches_nothing(text: str) -> None:
    page = Page(text)
    assert {tag for tag, _ in page.seen} & {"script", "link", "iframe", "object", "base"} == set()
    for name in ("src", "srcset", "href", "xlink:href", "data", "poster", "action"):
        for value in page.attributes(name):
            assert value.startswith(("#", "data:image/png;base64,"))
    assert "@import" not in text
    assert all(target.startswith("#") for target in re.findall(r"url\(['\"]?([^)]*)", text))


def test_the_page_fits_a_phone_and_a_dark_room(text: str) -> None:
    assert '<meta name="viewport" content="width=device-width' in text
    assert "@media (prefers-color-scheme: dark)" in text
    assert '<meta name="color-scheme" content="light dark">' in text


def test_every_plot_is_there_with_exactly_its_points(
    two_sets: list[Row], text: str, drawn_points: Drawn
) -> None:
    made = plots(find(two_sets, reference="x265"), sort_by="crossband")
    found = re.findall(r'<figure class="plot">.*?(<svg.*?</svg>)', text, re.DOTALL)
    assert len(found) == len(made) > 10
    for svg, plot in zip(found, made, strict=True):
        assert f' id="{plot.name}"' in svg
        drawn = drawn_points(svg)
        assert {codec: len(points) for codec, points in drawn.items()} == {
            series.codec: len(series.marks) for series in plot.series
        }
        for series in plot.series:
            for point, mark in zip(drawn[series.codec], series.marks, strict=True):
                assert (point.x, point.y) == pytest.approx((mark.x, mark.y), rel=1e-5)


def test_tables_have_the_bd_rates_of_each_set(text: str) -> None:
    rows = Page(text).cells
    costs = ["encode s", "decode s", "peak MiB"]
    assert ["codec", "visible", "infrared", "pair, best split", *costs] in rows
    assert ["crossband", "+100.0 %", "+100.0 %", "+100.0 %", "1.00", "0.250", "4"] in rows
    assert ["codec", "visible", *costs] in rows  # the set without infrared
    assert ["crossband", "+100.0 %", "1.00", "0.250", "4"] in rows
    assert ["b", "crossband", "+100.0 %", "+100.0 %", "+100.0 %"] in rows


@pytest.mark.parametrize("changes", [{"start_db": 60}, {"qualities": (2.0,)}])
def test_curves_that_cannot_be_compared_are_not_available(
    measured: Measured, changes: dict[str, Any]
) -> None:
    page = Page(report(measured("x265") + measured("crossband", **changes), plotted=False))
    assert (page.faults, page.open) == ([], [])
    assert ["crossband", "n/a", "n/a", "n/a", "0.50", "0.125"] in [row[:6] for row in page.cells]


def test_rows_without_seconds_are_reported_without_seconds(measured: Measured) -> None:
    rows = measured("x265") + measured("crossband", factor=2, seconds=False)
    page = Page(report(rows))
    assert (page.faults, page.open) == ([], [])
    assert ["crossband", "+100.0 %", "+100.0 %", "+100.0 %", *["n/a"] * 3] in page.cells


def test_small_pictures_have_ssim_in_the_report(measured: Measured) -> None:
    text = report(measured("x265", ms_ssim=False, ssim=True))
    assert "street, infrared: SSIM" in text
    assert "infrared: MS-SSIM" not in text


def test_versions_and_full_settings_are_told(text: str) -> None:
    assert "1.0; on street, yard" in text
    for quality in (1, 2, 3, 4):
        assert f"<code>speed=1:q={quality}</code>" in text


def test_what_does_not_count_is_told(measured: Measured) -> None:
    older = measured("crossband", version="0.9")
    rows = older + measured("crossband") + measured("x265", images=("a", "b", "c"))
    page = report(rows, plotted=False)
    assert "2 pictures;" in page
    assert "Left out, because a codec lacks a quality of them: 1." in page
    assert f"Rows of older versions left out: {len(older)}." in page


def test_names_from_rows_are_text_not_markup(measured: Measured) -> None:
    name = "<script>alert(1)</script>&\"'"
    rows = [
        row for codec in ("x265", name) for row in measured(codec, dataset=name, images=(name,))
    ]
    text = report(rows)
    page = Page(text)
    assert (page.faults, page.open) == ([], [])
    assert "script" not in {tag for tag, _ in page.seen}


def command(tmp_path: Path, rows: Path, *words: str) -> int:
    return main(["bench", "report", str(rows), "-o", str(tmp_path / "report.html"), *words])


def rows_in(path: Path, rows: list[Row]) -> Path:
    with contextlib.closing(RowFile(path)) as file:
        for row in rows:
            file.add(row)
    return path


def test_the_command_writes_one_page_and_tells_what_is_in_it(
    measured: Measured, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [
        row
        for dataset in ("street", "yard")
        for row in measured("x265", dataset=dataset, infrared=False, ms_ssim=False)
    ]
    rows = rows_in(tmp_path / "rows.jsonl", both)
    assert command(tmp_path, rows, "--json", "--psnr", "street=30:36", "--psnr", "31:37") == 0
    told = json.loads(capsys.readouterr().out)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert told["size_bytes"] == len(text.encode())
    assert told["data_sets"] == ["street", "yard"]
    assert told["plots"] == text.count('<figure class="plot">')
    assert "BD-rates between 30 and 36 dB" in text
    assert "BD-rates between 31 and 37 dB" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "rows.jsonl"]


def damaged(row: Row, **changes: object) -> str:
    return json.dumps({**asdict(row), **changes}) + "\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"psnr_visible": "high"}, "psnr_visible is 'high'"),
        ({"psnr_visible": float("nan")}, "psnr_visible is nan"),
        ({"psnr_visible": None, "psnr_infrared": None}, "one must be a number"),
        ({"pixels_visible": 0}, "pixels_visible is 0"),
        ({"bytes_infrared": 1.5}, "bytes_infrared is 1.5"),
        ({"codec": "a\x00b"}, "must be printable"),
        ({"colour": "red"}, "colour is missing or unknown"),
    ],
)
def test_a_damaged_row_is_told_with_file_and_line(
    measured: Measured,
    tmp_path: Path,
    changes: dict[str, object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (good, *_) = measured("x265")
    rows = tmp_path / "rows.jsonl"
    rows.write_text(damaged(good) + damaged(good, **changes))
    assert command(tmp_path, rows) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "rows.jsonl: line 2 is damaged" in line
    assert message in line
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--against", "bpg"), 3, "no row is of bpg; rows are of x265"),
        (("--psnr", "kaist=28:37"), 3, "no row is of kaist; data sets are street"),
        (("--psnr", "37:28"), 2, "the first number must be the lower"),
        (("--psnr", "street="), 2, "write it as 28:37"),
        (("--data", ".", "--ours", "bpg"), 3, "no row is of bpg"),
        (("--data", "absent", "--ours", "x265"), 3, "absent: is not a folder"),
    ],
)
def test_words_that_do_not_fit_are_one_line_and_no_page(
    measured: Measured,
    tmp_path: Path,
    words: tuple[str, ...],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = rows_in(tmp_path / "rows.jsonl", measured("x265"))
    assert command(tmp_path, rows, *words) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "report.html").exists()


def test_no_row_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    for name in ("rows.jsonl", "absent.jsonl"):
        assert command(tmp_path, tmp_path / name) == 3
        (line,) = capsys.readouterr().err.splitlines()
        assert name in line


def test_a_package_that_is_missing_is_one_line_with_what_brings_it(
    measured: Measured,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = rows_in(tmp_path / "rows.jsonl", measured("x265"))
    present = bench_rows.find_spec
    monkeypatch.setattr(
        bench_rows, "find_spec", lambda name: None if name == "jinja2" else present(name)
    )
    assert command(tmp_path, rows) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "jinja2 is not installed: pip install 'crossband[bench]'" in line


def test_a_page_that_exists_is_kept_without_force(
    measured: Measured, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_in(tmp_path / "rows.jsonl", measured("x265", images=("a",), infrared=False))
    (tmp_path / "report.html").write_text("mine")
    assert command(tmp_path, rows) == 3
    assert "use --force" in capsys.readouterr().err
    assert (tmp_path / "report.html").read_text() == "mine"
    assert command(tmp_path, rows, "--force") == 0
    assert "BD-rate" in (tmp_path / "report.html").read_text()


def test_a_set_that_cannot_be_compared_is_told_and_the_others_are_reported(
    measured: Measured, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    street = measured("x265", infrared=False, ms_ssim=False)
    without_reference = measured("crossband", dataset="yard")
    mixed = measured("x265", dataset="lane", images=("a",)) + measured(
        "x265", dataset="lane", images=("b",), infrared=False
    )
    mixed[:4] = [
        Row(**{**asdict(row), "psnr_visible": None, "bytes_visible": None}) for row in mixed[:4]
    ]
    rows = rows_in(tmp_path / "rows.jsonl", street + without_reference + mixed)
    assert command(tmp_path, rows) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "yard: has no rows of x265" in lines[0]
    assert "lane: some pairs have only a visible picture" in lines[1]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "yard: has no rows of x265" in text
    assert "<h2>street</h2>" in text


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pairs, larger than what is cut out of them."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[0:208, 0:224]
    for folder in ("visible", "infrared"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
        for name in "ab":
            waves = 90 + 50 * np.sin(rows / 8) + 40 * np.cos(columns / (6 if name == "a" else 3))
            noisy = waves + rng.normal(0, 6, waves.shape)
            samples = noisy.clip(0, 255).astype(np.uint8)
            Image.fromarray(samples).save(tmp_path / "pairs" / folder / f"{name}.png")
    return tmp_path / "pairs"


@pytest.fixture
def measured_pictures(pictures: Path, tmp_path: Path) -> Path:
    """Rows of them that two real codecs made."""
    tasks = [Task("folder", path) for path in datasets.find("folder").pairs(pictures)]
    grid = {"jpeg": (20.0, 50.0, 80.0), "webp": (10.0, 50.0, 90.0)}
    output = tmp_path / "rows.jsonl"
    done = run_bench(tasks, [coders.find(name) for name in grid], output, qualities=grid)
    assert done.failures == ()
    return output


def test_the_worst_pictures_are_shown_beside_the_best_other_codec(
    pictures: Path,
    measured_pictures: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("--against", "webp", "--ours", "jpeg", "--data", str(pictures), "--json")
    assert command(tmp_path, measured_pictures, *words) == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(told["worst_pictures"]) == ["folder/a", "folder/b"]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert (page.faults, page.open) == ([], [])
    shown = [held for tag, held in page.seen if tag == "img"]
    assert [held["alt"] for held in shown] == ["original", "jpeg", "webp"] * 2
    decoded = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(str(held["src"]).partition(",")[2]))))
        for held in shown
    ]
    assert {each.shape for each in decoded} == {(192, 192)}
    # The original's part is the file's own samples, cut where the page says.
    heading, left, top = re.findall(
        r"<h3>folder, (\w): .*?at column (\d+),\s+row (\d+)", text, re.DOTALL
    )[0]
    modality = re.findall(rf"<h3>folder, {heading}: (\w+)", text)[0]
    whole = np.asarray(Image.open(pictures / modality / f"{heading}.png"))
    part = whole[int(top) : int(top) + 192, int(left) : int(left) + 192]
    assert np.array_equal(decoded[0], part)
    assert not np.array_equal(decoded[0], decoded[1])
    sizes = [int(each.replace(",", "")) for each in re.findall(r"([\d,]+) bytes, \d", text)]
    for ours, best in zip(sizes[::2], sizes[1::2], strict=True):
        assert ours == pytest.approx(best, rel=0.25)


def test_a_picture_that_is_not_the_measured_one_is_told_and_not_shown(
    pictures: Path, measured_pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("L", (224, 208), 9).save(pictures / "visible" / "a.png")
    (pictures / "visible" / "b.png").unlink()
    (pictures / "infrared" / "b.png").unlink()
    words = ("--against", "webp", "--ours", "jpeg", "--data", str(pictures))
    assert command(tmp_path, measured_pictures, *words) == 1
    lines = sorted(capsys.readouterr().err.splitlines())
    assert "folder/a: not shown: " in lines[0]
    assert "its samples differ" in lines[0]
    assert "folder/b: not shown: no picture of that name" in lines[1]
    assert 'id="worst"' not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_part_is_where_the_error_exceeds_the_other_most() -> None:
    ours, best = np.ones((50, 70)), np.ones((50, 70))
    ours[10:20, 40:50] = 5  # ours loses here
    ours[30:40, 0:10] = best[30:40, 0:10] = 90  # both do here
    crop = most_excess(ours, best, 10)
    assert (crop.left, crop.top, crop.width, crop.height) == (40, 10, 10, 10)
    whole = most_excess(ours, best, 60)
    assert (whole.width, whole.height) == (60, 50)


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser here: {', '.join(BROWSERS)}"
)
BROWSER_LIMIT_S = 300
# As root Chromium may give a process of its own the highest real-time priority; on one processor it
# then waits for others that it keeps from running (18 minutes, twice).
NO_REAL_TIME = (
    ("setpriv", "--bounding-set=-sys_nice") if shutil.which("setpriv") and os.geteuid() == 0 else ()
)


def open_page(page: Path, *words: str) -> str:
    """What a browser prints; nothing that it could reach is on a network."""
    unreachable = ("--proxy-server=127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND")
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    plain = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")
    place = (f"--user-data-dir={page.parent / 'profile'}", page.as_uri())
    command = [*NO_REAL_TIME, str(BROWSER), *plain, *quiet, *unreachable, *words, *place]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, _ = process.communicate(timeout=BROWSER_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its helpers hold the pipe open
            raise
    assert process.returncode == 0
    return out


@needs_browser
def test_a_browser_shows_both_codecs_in_light_and_dark(text: str, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(text, encoding="utf-8")
    corners = {}
    for mode, words in (("light", ()), ("dark", ("--blink-settings=preferredColorScheme=0",))):
        file = tmp_path / f"{mode}.png"
        open_page(page, f"--screenshot={file}", "--window-size=900,1600", *words)
        shot = np.asarray(Image.open(file).convert("RGB"))
        corners[mode] = tuple(shot[2, 2].tolist())
        # Not blank: both codecs' colours are there, and the page's text.
        for colour in ((0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)):
            assert (shot == colour).all(axis=2).sum() > 100
        assert len(np.unique(shot.reshape(-1, 3), axis=0)) > 50
    assert corners == {"light": (255, 255, 255), "dark": (0x14, 0x17, 0x1C)}


@needs_browser
def test_a_browser_has_every_curve_and_requests_nothing(
    two_sets: list[Row], text: str, tmp_path: Path, drawn_points: Drawn
) -> None:
    page, requests = tmp_path / "report.html", tmp_path / "requests.json"
    page.write_text(text, encoding="utf-8")
    loaded = open_page(page, "--dump-dom", f"--log-net-log={requests}")
    figures = re.findall(r'<figure class="plot">.*?(<svg.*?</svg>)', loaded, re.DOTALL)
    made = plots(find(two_sets, reference="x265"), sort_by="crossband")
    assert len(figures) == len(made)
    for svg, plot in zip(figures, made, strict=True):
        assert {
            codec: [(point.x, point.y) for point in points]
            for codec, points in drawn_points(svg).items()
        } == {
            series.codec: [
                (pytest.approx(mark.x, rel=1e-5), pytest.approx(mark.y, rel=1e-5))
                for mark in series.marks
            ]
            for series in plot.series
        }
    assert requested(requests) == []
    # The log would tell: this page asks for a picture that no network has.
    page.write_text('<img src="http://crossband.invalid/x.png">', encoding="utf-8")
    open_page(page, "--dump-dom", f"--log-net-log={requests}")
    assert requested(requests) == ["http://crossband.invalid/x.png"]


def requested(log: Path) -> list[str]:
    """What a browser's log says that a page asked a network for."""
    found = json.loads(log.read_text(encoding="utf-8"))
    told = [event["params"] for event in found["events"] if "params" in event]
    # What the browser wants for itself has an initiator that is "not an origin".
    of_page = [each for each in told if each.get("initiator", "not an origin") != "not an origin"]
    return sorted({each["url"] for each in of_page if not each["url"].startswith("file:")})


@needs_browser
@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_the_page_without_scrolling_sideways(
    text: str, tmp_path: Path, width: int
) -> None:
    frame = tmp_path / "frame.html"
    tell = (
        "const page = this.contentDocument.documentElement;"
        "document.title = `${page.scrollWidth - page.clientWidth} px too wide`"
    )
    frame.write_text(
        f'<iframe style="border:0" width="{width}" height="800" onload="{tell}"'
        f' srcdoc="{html.escape(text)}"></iframe>',
        encoding="utf-8",
    )
    assert "<title>0 px too wide</title>" in open_page(frame, "--dump-dom", "--window-size=900,900")
