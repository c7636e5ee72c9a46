# SPDX-License-Identifier: Apache-2.0
"""The codecs that crossband is held against: one file each, with the same five names.

Each needs a package of the extra `crossband[bench]`; one whose package is missing says so with
`available()` and is skipped. Settings are those of the reference measurements (docs/benchmark.md).
"""

from __future__ import annotations

from crossband.bench.anchors import (
    avif,
    avif_default,
    jpeg,
    jpeg2000,
    jpegxl,
    svtav1,
    vvenc,
    webp,
    x265,
    x265_420,
)
from crossband.bench.anchors.anchor import Anchor, AnchorError, Samples, Stream
from crossband.bench.anchors.external import ExternalAnchor
from crossband.errors import InputError

__all__ = ["Anchor", "AnchorError", "ExternalAnchor", "Samples", "Stream", "find", "names"]

_MODULES: tuple[Anchor, ...] = (
    jpeg,
    jpeg2000,
    webp,
    avif,
    avif_default,
    jpegxl,
    x265,
    x265_420,
    svtav1,
    vvenc,
)
_ANCHORS: dict[str, Anchor] = {anchor.name: anchor for anchor in _MODULES}


def names() -> tuple[str, ...]:
    """Every anchor, installed or not, from the oldest to the newest codec."""
    return tuple(_ANCHORS)


def find(name: str) -> Anchor:
    """The anchor of that name.

    Raises:
        InputError: there is none.
    """
    if name not in _ANCHORS:
        raise InputError(f"no anchor is called {name}; allowed are {', '.join(names())}")
    return _ANCHORS[name]
