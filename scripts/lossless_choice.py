# SPDX-License-Identifier: Apache-2.0
"""Which order of pixels predicts thermal pictures best: estimates that the choice rests on.

    python scripts/lossless_choice.py --data DIR -o results/lossless-choice.json

Both orders get a linear prediction fitted to each picture, and spreads by local activity in 16
classes. `lattice` codes ever finer lattices, three passes each, from all that is decoded around;
`raster` codes row by row from what is above and to the left. `network` is what the package codes
with: raster order in waves, and the shipped network and levels. Bits a pixel, no coder.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from crossband.entropy.bounded.fit import estimate_bits, fit

Reals = npt.NDArray[np.float64]
NEAREST = 24


def spread_bits(error: Reals, activity: Reals) -> float:
    """Bits under discrete logistics, one scale for each sixteenth of the pixels by activity."""
    classes = np.searchsorted(np.quantile(activity, np.linspace(0, 1, 17)[1:-1]), activity)
    total = 0.0
    for each in range(16):
        away = np.abs(error[classes == each])
        if len(away):
            scales = (away.mean() + 0.05) * np.array([0.4, 0.5, 0.6, 0.7, 0.85])
            upper, lower = (0.5 - away[:, None]) / scales, (-0.5 - away[:, None]) / scales
            chance = 0.5 * (np.tanh(upper / 2) - np.tanh(lower / 2))
            total += float(-np.log2(chance.clip(1e-9)).sum(0).min()) + 8
    return total


def fitted_bits(around: Reals, wanted: Reals) -> float:
    """Bits of pixels after the linear prediction that fits them best; its weights included."""
    mean = around[:, :4].mean(1)
    apart, target = around - mean[:, None], wanted - mean
    activity = np.abs(apart[:, :12]).mean(1)
    if len(wanted) <= 2000:
        return spread_bits(target, np.abs(apart).mean(1))
    scaled = apart / (activity + 0.5)[:, None]
    weights = np.linalg.lstsq(scaled.T @ apart, scaled.T @ target, rcond=None)[0]
    return spread_bits(target - apart @ weights, activity) + 11 * around.shape[1]


def lattice(values: Reals) -> float:
    """Bits a pixel from coarse to fine; sides are cut to whole lattices."""
    height, width = (side // 32 * 32 for side in values.shape)
    values = values[:height, :width]
    total = 16.0 * (height // 32) * (width // 32)
    for step in (16, 8, 4, 2, 1):
        known = {(0, 0)}
        for phase in ((1, 1), (0, 1), (1, 0)):
            grid = values[::step, ::step]
            rows, columns = (
                np.arange(at, side, 2) for at, side in zip(phase, grid.shape, strict=True)
            )
            offsets = sorted(
                (dy * dy + dx * dx, dy, dx)
                for dy in range(-7, 8)
                for dx in range(-7, 8)
                if ((phase[0] + dy) % 2, (phase[1] + dx) % 2) in known
            )[:NEAREST]
            around = []
            for _, dy, dx in offsets:
                near = [
                    np.clip(at + move, (first + move) % 2, side - 2 + (first + move) % 2)
                    for at, move, first, side in zip(
                        (rows, columns), (dy, dx), phase, grid.shape, strict=True
                    )
                ]
                around.append(grid[np.ix_(*near)].ravel())
            total += fitted_bits(np.stack(around, 1), grid[np.ix_(rows, columns)].ravel())
            known.add(phase)
    return total / values.size


def raster(values: Reals) -> float:
    """Bits a pixel row by row; spreads also see the errors of the pixels before."""
    reach = 4
    height, width = values.shape
    padded = np.pad(values, reach, mode="edge")
    offsets = sorted(
        (dy * dy + dx * dx, dy, dx)
        for dy in range(-reach, 1)
        for dx in range(-reach, reach + 1)
        if dy < 0 or dx < 0
    )[:NEAREST]
    around = np.stack(
        [
            padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width].ravel()
            for _, dy, dx in offsets
        ],
        1,
    )
    return fitted_bits(around, values.ravel()) / values.size


def main() -> None:
    """Measures every test picture of both 16-bit sets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    with (given.data / "MANIFEST.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    found = []
    for row in [each for each in rows if each["source"] in ("thermal16", "flir16")]:
        with Image.open(given.data / row["ir_path"]) as image:
            samples = np.asarray(image).astype(np.int64)
        values = samples - samples.min()
        step = max(1, int(np.gcd.reduce(values.ravel())))
        values = values // step
        coded = imagecodecs.jpegxl_encode(samples.astype(np.uint16), lossless=True, effort=7)
        rules = fit(values, int(values.max()), 0)
        found.append(
            {
                "image": row["name"],
                "step": step,
                "jpegxl": round(8 * len(coded) / values.size, 3),
                "lattice": round(lattice(values.astype(np.float64)), 3),
                "raster": round(raster(values.astype(np.float64)), 3),
                "network": round(estimate_bits(values, rules) / values.size, 3),
            }
        )
        print(found[-1], file=sys.stderr, flush=True)
        text = json.dumps({"command": "python scripts/lossless_choice.py", "rows": found}, indent=1)
        given.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
