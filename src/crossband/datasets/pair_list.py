# SPDX-License-Identifier: Apache-2.0
"""Pairs that lie anywhere: a file `pairs.csv` says which two files belong together."""

from __future__ import annotations

import csv
from pathlib import Path

from crossband.datasets.data_set import SPLITS, DataSet, PairPath, Split
from crossband.errors import InputError

LIST_NAME = "pairs.csv"
_HEADER = ["visible", "infrared"]


def list_listed(root: Path, split: Split) -> tuple[PairPath, ...]:
    """Pairs of a split in the order of their names, from `pairs.csv` in the root.

    A line has the paths of a visible and an infrared file, as CSV, below the root or absolute; one
    of them may be empty. A third column may name the split, else it is test. Empty lines and a
    first line `visible,infrared` or `visible,infrared,split` are passed over. A pair is called
    after its visible path without ending, or its infrared one if it has no other.

    Raises:
        InputError: the list cannot be read, a line has another form, or two pairs have one name.
    """
    path = root / LIST_NAME
    if not path.is_file():
        return ()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); a UTF-8 file with two paths a line is needed"
        ) from error
    found: dict[str, PairPath] = {}
    for number, row in rows:
        cells = [cell.strip() for cell in row]
        if number == 1 and [cell.lower() for cell in cells[:2]] == _HEADER:
            continue
        if (
            len(cells) not in (2, 3)
            or not any(cells[:2])
            or (cells[2:] or ["test"])[0] not in SPLITS
        ):
            raise InputError(
                f"{path}: line {number} is {','.join(row)!r}; allowed is VISIBLE,INFRARED or"
                f" VISIBLE,INFRARED,SPLIT with SPLIT one of {', '.join(SPLITS)}: correct it"
            )
        if (cells[2:] or ["test"])[0] != split:
            continue
        name = Path(cells[0] or cells[1]).with_suffix("").as_posix()
        if name in found:
            raise InputError(
                f"{path}: line {number} names {name} again; each pair is listed once: take one out"
            )
        visible, infrared = (root / cell if cell else None for cell in cells[:2])
        found[name] = PairPath(name, visible, infrared)
    return tuple(found[name] for name in sorted(found))


LIST = DataSet("list", list_listed, False, f"{LIST_NAME} with two paths a line", key=LIST_NAME)
