# SPDX-License-Identifier: Apache-2.0
"""What a run wrote down of itself: one JSON object a line (docs/training.md lists the rows)."""

from __future__ import annotations

import json
from pathlib import Path

from crossband.errors import TrainingError
from crossband.training.checkpoint import explain

LOG = "log.jsonl"
"""Its name in the folder of a run."""


def append_row(run: Path, row: dict[str, object]) -> None:
    """Adds a row.

    Raises:
        TrainingError: the system refuses to write (disk full, permission).
    """
    path = run / LOG
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
    except OSError as error:
        raise TrainingError(f"{path}: not written ({explain(error)})") from error


def read_rows(run: Path) -> list[dict[str, object]]:
    """All rows; half a line, left by a full disk, is passed over."""
    path = run / LOG
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                rows.append(row)
    return rows
