# SPDX-License-Identifier: Apache-2.0
"""`python -m crossband.training RECIPE --data FOLDER --run FOLDER`: needs no typer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from crossband.errors import CrossbandError
from crossband.training.loop import Run
from crossband.training.recipe import read_recipe


def main() -> int:
    """Runs a recipe; 0 when done or out of minutes, 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m crossband.training", description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of the sources")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run; resumed")
    parser.add_argument("--minutes", type=float, help="stop after this long, with a checkpoint")
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--from", dest="start", type=Path, help="checkpoint to begin from")
    parser.add_argument("--threads", type=int, help="CPU threads")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        overrides = {"steps": options.steps} if options.steps else {}
        recipe = read_recipe(options.recipe, dict(overrides))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        run = Run(recipe, options.data, options.run, device=device, start=options.start)
        run.train(minutes=options.minutes)
    except CrossbandError as error:
        print(f"crossband: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
