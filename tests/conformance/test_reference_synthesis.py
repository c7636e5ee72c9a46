# SPDX-License-Identifier: Apache-2.0
"""Section 13 of docs/format.md suffices to show what crossband decodes, to one grey level."""

from __future__ import annotations

import runpy
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from crossband.container import unpack
from crossband.homography import Homography
from crossband.testing import synthetic_pair

FOLDER = Path(__file__).parent
SYMBOLS = runpy.run_path(str(FOLDER / "reference_decoder.py"))
TURNED = Homography((900, -400, 300, 500, -700, 100, 600, -900))
"""A part of either picture is outside of the other."""
SAMPLES = runpy.run_path(str(FOLDER / "reference_synthesis.py"))


@pytest.mark.parametrize(
    ("weights", "pair", "options"),
    [
        ("base_codec", synthetic_pair(visible=(48, 80), infrared=(48, 80)), {"quality": 60}),
        ("tiny_codec", synthetic_pair(visible=(48, 80), infrared=(48, 80)), {"quality": 33}),
        (
            "tiny_codec",
            synthetic_pair(
                visible=(70, 41), infrared=(50, 90), infrared_bit_depth=16, visible_channels=1
            ),
            {"quality": 95, "order": "visible-first"},
        ),
        (
            "tiny_codec",
            synthetic_pair(visible=(65, 20), infrared=(20, 33), infrared_bit_depth=14),
            {"quality": 3},
        ),
        (
            "tiny_codec",
            synthetic_pair(visible=(48, 80), infrared=(50, 70)),
            {"quality": 60, "registration": TURNED},
        ),
        (
            "tiny_codec",
            synthetic_pair(visible=(70, 41), infrared=(50, 90), infrared_bit_depth=16),
            {"quality": 80, "order": "visible-first", "registration": TURNED},
        ),
    ],
    ids=[
        "shipped",
        "small",
        "visible first, unequal sizes, gray",
        "unequal sizes",
        "registered",
        "registered, visible first",
    ],
)
def test_samples_are_within_one_grey_level_of_the_page(request, weights, pair, options):
    codec = request.getfixturevalue(weights)
    data = codec.encode(pair, effort=1, **options)
    tensors = load_file(codec.model.card.path)
    decoded = codec.decode(data)
    shown = partner = None
    records = unpack(data).records
    assert records[1].registration == options.get("registration")
    for record, symbols in zip(
        records, SYMBOLS["decode_symbols"](data, codec.model.card.path), strict=True
    ):
        looks = partial(SYMBOLS["looks"], record, partner) if record.registration else None
        shown = SAMPLES["synthesize"](
            record, symbols.latents, symbols.coefficients, shown, tensors, looks
        )
        partner = record
        samples = decoded.get(record.modality).samples.astype(np.float64)
        away = abs(samples - shown.values.reshape(samples.shape))
        # A rounding of the same number is at most half a level away from it.
        assert away.max() < 1
        assert (away > 0.501).mean() < 0.01
