# SPDX-License-Identifier: Apache-2.0
"""Makes the golden streams of the shipped weights; commit what it writes.

    python tests/conformance/make_golden.py            add those of newly shipped weights
    python tests/conformance/make_golden.py --replace  make all anew, drop those of other weights

`--replace` is for weights that were never released: streams of released ones must decode for ever,
so their weights stay and their streams too. Each weight file has a folder named by its id:

    CASE.xb                 the stream
    CASE.visible.png        what it decoded to here; elsewhere each sample is within one level
    CASE.infrared.png
    digests.json            SHA-256 of each stream, and of the integers that each picture decodes to

Weights of films have one stream, film.xb, with key frames by `base`; the pictures are those of its
last frame, the integers those of all frames.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":  # from a source tree that need not be installed
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

import crossband
from crossband import models
from crossband.codec import Codec
from crossband.homography import Homography
from crossband.pair import Modality, Pair, Raster
from crossband.sources import write
from crossband.testing import synthetic_pair

FOLDER = Path(__file__).parent
DIGESTS = "digests.json"


@dataclass(frozen=True)
class Case:
    """A pair and how it is coded."""

    name: str
    pair: Pair
    options: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case(
        "pair-of-two-sizes",
        synthetic_pair(visible=(64, 96), infrared=(40, 117), infrared_bit_depth=14, seed=1),
        # Effort 1 does not try the second picture alone: it is conditional for sure.
        {"quality": 40, "effort": 1},
    ),
    Case(
        "visible-first",
        synthetic_pair(visible=(40, 72), infrared=(40, 72), visible_channels=1, seed=2),
        {"quality": 80, "effort": 1, "order": "visible-first"},
    ),
    Case(
        "infrared-alone",
        synthetic_pair(visible=None, infrared=(51, 33), infrared_bit_depth=16, seed=3),
        {"quality": 100},
    ),
    Case(
        "registered",
        synthetic_pair(visible=(64, 96), infrared=(56, 70), infrared_bit_depth=14, seed=4),
        {
            "quality": 50,
            "effort": 1,
            "registration": Homography((700, -300, 250, 400, -500, 90, 500, -700)),
        },
    ),
    Case("one-pixel", synthetic_pair(visible=(1, 1), infrared=(1, 1)), {"quality": 0}),
)


FILM = "film"
_SCENE = synthetic_pair(visible=(64, 96), infrared=(48, 80), infrared_bit_depth=14, seed=6)


def _panned(by: int) -> Pair:
    moved = []
    for raster in (_SCENE.visible, _SCENE.infrared):
        assert raster is not None
        ways = (np.roll(raster.samples, way, (0, 1)) for way in ((by, 3 * by), (-2 * by, by)))
        left, right = (np.array_split(samples, 2, 1)[side] for side, samples in enumerate(ways))
        moved.append(Raster(np.concatenate((left, right), 1), raster.bit_depth))
    return Pair(*moved)


FILM_PAIRS = tuple(_panned(by) for by in range(4))
"""The left half pans by three pixels across and one down, the right one another way."""


class ListeningCodec(Codec):
    """A codec that keeps a digest of the integers of every picture that it decodes."""

    def __init__(self, model: Any, digests: dict[str, str] | None = None) -> None:
        super().__init__(model)
        self.digests = {} if digests is None else digests

    def _show(self, coded: Any) -> Any:
        integers = coded.latents.latents.numpy()
        data = integers.astype("<i8").tobytes()
        if coded.prediction is not None:
            data += coded.prediction.vectors.astype("<i8").tobytes()
        assert np.array_equal(integers, np.rint(integers))
        name = coded.record.modality.value
        # Of a film's frames one after the other.
        chain = self.digests.get(name, "")
        self.digests[name] = hashlib.sha256(chain.encode() + data).hexdigest()
        return super()._show(coded)


def decode_film(path: Path, codecs: dict[str, Codec]) -> tuple[Pair, dict[str, str]]:
    """The last frame of a stored film, and the digests of all.

    Args:
        path: of the film.
        codecs: weights by their names.
    """
    digests: dict[str, str] = {}
    key, films = (
        ListeningCodec(codecs[name].model, digests) for name in ("base", path.parent.name)
    )
    with crossband.open(path, codec=key, predictor=films) as film:
        return list(film)[-1], digests


def make(name: str) -> None:
    """Writes the folder of one weight file."""
    card = models.describe(name)
    folder = FOLDER / card.weights_id
    folder.mkdir()
    model = models.load(name)
    digests = (_make_film if model.codes_films else _make_pairs)(model, folder)
    text = json.dumps(digests, indent=2, sort_keys=True) + "\n"
    (folder / DIGESTS).write_text(text, encoding="utf-8")
    if name == "base":  # what `crossband doctor` decodes
        shutil.copy(folder / "visible-first.xb", card.path.with_name("golden.xb"))


def _make_film(model: Any, folder: Path) -> dict[str, dict[str, str]]:
    path = folder / f"{FILM}.xb"
    codecs = {"base": crossband.load(), folder.name: Codec(model)}
    # Effort 1 does not try the second picture alone: it is conditional for sure.
    with crossband.Writer(
        path, quality=60, effort=1, codec=codecs["base"], predictor=codecs[folder.name]
    ) as writer:
        for pair in FILM_PAIRS:
            writer.write(pair)
    pair, digests = decode_film(path, codecs)
    _write(pair, folder, FILM)
    return {FILM: {"stream": hashlib.sha256(path.read_bytes()).hexdigest(), **digests}}


def _make_pairs(model: Any, folder: Path) -> dict[str, dict[str, str]]:
    codec = ListeningCodec(model)
    digests: dict[str, dict[str, str]] = {}
    for case in CASES:
        data = codec.encode(case.pair, **case.options)
        codec.digests = {}
        pair = codec.decode(data)
        (folder / f"{case.name}.xb").write_bytes(data)
        _write(pair, folder, case.name)
        digests[case.name] = {"stream": hashlib.sha256(data).hexdigest(), **codec.digests}
    return digests


def _write(pair: Pair, folder: Path, case: str) -> None:
    for modality in Modality:
        if (raster := pair.get(modality)) is not None:
            write(raster, folder / f"{case}.{modality.value}.png")


def main() -> None:
    """Makes what is missing."""
    parser = argparse.ArgumentParser(description="Make the golden streams of the shipped weights.")
    parser.add_argument("--replace", action="store_true", help="make all anew, drop all others")
    if parser.parse_args().replace:
        for digests in FOLDER.glob(f"*/{DIGESTS}"):
            shutil.rmtree(digests.parent)
    for name in models.names():
        if not (FOLDER / models.describe(name).weights_id).exists():
            make(name)


if __name__ == "__main__":
    main()
