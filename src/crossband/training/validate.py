# SPDX-License-Identifier: Apache-2.0
"""Rate and distortion of a trainable codec on whole validation pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crossband.training.data import find_pairs, read_infrared, read_visible
from crossband.training.network import TrainableCodec

QUALITIES = (4, 10, 16, 24, 40)
"""Indices measured: most between 28 and 38 dB, where the comparisons are made."""


@dataclass(frozen=True, slots=True)
class Point:
    """Mean rate and distortion of one source at one quality, coded one way."""

    source: str
    mode: str
    """`joint` (infrared first) or `alone`."""
    quality_index: int
    visible_bpp: float
    infrared_bpp: float
    visible_psnr: float
    infrared_psnr: float


@dataclass(frozen=True, slots=True)
class ValidationPair:
    """One whole pair, padded, and its true size."""

    source: str
    visible: Tensor
    infrared: Tensor
    height: int
    width: int


def validation_pairs(root: Path, sources: dict[str, int]) -> list[ValidationPair]:
    """Evenly spread pairs of the val splits."""
    chosen = []
    for source, count in sources.items():
        files = [f for f in find_pairs(root, source, "val") if f.visible and f.infrared]
        for number in np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int):
            each = files[number]
            assert each.visible is not None and each.infrared is not None
            visible = torch.from_numpy(read_visible(each.visible).copy()).permute(2, 0, 1)[None]
            infrared = torch.from_numpy(read_infrared(each.infrared).copy())[None, None]
            height, width = visible.shape[-2:]
            chosen.append(
                ValidationPair(source, _padded(visible), _padded(infrared), height, width)
            )
    return chosen


def _padded(picture: Tensor) -> Tensor:
    height, width = picture.shape[-2:]
    padding = (0, -width % 16, 0, -height % 16)
    return F.pad(picture.float() / 255, padding, mode="replicate")


@torch.no_grad()
def measure(
    codec: TrainableCodec, pairs: list[ValidationPair], device: str, *, qualities: tuple[int, ...]
) -> list[Point]:
    """Estimated rate (rounded latents) and PSNR of the rounded 8-bit output."""
    points: dict[tuple[str, str, int], list[tuple[float, ...]]] = {}
    for pair in pairs:
        visible, infrared = pair.visible.to(device), pair.infrared.to(device)
        for index in qualities:
            quality = torch.tensor([index], device=device)
            for mode in ("joint", "alone"):
                coded = codec(visible, infrared, quality, alone=mode == "alone", noise=False)
                row = []
                for one in (coded.visible, coded.infrared):
                    bits = float(one.bits + one.coefficient_bits)
                    row.append(bits / (pair.height * pair.width))
                for one, true in ((coded.visible, visible), (coded.infrared, infrared)):
                    row.append(_psnr(one.picture, true, pair.height, pair.width))
                points.setdefault((pair.source, mode, index), []).append(tuple(row))
    return [
        Point(*key, *(float(np.mean(column)) for column in zip(*rows, strict=True)))
        for key, rows in points.items()
    ]


def _psnr(shown: Tensor, true: Tensor, height: int, width: int) -> float:
    levels = torch.round(shown.clamp(0, 1) * 255)[..., :height, :width]
    error = (levels - torch.round(true * 255)[..., :height, :width]).double().square().mean()
    return float(10 * torch.log10(255**2 / error.clamp(min=1e-3)))


def rows(points: list[Point]) -> Iterator[dict[str, object]]:
    """Points as JSON objects."""
    for point in points:
        yield asdict(point)
