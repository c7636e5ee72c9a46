# SPDX-License-Identifier: Apache-2.0
"""`encode --lossless` and `--max-error`: options, notes, `info`, `decode`, `compare`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossband import Raster
from crossband.sources import write
from crossband.testing import synthetic_pair

Run = Callable[..., Any]


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    """A 16-bit PNG of every fourth count."""
    raster = synthetic_pair(visible=None, infrared=(20, 28), infrared_bit_depth=14).infrared
    assert raster is not None
    write(Raster(raster.samples // 4 * 4), tmp_path / "counts.png")
    return tmp_path / "counts.png"


def test_lossless_comes_back_and_is_told(run: Run, counts: Path) -> None:
    assert run("encode", "--infrared-only", counts, "--lossless", "-o", "a.xb").code == 0
    assert "lossless (one value every 4 counts)" in run("info", "a.xb").out
    assert run("decode", "a.xb", "-o", ".").code == 0
    facts = run("compare", counts, "a.infrared.png", "--json").json
    assert facts["error_counts"] == {"mean": 0.0, "percentile_95": 0.0, "largest": 0}


def test_the_bound_is_in_info_and_holds(run: Run, counts: Path) -> None:
    made = run("encode", "--infrared-only", counts, "--max-error", 9, "-o", "a.xb", "--json")
    (picture,) = made.json["pictures"]
    assert (picture["max_error"], picture["step"]) == (8, 4)
    assert "within 8 counts (one value every 4 counts)" in run("info", "a.xb").out
    run("decode", "a.xb", "-o", ".")
    assert run("compare", counts, "a.infrared.png", "--json").json["error_counts"]["largest"] <= 8


def test_a_bound_below_the_picture_s_step_is_lossless_and_said_so(run: Run, counts: Path) -> None:
    made = run("encode", "--infrared-only", counts, "--max-error", 3, "-o", "a.xb")
    assert "every 4 counts; it is coded lossless" in made.complaint


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--lossless", "--max-error", 2), "give one of them"),
        (("--max-error", -1), "--max-error is -1"),
        (("--max-error", 70_000), "--max-error is 70000"),
        (("--lossless", "--target-bytes", 900), "contradict"),
        (("--lossless", "--order", "visible-first"), "always first"),
    ],
)
def test_words_that_do_not_fit_together_are_refused(
    run: Run, counts: Path, words: tuple[Any, ...], complaint: str
) -> None:
    outcome = run("encode", "--infrared-only", counts, "-o", "a.xb", *words)
    assert outcome.code == 2
    assert complaint in outcome.complaint
    assert not Path("a.xb").exists()


def test_a_bound_needs_infrared(run: Run, tmp_path: Path) -> None:
    write(Raster(np.zeros((8, 8), np.uint8)), tmp_path / "gray.png")
    outcome = run("encode", "--visible-only", tmp_path / "gray.png", "--lossless", "-o", "a.xb")
    assert outcome.code == 2 and "infrared" in outcome.complaint
