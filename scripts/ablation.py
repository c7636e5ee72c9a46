# SPDX-License-Identifier: Apache-2.0
"""What each part of the codec is worth: short trainings that differ in one thing, then real files.

    python scripts/ablation.py alignment --data DATA --runs runs -o results/ablation-alignment.jsonl
    python scripts/ablation.py residual --data DATA --runs runs -o results/ablation-alignment.jsonl
    python scripts/ablation.py start --data DATA --runs runs -o results/ablation-start.jsonl

`alignment` takes the cross-modal branches out of trained weights (`--from`) and trains every
variant from there; `residual` does so with one more variant, whose rows go beside the others':
channel alignment that predicts from the partner alone instead of being context. `start` trains
from a transform codec and from random weights. Recipe, seed and steps are equal within each. A run
or a row that is there is kept, so the command may be repeated.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from crossband.bench import coders
from crossband.bench.run import run as run_bench
from crossband.cli.bench import chosen_tasks
from crossband.models.settings import CodecSettings
from crossband.training.checkpoint import CHECKPOINT
from crossband.training.export import export
from crossband.training.loop import Run
from crossband.training.recipe import Recipe, read_recipe

RECIPES = Path(__file__).parent.parent / "recipes"
NONE = CodecSettings(channel_alignment=False, spatial_alignment=False, entropy_context=False)
ALIGNMENTS: Mapping[str, CodecSettings] = {
    "none": NONE,
    "channel": replace(NONE, channel_alignment=True),
    "spatial": replace(NONE, spatial_alignment=True),
    "both": replace(NONE, channel_alignment=True, spatial_alignment=True),
    "both-entropy": CodecSettings(),
}
RESIDUAL: Mapping[str, CodecSettings] = {
    "channel-residual": replace(NONE, channel_alignment=True, residual=True),
}
STARTS: Mapping[str, CodecSettings] = {
    "transform-codec": NONE,
    "random": replace(NONE, random_start=True),
}
TEST_SETS = ["roadscene:test:10", "m3svd:test:5", "msrs:test:5"]
QUALITIES = (0.0, 15.0, 30.0, 45.0, 60.0)


def trained(
    name: str, recipe: Recipe, data: Path, runs: Path, start: Path | str | None = None
) -> Path:
    """The weight file of a finished run in `runs`, trained first if it is not there."""
    folder, weights = runs / name, runs / f"{name}.safetensors"
    if not weights.exists():
        print(f"{folder}: {recipe.steps} steps", flush=True)
        Run(replace(recipe, name=name), data, folder, device="cpu", start=start).train()
        export(folder, weights)
    return weights


def alignments(
    data: Path, runs: Path, start: str, variants: Mapping[str, CodecSettings]
) -> list[Path]:
    """Every variant, from the transforms of trained weights."""
    recipe = read_recipe(RECIPES / "ablation.toml")
    bare = runs / "bare"
    if not (bare / CHECKPOINT).exists():
        bare_recipe = replace(recipe, name="bare", codec=NONE)
        Run(bare_recipe, data, bare, device="cpu", start=start).save()
    return [
        trained(name, replace(recipe, codec=codec), data, runs, start=bare)
        for name, codec in variants.items()
    ]


def starts(data: Path, runs: Path) -> list[Path]:
    """Both kinds of first weights, each after the same few steps and after more."""
    recipe = read_recipe(RECIPES / "ablation.toml")
    recipe = replace(recipe, learning_rate=3e-3, alone_share=1.0)
    found = []
    for name, codec in STARTS.items():
        # Random layers are not near their place: they get the full rate.
        share = 1.0 if codec.random_start else recipe.started_share
        for steps in (200, 800):
            own = replace(recipe, codec=codec, steps=steps, started_share=share)
            found.append(trained(f"{name}-{steps}", own, data, runs))
    return found


def main() -> None:
    """Trains and measures what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("alignment", "residual", "start"))
    parser.add_argument("--data", type=Path, required=True, help="folder of the sources")
    parser.add_argument("--runs", type=Path, required=True, help="where the trainings are kept")
    parser.add_argument("--from", dest="start", default="base", help="trained weights")
    parser.add_argument("-o", "--output", type=Path, required=True, help="rows, as of bench run")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    mode = "crossband"
    if options.what == "start":
        weights, mode = starts(options.data, options.runs), "crossband-alone"
    else:
        variants = ALIGNMENTS if options.what == "alignment" else RESIDUAL
        weights = alignments(options.data, options.runs, options.start, variants)
    chosen = [coders.find(f"{mode}@{path}") for path in weights]
    tasks = chosen_tasks(options.data, TEST_SETS, None)
    print(f"{options.output}: {len(tasks)} pairs by {len(chosen)} codecs", flush=True)
    qualities = {coder.name: QUALITIES for coder in chosen}
    summary = run_bench(tasks, chosen, options.output, qualities=qualities)
    for line in summary.failures:
        print(line, flush=True)


if __name__ == "__main__":
    main()
