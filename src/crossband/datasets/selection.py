# SPDX-License-Identifier: Apache-2.0
"""Some pairs of a data set, as a word on the command line names them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from crossband.datasets.data_set import SPLITS, DataSet, PairPath, Split, spread
from crossband.errors import InputError


@dataclass(frozen=True, slots=True)
class Selection:
    """Pairs of one data set: a split or all of them, and how many."""

    dataset: DataSet
    splits: tuple[Split, ...] = ("test",)
    count: int | None = None
    """This many, evenly spread over the sorted names; None for all."""

    def pairs(self, root: Path) -> tuple[PairPath, ...]:
        """The pairs, sorted by name.

        Raises:
            InputError: the root is no folder, or holds no pair of these splits.
        """
        found = [pair for split in self.splits for pair in self.dataset.list_pairs(root, split)]
        if not found:
            self.dataset.pairs(root, self.splits[-1])  # says what is missing
        found.sort(key=lambda pair: pair.name)
        return tuple(found) if self.count is None else spread(found, self.count)


def parse(text: str, find: dict[str, DataSet]) -> Selection:
    """The selection that `NAME[:SPLIT[:COUNT]]` names; SPLIT is train, val, test or all.

    Raises:
        InputError: it names none.
    """
    name, split, count = (*text.split(":"), "", "")[:3]
    if text.count(":") > 2 or (count and not (count.isdecimal() and int(count) > 0)):
        raise InputError(f"{text}: is no selection; write NAME, NAME:SPLIT or NAME:SPLIT:COUNT")
    if name not in find:
        raise InputError(f"no data set is called {name}; allowed are {', '.join(sorted(find))}")
    if split not in ("", "all", *SPLITS):
        raise InputError(
            f"{text}: no split is called {split}; allowed are all, {', '.join(SPLITS)}"
        )
    splits = SPLITS if split == "all" else (cast(Split, split or "test"),)
    return Selection(find[name], splits, int(count) if count else None)
