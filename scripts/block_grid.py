# SPDX-License-Identifier: Apache-2.0
"""Whether test pictures remember the block grid of an earlier codec, as JSON.

    python scripts/block_grid.py --data DATA > results/block-grid.json

Frames that a block codec has coded before are cheap for another block codec as long as its blocks
fall on the old ones. Each picture is cut from several corners to one size and coded by x265; the
BD-rate of the cuts that lie off the grid of 8 against the cut at (0, 0) says how much of x265's
rate is such a memory. The cut at (8, 8) lies on the grid and has as much of the content changed:
what it differs by is the content's share.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossband.bench.anchors import x265
from crossband.bench.anchors.anchor import Samples
from crossband.bench.bd import Curve, bd_rate
from crossband.bench.metrics import psnr
from crossband.cli.bench import chosen_tasks
from crossband.pair import Modality, Raster
from crossband.sources import read_pair

SETS = ("roadscene:test:4", "m3svd:test:4", "msrs:test:4", "llvip:test:2", "tno:test:4")
QPS = (42, 37, 33, 29, 25)
ON_GRID, OFF_GRID = (8, 8), ((4, 4), (3, 5), (1, 1), (2, 6))
"""Rows and columns cut away at the top and at the left."""
MARGIN = 8


def curve(samples: Samples) -> Curve:
    """Rate and PSNR of one picture by x265."""
    points = []
    for qp in QPS:
        stream = x265.encode(samples, qp)
        decoded = x265.decode(stream.data, samples.shape)
        rate = 8 * len(stream.data) / (samples.shape[0] * samples.shape[1])
        points.append((rate, psnr(Raster(samples), Raster(decoded))))
    return Curve.through(points)


def cut(samples: Samples, corner: tuple[int, int]) -> Samples:
    """The picture less `MARGIN` rows and columns in all, these at the top and left."""
    height, width = samples.shape[0] - MARGIN, samples.shape[1] - MARGIN
    row, column = corner
    return np.ascontiguousarray(samples[row : row + height, column : column + width])


def measured(data: Path, sets: Sequence[str]) -> list[dict[str, object]]:
    """A row for each data set and modality."""
    found: dict[tuple[str, Modality], list[tuple[float, float]]] = {}
    for task in chosen_tasks(data, list(sets), None):
        print(f"{task.dataset} {task.path.name}", file=sys.stderr, flush=True)
        pair = read_pair(task.path.visible, task.path.infrared).pair
        for modality in Modality:
            raster = pair.get(modality)
            if raster is None or raster.samples.dtype != np.uint8:
                continue
            samples = raster.samples.astype(np.uint8, copy=False)
            reference = curve(cut(samples, (0, 0)))
            off = [bd_rate(reference, curve(cut(samples, each))) for each in OFF_GRID]
            on = bd_rate(reference, curve(cut(samples, ON_GRID)))
            if on is not None and None not in off:
                mean = float(np.mean([each for each in off if each is not None]))
                found.setdefault((task.dataset, modality), []).append((on, mean))
    return [
        {
            "dataset": dataset,
            "modality": modality.value,
            "pictures": len(rates),
            "on_grid_percent": round(float(np.mean([on for on, _ in rates])), 2),
            "off_grid_percent": round(float(np.mean([off for _, off in rates])), 2),
        }
        for (dataset, modality), rates in found.items()
    ]


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--set", action="append", default=[], help=f"instead of {', '.join(SETS)}")
    chosen = parser.parse_args()
    rows = measured(chosen.data, chosen.set or SETS)
    print(json.dumps({"codec": x265.version(), "qps": QPS, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
