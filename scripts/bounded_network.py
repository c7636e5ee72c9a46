# SPDX-License-Identifier: Apache-2.0
"""Trains the network of bounded infrared pictures: `python scripts/bounded_network.py --data DIR`.

Pixels of training pictures: what the decoder would see of each, and its value; the loss is bits
under the distributions of the format. Pictures are also taken stretched and saturated, enlarged,
and with the errors of a bound, so that no such picture is new to the network.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from crossband.entropy.bounded.context import INPUTS, UNIT, Inputs
from crossband.entropy.bounded.distribution import Integers, log2
from crossband.entropy.bounded.fit import fit_coefficients, noise_of
from crossband.entropy.bounded.known import all_places, known_planes
from crossband.entropy.fixed_point import quantize_weights

SETS = (
    *(("thermal16", 99, 36_000), ("flir16", 99, 36_000), ("roadscene", 12, 18_000)),
    *(("msrs", 6, 18_000), ("tno", 6, 18_000), ("llvip", 3, 18_000), ("vifb", 4, 18_000)),
)
"""Data set, pictures of its training split at most, pixels of each."""
HIDDEN = (96, 64)
BATCH = 2048
TARGET = Path(__file__).resolve().parents[1] / "src/crossband/entropy/bounded/network.npz"


def pictures(root: Path) -> Iterator[tuple[Integers, int]]:
    """Planes of values and the pixels to take of each."""
    with (root / "MANIFEST.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    for name, most, count in SETS:
        found = [row for row in rows if row["source"] == name]
        for row in found[:: max(1, len(found) // most)][:most]:
            with Image.open(root / row["ir_path"]) as image:
                grey = image if image.mode.startswith("I") else image.convert("L")
                samples = np.asarray(grey).astype(np.int64)
            samples -= samples.min()
            yield samples // max(1, int(np.gcd.reduce(samples.ravel()))), count


def variants(
    values: Integers, number: int, chance: np.random.Generator
) -> Iterator[tuple[Integers, Integers]]:
    """What is coded, and what of it the decoder sees."""
    yield values, values
    if number % 4 == 0:  # stretched to more counts, the ends saturated
        wide = values * 16 + chance.integers(0, 16, values.shape)
        low, high = np.percentile(wide, [15, 90]).astype(np.int64)
        wide = wide.clip(low, max(high, low + 1)) - low
        yield wide, wide
    if number % 8 == 1:  # enlarged by an interpolation
        size = (values.shape[1] * 3 // 2, values.shape[0] * 3 // 2)
        image = Image.fromarray((values * 16).astype(np.float32))
        image = image.resize(size, Image.Resampling.BICUBIC)
        large = np.rint(np.asarray(image)).astype(np.int64).clip(0)
        yield large, large
    if number % 2 == 0:
        bound = int(chance.choice([1, 2, 4, 8, 16]))
        off = chance.integers(-bound, bound + 1, values.shape)
        yield values, (values + off).clip(0, int(values.max()))


def training_pixels(root: Path) -> dict[str, Tensor]:
    """Inputs of the network and the error of the linear prediction, of all pictures."""
    chance = np.random.default_rng(0)
    parts: list[tuple[Inputs, Integers]] = []
    for number, (picture, count) in enumerate(pictures(root)):
        for turn, (values, seen) in enumerate(variants(picture, number, chance)):
            top = int(values.max())
            coefficients = fit_coefficients(seen)
            noise = noise_of(seen, coefficients)
            planes = known_planes(seen, coefficients, noise, top)
            pixels = min(values.size, count if turn == 0 else count // 3)
            numbers = chance.choice(values.size, pixels, replace=False)
            inputs = planes.look(
                all_places(planes, values.shape)[numbers], coefficients, noise, top
            )
            parts.append((inputs, UNIT * values.ravel()[numbers] - inputs.linear))
        print(f"picture {number}", file=sys.stderr)
    scale = np.concatenate([inputs.scale for inputs, _ in parts])
    return {
        "features": torch.from_numpy(
            np.concatenate([inputs.features.astype(np.int16) for inputs, _ in parts])
        ),
        "scale": torch.from_numpy(scale).float() / UNIT,
        "base": torch.from_numpy(log2(scale)).float() / 256 - 4,
        "error": torch.from_numpy(np.concatenate([error for _, error in parts])).float() / UNIT,
    }


def bits(error: Tensor, spread: Tensor, shape: Tensor) -> Tensor:
    """Bits of errors in values under (1 - share) normal + share logistic."""
    inverse = torch.exp2(-spread)
    upper, lower = (0.5 - error.abs()) * inverse, (-0.5 - error.abs()) * inverse
    normal = 0.5 * (torch.erf(upper / math.sqrt(2)) - torch.erf(lower / math.sqrt(2)))
    logistic = torch.sigmoid(upper / 1.3) - torch.sigmoid(lower / 1.3)
    share = torch.sigmoid(shape)
    return -torch.log2((1 - share) * normal + share * logistic + 3e-7)


def train(pixels: dict[str, Tensor], steps: int, target: Path) -> None:
    """Trains a float network and writes it, rounded, every 1,000 steps."""
    torch.manual_seed(0)
    first, second = HIDDEN
    network = nn.Sequential(
        nn.Linear(INPUTS, first), nn.LeakyReLU(0.125),
        nn.Linear(first, second), nn.LeakyReLU(0.125), nn.Linear(second, 3),
    )  # fmt: skip
    last = network[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight.mul_(0.05)
        last.bias.zero_()
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 5e-3, total_steps=steps + 1, pct_start=0.1
    )
    total, order = 0.0, torch.zeros(0, dtype=torch.int64)
    for step in range(steps):
        if len(order) < BATCH:
            order = torch.randperm(len(pixels["error"]))
        chosen, order = order[:BATCH], order[BATCH:]
        features, scale, base, error = (pixels[name][chosen] for name in pixels)
        nudge, spread, shape = network(features.float() / 256).unbind(1)
        spread = (spread + base).clamp(-4, 14)
        loss = bits(error - nudge * scale, spread, shape.clamp(-4, 4)).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 1000 == 999 or step + 1 == steps:
            print(f"step {step + 1}: {total / 1000:.4f} bits", file=sys.stderr, flush=True)
            export(network, target)
            total = 0.0


def export(network: nn.Sequential, target: Path) -> None:
    """Rounds to 16-bit integers and writes them."""
    arrays = {}
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    for number, layer in enumerate(linear):
        integer = quantize_weights(layer.weight.detach(), layer.bias.detach())
        arrays[f"{number}.weight"] = integer.weight.numpy()
        arrays[f"{number}.bias"] = integer.bias.numpy()
        arrays[f"{number}.shift"] = integer.shift.numpy()
    with target.open("wb") as file:
        np.savez(file, **arrays)


def main() -> None:
    """Trains and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=120_000)
    parser.add_argument("-o", "--output", type=Path, default=TARGET)
    given = parser.parse_args()
    torch.set_num_threads(1)  # small layers: more threads only wait for each other
    train(training_pixels(given.data), given.steps, given.output)


if __name__ == "__main__":
    main()
