# SPDX-License-Identifier: Apache-2.0
"""What the infrared picture gives the visible one when the two do not lie on each other.

    python scripts/misalignment.py --data DIR -o results/misalignment.jsonl
    python scripts/misalignment.py --data DIR -o results/misalignment-lossless.jsonl --lossless

RoadScene test pairs whose infrared picture is shifted, turned or scaled on purpose, and data sets
whose cameras do not match as they are; each coded with and without `--register auto`. Rates are
those of the visible picture's record in a real file; PSNRs those of what a fresh process decoded.
Files are written at effort 1, which codes the visible picture given the infrared one whether that
saves anything or not: from effort 4 on a loss becomes none. With `--lossless` the infrared picture
is coded without loss and nothing is displaced on purpose. Rows that are there stay.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from crossband.bench.metrics import psnr
from crossband.cli.bench import chosen_tasks
from crossband.codec import Codec, load
from crossband.container import unpack
from crossband.homography import Homography, Size
from crossband.pair import Modality, Pair, Raster
from crossband.registration import estimate
from crossband.sources import read_pair

SOURCE = Path(__file__).resolve().parents[1] / "src"
CHANGED = "roadscene:test:4"
"""The pairs that are displaced on purpose."""
AS_THEY_ARE = (
    "roadscene:test:4",
    "roadscene_hr:test:2",
    "llvip:test:2",
    "tno:test:4",
    "roadscene_unaligned:test:4",
    "cvc_lwir:test:4",
    "visir_match:test:2",
    "msrs_warp:test:4",
)
QUALITIES = (30, 60)
DECODE = """
import sys, numpy as np, crossband
from pathlib import Path
for path in sorted(Path(sys.argv[1]).glob("*.xb")):
    shown = crossband.decode(path.read_bytes()).visible
    np.save(path.with_suffix(".npy"), shown.samples)
"""
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Change:
    """What is done to the infrared picture about its middle."""

    kind: str
    """shift, rotation or scale; none for pairs as they are."""
    amount: float
    """Pixels to the right, degrees, or times as large."""

    def matrix(self, size: Size) -> Matrix:
        """From the changed picture to the first one, from the corner."""
        angle = np.deg2rad(self.amount) if self.kind == "rotation" else 0.0
        scale = 1 / self.amount if self.kind == "scale" else 1.0
        right = -self.amount if self.kind == "shift" else 0.0
        cos, sin = scale * np.cos(angle), scale * np.sin(angle)
        x, y = size.width / 2, size.height / 2
        there = np.array([[1, 0, x + right], [0, 1, y], [0, 0, 1]])
        back = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
        changed: Matrix = there @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) @ back
        return changed


AS_IT_IS = Change("none", 0.0)
CHANGES = (
    *(Change("shift", px) for px in (0, 2, 4, 8, 16, 32)),
    *(Change("rotation", degrees) for degrees in (1, 3)),
    *(Change("scale", times) for times in (0.9, 0.95, 1.05, 1.1)),
)


def changed(infrared: Raster, matrix: Matrix) -> Raster:
    """The picture seen through the matrix, bicubic, its border repeated outside."""
    height, width = infrared.height, infrared.width
    down, right = np.mgrid[0.5:height, 0.5:width]
    points = matrix @ np.stack([right, down, np.ones_like(right)]).reshape(3, -1)
    shares = 2 * points[:2] / points[2] / [[width], [height]] - 1
    grid = torch.from_numpy(shares.T.reshape(1, height, width, 2)).float()
    samples = torch.from_numpy(infrared.samples.astype(np.float32))[None, None]
    seen = F.grid_sample(samples, grid, mode="bicubic", padding_mode="border", align_corners=False)[
        0, 0
    ]
    top = (1 << infrared.bit_depth) - 1
    kind = infrared.samples.dtype
    return Raster(seen.round().clamp(0, top).numpy().astype(kind), infrared.bit_depth)


def error_px(found: Homography, change: Change, pair: Pair) -> float:
    """Mean distance from the change that was made, where both see, in pixels of the visible one."""
    assert pair.visible is not None and pair.infrared is not None
    visible = Size(pair.visible.height, pair.visible.width)
    infrared = Size(pair.infrared.height, pair.infrared.width)
    corner = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    estimated = corner @ found.matrix(infrared, visible) @ np.linalg.inv(corner)
    plain = np.diag([visible.width / infrared.width, visible.height / infrared.height, 1])
    wanted = plain @ change.matrix(infrared)
    down, right = np.mgrid[0 : infrared.height : 9j, 0 : infrared.width : 9j]
    points = np.stack([right, down, np.ones_like(right)]).reshape(3, -1)
    a, b = estimated @ points, wanted @ points
    a, b = a[:2] / a[2], b[:2] / b[2]
    inside = ((b >= 0) & (b <= [[visible.width], [visible.height]])).all(0)
    return float(np.hypot(*(a - b))[inside].mean())


def decoded(files: dict[str, bytes]) -> dict[str, Raster]:
    """The visible pictures that a fresh process decodes."""
    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            (Path(folder) / f"{name}.xb").write_bytes(data)
        subprocess.run(
            [sys.executable, "-c", DECODE, folder],
            check=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )
        return {name: Raster(np.load(Path(folder) / f"{name}.npy")) for name in files}


def rows(
    codec: Codec, pair: Pair, change: Change, max_error: int | None
) -> Iterator[dict[str, object]]:
    """One row a quality and way of registration."""
    assert pair.visible is not None and pair.infrared is not None
    size = Size(pair.infrared.height, pair.infrared.width)
    infrared = pair.infrared
    if change is not AS_IT_IS:
        infrared = changed(infrared, change.matrix(size))
    pair = Pair(pair.visible, infrared)
    found = estimate(pair.visible, infrared)
    ways = {"none": None, "auto": found.homography}
    files = {}
    for quality in QUALITIES:
        files[f"alone-{quality}"] = codec.encode(Pair(pair.visible), quality=quality)
        for way, homography in ways.items():
            files[f"{way}-{quality}"] = codec.encode(
                pair, quality=quality, effort=1, registration=homography, max_error=max_error
            )
    shown = decoded(files)

    def measured(name: str) -> tuple[int, float]:
        size_bytes = unpack(files[name]).picture_bytes(Modality.VISIBLE)
        assert pair.visible is not None
        return size_bytes, round(psnr(pair.visible, shown[name]), 3)

    for quality in QUALITIES:
        alone_bytes, alone_db = measured(f"alone-{quality}")
        for way, homography in ways.items():
            given_bytes, given_db = measured(f"{way}-{quality}")
            known = homography is not None and change is not AS_IT_IS
            yield {
                "change": change.kind,
                "amount": change.amount,
                "register": way,
                "quality": quality,
                "alone_bytes": alone_bytes,
                "alone_db": alone_db,
                "given_bytes": given_bytes,
                "given_db": given_db,
                "registered": homography is not None,
                "clearness": round(found.clearness, 2),
                "likeness": [round(found.before, 3), round(found.after, 3)],
                "error_px": round(error_px(homography, change, pair), 2) if known else None,
            }


def infrared(path: Path) -> Raster:
    """A stored infrared picture; renderings in colour, as some of visir_match are, as luminance."""
    with Image.open(path) as picture:
        if picture.mode in ("RGB", "RGBA"):
            return Raster(np.asarray(picture.convert("L")))
    read = read_pair(None, path).pair.infrared
    assert read is not None
    return read


def main() -> None:
    """Adds the rows that are not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--lossless", action="store_true", help="beside exact infrared")
    given = parser.parse_args()
    torch.set_num_threads(1)
    codec = load()
    weights_id = codec.model.card.weights_id
    lines = given.output.read_text(encoding="utf-8").splitlines() if given.output.exists() else []
    there = {
        (row["weights_id"], row["dataset"], row["image"], row["change"], row["amount"])
        for row in map(json.loads, lines)
    }
    displaced = [] if given.lossless else chosen_tasks(given.data, [CHANGED], None)
    wanted = [(task, change) for task in displaced for change in CHANGES]
    wanted += [(task, AS_IT_IS) for task in chosen_tasks(given.data, list(AS_THEY_ARE), None)]
    for task, change in wanted:
        key = (weights_id, task.dataset, task.path.name, change.kind, change.amount)
        if key in there:
            continue
        pair = Pair(read_pair(task.path.visible, None).pair.visible, infrared(task.path.infrared))
        pair = pair.without_metadata()
        with given.output.open("a", encoding="utf-8") as file:
            for row in rows(codec, pair, change, 0 if given.lossless else None):
                about = {"weights_id": weights_id, "dataset": task.dataset, "image": task.path.name}
                file.write(json.dumps({**about, **row}) + "\n")
        print(*key[1:], file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
