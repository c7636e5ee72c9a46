# SPDX-License-Identifier: Apache-2.0
"""`crossband demo`: a fair search for the others' qualities, an honest table, a picture."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, features

from crossband import Modality, Pair, Raster
from crossband.cli.rivals import RIVALS, Rival, at_least, is_available
from crossband.cli.sheet import SheetRow, draw_sheet
from crossband.testing import synthetic_pair

Run = Callable[..., Any]
demo_module = importlib.import_module("crossband.cli.demo")


def coarser(raster: Raster) -> Raster:
    """The raster without its lowest bits: about what a codec leaves."""
    step = 1 << (raster.bit_depth - 4)
    samples = raster.samples // step * step + step // 2
    return Raster(samples.astype(raster.samples.dtype), raster.bit_depth)


@pytest.fixture
def quick_demo(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The demo of a small scene, decoded by nobody but its samples made coarser."""

    def decode_afresh(coded_file: Path, folder: Path) -> tuple[Pair, float]:
        import crossband

        pair = crossband.load("base").decode(coded_file.read_bytes())
        rasters = {
            modality.value: coarser(raster)
            for modality in Modality
            if (raster := pair.get(modality)) is not None
        }
        return Pair(**rasters), 0.25

    small = synthetic_pair(visible=(64, 80), infrared=(64, 80))
    monkeypatch.setattr("crossband.testing.synthetic_pair", lambda **sizes: small)
    monkeypatch.setattr(demo_module, "_decode_afresh", decode_afresh)
    return run


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
@pytest.mark.parametrize("modality", list(Modality))
def test_a_rival_gets_the_lowest_quality_that_is_good_enough(
    rival: Rival, modality: Modality
) -> None:
    if not is_available(rival):
        pytest.skip(f"this Pillow has no {rival.name}")
    raster = synthetic_pair(visible=(48, 64), infrared=(48, 64), noise=0).get(modality)
    assert raster is not None
    made = at_least(rival, raster, 32.0)
    assert made.reached
    assert made.psnr_db >= 32.0
    assert made.psnr_db < 35.0  # the next lower quality falls below, so this one is near
    assert made.size_bytes < raster.samples.size


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
def test_a_rival_that_cannot_reach_says_so(rival: Rival) -> None:
    if not is_available(rival):
        pytest.skip(f"this Pillow has no {rival.name}")
    raster = synthetic_pair(visible=(24, 32), infrared=None, noise=4).visible
    assert raster is not None
    made = at_least(rival, raster, float("inf"))
    assert not made.reached


def test_the_demo_writes_its_files_and_a_table(quick_demo: Run) -> None:
    outcome = quick_demo("demo")
    assert outcome.code == 0
    for name in ("crossband", "JPEG", "WebP", "visible 80x64, infrared 80x64"):
        assert name in outcome.out
    assert "at least crossband's" in " ".join(outcome.out.split())
    with Image.open("crossband-demo/crossband-demo.png") as sheet:
        assert sheet.width > 3 * 80
        assert sheet.height > 2 * 64
    names = {path.name for path in Path("crossband-demo").iterdir()}
    assert names == {
        "crossband-demo.png",
        "crossband-demo.xb",
        "crossband-demo.original.visible.png",
        "crossband-demo.original.infrared.png",
    }


def test_the_demo_can_be_run_again(quick_demo: Run) -> None:
    assert quick_demo("demo").code == 0
    assert quick_demo("demo", "--json").code == 0


def test_the_json_has_a_row_for_each_codec(quick_demo: Run) -> None:
    facts = quick_demo("demo", "--json").json
    codecs = [result["codec"] for result in facts["results"]]
    assert codecs[:3] == ["crossband", "JPEG", "WebP"]
    ours, jpeg = facts["results"][:2]
    assert ours["total_bytes"] == Path(facts["coded_file"]).stat().st_size
    for name in ("visible", "infrared"):
        assert jpeg["psnrs_db"][name] >= ours["psnrs_db"][name] or not jpeg["reached"][name]


def test_a_pillow_without_avif_is_said(quick_demo: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    check = features.check
    monkeypatch.setattr(features, "check", lambda name: name != "avif" and check(name))
    outcome = quick_demo("demo", "--json")
    assert outcome.code == 0
    assert "no AVIF" in outcome.complaint
    assert [result["codec"] for result in outcome.json["results"]] == ["crossband", "JPEG", "WebP"]


def test_14_bit_infrared_is_not_given_to_8_bit_codecs(
    quick_demo: Run, pictures: tuple[Path, Path]
) -> None:
    outcome = quick_demo("demo", *pictures)
    assert outcome.code == 0
    assert "8 bits a sample only" in outcome.out
    _, jpeg, *_ = quick_demo("demo", *pictures, "--json").json["results"]
    assert jpeg["sizes_bytes"]["infrared"] is None
    assert jpeg["sizes_bytes"]["visible"] > 0
    assert jpeg["total_bytes"] is None


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("only.png",), 2, "only only.png is named"),
        (("-", "-"), 2, "- is not taken"),
        (("-q", "101"), 2, "--quality is 101"),
        (("-o", "gone/deep"), 3, "mkdir -p gone"),
        (("gone.png", "gone.png"), 3, "gone.png"),
    ],
)
def test_wrong_usage_is_one_line_and_leaves_no_file(
    quick_demo: Run, words: tuple[str, ...], code: int, part: str
) -> None:
    outcome = quick_demo("demo", *words)
    assert outcome.code == code
    assert part in outcome.complaint
    assert list(Path().iterdir()) == []


def test_an_output_that_is_a_file_is_refused(quick_demo: Run) -> None:
    Path("taken").write_text("mine")
    outcome = quick_demo("demo", "-o", "taken")
    assert outcome.code == 3
    assert "is a file" in outcome.complaint
    assert Path("taken").read_text() == "mine"


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (900, 700)])
def test_the_sheet_takes_any_size_and_depth(size: tuple[int, int]) -> None:
    pair = synthetic_pair(visible=size, infrared=size, infrared_bit_depth=14)
    assert pair.visible is not None and pair.infrared is not None
    rows = [
        SheetRow("visible", pair.visible, coarser(pair.visible), "1 byte"),
        SheetRow("infrared", pair.infrared, coarser(pair.infrared), "1 byte"),
    ]
    sheet = draw_sheet(rows, "a title")
    assert sheet.width <= 3 * 640 + 4 * 12
    assert np.asarray(sheet).std() > 0
