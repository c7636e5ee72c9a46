# SPDX-License-Identifier: Apache-2.0
"""Crossband as one of the bench's coders: jointly in either order, alone, or slowly."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

from crossband.bench.pair_coder import CodedFile, CodedPair, Shapes
from crossband.pair import Modality, Pair, Raster

if TYPE_CHECKING:
    from crossband.codec import Codec

EFFORT = 5
"""Crossband's default."""


SLOW_EFFORT = 8
"""Symbols are refined over and over: see `crossband.refinement`."""


class Mode(Enum):
    """What the codec is given at once, and how hard it tries."""

    JOINT = "infrared-first"
    REVERSED = "visible-first"
    ALONE = "alone"
    SLOW = "infrared-first, slow"

    @property
    def effort(self) -> int:
        """The codec's."""
        return SLOW_EFFORT if self is Mode.SLOW else EFFORT


MODES: dict[str, Mode] = {
    "crossband": Mode.JOINT,
    "crossband-reversed": Mode.REVERSED,
    "crossband-alone": Mode.ALONE,
    "crossband-slow": Mode.SLOW,
}
"""Each mode by its name in rows."""


@dataclass(frozen=True, slots=True)
class CrossbandCoder:
    """Crossband with one set of weights, in one mode."""

    name: str
    mode: Mode
    weights: str
    """Name of the weights, or a weight file."""

    @property
    def spec(self) -> str:
        """The name, which tells all."""
        return self.name

    def available(self) -> bool:
        """Whether the weights are there."""
        from crossband import models
        from crossband.errors import PictureError

        try:
            models.describe(self.weights)
        except PictureError:
            return False
        return True

    def version(self) -> str:
        """Crossband's version and the id of the weights."""
        from crossband import __version__, models

        return f"crossband {__version__}, weights {models.describe(self.weights).weights_id}"

    def prepare(self) -> None:
        """Loads the weights."""
        _load(self.weights)

    def encode(self, pair: Pair, quality: float) -> CodedPair:
        """One file or two, by the mode.

        In a file of two pictures the bytes that belong to neither are halved between both.

        Raises:
            PictureError: the quality is out of range.
        """
        import torch

        files = tuple(self._files(pair, quality))
        bytes_visible = sum(_bytes_of(file, Modality.VISIBLE) for file in files)
        pictures = [raster for raster in (pair.visible, pair.infrared) if raster is not None]
        effort, threads = self.mode.effort, torch.get_num_threads()
        return CodedPair(
            files,
            bytes_visible=bytes_visible,
            bytes_infrared=sum(len(file.data) for file in files) - bytes_visible,
            settings=f"quality={quality:g} effort={effort} threads={threads}",
            pixel_format=" | ".join(_pixel_format(raster) for raster in pictures),
        )

    def decode(self, files: Sequence[CodedFile], shapes: Shapes) -> Pair:
        """The pair in one file or two, which tell their shapes themselves.

        Raises:
            StreamError: a file is not what `encode` gave.
        """
        rasters: dict[str, Raster | None] = {}
        for file in files:
            decoded = _load(self.weights).decode(file.data)
            rasters |= {modality.value: decoded.get(modality) for modality in file.holds}
        return Pair(**rasters)

    def _files(self, pair: Pair, quality: float) -> list[CodedFile]:
        codec = _load(self.weights)
        order: Literal["infrared-first", "visible-first"] = "infrared-first"
        if self.mode is Mode.REVERSED:
            order = "visible-first"
        parts = [pair]
        if self.mode is Mode.ALONE and pair.visible is not None and pair.infrared is not None:
            parts = [Pair(visible=pair.visible), Pair(infrared=pair.infrared)]
        return [
            CodedFile(
                codec.encode(part, quality=quality, order=order, effort=self.mode.effort),
                tuple(modality for modality in Modality if part.get(modality) is not None),
            )
            for part in parts
        ]


@functools.lru_cache(maxsize=4)
def _load(weights: str) -> Codec:
    from crossband import load

    return load(weights)


def _bytes_of(file: CodedFile, modality: Modality) -> int:
    """One picture's share of a file."""
    from crossband.container import unpack

    if file.holds == (modality,):
        return len(file.data)
    if modality not in file.holds:
        return 0
    header = unpack(file.data)
    both = sum(header.picture_bytes(each) for each in Modality)
    return header.picture_bytes(modality) + (len(file.data) - both) // 2


def _pixel_format(raster: Raster) -> str:
    return "rgb24" if raster.channels == 3 else f"gray{raster.bit_depth}".replace("gray8", "gray")
