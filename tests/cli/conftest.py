# SPDX-License-Identifier: Apache-2.0
"""A command line that tests call in their own process, and pictures to call it with.

What these tests hold is the command line's own behaviour, so most of them use a codec that stores
samples as they are, in real files, in no time; `test_whole.py` uses the shipped weights.
"""

from __future__ import annotations

import io
import json
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import crossband
import crossband.models
from crossband import CorruptStream, MissingPicture, Modality, Pair, Raster, TargetUnreachable
from crossband.bounded import decode_bounded, encode_bounded
from crossband.cli import main
from crossband.codec import CodedFrame
from crossband.container import BoundedRecord, PairFile, PictureRecord, blobs_of, pack, unpack
from crossband.homography import Homography
from crossband.sources import write
from crossband.testing import synthetic_pair

WEIGHTS_ID = b"storing."
SHIPPED = Path(crossband.models.__file__).parent / "weights" / "base.safetensors"
FILM_WEIGHTS_ID = b"filming."


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on standard output; anything beside it fails."""
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value

    @property
    def complaint(self) -> str:
        """The one line on standard error; a second one fails."""
        lines = self.err.splitlines()
        assert len(lines) == 1, lines
        assert lines[0].startswith("crossband: ")
        assert "Traceback" not in self.err
        return lines[0]


class StoringCodec:
    """Stands where a codec stands and stores samples; quality is only written down."""

    def __init__(self, *, codes_films: bool = False) -> None:
        weights_id = FILM_WEIGHTS_ID if codes_films else WEIGHTS_ID
        card = SimpleNamespace(name="base", path=Path("storing"), weights_id=weights_id.hex())
        self.model = SimpleNamespace(codes_films=codes_films, card=card)

    def in_double(self) -> StoringCodec:
        return self

    def encode(
        self,
        pair: Pair,
        *,
        quality: float = 50,
        order: str = "infrared-first",
        effort: int = 5,
        max_error: int | None = None,
        registration: Homography | None = None,
    ) -> bytes:
        if max_error is not None:
            assert pair.infrared is not None
            bounded = encode_bounded(pair.infrared, max_error)
            alone = [Pair(visible=pair.visible)] if pair.visible else []
            coded = [
                self.encode_frame(each, quality=quality, order=order, effort=1) for each in alone
            ]
            records = (bounded, *(record for each in coded for record in each.records))
            return pack(PairFile(WEIGHTS_ID, records, metadata=blobs_of(pair)))
        coded = self.encode_frame(
            pair, quality=quality, order=order, effort=effort, registration=registration
        )
        return pack(PairFile(WEIGHTS_ID, coded.records, metadata=blobs_of(pair)))

    def encode_frame(
        self,
        pair: Pair,
        *,
        quality: float,
        order: str,
        effort: int,
        registration: Homography | None = None,
        **past: Any,
    ) -> SimpleNamespace:
        modalities = [Modality.INFRARED, Modality.VISIBLE]
        if order == "visible-first":
            modalities.reverse()
        records: list[PictureRecord] = []
        for modality in modalities:
            if (raster := pair.get(modality)) is None:
                continue
            samples = raster.samples.astype("<u2").tobytes()
            records.append(
                PictureRecord(
                    modality=modality,
                    height=raster.height,
                    width=raster.width,
                    channels=raster.channels,
                    sample_bytes=raster.samples.dtype.itemsize,
                    bit_depth=raster.bit_depth,
                    low=0,
                    high=raster.peak,
                    quality_index=round(quality * 63 / 100),
                    conditional=bool(records),
                    registration=registration if records else None,
                    stream=zlib.compress(samples),
                    symbols_crc=zlib.crc32(samples) & 0xFFFF,
                )
            )
        return CodedFrame(tuple(records), self.decode_frame(records))

    def encode_to_size(self, pair: Pair, *, size_bytes: int, **options: Any) -> bytes:
        data = self.encode(pair, **options)
        if len(data) > size_bytes:
            raise TargetUnreachable(f"the smallest file has {len(data):,} bytes")
        return data

    def decode(self, data: bytes, *, only: Modality | None = None) -> Pair:
        file = unpack(data)
        if only is not None and file.get(only) is None:
            raise MissingPicture(f"the file has no {only.value} picture")
        rasters = {
            modality.value: replace(shown.raster, metadata=file.metadata_of(modality))
            for modality, shown in self.decode_frame(
                [each for each in file.records if isinstance(each, PictureRecord)], only=only
            ).items()
        }
        for each in file.records:
            if isinstance(each, BoundedRecord) and only in (None, each.modality):
                metadata = file.metadata_of(each.modality)
                rasters["infrared"] = replace(decode_bounded(each), metadata=metadata)
        return Pair(**rasters)

    def decode_frame(
        self, records: Sequence[PictureRecord], *, only: Modality | None = None, **past: Any
    ) -> dict[Modality, SimpleNamespace]:
        shown = {}
        for record in records:
            if only in (None, record.modality):
                samples = zlib.decompress(record.stream)
                if zlib.crc32(samples) & 0xFFFF != record.symbols_crc:
                    raise CorruptStream(f"{record.modality.value} symbols: wrong checksum")
                shape = (record.height, record.width, 3)[: 2 if record.channels == 1 else 3]
                kind = np.uint8 if record.sample_bytes == 1 else np.uint16
                whole = np.frombuffer(samples, "<u2").reshape(shape).astype(kind)
                raster = Raster(whole, record.bit_depth)
                shown[record.modality] = SimpleNamespace(raster=raster)
        return shown

    def verify(self, data: bytes) -> None:
        self.decode(data)


@pytest.fixture
def storing_codec(monkeypatch: pytest.MonkeyPatch) -> StoringCodec:
    codec = StoringCodec()
    card = SimpleNamespace(
        name="base",
        weights_id=WEIGHTS_ID.hex(),
        parameters=1_234_567,
        size_bytes=2_500_000,
        metadata={"date": "2026-01-31", "recipe": "steps = 1"},
    )
    monkeypatch.setattr(crossband, "load", lambda name="base": codec)
    monkeypatch.setattr(crossband.models, "names", lambda: ("base",), raising=False)
    monkeypatch.setattr(crossband.models, "describe", lambda name: card, raising=False)
    return codec


@pytest.fixture
def predicting(storing_codec: StoringCodec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of films are shipped too."""
    monkeypatch.setattr(storing_codec.model.card, "path", SHIPPED)
    codecs = {"base": storing_codec, "base-video": StoringCodec(codes_films=True)}
    ids = {codec.model.card.weights_id: name for name, codec in codecs.items()}
    monkeypatch.setattr(crossband, "load", lambda name="base": codecs[name])
    monkeypatch.setattr(crossband.models, "names", lambda: tuple(codecs))
    monkeypatch.setattr(
        crossband.models,
        "find",
        lambda weights_id, **option: SimpleNamespace(name=ids[weights_id.hex()]),
    )


@pytest.fixture
def run(
    storing_codec: StoringCodec,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[..., Outcome]:
    """Calls the command line in an empty folder; `stdin` is what it reads there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def call(*words: object, stdin: bytes = b"") -> Outcome:
        stream = io.TextIOWrapper(_Input(stdin))
        monkeypatch.setattr(sys, "stdin", stream)
        capfdbinary.readouterr()
        code = main([str(word) for word in words])
        captured = capfdbinary.readouterr()
        return Outcome(
            code, captured.out.decode("utf-8", "surrogateescape"), captured.err.decode("utf-8")
        )

    return call


class _Input(io.BytesIO):
    """What `sys.stdin.buffer` is in a pipe."""

    name = "<stdin>"


@pytest.fixture
def scene() -> Pair:
    return synthetic_pair(visible=(24, 32), infrared=(20, 28), infrared_bit_depth=14)


@pytest.fixture
def pictures(tmp_path: Path, scene: Pair) -> tuple[Path, Path]:
    """visible.png and infrared.png in the folder that commands run in."""
    visible, infrared = tmp_path / "visible.png", tmp_path / "infrared.png"
    assert scene.visible is not None and scene.infrared is not None
    write(scene.visible, visible)
    write(scene.infrared, infrared)
    return visible, infrared


@pytest.fixture
def coded(tmp_path: Path, scene: Pair) -> Path:
    """pair.xb in the folder that commands run in."""
    path = tmp_path / "pair.xb"
    path.write_bytes(StoringCodec().encode(scene))
    return path
