# SPDX-License-Identifier: Apache-2.0
"""Anybody's own pairs: folders of both cameras side by side, files paired by stem."""

from __future__ import annotations

from pathlib import Path

from crossband.datasets.data_set import DataSet, PairPath, Split, match, pictures_by_stem

VISIBLE = ("visible", "vis", "vi")
"""Names of the visible camera's folder."""
INFRARED = ("infrared", "ir", "thermal")
"""Names of the infrared camera's folder."""


def list_folders(root: Path, split: Split) -> tuple[PairPath, ...]:
    """Pairs in the layouts that `crossband train` takes, too.

    `visible` and `infrared` in the root itself have no split: all is test. Else they lie below a
    folder that is called after the split or starts with it, at any depth: `train`, or
    `video/train_0111` for the frames of a clip, which are called `video/0111/FRAME`.
    """
    if plain := pairs_beside(root, ""):
        return plain if split == "test" else ()
    found: list[PairPath] = []
    for folder in sorted(path for path in root.rglob("*") if path.is_dir()):
        parts = folder.relative_to(root).parts
        if any(part == split or part.startswith(f"{split}_") for part in parts):
            kept = [part.removeprefix(f"{split}_") for part in parts if part != split]
            found += pairs_beside(folder, "".join(f"{part}/" for part in kept))
    return tuple(sorted(found, key=lambda pair: pair.name))


def pairs_beside(folder: Path, prefix: str) -> tuple[PairPath, ...]:
    """What lies in the two cameras' folders of a folder."""
    return match(_pictures(folder, VISIBLE), _pictures(folder, INFRARED), prefix=prefix)


def _pictures(folder: Path, names: tuple[str, ...]) -> dict[str, Path]:
    return {stem: path for name in names for stem, path in pictures_by_stem(folder / name).items()}


FOLDER = DataSet("folder", list_folders, False, "a folder with visible/ and infrared/ in it")
