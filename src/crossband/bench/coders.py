# SPDX-License-Identifier: Apache-2.0
"""Ways to code a pair: an anchor, once for each picture, or crossband in one of four modes.

x265                 two files, one a picture, both at the same quality
crossband            one file, infrared first, visible knowing it
crossband-reversed   one file, visible first, infrared knowing it
crossband-alone      two files, one a picture, with the same weights
crossband-slow       as crossband, at an effort that refines symbols
crossband@NAME       any of the four, with other weights than `base`: a name or a weight file
NAME=ENCODE ::: DECODE  two commands of the user's (`anchors/external.py`), a file a picture
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossband.bench import anchors
from crossband.bench.anchors import Anchor, ExternalAnchor
from crossband.bench.crossband_modes import MODES, CrossbandCoder
from crossband.bench.pair_coder import CodedFile, CodedPair, PairCoder, Shapes
from crossband.errors import InputError, PictureError
from crossband.pair import Modality, Pair, Raster


def find(spec: str) -> PairCoder:
    """The coder of that name, or of those commands.

    Raises:
        InputError: there is none, or the commands are none.
    """
    plain, _, weights = spec.partition("@")
    if plain in MODES:
        return CrossbandCoder(spec, MODES[plain], weights or "base")
    if "=" in spec:
        external = ExternalAnchor.parse(spec)
        if external.name in names():
            raise InputError(f"external codec {external.name}: the name is taken; choose another")
        return AnchorCoder(external, spec)
    if spec not in anchors.names():
        raise InputError(f"no codec is called {spec}; allowed are {', '.join(names())}")
    return AnchorCoder(anchors.find(spec), spec)


def names() -> tuple[str, ...]:
    """Every coder, installed or not."""
    return (*anchors.names(), *MODES)


@dataclass(frozen=True, slots=True)
class AnchorCoder:
    """Both pictures by one anchor at one quality, a file each."""

    anchor: Anchor
    spec: str
    """Its name, or the commands."""

    @property
    def name(self) -> str:
        """The anchor's."""
        return self.anchor.name

    def available(self) -> bool:
        """Whether the anchor is."""
        return self.anchor.available()

    def version(self) -> str:
        """The anchor's."""
        return self.anchor.version()

    def prepare(self) -> None:
        """Imports what the anchor needs."""
        self.anchor.version()

    def encode(self, pair: Pair, quality: float) -> CodedPair:
        """Two files, or one for a picture alone.

        Raises:
            PictureError: infrared has more than 8 bits.
            AnchorError: the anchor refused.
        """
        files: list[CodedFile] = []
        settings: list[str] = []
        formats: list[str] = []
        for modality in Modality:
            if (raster := pair.get(modality)) is None:
                continue
            if raster.samples.dtype != np.uint8:
                raise PictureError(
                    f"{self.name} takes 8-bit pictures, the {modality.value} one has"
                    f" {raster.bit_depth} bits"
                )
            stream = self.anchor.encode(raster.samples.astype(np.uint8, copy=False), quality)
            files.append(CodedFile(stream.data, (modality,)))
            settings.append(stream.settings)
            formats.append(stream.pixel_format)
        return CodedPair(
            tuple(files),
            bytes_visible=_bytes_of(files, Modality.VISIBLE),
            bytes_infrared=_bytes_of(files, Modality.INFRARED),
            settings=" | ".join(dict.fromkeys(settings)),
            pixel_format=" | ".join(formats),
        )

    def decode(self, files: Sequence[CodedFile], shapes: Shapes) -> Pair:
        """Each picture from its own file.

        Raises:
            AnchorError: a file holds no such picture.
        """
        rasters: dict[str, Raster] = {}
        for file in files:
            (modality,) = file.holds
            shape = shapes.get(modality)
            if shape is None:
                raise InputError(
                    f"a {modality.value} file was given for a pair without that picture"
                )
            rasters[modality.value] = Raster(self.anchor.decode(file.data, shape))
        return Pair(**rasters)


def _bytes_of(files: Sequence[CodedFile], modality: Modality) -> int:
    return sum(len(file.data) for file in files if modality in file.holds)
