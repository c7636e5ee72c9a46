# SPDX-License-Identifier: Apache-2.0
"""`crossband compare`: its numbers, and which pictures it takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., Any]


def save(name: str, samples: Any) -> str:
    Image.fromarray(samples).save(name)
    return name


def test_the_numbers_of_a_known_difference(run: Run) -> None:
    first = save("a.png", np.zeros((10, 10, 3), np.uint8))
    second = save("b.png", np.full((10, 10, 3), 16, np.uint8))
    facts = run("compare", first, second, "--json").json
    assert facts["psnr_db"] == pytest.approx(20 * np.log10(255 / 16), abs=1e-3)
    assert facts["error_counts"] == {"mean": 16, "percentile_95": 16, "largest": 16}
    assert (facts["identical"], facts["peak"]) == (False, 255)
    assert facts["ms_ssim"] is None
    assert "161 pixels" in facts["ms_ssim_absent"]
    assert facts["ssim"] is None  # below the 11 pixels of its window


def test_equal_pictures_are_identical(run: Run) -> None:
    first = save("a.png", np.full((10, 10), 7, np.uint8))
    facts = run("compare", first, first, "--json").json
    assert (facts["identical"], facts["psnr_db"]) == (True, None)
    assert "identical" in run("compare", first, first).out


def test_a_picture_too_small_for_ms_ssim_has_ssim_by_its_name(run: Run) -> None:
    pytest.importorskip("pytorch_msssim", reason="needs pytorch-msssim: pip install pytorch-msssim")
    first = save("a.png", np.full((40, 30), 7, np.uint8))
    facts = run("compare", first, first, "--json").json
    assert (facts["ms_ssim"], facts["ssim"]) == (None, 1)
    out = run("compare", first, first).out
    assert "MS-SSIM  n/a (the shorter side has fewer than 161 pixels)" in out
    assert "\nSSIM     1.00000\n" in out


def test_16_bits_stay_16_and_full_scale_is_the_depth_asked_for(run: Run) -> None:
    first = save("a.png", np.full((8, 8), 9000, np.uint16))
    second = save("b.png", np.full((8, 8), 9010, np.uint16))
    facts = run("compare", first, second, "--bit-depth", "14", "--json").json
    assert facts["peak"] == 16383
    assert facts["psnr_db"] == pytest.approx(20 * np.log10(16383 / 10), abs=1e-3)


def test_gray_compares_with_its_three_equal_channels(run: Run) -> None:
    plane = np.arange(64, dtype=np.uint8).reshape(8, 8)
    first = save("a.png", plane)
    second = save("b.png", np.stack([plane] * 3, axis=-1))
    assert run("compare", first, second, "--json").json["identical"]


def test_standard_input_is_one_of_the_two(run: Run) -> None:
    first = save("a.png", np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    data = Path(first).read_bytes()
    assert run("compare", "-", first, "--json", stdin=data).json["identical"]
    assert run("compare", "-", "-", stdin=data).code == 2


@pytest.mark.parametrize("words", [("a.png", "c.png"), ("a.png", "gone.png"), ("d.txt", "a.png")])
def test_what_cannot_be_compared_is_one_line(run: Run, words: tuple[str, str]) -> None:
    save("a.png", np.zeros((8, 8), np.uint8))
    save("c.png", np.zeros((8, 9), np.uint8))
    Path("d.txt").write_text("text")
    outcome = run("compare", *words)
    assert outcome.code == 3
    assert outcome.complaint


@pytest.mark.parametrize("depth", ["0", "17", "x"])
def test_a_depth_out_of_range_is_wrong_usage(run: Run, depth: str) -> None:
    outcome = run("compare", "a.png", "b.png", "--bit-depth", depth)
    assert outcome.code == 2
    assert "--bit-depth" in outcome.complaint
