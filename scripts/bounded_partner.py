# SPDX-License-Identifier: Apache-2.0
"""The matrix that makes infrared latents of exact samples (docs/format.md §15.7).

    python scripts/bounded_partner.py --data DIR -o src/crossband/entropy/bounded/partner.npz

Least squares over blocks of train pictures, against the latents of the shipped weights. The matrix
is part of the format: weights made later are used with the same one.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import crossband
from crossband.entropy.arithmetic import SIGNAL, UNIT
from crossband.entropy.bounded.partner import BLOCK, SAMPLE_BITS, SIGNALS, WEIGHT_BITS
from crossband.pair import Modality
from crossband.prepare import geometry, prepare
from crossband.sources import read

SOURCES = {"roadscene": 40, "m3svd": 16, "msrs": 8, "llvip": 12, "tno": 16, "vifb": 10}
"""Pictures of each."""
QUALITIES = (20, 36)
RIDGE = 1e-3
"""Of the mean square of the inputs: what blocks hardly ever show must not be blown up."""


def pictures(data: Path) -> Iterator[Path]:
    """Infrared files of the train split, evenly."""
    with (data / "MANIFEST.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    for source, count in SOURCES.items():
        files: list[Path] = []
        for row in (each for each in rows if each["source"] == source):
            path = data / row["ir_path"]
            files += sorted(path.iterdir()) if path.is_dir() else [path]
        yield from files[:: max(1, len(files) // count)][:count]


def blocks(picture: Tensor) -> Tensor:
    """Samples of each block and a one, (blocks, 257)."""
    cut = picture[0, 0].unfold(0, BLOCK, BLOCK).unfold(1, BLOCK, BLOCK)
    samples = cut.reshape(-1, BLOCK * BLOCK).double()
    return torch.cat((samples, torch.ones(len(samples), 1)), 1)


@torch.inference_mode()
def main() -> None:
    """Fits and rounds it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    analysis = crossband.load().model.infrared.transforms.analysis
    squares = torch.zeros(BLOCK * BLOCK + 1, BLOCK * BLOCK + 1, dtype=torch.float64)
    products = torch.zeros(BLOCK * BLOCK + 1, SIGNALS, dtype=torch.float64)
    count = 0
    for path in pictures(given.data):
        raster = read(path, Modality.INFRARED).raster
        picture = prepare(raster, Modality.INFRARED, geometry(raster))
        samples = blocks(picture - 0.5)
        for index in QUALITIES:
            quality = torch.tensor([index])
            features = analysis.features(picture, quality)
            latents = analysis(features, None, torch.ones(1, 1, 1, 1), None)
            wanted = (latents[0] * SIGNAL).flatten(1).T.double()
            squares += samples.T @ samples
            products += samples.T @ wanted
            count += len(wanted)
    squares += RIDGE * squares.diagonal().mean() * torch.eye(len(squares))
    found = torch.linalg.solve(squares, products) * UNIT * 2.0**WEIGHT_BITS
    weight = torch.round(found[:-1] / 2**SAMPLE_BITS).to(torch.int64)
    bias = torch.round(found[-1]).to(torch.int64)
    assert weight.abs().max() < 1 << 15 and bias.abs().max() < 1 << 31
    arrays = {"weight": weight.numpy().astype(np.int16), "bias": bias.numpy().astype(np.int32)}
    np.savez_compressed(given.output, allow_pickle=False, **arrays)
    print(f"{count:,} blocks, largest weight {int(weight.abs().max())}", file=sys.stderr)


if __name__ == "__main__":
    main()
