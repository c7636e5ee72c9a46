# SPDX-License-Identifier: Apache-2.0
"""Ways to code a film of two cameras: an anchor for each, or crossband in one of four modes.

x265-ldp             two streams, one a camera (`film_anchors.py`)
crossband            one film, infrared first, visible knowing it
crossband-keys       the same with key frames only: a sequence of pairs
crossband-alone      two films, one a camera, with the same weights
crossband-slow       as crossband, at an effort that refines symbols
crossband@NAME       any of the four with other weights of films than `base-video`
NAME/32              any of them with a key frame every 32 frames instead of at the start only
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossband.bench import film_anchors
from crossband.bench.crossband_modes import EFFORT, SLOW_EFFORT
from crossband.bench.film_anchors import FilmAnchor
from crossband.bench.grids import qualities
from crossband.errors import InputError
from crossband.pair import Modality, Pair, Raster

Films = dict[Modality, npt.NDArray[np.uint8]]
"""Samples of each camera, (frames, height, width[, 3])."""
KEY_WEIGHTS = "base"
MODES = ("crossband", "crossband-keys", "crossband-alone", "crossband-slow")
_NO_KEY = 1 << 40


@dataclass(frozen=True, slots=True)
class CodedFilm:
    """All files of one film."""

    files: tuple[bytes, ...]
    size_bytes: dict[Modality, int]
    """Of each camera; together that of all files."""
    settings: str
    pixel_format: str


@dataclass(frozen=True, slots=True)
class FilmCoder:
    """One name of the command line, taken apart."""

    name: str
    """As it was given: what rows call it."""
    plain: str
    weights: str
    """Of films: a name or a file; crossband's alone."""
    keyframe: int | None
    """Frames from one key frame to the next; None: the whole film is one group."""

    @property
    def anchor(self) -> FilmAnchor | None:
        """What does the work; None: crossband."""
        return None if self.plain in MODES else film_anchors.find(self.plain)

    def available(self) -> bool:
        """Whether what it needs is installed."""
        if self.anchor is not None:
            return self.anchor.available()
        from crossband import models
        from crossband.errors import PictureError

        try:
            models.describe(self.weights)
        except PictureError:
            return False
        return True

    def version(self) -> str:
        """Library and version; for crossband also the weights."""
        if self.anchor is not None:
            return self.anchor.version()
        from crossband import __version__, models

        names = (KEY_WEIGHTS,) if self.plain == "crossband-keys" else (KEY_WEIGHTS, self.weights)
        ids = " + ".join(models.describe(name).weights_id for name in names)
        return f"crossband {__version__}, weights {ids}"

    def grid(self) -> tuple[float, ...]:
        """Its qualities where none are named."""
        return qualities("crossband") if self.anchor is None else self.anchor.grid

    def encode(self, films: Films, quality: float) -> CodedFilm:
        """The files of a film.

        Raises:
            CrossbandError: it cannot be coded so.
        """
        if self.anchor is None:
            return self._encode_crossband(films, quality)
        streams = {
            each: self.anchor.encode(list(frames), quality, self.keyframe)
            for each, frames in films.items()
        }
        return CodedFilm(
            tuple(stream.data for stream in streams.values()),
            {each: len(stream.data) for each, stream in streams.items()},
            " | ".join(dict.fromkeys(stream.settings for stream in streams.values())),
            " | ".join(stream.pixel_format for stream in streams.values()),
        )

    def decode(self, files: Sequence[bytes], shapes: dict[Modality, tuple[int, ...]]) -> Films:
        """What the files show.

        Args:
            files: as `encode` gave them.
            shapes: of each camera's frames.

        Raises:
            CrossbandError: they hold no such film.
        """
        if self.anchor is not None:
            return {
                each: np.stack(list(self.anchor.decode(data, shape)))
                for (each, shape), data in zip(shapes.items(), files, strict=True)
            }
        shown: Films = {}
        for data in files:
            for each, frames in self._decode_crossband(data).items():
                shown[each] = np.stack(frames)
        return shown

    def _encode_crossband(self, films: Films, quality: float) -> CodedFilm:
        import torch

        from crossband import Writer
        from crossband.codec import load

        effort = SLOW_EFFORT if self.plain == "crossband-slow" else EFFORT
        keyframe = 1 if self.plain == "crossband-keys" else self.keyframe or _NO_KEY
        codec = load(KEY_WEIGHTS)
        predictor = None if keyframe == 1 else load(self.weights)
        parts = [films]
        if self.plain == "crossband-alone":
            parts = [{each: frames} for each, frames in films.items()]
        files, sizes = [], dict.fromkeys(films, 0)
        for part in parts:
            file = io.BytesIO()
            with Writer(
                file,
                quality=quality,
                effort=effort,
                codec=codec,
                predictor=predictor,
                keyframe=keyframe,
            ) as writer:
                for frames in zip(*part.values(), strict=True):
                    rasters = dict(zip(part, map(Raster, frames), strict=True))
                    pair = Pair(rasters.get(Modality.VISIBLE), rasters.get(Modality.INFRARED))
                    writer.write(pair)
            files.append(file.getvalue())
            for each, size_bytes in _shares(file.getvalue()).items():
                sizes[each] += size_bytes
        group = f"keyframe={keyframe}" if keyframe < _NO_KEY else "one group"
        threads = torch.get_num_threads()
        settings = f"quality={quality:g} effort={effort} {group} threads={threads}"
        formats = ("rgb24" if films[each].ndim == 4 else "gray" for each in films)
        return CodedFilm(tuple(files), sizes, settings, " | ".join(formats))

    def _decode_crossband(self, data: bytes) -> dict[Modality, list[npt.NDArray[np.uint8]]]:
        import crossband
        from crossband.codec import load

        shown: dict[Modality, list[npt.NDArray[np.uint8]]] = {}
        film = crossband.open(io.BytesIO(data))
        if film.header.predictor_id:
            film = crossband.open(io.BytesIO(data), predictor=load(self.weights))
        for pair in film:
            for each in Modality:
                if (raster := pair.get(each)) is not None:
                    shown.setdefault(each, []).append(raster.samples.astype(np.uint8))
        return shown


def _shares(data: bytes) -> dict[Modality, int]:
    """The bytes of each camera; those that belong to neither are shared alike."""
    from crossband.container import FilmReader, StoredFrame

    sizes: dict[Modality, int] = {}
    for event in FilmReader(io.BytesIO(data)):
        assert isinstance(event, StoredFrame)
        for picture in event.frame.pictures:
            sizes[picture.modality] = sizes.get(picture.modality, 0) + len(picture.stream)
    rest = len(data) - sum(sizes.values())
    for number, each in enumerate(sizes):
        sizes[each] += rest * (number + 1) // len(sizes) - rest * number // len(sizes)
    return sizes


def find(name: str) -> FilmCoder:
    """The coder of that name.

    Raises:
        InputError: there is none.
    """
    front, _, group = name.partition("/") if not Path(name).is_file() else (name, "", "")
    plain, _, weights = front.partition("@")
    if plain not in (*MODES, *film_anchors.ANCHORS):
        raise InputError(f"no film codec is called {name}; allowed are {', '.join(names())}")
    if group and not (group.isdigit() and int(group) > 0):
        raise InputError(f"{name}: what follows / is a number of frames; try {front}/32")
    return FilmCoder(name, plain, weights or f"{KEY_WEIGHTS}-video", int(group) if group else None)


def names() -> tuple[str, ...]:
    """Every coder, installed or not."""
    return (*film_anchors.ANCHORS, *MODES)
