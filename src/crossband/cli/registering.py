# SPDX-License-Identifier: Apache-2.0
"""`--register`: a homography looked for in the pictures, or read from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossband.cli.outcome import UsageError
from crossband.cli.streams import working

if TYPE_CHECKING:
    from crossband.homography import Homography
    from crossband.pair import Pair


def registered(pair: Pair, register: str) -> tuple[Homography | None, str]:
    """Where the infrared picture lies in the visible one, or why that is not known.

    Args:
        pair: both pictures.
        register: `auto`, or the name of a JSON file.

    Raises:
        UsageError: a picture is missing.
        SourceError: the file cannot be read or holds no homography.
        PictureError: its homography cannot be used for these pictures.
    """
    from crossband.homography import Size
    from crossband.registration import estimate, read_homography

    if pair.visible is None or pair.infrared is None:
        raise UsageError("--register is for two pictures; one is given: leave it out")
    if register != "auto":
        infrared, visible = (
            Size(each.height, each.width) for each in (pair.infrared, pair.visible)
        )
        return read_homography(register, infrared=infrared, visible=visible), ""
    with working("registering"):
        found = estimate(pair.visible, pair.infrared)
    return found.homography, found.reason
