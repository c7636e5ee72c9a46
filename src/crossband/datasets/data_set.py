# SPDX-License-Identifier: Apache-2.0
"""A set of pairs on disk: its name, what is to be known about it, and how its files are found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from crossband.errors import InputError

Split = Literal["train", "val", "test"]
"""Pictures to train on, to choose by, and to report on."""
SPLITS: tuple[Split, ...] = ("train", "val", "test")
"""Every split."""

Item = TypeVar("Item")

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
"""What the name of a picture file ends in, in lower case."""


@dataclass(frozen=True, slots=True)
class PairPath:
    """The files of one pair; one may be missing.

    Raises:
        InputError: both are missing.
    """

    name: str
    """Unique in its data set: `FLIR_08867`, or `0111_1803/0010` for a frame of a clip."""
    visible: Path | None
    infrared: Path | None

    def __post_init__(self) -> None:
        if self.visible is None and self.infrared is None:
            raise InputError(f"{self.name}: has neither a visible nor an infrared file")


@dataclass(frozen=True, slots=True)
class DataSet:
    """Pairs that were published together."""

    name: str
    list_pairs: Callable[[Path, Split], tuple[PairPath, ...]]
    """The adapter: gives the pairs of a split below a root, sorted by name."""
    aligned: bool
    """Whether its authors registered the two pictures of a pair."""
    about: str
    """One line: what is seen, and what limits a comparison on it."""
    single: tuple[Split, ...] = ()
    """Splits in which the two cameras' pictures are not meant to be pairs."""
    key: str = "file name without ending"
    """What the two files of a pair have in common, or what names them."""

    def pairs(self, root: Path, split: Split = "test") -> tuple[PairPath, ...]:
        """The pairs of a split, sorted by name.

        Args:
            root: the folder that the adapter knows its way in.
            split: train, val or test.

        Raises:
            InputError: the root is no folder, or holds no pair of this set and split.
        """
        if not root.is_dir():
            raise InputError(f"{root}: is not a folder; name the one that holds the data sets")
        found = self.list_pairs(root, split)
        if not found:
            raise InputError(
                f"{root}: has no {split} pair of {self.name}; check the folder's layout"
            )
        return found


def spread(items: Sequence[Item], count: int) -> tuple[Item, ...]:
    """That many of the items, evenly spread from the first to the last; all if there are fewer.

    Example:
        >>> spread("abcdefghi", 3)
        ('a', 'e', 'i')
    """
    if count < 1:
        raise InputError(f"{count} pictures were asked for; at least 1 is needed")
    if count >= len(items):
        return tuple(items)
    if count == 1:
        return (items[0],)
    return tuple(
        items[(2 * i * (len(items) - 1) + count - 1) // (2 * (count - 1))] for i in range(count)
    )


def pictures_by_stem(folder: Path) -> dict[str, Path]:
    """The picture files of a folder by their names without ending; none if there is no folder."""
    if not folder.is_dir():
        return {}
    return {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in ENDINGS}


def match(
    visible: dict[str, Path], infrared: dict[str, Path], *, prefix: str = ""
) -> tuple[PairPath, ...]:
    """Pairs of the files with equal stems, sorted; a file without a partner stays alone.

    Args:
        visible: files by stem.
        infrared: files by stem.
        prefix: what a name starts with, such as the name of a clip and a slash.
    """
    return tuple(
        PairPath(f"{prefix}{stem}", visible.get(stem), infrared.get(stem))
        for stem in sorted(visible.keys() | infrared.keys())
    )
