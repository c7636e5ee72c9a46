# SPDX-License-Identifier: Apache-2.0
"""The state of a run on disk: whole and readable, or an error of one line."""

from __future__ import annotations

import errno
import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from crossband.errors import TrainingError
from crossband.training.recipe import Recipe, recipe_from_mapping

CHECKPOINT = "checkpoint.pt"
"""The last good one's name in the folder of a run."""
LATE_CHECKPOINT = "checkpoint.late.pt"
"""Likewise: what a session left whose last steps had twice the cost of the best ones. The next one
goes on from it, everything else takes the good one; it is gone when the cost is back, or when the
run is found to diverge."""
_KEYS = ("recipe", "step", "codec", "average", "optimizers", "random", "sampler")
_STUMBLES = (
    *(OSError, RuntimeError, EOFError, TypeError, ValueError, LookupError, AttributeError),
    *(pickle.UnpicklingError, zipfile.BadZipFile),
)
"""What torch raises on other files, by where its unpickler comes to a stop."""


def read_checkpoint(path: Path, *, device: str = "cpu") -> dict[str, Any]:
    """The state that `write_checkpoint` was given; only tensors and plain values are unpacked.

    Raises:
        TrainingError: there is none, or the file is damaged.
    """
    if not path.is_file():
        if path.with_name(LATE_CHECKPOINT).is_file():
            raise TrainingError(
                f"{path.parent} holds no good checkpoint yet, only one of steps that have twice the"
                " cost of the best ones; train on until the cost is back"
            )
        raise TrainingError(f"{path.parent} holds no checkpoint; give the folder of a run")
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        missing = [key for key in _KEYS if key not in state]
    except _STUMBLES as error:
        raise TrainingError(_damaged(path, error)) from None
    if missing:
        raise TrainingError(_damaged(path, f"it has no '{missing[0]}'"))
    return state


def _damaged(path: Path, reason: object) -> str:
    said = (str(reason) or type(reason).__name__).splitlines()[0][:120]
    return (
        f"{path}: not a checkpoint, or a damaged one ({said});"
        " move it away to begin anew, or put a copy in its place"
    )


def newest_checkpoint(run: Path) -> Path | None:
    """Where a run goes on; None if it has no checkpoint yet."""
    kept = (run / LATE_CHECKPOINT, run / CHECKPOINT)
    return next((path for path in kept if path.exists()), None)


def recipe_of(state: dict[str, Any], path: Path) -> Recipe:
    """The recipe that a checkpoint's run follows; keys that it is too old to have are defaults."""
    return recipe_from_mapping(json.loads(state["recipe"]), str(path))


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes beside the path and renames: a failure leaves the checkpoint before it as it was.

    Raises:
        TrainingError: the system refuses to write (disk full, permission).
    """
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch turns some of the system's errors into its own
        kept = "the previous one is kept" if path.exists() else "there is none yet"
        raise TrainingError(f"{path}: checkpoint not written ({explain(error)}); {kept}") from (
            error
        )
    finally:
        partial.unlink(missing_ok=True)


def explain(error: OSError | RuntimeError) -> str:
    """Why a file could not be written, and what to do."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__context__  # torch's writer fails again when it is closed
    if cause is None:
        return f"{str(error).splitlines()[0][:120]}: see the disk and the folder's permissions"
    if cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full: make room"
    return f"{cause.strerror or cause}: see the disk and the folder's permissions"
