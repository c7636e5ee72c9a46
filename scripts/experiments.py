# SPDX-License-Identifier: Apache-2.0
"""Experiments that decide: short trainings that differ from a reference in one thing.

    python scripts/experiments.py --list
    python scripts/experiments.py --data DATA --runs runs -o results/experiments.jsonl

All begin with the transform-codec start of the same seed and see as many crops. Each ends as a row:
what was changed, seconds a step, and what the averaged weights need on val pictures (estimates with
rounded latents) at three qualities. The reference comes first, and every row says what it needs in
percent more or less. `--only windows passes` takes these questions alone. A row that is there is
kept and an interrupted training goes on, so the command may be repeated, in pieces of `--minutes`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from crossband.bench.bd import Curve, bd_rate
from crossband.entropy.prior import Pass, PassGeometry, Prior
from crossband.errors import CrossbandError
from crossband.models.settings import CodecSettings
from crossband.training.loop import Run
from crossband.training.network import TrainableCodec
from crossband.training.recipe import Recipe, read_recipe
from crossband.training.run_log import read_rows
from crossband.training.validate import Point, measure, rows, validation_set
from crossband.transforms import to_channels_last
from crossband.transforms.alignment import SpatialAlignment
from crossband.transforms.blocks import Depthwise, GatedBlock, Pointwise

RECIPE = Path(__file__).parent.parent / "recipes" / "ablation.toml"
QUALITIES = (8, 20, 32)
VALIDATION = {"roadscene": 2, "m3svd": 1, "msrs": 1}
REFERENCE = "reference"
STEPS = 400
MINUTES_EACH = 3.5
"""Of two quiet cores: 400 steps of 0.35 s, reading the pictures, measuring."""

Change = Callable[[TrainableCodec], None]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One thing that is another one than in the reference."""

    question: str
    """Experiments of one question stand together."""
    name: str
    codec: Mapping[str, Any] = field(default_factory=dict)
    """Of `CodecSettings`."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Of `Recipe`."""
    change: Change | None = None
    """What settings cannot say."""
    steps_share: float = 1.0
    """Of the reference's steps: more or fewer for smaller or larger batches."""


class PlainBlock(nn.Module):
    """A gated block without its gate: as wide a branch, a leaky ReLU in its place."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.enter = Pointwise(channels, inner)
        self.mix = Depthwise(inner)
        self.leave = Pointwise(inner, channels, start_at_zero=True)
        # 3/2 of the gated block's inner width: as many multiplications.
        self.expand = Pointwise(channels, inner * 3 // 2)
        self.project = Pointwise(inner * 3 // 2, channels, start_at_zero=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features of the same shape."""
        features = features + self.leave(self.mix(F.leaky_relu(self.enter(features), 0.1)))
        added: Tensor = self.project(F.leaky_relu(self.expand(features), 0.1))
        return features + added


def plain_blocks(codec: TrainableCodec) -> None:
    """Every gated block without its gate."""
    for name, block in list(codec.named_modules()):
        if isinstance(block, GatedBlock):
            inner = block.enter.out_channels
            codec.set_submodule(name, PlainBlock(block.enter.in_channels, inner))


def looks(*, deep: int | None, wide: int | None) -> Change:
    """Cross-attention with other windows at 1/16 and 1/8; None: none there."""

    def change(codec: TrainableCodec) -> None:
        for network in (codec.visible, codec.infrared):
            synthesis, settings = network.transforms.synthesis, network.transforms.settings
            mine = (settings.latent_channels, settings.eighth_channels)
            theirs = (settings.partner_latent_channels, settings.partner_eighth_channels)
            synthesis.look_deep, synthesis.look_wide = (
                None
                if window is None
                else SpatialAlignment(mine[place], theirs[place], window=window, reach=4)
                for place, window in enumerate((deep, wide))
            )

    return change


def passes(*ends: float) -> Change:
    """Two passes for each group of channels, which end at these shares of all."""

    def change(codec: TrainableCodec) -> None:
        for network in (codec.visible, codec.infrared):
            prior: Prior = network.entropy.prior
            total, first, geometry = prior.settings.latent_channels, 0, []
            for end in ends:
                last = round(end * total)
                geometry.append(PassGeometry(slice(first, last), first, odd=False))
                geometry.append(PassGeometry(slice(first, last), last, odd=True))
                first = last
            prior.geometry = tuple(geometry)
            prior.passes = nn.ModuleList(Pass(prior.settings, each) for each in geometry)

    return change


EXPERIMENTS = (
    Experiment(REFERENCE, REFERENCE),
    Experiment(
        "transform-codec start",
        "random-start",
        codec={"random_start": True},
        recipe={"started_share": 1.0},
    ),
    Experiment(
        "width and depth at equal inference time",
        "wide-shallow",
        codec={
            "visible_deep_channels": 352,
            "infrared_deep_channels": 352,
            "synthesis_deep_blocks": 1,
            "infrared_analysis_deep_blocks": 1,
        },
    ),
    Experiment(
        "width and depth at equal inference time",
        "narrow-deep",
        codec={
            "visible_deep_channels": 128,
            "infrared_deep_channels": 128,
            "synthesis_deep_blocks": 3,
            "infrared_analysis_deep_blocks": 3,
        },
    ),
    Experiment("gated blocks", "plain-blocks", change=plain_blocks),
    Experiment("passes", "2-passes", change=passes(1.0)),
    Experiment("passes", "8-passes", change=passes(1 / 16, 1 / 4, 1 / 2, 1.0)),
    Experiment("latent channels", "304-visible-latents", codec={"visible_latents": 304}),
    Experiment("latent channels", "128-infrared-latents", codec={"infrared_latents": 128}),
    Experiment("partner in the entropy model", "without", codec={"entropy_context": False}),
    Experiment("spatial alignment", "none", codec={"spatial_alignment": False}),
    Experiment("spatial alignment", "sixteenth", change=looks(deep=4, wide=None)),
    Experiment("spatial alignment", "eighth", change=looks(deep=None, wide=8)),
    Experiment("windows", "half", change=looks(deep=2, wide=4)),
    Experiment("windows", "double", change=looks(deep=8, wide=16)),
    Experiment("batch against steps", "batch-4", recipe={"batch": 4}, steps_share=2.0),
    Experiment("batch against steps", "batch-16", recipe={"batch": 16}, steps_share=0.5),
    Experiment("wavelet short-cut", "fixed-start", recipe={"started_share": 0.0}),
    Experiment("lambda sampling", "bias-0.7", recipe={"quality_bias": 0.7}),
    Experiment("lambda sampling", "bias-1.5", recipe={"quality_bias": 1.5}),
    Experiment("lambda sampling", "bias-2.2", recipe={"quality_bias": 2.2}),
)
"""The transforms are residual branches on layers that start as DCT and Haar steps and learn slowly:
a wavelet short-cut as it is. Its experiment keeps these layers fixed."""


def recipe_of(experiment: Experiment, base: Recipe, steps: int) -> Recipe:
    """The reference's recipe with the experiment's changes."""
    return replace(
        base,
        **{
            "name": f"experiment-{experiment.name}",
            "steps": round(steps * experiment.steps_share),
            # A new codec, not trained weights as in the ablations.
            "learning_rate": 3e-3,
            "hyper_free_steps": 100,
            "validation_sources": {},
            "codec": replace(base.codec, **experiment.codec),
            **experiment.recipe,
        },
    )


def builder(change: Change | None) -> Callable[[CodecSettings], TrainableCodec]:
    """What makes the codec of a run."""

    def build(settings: CodecSettings) -> TrainableCodec:
        codec = TrainableCodec(settings)
        if change is not None:
            change(codec)
            to_channels_last(codec)
        return codec

    return build


def kflop_per_pixel(codec: TrainableCodec) -> float:
    """Of both pictures' analysis, prior and synthesis, jointly."""
    operations = FlopCounterMode(display=False)
    pictures = torch.rand(1, 3, 128, 128), torch.rand(1, 1, 128, 128)
    device = next(codec.parameters()).device
    with torch.no_grad(), operations:
        codec(*(each.to(device) for each in pictures), torch.tensor([20], device=device))
    return round(operations.get_total_flops() / 128**2 / 1000, 2)


def against(found: Sequence[Mapping[str, Any]], reference: Sequence[Mapping[str, Any]]) -> Any:
    """BD-rates in percent by source, mode and camera; None where the curves do not overlap."""
    places = dict.fromkeys((each["source"], each["mode"]) for each in found)
    return {
        f"{source} {mode} {camera}": _rounded(
            bd_rate(*(_curve(each, source, mode, camera) for each in (reference, found)))
        )
        for source, mode in places
        for camera in ("visible", "infrared")
    }


def _curve(points: Sequence[Mapping[str, Any]], source: str, mode: str, camera: str) -> Curve:
    chosen = [each for each in points if (each["source"], each["mode"]) == (source, mode)]
    return Curve.through((each[f"{camera}_bpp"], each[f"{camera}_psnr"]) for each in chosen)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def row_of(experiment: Experiment, run: Run, points: list[Point]) -> dict[str, Any]:
    """What is kept of a finished run."""
    losses = [row for row in read_rows(run.folder) if "loss" in row]
    seconds = [float(str(row["seconds_per_step"])) for row in losses]
    return {
        "question": experiment.question,
        "name": experiment.name,
        "changed": {**experiment.codec, **experiment.recipe},
        "steps": run.step_number,
        "batch": run.recipe.batch,
        "seed": run.recipe.seed,
        "skipped_steps": run.skipped_steps,
        "seconds_per_step": round(statistics.median(seconds), 4),
        "threads": torch.get_num_threads(),
        "weights": sum(each.numel() for each in run.codec.parameters()),
        "kflop_per_pixel": kflop_per_pixel(run.average),
        "points": list(rows(points)),
    }


def carry_out(options: argparse.Namespace, base: Recipe) -> bool:
    """Trains and measures until all is done or the minutes are over; whether all is done."""
    known = {row["name"]: row for row in _read(options.output)}
    if REFERENCE in known and known[REFERENCE]["steps"] != options.steps:
        raise CrossbandError(
            f"{options.output}: its reference has {known[REFERENCE]['steps']} steps, not"
            f" {options.steps}; name another file"
        )
    ends = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    pairs = None
    for experiment in EXPERIMENTS:
        chosen = experiment.name == REFERENCE or experiment.question in (
            options.only or [experiment.question]
        )
        if not chosen or experiment.name in known:
            continue
        left = None if ends is None else (ends - time.monotonic()) / 60
        if left is not None and left <= 0:
            return False
        recipe = recipe_of(experiment, base, options.steps)
        print(f"{experiment.question}: {experiment.name}, {recipe.steps} steps", flush=True)
        run = Run(
            recipe,
            options.data,
            options.runs / recipe.name,
            device="cuda" if torch.cuda.is_available() else "cpu",
            build=builder(experiment.change),
        )
        progress = run.train(minutes=left)
        if progress.interrupted:
            raise KeyboardInterrupt
        if not progress.done:
            return False
        if pairs is None:
            pairs = validation_set(options.data, VALIDATION).pairs
        points = measure(run.average, pairs, run.device, qualities=QUALITIES)
        row = row_of(experiment, run, points)
        row["bd_percent"] = against(row["points"], known.get(REFERENCE, row)["points"])
        known[experiment.name] = row
        with options.output.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return True


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main(words: Sequence[str] | None = None) -> int:
    """Trains and measures what the command line says."""
    questions = list(dict.fromkeys(each.question for each in EXPERIMENTS))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the sources")
    parser.add_argument("--runs", type=Path, help="where the trainings are kept")
    parser.add_argument("-o", "--output", type=Path, help="rows, one a line")
    parser.add_argument("--only", nargs="+", choices=questions[1:], help="questions")
    parser.add_argument("--minutes", type=float, help="end after this long; the next call goes on")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the reference")
    parser.add_argument("--list", action="store_true", help="show what there is, and do nothing")
    options = parser.parse_args(words)
    if options.list:
        for each in EXPERIMENTS:
            print(f"{each.question}: {each.name}")
        print(f"{len(EXPERIMENTS)} runs, about {MINUTES_EACH * len(EXPERIMENTS):.0f} minutes")
        return 0
    if None in (options.data, options.runs, options.output):
        parser.error("--data, --runs and -o are needed")
    try:
        done = carry_out(options, read_recipe(RECIPE))
    except (CrossbandError, OSError) as error:
        print(f"experiments: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("experiments: interrupted; the same command goes on", file=sys.stderr)
        return 130
    print("done" if done else "minutes are over; the same command goes on")
    return 0


if __name__ == "__main__":
    sys.exit(main())
