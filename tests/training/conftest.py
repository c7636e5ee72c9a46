# SPDX-License-Identifier: Apache-2.0
"""Rendered pairs in a folder, and a recipe that trains a tiny codec on them in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from crossband.models.settings import CodecSettings
from crossband.sources import write
from crossband.testing import synthetic_pair
from crossband.training.loop import Run
from crossband.training.recipe import Recipe


def write_pairs(folder: Path, count: int, *, size: tuple[int, int] = (72, 80)) -> Path:
    """The two-folder layout: visible/000.png and infrared/000.png, and so on."""
    for camera in ("visible", "infrared"):
        (folder / camera).mkdir(parents=True)
    for number in range(count):
        pair = synthetic_pair(visible=size, infrared=size, seed=number)
        assert pair.visible is not None and pair.infrared is not None
        write(pair.visible, folder / "visible" / f"{number:03}.png")
        write(pair.infrared, folder / "infrared" / f"{number:03}.png")
    return folder


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve pairs, of which the last is for validation; nobody writes here."""
    return write_pairs(tmp_path_factory.mktemp("pairs") / "own", 12)


@pytest.fixture(scope="session")
def recipe(tiny_settings: CodecSettings) -> Recipe:
    """Sixty steps of two crops of 64x64 at one quality."""
    return Recipe(
        name="tiny",
        steps=60,
        batch=2,
        crop=64,
        learning_rate=5e-3,
        warmup_steps=5,
        ema_decay=0.9,
        quality_low=24,
        quality_high=24,
        hyper_free_steps=10,
        integer_steps=10,
        sources={".": 1.0},
        validation_sources={".": 1},
        codec=tiny_settings,
    )


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The same sums in the same order in every run of a test, and one core for it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def new_run(pairs: Path, recipe: Recipe, tmp_path: Path) -> Callable[..., Run]:
    """Makes or resumes the run called `name`, with changes to the recipe."""

    def make(name: str = "run", *, data: Path | None = None, **options: Any) -> Run:
        begun = {key: options.pop(key, None) for key in ("start", "moments")}
        changed = replace(recipe, **options)
        return Run(changed, data or pairs, tmp_path / name, device="cpu", **begun)

    return make
