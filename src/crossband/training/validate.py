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

from crossband.training.data import (
    UNREADABLE,
    PictureFiles,
    find_pairs,
    read_infrared,
    read_visible,
)
from crossband.training.network import CodedPair, TrainableCodec

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
    """One whole pair of equal sizes, as bytes; or the first frames of a film."""

    source: str
    files: PictureFiles
    """Of the first frame."""
    visible: Tensor
    """(frames, 3, height, width)."""
    infrared: Tensor
    """(frames, 1, height, width)."""


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """The pairs that are measured, and a line for each that could not be taken."""

    pairs: tuple[ValidationPair, ...]
    notes: tuple[str, ...]


def validation_set(
    root: Path,
    sources: dict[str, int],
    *,
    frames: int = 1,
    layouts: dict[str, str] | None = None,
) -> ValidationSet:
    """Evenly spread pairs of the val splits.

    Args:
        root: folder of the sources.
        sources: how many pairs of each.
        frames: from each of these on, files that follow it in the same folder; fewer at its end.
        layouts: as for `PictureStore`.

    Raises:
        TrainingError: a source that is no folder.
    """
    pairs, notes = [], []
    for source, count in sources.items():
        found = find_pairs(root, source, "val", (layouts or {}).get(source, ""))
        files = [each for each in found if each.visible and each.infrared]
        if not files:
            notes.append(f"{root / source} has no val pair; it is not measured")
        for number in np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int):
            each, folder = files[number], files[number].name.rpartition("/")[0]
            following = files[number : number + frames]
            film = [one for one in following if one.name.rpartition("/")[0] == folder]
            if len(film) == 1 < frames:
                notes.append(f"val pair {source}/{each.name} ends its film: left out")
                continue
            try:
                read = [_read(one) for one in film]
            except UNREADABLE as error:
                notes.append(f"val pair {source}/{each.name} cannot be read ({error}): left out")
                continue
            if len({picture.shape[-2:] for pair in read for picture in pair}) > 1:
                notes.append(f"val pair {source}/{each.name} has two sizes: left out")
                continue
            visible, infrared = (torch.stack(camera) for camera in zip(*read, strict=True))
            pairs.append(ValidationPair(source, each, visible, infrared))
    return ValidationSet(tuple(pairs), tuple(notes))


def _read(files: PictureFiles) -> tuple[Tensor, Tensor]:
    """Bytes (3, height, width) and (1, height, width)."""
    assert files.visible is not None and files.infrared is not None
    visible, infrared = read_visible(files.visible), read_infrared(files.infrared)
    return torch.from_numpy(visible.copy()).permute(2, 0, 1), torch.from_numpy(infrared.copy())[
        None
    ]


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
    key_codec: TrainableCodec | None = None,
) -> list[Point]:
    """Estimated rate (rounded latents) and PSNR of the rounded 8-bit output.

    Args:
        codec: what is measured.
        pairs: on which pictures.
        device: where the codec is.
        qualities: indices, 0 to 63.
        stopped: asked before each pair; once it says yes, nothing is given back.
        key_codec: what codes the first frames where `codec` is one of films; these do not count.
    """
    points: dict[tuple[str, str, int], list[tuple[float, ...]]] = {}
    for pair in pairs:
        if stopped():
            return []
        for index in qualities:
            for mode in ("joint", "alone"):
                rows = points.setdefault((pair.source, mode, index), [])
                rows += _coded(codec, key_codec, pair, index, device, alone=mode == "alone")
    return [
        Point(*key, *(float(np.mean(column)) for column in zip(*rows, strict=True)))
        for key, rows in points.items()
    ]


def _coded(
    codec: TrainableCodec,
    key_codec: TrainableCodec | None,
    pair: ValidationPair,
    index: int,
    device: str,
    *,
    alone: bool,
) -> list[tuple[float, ...]]:
    """Rates and PSNRs of a pair, or of each frame of a film but its first."""
    height, width = pair.visible.shape[-2:]
    quality = torch.tensor([index], device=device)
    found: list[tuple[float, ...]] = []
    before: CodedPair | None = None
    for number in range(len(pair.visible)):
        visible = _padded(pair.visible[number : number + 1], device)
        infrared = _padded(pair.infrared[number : number + 1], device)
        if key_codec is not None and before is None:
            before = key_codec(visible, infrared, quality, alone=alone, noise=False)
            continue
        coded = codec(visible, infrared, quality, alone=alone, noise=False, past=before)
        both = ((coded.visible, visible), (coded.infrared, infrared))
        rates = [float(one.all_bits) / (height * width) for one, _ in both]
        found.append((*rates, *(_psnr(one.picture, true, height, width) for one, true in both)))
        before = coded if key_codec is not None else None
    return found


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
