# SPDX-License-Identifier: Apache-2.0
"""What one look at the files of a pair tells."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossband.datasets.check.blocking import blocking
from crossband.datasets.check.depth import true_bit_depth
from crossband.datasets.check.likeness import perceptual_hash
from crossband.datasets.check.offset import Offset, estimate_offset
from crossband.datasets.data_set import PairPath, Split
from crossband.errors import SourceError
from crossband.pair import Modality, Raster
from crossband.sources import read

_JPEG_START = b"\xff\xd8\xff"
_LUMA = np.array([77, 150, 29])
"""BT.601 weights in 256ths."""


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What the samples of one file are."""

    width: int
    height: int
    stored_bits: int
    """8 or 16: those of a sample in the file."""
    true_bits: int
    """Those that the samples need: see `true_bit_depth`."""
    blocking: float
    """Trace of 8x8 blocks: see `blocking`."""
    likeness: int | None
    """Perceptual hash of 64 bits."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file; `picture` is None where it cannot be read, and `error` says why."""

    path: str
    """Below the root that was checked, with slashes."""
    modality: Modality
    size_bytes: int
    sha256: str
    """Empty if the bytes cannot be had."""
    is_jpeg: bool
    picture: PictureFacts | None
    error: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """For the manifest."""
        row: dict[str, Any] = {
            "path": self.path,
            "modality": self.modality.value,
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
        }
        if self.picture is None:
            return {**row, "error": self.error}
        likeness = self.picture.likeness
        return {
            **row,
            "width": self.picture.width,
            "height": self.picture.height,
            "stored_bits": self.picture.stored_bits,
            "true_bits": self.picture.true_bits,
            "is_jpeg": self.is_jpeg,
            "blocking": round(self.picture.blocking, 4),
            "perceptual_hash": None if likeness is None else f"{likeness:016x}",
        }


@dataclass(frozen=True, slots=True)
class PairFacts:
    """The files of one pair, one of which may be missing."""

    name: str
    split: Split
    visible: FileFacts | None
    infrared: FileFacts | None
    offset: Offset | None
    """None where there is nothing to compare: one picture, two sizes, or no edges."""
    single: bool
    """Whether the set's authors gave it no partner."""

    @property
    def files(self) -> tuple[FileFacts, ...]:
        """Those that are there."""
        return tuple(file for file in (self.visible, self.infrared) if file is not None)

    def to_mapping(self) -> dict[str, Any]:
        """For the manifest."""
        offset = None
        if self.offset is not None:
            offset = {
                "right_px": self.offset.right_px,
                "down_px": self.offset.down_px,
                "score": round(self.offset.score, 2),
            }
        return {
            "name": self.name,
            "split": self.split,
            "visible": None if self.visible is None else self.visible.path,
            "infrared": None if self.infrared is None else self.infrared.path,
            "offset": offset,
        }


def look_at(pair: PairPath, split: Split, *, root: Path, single: bool = False) -> PairFacts:
    """Reads the files of a pair, each once; a damaged one is a fact too and raises nothing.

    Args:
        pair: where its files are.
        split: what it is meant for.
        root: what the paths in the result are relative to.
        single: whether it is meant to have one picture.
    """
    visible, seen = _look_at_file(pair.visible, Modality.VISIBLE, root)
    infrared, felt = _look_at_file(pair.infrared, Modality.INFRARED, root)
    comparable = seen is not None and felt is not None and seen.shape == felt.shape
    offset = estimate_offset(seen, felt) if comparable else None  # type: ignore[arg-type]
    return PairFacts(pair.name, split, visible, infrared, offset, single)


def _look_at_file(
    path: Path | None, modality: Modality, root: Path
) -> tuple[FileFacts | None, npt.NDArray[Any] | None]:
    """What is to be said about a file, and its picture in gray."""
    if path is None:
        return None, None
    name = (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
        return FileFacts(name, modality, 0, "", False, None, reason), None
    digest, is_jpeg = hashlib.sha256(data).hexdigest(), data.startswith(_JPEG_START)
    try:
        raster = read(data, modality, drop_alpha=True).raster
    except SourceError as error:
        reason = str(error).removeprefix("picture in memory: ")
        return FileFacts(name, modality, len(data), digest, is_jpeg, None, reason), None
    gray = _gray(raster)
    facts = PictureFacts(
        width=raster.width,
        height=raster.height,
        stored_bits=raster.samples.dtype.itemsize * 8,
        true_bits=true_bit_depth(raster.samples),
        blocking=blocking(gray),
        likeness=perceptual_hash(gray),
    )
    return FileFacts(name, modality, len(data), digest, is_jpeg, facts), gray


def _gray(raster: Raster) -> npt.NDArray[Any]:
    samples = raster.samples
    return samples if samples.ndim == 2 else (samples.astype(np.int32) @ _LUMA + 128) >> 8
