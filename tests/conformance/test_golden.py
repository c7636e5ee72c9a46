# SPDX-License-Identifier: Apache-2.0
"""Every stored stream of every shipped version still decodes, to the same integers, everywhere."""

from __future__ import annotations

import hashlib
import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossband import models
from crossband.container import pack, unpack
from crossband.errors import MissingWeights
from crossband.pair import Modality, Pair
from crossband.sources import read

FOLDER = Path(__file__).parent
MAKER = runpy.run_path(str(FOLDER / "make_golden.py"))
AGAIN = "python tests/conformance/make_golden.py"

ALL = sorted(path for path in FOLDER.glob("*/*.xb") if path.parent.name != "bounded")
"""Those of bounded infrared are held to their samples elsewhere (tests/test_bounded.py)."""
FILMS = [path for path in ALL if path.stem == MAKER["FILM"]]
STREAMS = [path for path in ALL if path not in FILMS]
LOADED: dict[str, Any] = {}


def codec_for(weights_id: str) -> Any:
    """The codec of shipped weights, loaded once."""
    if weights_id not in LOADED:
        try:
            card = models.find(bytes.fromhex(weights_id))
        except MissingWeights as error:
            pytest.fail(
                f"streams made with weights {weights_id} are stored here, but those weights are no"
                f" longer shipped ({error}). Every stream of a released version must decode: put"
                f" the weights back. Only if they were never released: {AGAIN} --replace"
            )
        LOADED[weights_id] = MAKER["ListeningCodec"](models.load(card.name))
    return LOADED[weights_id]


def digests_of(path: Path) -> dict[str, str]:
    """What is known of a stored stream."""
    text = (path.parent / MAKER["DIGESTS"]).read_text(encoding="utf-8")
    known: dict[str, str] = json.loads(text)[path.stem]
    return known


def stream_id(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@pytest.mark.parametrize("name", models.names())
def test_streams_of_all_shipped_weights_are_stored(name):
    weights_id = models.describe(name).weights_id
    stored = {path.stem for path in ALL if path.parent.name == weights_id}
    codes_films = codec_for(weights_id).model.codes_films
    wanted = {MAKER["FILM"]} if codes_films else {case.name for case in MAKER["CASES"]}
    assert wanted <= stored, f"no streams of the weights '{name}' are stored: {AGAIN}"


@pytest.mark.parametrize("path", STREAMS, ids=stream_id)
def test_a_stored_stream_is_the_one_that_was_stored(path):
    data = path.read_bytes()
    assert hashlib.sha256(data).hexdigest() == digests_of(path)["stream"]
    file = unpack(data)
    assert file.weights_id.hex() == path.parent.name
    assert pack(file) == data


@pytest.mark.parametrize("path", STREAMS, ids=stream_id)
def test_a_stored_stream_decodes_to_its_integers_and_within_one_level_of_its_pictures(path):
    codec = codec_for(path.parent.name)
    codec.digests = {}
    pair = codec.decode(path.read_bytes())
    known = digests_of(path)
    del known["stream"]
    assert codec.digests == known
    check_pictures(pair, path)


@pytest.mark.parametrize("path", FILMS, ids=stream_id)
def test_a_stored_film_decodes_to_its_integers_and_within_one_level_of_its_last_frame(path):
    base = codec_for(models.describe("base").weights_id)
    codecs = {"base": base, path.parent.name: codec_for(path.parent.name)}
    pair, digests = MAKER["decode_film"](path, codecs)
    known = digests_of(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == known.pop("stream")
    assert digests == known
    check_pictures(pair, path)


def check_pictures(pair: Pair, path: Path) -> None:
    """Each sample is within one level of the stored one."""
    for modality in Modality:
        picture = path.with_suffix(f".{modality.value}.png")
        raster = pair.get(modality)
        assert (raster is None) == (not picture.exists())
        if raster is not None:
            stored = read(picture, modality).raster
            assert (raster.samples.dtype, raster.bit_depth) == (
                stored.samples.dtype,
                stored.bit_depth,
            )
            # A float of the synthesis may fall on the other side of a half on another machine;
            # a count of a deep picture is finer than a float's error of the whole range.
            apart = np.abs(raster.samples.astype(int) - stored.samples.astype(int))
            assert apart.max() <= 1 + int(np.ptp(stored.samples)) // 4096


def test_the_streams_cover_conditional_and_lone_pictures_of_both_cameras():
    found = {
        (record.modality, record.conditional)
        for path in STREAMS
        for record in unpack(path.read_bytes()).records
    }
    assert found == {(modality, given) for modality in Modality for given in (False, True)}
