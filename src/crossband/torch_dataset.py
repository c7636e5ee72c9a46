# SPDX-License-Identifier: Apache-2.0
"""Films and pairs as a `torch.utils.data` dataset."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

import crossband
from crossband import models
from crossband.codec import Codec
from crossband.container import HEAD_BYTES, FilmReader, is_film, unpack
from crossband.errors import MissingPicture, PictureError, SourceError
from crossband.film import Film
from crossband.pair import Modality, Pair


class XbDataset(Dataset[dict[str, Tensor]]):
    """Frames of `.xb` files, decoded when they are asked for.

    A sample is one frame, or as many in a row as `frames` says. It holds `visible` (uint8, 3 or 1
    channels), `infrared` (uint8, or int32 above 8 bits, 1 channel), each (channels, height, width),
    or (frames, channels, height, width) where `frames` is above 1, and `timestamp_us` (int64). A
    frame in the middle of a group is decoded from its key frame on, so samples in order are
    cheaper than shuffled ones: shuffle with `frames` near the distance of key frames.

    Works with workers of a `DataLoader`: each opens the files for itself.

    Example:
        loader = DataLoader(XbDataset(sorted(Path("films").glob("*.xb"))), batch_size=4)
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        frames: int = 1,
        only: Modality | None = None,
        codecs: Sequence[Codec] = (),
    ) -> None:
        """Reads the index of each film; decodes nothing yet.

        Args:
            paths: films and pairs.
            frames: in a row in each sample; what is left at a film's end is left out.
            only: these pictures, without the others.
            codecs: weights that are loaded already; others are loaded where a file names them.

        Raises:
            PictureError: `frames` below 1, or no file that has as many.
            SourceError: a file that is not there or cannot be read.
            StreamError: a film whose header is damaged.
        """
        if frames < 1:
            raise PictureError(f"frames is {frames}; allowed are 1 and more")
        self.frames, self.only = frames, only
        self._codecs = {each.model.card.weights_id: each for each in codecs}
        self._film: tuple[Path, Film, weakref.finalize[..., Any]] | None = None
        """The one that is open, and what closes it."""
        self._samples: list[tuple[Path, int | None]] = []
        """File and first frame; None in a pair."""
        for path in map(Path, paths):
            if not _is_film(path):
                self._samples += [(path, None)] * (frames == 1)
                continue
            with crossband.open(path) as film:
                last = len(film) - frames
            self._samples += [(path, first) for first in range(0, last + 1, frames)]
        if not self._samples:
            raise PictureError(
                f"none of the {len(paths)} files has {frames} frames; name others, or ask for"
                " fewer frames"
            )

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        path, first = self._samples[index]
        times: tuple[int, ...] = (0,)
        if first is None:
            pairs = [self._pair(path)]
        else:
            part = self._opened(path)[first : first + self.frames]
            pairs, times = [part[number] for number in range(self.frames)], part.timestamps_us
        sample = {"timestamp_us": torch.tensor(times)}
        for modality in Modality if self.only is None else (self.only,):
            sample[modality.value] = torch.stack([_tensor(p, modality, path) for p in pairs])
        return sample if self.frames > 1 else {name: each[0] for name, each in sample.items()}

    def __getstate__(self) -> dict[str, Any]:
        # An open file is its process's own.
        return self.__dict__ | {"_film": None}

    def _opened(self, path: Path) -> Film:
        """The film, which goes on from where it is while no other one is asked for."""
        if self._film is None or self._film[0] != path:
            file = path.open("rb")
            weakref.finalize(self, file.close)
            header = FilmReader(file).header
            predictor = header.predictor_id
            film = crossband.open(
                file,
                only=self.only,
                codec=self._codec(header.weights_id),
                predictor=self._codec(predictor) if predictor else None,
            )
            self._film = path, film, weakref.finalize(self, file.close)
        return self._film[1]

    def _pair(self, path: Path) -> Pair:
        data = _read(path)
        return self._codec(unpack(data).weights_id).decode(data, only=self.only)

    def _codec(self, weights_id: bytes) -> Codec:
        name = weights_id.hex()
        if name not in self._codecs:
            self._codecs[name] = crossband.load(models.find(weights_id).name)
        return self._codecs[name]


def _is_film(path: Path) -> bool:
    return is_film(_read(path, HEAD_BYTES))


def _read(path: Path, count: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror or error})") from error


def _tensor(pair: Pair, modality: Modality, path: Path) -> Tensor:
    raster = pair.get(modality)
    if raster is None:
        raise MissingPicture(
            f"{path} has a frame without a picture of the {modality.value} camera; ask for the"
            " other one alone: only=..."
        )
    samples = torch.from_numpy(raster.samples.astype("int32" if raster.bit_depth > 8 else "uint8"))
    return samples[None] if samples.dim() == 2 else samples.permute(2, 0, 1).contiguous()
