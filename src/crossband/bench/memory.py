# SPDX-License-Identifier: Apache-2.0
"""Peak memory of a piece of work in this process, where the system tells it: Linux."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"
"""What the kernel's documentation (proc_pid_clear_refs) has to start the peak anew."""


def watch_peak() -> Callable[[], int | None]:
    """Starts to watch; what it gives tells the peak in bytes since then, or None.

    The peak is the resident memory of the largest process: this one, with all that it has loaded,
    or a program that it ran meanwhile. Of several such programs of one process it is the largest
    so far.

    Example:
        >>> peak_bytes = watch_peak()
        >>> peak_bytes() is None or peak_bytes() > 0
        True
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    import resource

    try:
        _CLEAR.write_text(_FORGET_PEAK)
    except OSError:  # a sandbox may forbid it
        return lambda: None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    def peak_bytes() -> int:
        own = next(
            int(line.split()[1])
            for line in _STATUS.read_text().splitlines()
            if line.startswith("VmHWM:")
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        ran = after.ru_minflt > before.ru_minflt  # a program that ended has touched memory
        return 1024 * max(own, after.ru_maxrss if ran else 0)

    return peak_bytes
