# SPDX-License-Identifier: Apache-2.0
"""Keeps benches apart: one that takes times runs while no other does."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from crossband.errors import InputError


@contextlib.contextmanager
def machine(*, alone: bool) -> Iterator[None]:
    """The right to measure on this machine until the block ends, also by a kill.

    Args:
        alone: without any other bench of this user; else beside others that are not alone.

    Raises:
        InputError: another bench has a right that excludes this one.
    """
    if sys.platform == "win32":  # it has no flock, and nothing keeps benches apart
        yield
        return
    import fcntl

    path = lock_path()
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            found = "another bench is running" if alone else "a bench with --timing is running"
            raise InputError(
                f"{found} on this machine, and --timing runs alone; start again when it has ended"
            ) from None
        yield
    finally:
        os.close(descriptor)


def lock_path() -> Path:
    """What benches of this user lock; holds nothing."""
    return Path(tempfile.gettempdir()) / f"crossband-bench-{os.getuid()}.lock"


def load() -> float | None:
    """Processes that wanted a processor in the last minute, on average; None: not told here."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
