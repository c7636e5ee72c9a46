# SPDX-License-Identifier: Apache-2.0
"""Where each published set of pairs keeps its files: one adapter a layout.

    pairs = datasets.find("roadscene").pairs(root, "test")     # (PairPath, ...), sorted by name

A set is called by its name; `folder` is any folder with `visible/` and `infrared/` in it, `list`
one with a list of pairs. Nothing in these files opens a picture, and they need the standard library
only; `crossband.datasets.check` opens all of them.
"""

from __future__ import annotations

from crossband.datasets.data_set import SPLITS, DataSet, PairPath, Split, spread
from crossband.datasets.pair_list import LIST
from crossband.datasets.published import PUBLISHED
from crossband.datasets.selection import Selection, parse
from crossband.datasets.shared_folder import SHARED_FOLDER
from crossband.datasets.two_folders import FOLDER
from crossband.errors import InputError

__all__ = [
    "SPLITS",
    "DataSet",
    "PairPath",
    "Selection",
    "Split",
    "find",
    "names",
    "select",
    "spread",
]

_SETS: dict[str, DataSet] = {each.name: each for each in (*SHARED_FOLDER, *PUBLISHED, FOLDER, LIST)}


def names() -> tuple[str, ...]:
    """Every set that `find` knows, sorted."""
    return tuple(sorted(_SETS))


def find(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        InputError: there is none.
    """
    if name not in _SETS:
        raise InputError(f"no data set is called {name}; allowed are {', '.join(names())}")
    return _SETS[name]


def select(text: str) -> Selection:
    """Some pairs of a set: `msrs`, `msrs:val`, `roadscene:test:10`, `roadscene:all`.

    Without a split it is the test split; with a count that many, evenly spread over the names.

    Raises:
        InputError: the text names no set or split.
    """
    return parse(text, _SETS)
