# SPDX-License-Identifier: Apache-2.0
"""Rate and distortion of a trainable codec on whole validation pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from crossband.training.data import UNREADABLE, find_pairs, read_infrared, read_visible
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
    """One whole pair of equal sizes, as bytes."""

    source: str
    visible: Tensor
    """(1, 3, height, width)."""
    infrared: Tensor
    """(1, 1, height, width)."""


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """The pairs that are measured, and a line for each that could not be taken."""

    pairs: tuple[ValidationPair, ...]
    notes: tuple[str, ...]


def validation_set(root: Path, sources: dict[str, int]) -> ValidationSet:
    """Evenly spread pairs of the val splits.

    Args:
        root: folder of the sources.
        sources: how many pairs of each.

    Raises:
        TrainingError: a source that is no folder.
    """
    pairs, notes = [], []
    for source, count in sources.items():
        files = [f for f in find_pairs(root, source, "val") if f.visible and f.infrared]
        if not files:
            notes.append(f"{root / source} has no val pair; it is not measured")
        for number in np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int):
            each = files[number]
            assert each.visible is not None and each.infrared is not None
            try:
                visible, infrared = read_visible(each.visible), read_infrared(each.infrared)
            except UNREADABLE as error:
                notes.append(f"val pair {source}/{each.name} cannot be read ({error}): left out")
                continue
            if visible.shape[:2] != infrared.shape:
                notes.append(f"val pair {source}/{each.name} has two sizes: left out")
                continue
            pairs.append(
                ValidationPair(
                    source,
                    torch.from_numpy(visible.copy()).permute(2, 0, 1)[None],
                    torch.from_numpy(infrared.copy())[None, None],
                )
            )
    return ValidationSet(tuple(pairs), tuple(notes))


def _padded(picture: Tensor, device: str) -> Tensor:
    height, width = picture.shape[-2:]
    padding = (0, -width % 16, 0, -height % 16)
    return F.pad(picture.to(device).float() / 255, padding, mode="replicate")


@torch.no_grad()
def measure(
    codec: TrainableCodec,
    pairs: Sequence[ValidationPair],
    device: str,
    *,
    qualities: tuple[int, ...],
    stopped: Callable[[], bool] = lambda: False,
) -> list[Point]:
    """Estimated rate (rounded latents) and PSNR of the rounded 8-bit output.

    Args:
        codec: what is measured.
        pairs: on which pictures.
        device: where the codec is.
        qualities: indices, 0 to 63.
        stopped: asked before each pair; once it says yes, nothing is given back.
    """
    points: dict[tuple[str, str, int], list[tuple[float, ...]]] = {}
    for pair in pairs:
        if stopped():
            return []
        visible, infrared = _padded(pair.visible, device), _padded(pair.infrared, device)
        height, width = pair.visible.shape[-2:]
        for index in qualities:
            quality = torch.tensor([index], device=device)
            for mode in ("joint", "alone"):
                coded = codec(visible, infrared, quality, alone=mode == "alone", noise=False)
                row = []
                for one in (coded.visible, coded.infrared):
                    bits = float(one.bits + one.coefficient_bits)
                    row.append(bits / (height * width))
                for one, true in ((coded.visible, visible), (coded.infrared, infrared)):
                    row.append(_psnr(one.picture, true, height, width))
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
    """Points as JSON objects; what is not finite becomes None."""
    for point in points:
        yield {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(point).items()
        }
