# SPDX-License-Identifier: Apache-2.0
"""`crossband data check`: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., Any]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Two pairs in `pairs`, the files of which were never JPEG."""
    rng = np.random.default_rng(0)
    for folder in ("visible", "infrared"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
        for name in ("a", "b"):
            coarse = Image.fromarray(rng.integers(0, 255, (6, 7), np.uint8))
            coarse.resize((90, 80), Image.Resampling.BICUBIC).save(
                tmp_path / "pairs" / folder / f"{name}.png"
            )
    return tmp_path / "pairs"


def test_a_sound_folder_ends_with_0_and_a_table(run: Run, pairs: Path) -> None:
    outcome = run("data", "check", pairs)
    assert (outcome.code, outcome.err) == (0, "")
    assert "train    1 pair\n" in outcome.out
    assert "paired   by file name without ending\n" in outcome.out
    assert outcome.out.count(" none ") == 8


def test_a_defect_ends_with_1_and_is_named_with_advice(run: Run, pairs: Path) -> None:
    (pairs / "infrared/a.png").write_bytes(b"not a picture")
    outcome = run("data", "check", pairs)
    assert outcome.code == 1
    assert "infrared/a.png" in outcome.out
    assert "-> copy them again" in " ".join(outcome.out.split())


def test_only_the_first_five_are_printed_and_all_are_in_the_json(run: Run, pairs: Path) -> None:
    for index in range(7):
        copy = pairs / f"visible/x{index}.png"
        copy.write_bytes((pairs / "visible/a.png").read_bytes())
    assert "x4.png" in (printed := run("data", "check", pairs).out)
    assert "x5.png" not in printed.partition("two sizes")[0]
    findings = run("data", "check", pairs, "--json").json["findings"]
    (alone,) = [each for each in findings if each["kind"] == "without partner"]
    assert alone["count"] == len(alone["where"]) == 7


def test_the_manifest_is_not_written_over_without_force(run: Run, pairs: Path) -> None:
    manifest = pairs.parent / "manifest.json"
    assert run("data", "check", pairs, "-o", manifest).code == 0
    assert len(json.loads(manifest.read_text())["file_list"]) == 4
    refused = run("data", "check", pairs, "-o", manifest)
    assert refused.code == 3
    assert "--force" in refused.complaint
    assert run("data", "check", pairs, "-o", manifest, "--force").code == 0


def test_what_cannot_be_looked_at_ends_with_3_and_one_line(run: Run, tmp_path: Path) -> None:
    assert "is not a folder" in (none := run("data", "check", tmp_path / "absent")).complaint
    assert "has no pair in the layout" in (empty := run("data", "check", tmp_path)).complaint
    unknown = run("data", "check", tmp_path, "--set", "nothing")
    assert "no data set is called nothing; allowed are" in unknown.complaint
    assert {none.code, empty.code, unknown.code} == {3}


def test_a_list_says_that_it_makes_the_pairs(run: Run, pairs: Path) -> None:
    (pairs / "pairs.csv").write_text("visible/a.png,infrared/b.png\n")
    assert "paired   by pairs.csv\n" in run("data", "check", pairs, "--set", "list").out


def test_a_name_with_brackets_is_printed_as_it_is(run: Run, pairs: Path) -> None:
    (pairs / "visible/a.png").rename(pairs / "visible/[red]a.png")
    assert "visible/[red]a.png" in run("data", "check", pairs).out
