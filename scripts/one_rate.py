# SPDX-License-Identifier: Apache-2.0
"""What it costs that one set of weights codes all rates: two trainings from the shipped weights.

    python scripts/one_rate.py --data DATA --runs runs -o results/one-rate.json

Both see as many crops, at a learning rate that falls to zero: one at all qualities, as `base` was
trained, the other at one quality alone. The difference is what the first needs at the PSNR of the
second, on val pictures (estimates with rounded latents), in percent.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from crossband.bench.bd import Curve
from crossband.errors import CrossbandError
from crossband.pair import Modality
from crossband.training.loop import Run
from crossband.training.recipe import Recipe, read_recipe
from crossband.training.validate import Point, measure, validation_set

RECIPE = Path(__file__).parent.parent / "recipes" / "second.toml"
START = "base"
QUALITY = 20
AROUND = (12, 16, 20, 24, 28)
"""Qualities of the curve of the weights for all rates."""
VALIDATION = {"roadscene": 4, "m3svd": 2, "msrs": 2}
STEPS = 600


def recipes(steps: int) -> dict[str, Recipe]:
    """For all rates and for one."""
    all_rates = replace(
        read_recipe(RECIPE),
        name="all-rates",
        steps=steps,
        batch=4,
        learning_rate=6e-4,
        warmup_steps=60,
        integer_steps=0,
        validation_sources={},
    )
    one = replace(all_rates, name="one-rate", quality_low=QUALITY, quality_high=QUALITY)
    return {each.name: each for each in (all_rates, one)}


def more_bits(curve: Sequence[Point], point: Point) -> dict[str, float]:
    """What a curve needs at a point's PSNR, in percent of its bits, by camera.

    Raises:
        ValueError: the PSNR is not on the curve.
    """
    found = {}
    for camera in (each.value for each in Modality):
        rate, psnr = (f"{camera}_{kind}" for kind in ("bpp", "psnr"))
        through = Curve.through((getattr(each, rate), getattr(each, psnr)) for each in curve)
        needed = float(through.rates_at(np.array([getattr(point, psnr)]))[0])
        if not np.isfinite(needed):
            raise ValueError(f"{getattr(point, psnr):.2f} dB of {camera} are not on the curve")
        found[camera] = round(100 * (needed / getattr(point, rate) - 1), 2)
    return found


def main(words: Sequence[str] | None = None) -> int:
    """Trains, measures and writes what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sources")
    parser.add_argument("--runs", type=Path, required=True, help="where the trainings are kept")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS, help="of each training")
    options = parser.parse_args(words)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    measured: dict[str, list[Point]] = {}
    try:
        pairs = validation_set(options.data, VALIDATION).pairs
        for name, recipe in recipes(options.steps).items():
            folder = options.runs / recipe.name
            run = Run(recipe, options.data, folder, device=device, start=START)
            if run.train().interrupted:
                print("one_rate: interrupted; the same command goes on", file=sys.stderr)
                return 130
            qualities = AROUND if name == "all-rates" else (QUALITY,)
            measured[name] = list(measure(run.average, pairs, device, qualities=qualities))
    except (CrossbandError, OSError) as error:
        print(f"one_rate: {error}", file=sys.stderr)
        return 3
    rows: list[dict[str, Any]] = []
    for point in measured["one-rate"]:
        place = (point.source, point.mode)
        curve = [each for each in measured["all-rates"] if (each.source, each.mode) == place]
        rows.append({"source": point.source, "mode": point.mode, **more_bits(curve, point)})
    made = {"start": START, "steps": options.steps, "quality": QUALITY, "rows": rows}
    options.output.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
