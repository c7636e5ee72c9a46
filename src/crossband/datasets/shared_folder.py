# SPDX-License-Identifier: Apache-2.0
"""Many public sets in one folder, sorted by source, split and camera.

SOURCE/SPLIT/{vis,ir}/NAME.*                pairs, or infrared alone
SOURCE/mono/SPLIT/NAME.*                    visible alone
SOURCE/video/SPLIT_CLIP/{vis,ir}/FRAME.*    clips of picture files; each frame is a still here
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from crossband.datasets.data_set import DataSet, PairPath, Split, match, pictures_by_stem

VIS, IR = "vis", "ir"
"""The two cameras' folders."""


def list_source(root: Path, split: Split, *, source: str) -> tuple[PairPath, ...]:
    """Pairs, single pictures and frames of one source, sorted by name."""
    base = root / source
    found = match(pictures_by_stem(base / split / VIS), pictures_by_stem(base / split / IR))
    found += match(pictures_by_stem(base / "mono" / split), {})
    for clip in sorted((base / "video").glob(f"{split}_*")):
        name = clip.name.removeprefix(f"{split}_")
        found += match(pictures_by_stem(clip / VIS), pictures_by_stem(clip / IR), prefix=f"{name}/")
    return found


_SOURCES: tuple[tuple[str, bool, str], ...] = (
    ("roadscene", True, "driving; crops of FLIR ADAS; JPEG quality 75: compare below 37 dB"),
    ("roadscene_hr", False, "the same scenes, visible at its camera's own resolution"),
    ("roadscene_unaligned", False, "the same scenes, full infrared frame against a visible crop"),
    ("flir", False, "FLIR ADAS, 640x512, as in published curves; you bring the pairs; JPEG"),
    ("flir_full", False, "one whole FLIR ADAS pair, 640x512"),
    ("msrs", True, "driving on a campus by day and night; PNG; infrared of low gain"),
    ("msrs_warp", False, "MSRS with the infrared picture warped on purpose"),
    ("m3fd", True, "one pair of driving by night"),
    ("llvip", True, "surveillance by night, 1280x1024; JPEG"),
    ("vifb", True, "tracking and surveillance; small, strongly compressed JPEG"),
    ("tno", True, "military scenes, gray visible, noisy infrared; PNG"),
    ("cvc_lwir", False, "outdoors from a stereo rig, gray visible, up to 20 px of disparity"),
    ("visir_match", False, "pairs of an image matching benchmark, not registered"),
    ("nir_country", True, "near infrared, not thermal: keep it out of thermal averages"),
    ("flir16", False, "16-bit sensor counts beside a visible picture of another field of view"),
    ("thermal16", False, "16-bit sensor counts without a visible picture"),
    ("m3svd", True, "frames of clips from a camera at rest; lossless"),
    ("bsds500", False, "visible alone"),
    ("kodak", False, "visible alone"),
)

SHARED_FOLDER: tuple[DataSet, ...] = tuple(
    DataSet(name, partial(list_source, source=name), aligned, about)
    for name, aligned, about in _SOURCES
)
"""Every source that this layout is known to hold."""
