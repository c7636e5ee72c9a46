# SPDX-License-Identifier: Apache-2.0
"""Which qualities each codec is measured at, chosen to cover about 27 to 42 dB and more."""

from __future__ import annotations

from crossband.errors import InputError

GRIDS: dict[str, tuple[float, ...]] = {
    "jpeg": (3, 8, 15, 26, 42, 62, 88),
    "jpeg2000": (0, 1, 2, 3, 4, 5, 6, 7),
    "webp": (0, 5, 18, 40, 65, 82, 93),
    "avif": (6, 16, 27, 38, 50, 64, 80),
    "avif-default": (4, 13, 24, 35, 47, 62, 80),
    "jpegxl": (25, 16, 10, 6.5, 4, 2.5, 1.4),
    "x265": (47, 42, 37, 33, 29, 25, 21),
    "x265-420": (47, 42, 37, 33, 29, 25, 21),
    "svtav1": (62, 55, 47, 39, 30, 21, 12),
    "vvenc": (48, 42, 37, 32, 27, 22),
    "crossband": (0, 12, 24, 36, 48, 60),
}
"""Qualities on each codec's own scale, from the smallest files to the largest. Those of the other
codecs are the reference measurements' own, so that rows compare one to one."""


def qualities(coder: str) -> tuple[float, ...]:
    """The grid of a coder by its name; `crossband-alone@run` has that of `crossband`.

    Raises:
        InputError: it has none: the codec is the user's own.
    """
    name = coder.partition("@")[0]
    found = GRIDS.get("crossband" if name.startswith("crossband") else name)
    if found is None:
        raise InputError(f"{name} has no grid of its own; give one: --quality {name}=20,30,40")
    return found
