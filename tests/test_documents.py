# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("bjontegaard", reason="needs bjontegaard: pip install crossband[bench]")

from crossband import models

ROOT = Path(__file__).parent.parent
SAME_AS = {
    "x265": "hevc-x265-444-10b",
    "avif": "avif-aom-444-psnr-s4",
    "avif-default": "avif-aom-default",
    "jpeg2000": "jpeg2000",
    "webp": "webp",
    "jpegxl": "jxl-e7",
}
"""Codecs by their names in the reference measurements."""
POINT_KEYS = {
    "bpp_vis": "bpp_visible",
    "bpp_ir": "bpp_infrared",
    "psnr_vis": "psnr_visible",
    "psnr_ir": "psnr_infrared",
}


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures", ROOT / "scripts" / "figures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["README.md", "docs/benchmark.md"])
def test_a_document_of_which_one_digit_was_changed_is_named(
    name: str,
    figures: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    block = re.search(r"<!-- figures: (?:stills|anchors-check) -->.*?<!-- end", text, re.DOTALL)
    assert block is not None
    at = text.index(" %", block.start()) - 1
    document = tmp_path / Path(name).name
    document.write_text(f"{text[:at]}{(int(text[at]) + 1) % 10}{text[at + 1 :]}", encoding="utf-8")
    monkeypatch.setattr(figures, "DOCUMENTS", (document,))
    monkeypatch.setattr(sys, "argv", ["figures.py", "--check"])
    changed = document.read_text(encoding="utf-8")
    assert figures.main() == 1
    assert capsys.readouterr().err.startswith(f"{document.name}: differs from results/")
    assert document.read_text(encoding="utf-8") == changed  # a check writes nothing
    document.write_text(text, encoding="utf-8")
    assert figures.main() == 0


def test_the_other_codecs_are_within_two_percent_of_the_reference() -> None:
    found, reference = (
        json.loads((ROOT / "results" / name).read_text(encoding="utf-8"))
        for name in ("anchors-check.json", "anchors-reference.json")
    )
    assert found["against"] == reference["against"]
    here = {line["codec"]: line for line in found["lines"]}
    assert len(reference["lines"]) == 6
    for line in reference["lines"]:
        assert here[line["codec"]]["images"] == 17
        for modality in ("visible", "infrared"):
            assert here[line["codec"]][modality] == pytest.approx(line[modality], abs=2)


def test_rates_and_psnrs_of_the_other_codecs_are_the_reference_measurements(
    shared_data: Path,
) -> None:
    path = shared_data.parent / "baselines.csv"
    if not path.exists():
        pytest.skip(f"needs the reference measurements, {path}")
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == "roadscene"]
    text = (ROOT / "results" / "anchors-check.json").read_text(encoding="utf-8")
    here = {each["codec"]: each["points"] for each in json.loads(text)["points"]}
    for codec, name in SAME_AS.items():
        settings = {row["q"] for row in rows if row["codec"] == name}
        means = [
            {key: statistics.mean(float(row[key]) for row in chosen) for key in POINT_KEYS}
            for setting in settings
            if (chosen := [r for r in rows if (r["codec"], r["q"]) == (name, setting)])
        ]
        assert here[codec]
        for point in here[codec]:
            # JPEG 2000's settings are numbered there and rates here: the nearest is the same.
            near = min(means, key=lambda mean: abs(mean["bpp_vis"] - point["bpp_visible"]))
            for key, mine in POINT_KEYS.items():
                assert near[key] == pytest.approx(point[mine], rel=1e-4), (codec, point["quality"])


@pytest.mark.parametrize(
    ("path", "weights"),
    [
        ("results/crossband-stills.jsonl", ["base"]),
        ("results/crossband-films.jsonl", ["base", "base-video"]),
        ("results/timing.json", ["base"]),
        ("tests/bench/golden_benchmark.jsonl", ["base"]),
    ],
)
def test_results_are_those_of_the_weights_that_are_shipped(path: str, weights: list[str]) -> None:
    shipped = {name: models.describe(name).weights_id for name in weights}
    text = (ROOT / path).read_text(encoding="utf-8")
    used = set(re.findall(r'"crossband [^"]*?, weights ([^"]+)"', text))
    ids = {each for joined in used for each in joined.split(" + ")}
    assert ids == set(shipped.values()), f"{path} is of other weights; run `make results`"


def test_every_number_in_the_documents_is_that_of_the_results() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/figures.py", "--check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
