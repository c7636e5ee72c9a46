# SPDX-License-Identifier: Apache-2.0
"""The ablation is one command and has every variant that the tables speak of."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def ablation() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ablation", ROOT / "scripts" / "ablation.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_variant_has_what_its_name_says(ablation: ModuleType) -> None:
    parts = ("channel_alignment", "spatial_alignment", "entropy_context")
    variants = {**ablation.ALIGNMENTS, **ablation.RESIDUAL}
    held = {name: {each for each in parts if asdict(of)[each]} for name, of in variants.items()}
    assert held == {
        "none": set(),
        "channel": {"channel_alignment"},
        "spatial": {"spatial_alignment"},
        "both": {"channel_alignment", "spatial_alignment"},
        "both-entropy": set(parts),
        "channel-residual": {"channel_alignment"},
    }
    others = [asdict(of) for name, of in variants.items() if name != "channel-residual"]
    assert asdict(variants["channel-residual"]) not in others


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_one_command_measures_all_of_them() -> None:
    words = ["make", "--dry-run", "ablation", "DATA=some/data"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert {"measure alignment alignment", "measure residual alignment"} <= {*lines}
    assert any("scripts/figures.py" in line for line in lines)
