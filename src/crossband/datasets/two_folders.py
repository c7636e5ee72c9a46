# SPDX-License-Identifier: Apache-2.0
"""Anybody's own pairs: a folder with `visible/` and `infrared/`, files paired by stem."""

from __future__ import annotations

from pathlib import Path

from crossband.datasets.data_set import DataSet, PairPath, Split, match, pictures_by_stem


def list_folders(root: Path, split: Split) -> tuple[PairPath, ...]:
    """Pairs in `SPLIT/visible` and `SPLIT/infrared`, or in `visible` and `infrared` for a test."""
    base = root / split
    if not base.is_dir():
        if split != "test":
            return ()
        base = root
    return match(pictures_by_stem(base / "visible"), pictures_by_stem(base / "infrared"))


FOLDER = DataSet("folder", list_folders, False, "a folder with visible/ and infrared/ in it")
