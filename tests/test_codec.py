# SPDX-License-Identifier: Apache-2.0
"""The whole codec: what it gives back, what it promises of sizes, and what it refuses."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import crossband
import crossband.codec
from crossband.bench.metrics import psnr
from crossband.codec import Codec, quality_index
from crossband.container import PairFile, pack, unpack
from crossband.errors import (
    CorruptStream,
    MissingPicture,
    MissingWeights,
    PictureError,
    StreamError,
    TargetUnreachable,
)
from crossband.homography import Homography
from crossband.pair import Metadata, Modality, Pair, Raster
from crossband.prepare import geometry, prepare
from crossband.testing import synthetic_pair
from crossband.testing.strategies import pairs
from crossband.training.network import TrainableCodec

ORDERS = ("infrared-first", "visible-first")


def same_shape(first: Pair, second: Pair) -> bool:
    """Whether both hold the same pictures but for their samples."""
    for modality in Modality:
        a, b = first.get(modality), second.get(modality)
        if (a is None) != (b is None):
            return False
        if a is not None and b is not None:
            kinds = [(r.samples.shape, r.samples.dtype, r.bit_depth) for r in (a, b)]
            if kinds[0] != kinds[1]:
                return False
    return True


@pytest.fixture(scope="module")
def scene() -> Pair:
    return synthetic_pair(visible=(96, 128), infrared=(80, 100), infrared_bit_depth=14)


@pytest.fixture(scope="module")
def small() -> Pair:
    return synthetic_pair(visible=(20, 17), infrared=(9, 18), infrared_bit_depth=12)


@pytest.fixture(scope="module")
def stream(tiny_codec: Codec, small: Pair) -> bytes:
    """A small file of two pictures, the second conditional."""
    data = tiny_codec.encode(small, quality=30, effort=1)
    assert [record.conditional for record in unpack(data).records] == [False, True]
    return data


# --- agreement --------------------------------------------------------------------------------


def encoders_own(codec: Codec, pair: Pair, order: str, quality: float) -> Pair:
    """What the encoder shows of the integers that it wrote, without reading any file."""
    shown = codec.encode_frame(pair, quality=quality, order=order, effort=1).shown
    return Pair(**{modality.value: each.raster for modality, each in shown.items()})


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("quality", [0, 50, 100])
def test_decoding_gives_what_the_encoder_shows(tiny_codec, scene, order, quality):
    data = tiny_codec.encode(scene, quality=quality, order=order, effort=1)
    own = encoders_own(tiny_codec, scene, order, quality)
    assert tiny_codec.decode(data).equals(own)


@settings(max_examples=20)
@given(pairs(max_side=40), st.sampled_from(ORDERS), st.integers(0, 100))
def test_decoding_any_pair_gives_what_the_encoder_shows(tiny_codec, pair, order, quality):
    data = tiny_codec.encode(pair, quality=quality, order=order, effort=1)
    assert tiny_codec.decode(data).equals(encoders_own(tiny_codec, pair, order, quality))


def test_decoding_gives_what_the_shipped_encoder_shows(base_codec, scene):
    data = base_codec.encode(scene, effort=1)
    own = encoders_own(base_codec, scene, "infrared-first", 50)
    assert base_codec.decode(data).equals(own)


def test_encoding_again_gives_the_same_bytes(tiny_codec, scene):
    assert tiny_codec.encode(scene) == tiny_codec.encode(scene)


def test_encode_and_show_gives_both(tiny_codec, scene):
    encoded = tiny_codec.encode_and_show(scene, quality=20)
    assert encoded.data == tiny_codec.encode(scene, quality=20)
    assert encoded.pair.equals(tiny_codec.decode(encoded.data))


# --- the whole input space --------------------------------------------------------------------


@settings(max_examples=40)
@given(pairs(max_side=50), st.integers(0, 100), st.sampled_from((*ORDERS, "auto")))
def test_any_pair_comes_back_in_its_own_shape(tiny_codec, pair, quality, order):
    data = tiny_codec.encode(pair, quality=quality, order=order)
    assert same_shape(tiny_codec.decode(data), pair)


@pytest.mark.parametrize(
    ("visible", "infrared"),
    [
        ((1, 1), (1, 1)),
        ((1, 200), (200, 1)),
        ((16, 16), (1, 1)),
        ((1, 1), (65, 33)),
        ((161, 120), (80, 60)),
        ((33, 47), (64, 96)),
    ],
)
@pytest.mark.parametrize("order", ORDERS)
def test_any_sizes_go_together(tiny_codec, visible, infrared, order):
    pair = synthetic_pair(visible=visible, infrared=infrared, infrared_bit_depth=10)
    data = tiny_codec.encode(pair, order=order, effort=1)
    assert same_shape(tiny_codec.decode(data), pair)


@pytest.mark.parametrize("bit_depth", [8, 10, 12, 14, 16])
def test_infrared_comes_back_at_its_own_depth_and_in_its_own_range(base_codec, bit_depth):
    pair = synthetic_pair(visible=None, infrared=(64, 80), infrared_bit_depth=bit_depth)
    assert pair.infrared is not None
    back = base_codec.decode(base_codec.encode(pair, quality=95)).infrared
    assert back is not None
    assert back.bit_depth == bit_depth
    assert back.samples.dtype == (np.uint8 if bit_depth == 8 else np.uint16)
    before, after = pair.infrared.samples.astype(int), back.samples.astype(int)
    if bit_depth > 8:
        assert before.min() <= after.min() and after.max() <= before.max()
    assert np.abs(before - after).mean() < np.ptp(before) / 60
    # No silent step to 8 bits on the way: as many different counts as went in.
    assert len(np.unique(after)) > 0.5 * len(np.unique(before))


@pytest.mark.parametrize(("sample_bytes", "bit_depth"), [(1, 1), (1, 7), (2, 8), (2, 9), (2, 16)])
def test_depth_and_type_are_kept_apart(tiny_codec, sample_bytes, bit_depth):
    samples = np.random.default_rng(0).integers(0, 1 << bit_depth, (12, 13))
    raster = Raster(samples.astype(f"u{sample_bytes}"), bit_depth)
    back = tiny_codec.decode(tiny_codec.encode(Pair(infrared=raster))).infrared
    assert back is not None
    assert (back.samples.dtype, back.bit_depth) == (raster.samples.dtype, bit_depth)


@pytest.mark.parametrize("value", [0, 700, 65_535])
def test_a_constant_radiometric_picture_is_kept_exactly(tiny_codec, value):
    pair = Pair(infrared=Raster(np.full((40, 50), value, np.uint16)))
    for quality in (0, 100):
        assert tiny_codec.decode(tiny_codec.encode(pair, quality=quality)).equals(pair)


@pytest.mark.parametrize("content", ["noise", "saturated", "constant"])
@pytest.mark.parametrize("codec_name", ["tiny_codec", "base_codec"])
def test_unpictorial_pairs_are_coded_at_every_quality(request, codec_name, content):
    codec = request.getfixturevalue(codec_name)
    random = np.random.default_rng(0)
    shape = (48, 64)
    samples = {
        "noise": random.integers(0, 65_536, shape),
        "saturated": random.integers(0, 2, shape) * 65_535,
        "constant": np.full(shape, 30_000),
    }[content]
    colour = (samples >> 8)[..., None].repeat(3, 2).astype(np.uint8)
    pair = Pair(visible=Raster(colour), infrared=Raster(samples.astype(np.uint16)))
    for quality in (0, 50, 100):
        assert same_shape(codec.decode(codec.encode(pair, quality=quality)), pair)


@pytest.mark.parametrize("modality", list(Modality))
@pytest.mark.parametrize("order", [*ORDERS, "auto"])
def test_a_picture_alone_is_coded_whatever_the_order(tiny_codec, scene, modality, order):
    alone = Pair(**{modality.value: scene.get(modality)})
    data = tiny_codec.encode(alone, order=order)
    records = unpack(data).records
    assert [(r.modality, r.conditional) for r in records] == [(modality, False)]
    assert same_shape(tiny_codec.decode(data), alone)
    assert data == tiny_codec.encode(alone)


def test_gray_visible_comes_back_gray(tiny_codec):
    pair = synthetic_pair(visible=(30, 40), infrared=(30, 40), visible_channels=1)
    assert same_shape(tiny_codec.decode(tiny_codec.encode(pair)), pair)


def test_the_functions_take_arrays_and_rasters_and_give_arrays(base_codec, monkeypatch):
    monkeypatch.setattr(crossband, "_base", lambda: base_codec)
    pair = synthetic_pair(visible=(32, 40), infrared=(32, 40), infrared_bit_depth=14)
    assert pair.visible is not None and pair.infrared is not None
    data = crossband.encode(pair.visible.samples, pair.infrared, quality=70)
    back = crossband.decode(data)
    assert same_shape(back, pair)
    assert crossband.decode(data, only=Modality.INFRARED).visible is None
    assert data == base_codec.encode(pair, quality=70)
    sixteen = crossband.encode(None, pair.infrared.samples)
    assert crossband.info(sixteen).records[0].bit_depth == 16


# --- one of two pictures ----------------------------------------------------------------------


@pytest.mark.parametrize("effort", [1, 5])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("only", list(Modality))
def test_one_picture_of_a_pair_decodes_as_in_the_pair(tiny_codec, scene, order, only, effort):
    data = tiny_codec.encode(scene, order=order, effort=effort)
    whole, part = tiny_codec.decode(data).get(only), tiny_codec.decode(data, only=only)
    assert whole is not None
    assert part.equals(Pair(**{only.value: whole}))


def test_the_first_picture_decodes_without_the_second(tiny_codec, scene):
    file = unpack(tiny_codec.encode(scene, effort=1))
    lone = pack(replace(file, records=file.records[:1]))
    assert tiny_codec.decode(lone).equals(
        tiny_codec.decode(pack(file), only=Modality.INFRARED),
    )


def test_the_first_picture_is_coded_as_if_it_were_alone(tiny_codec, scene):
    both = unpack(tiny_codec.encode(scene)).records[0]
    alone = unpack(tiny_codec.encode(Pair(infrared=scene.infrared))).records[0]
    assert both == alone


def test_metadata_is_carried_and_changes_no_picture(tiny_codec, small):
    visible, infrared = (
        Metadata(exif=b"II*\0", xmp=b"<x/>"),
        Metadata(icc=b"gray", calibration=b"R"),
    )
    assert small.visible is not None and small.infrared is not None
    said = Pair(
        replace(small.visible, metadata=visible), replace(small.infrared, metadata=infrared)
    )
    assert tiny_codec.encode(said.without_metadata()) == tiny_codec.encode(small)
    data = tiny_codec.encode(said)
    shown = tiny_codec.decode(data)
    assert shown.equals(tiny_codec.decode(tiny_codec.encode(small)))
    assert (shown.visible.metadata, shown.infrared.metadata) == (visible, infrared)
    only = tiny_codec.decode(data, only=Modality.INFRARED)
    assert only.infrared.metadata == infrared
    bounded = tiny_codec.encode_to_size(said, size_bytes=len(data))
    assert len(bounded) <= len(data)
    assert tiny_codec.decode(bounded).visible.metadata == visible


def test_asking_for_a_picture_that_is_not_there_is_refused(tiny_codec, scene):
    data = tiny_codec.encode(Pair(infrared=scene.infrared))
    with pytest.raises(MissingPicture, match="no visible picture; it holds infrared"):
        tiny_codec.decode(data, only=Modality.VISIBLE)


# --- registration -----------------------------------------------------------------------------


TURNED = Homography((900, -400, 300, 500, -700, 100, 600, -900))
"""A part of either picture is outside of the other."""


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("visible", "infrared"),
    [((96, 128), (96, 128)), ((90, 145), (50, 30)), ((33, 17), (64, 120)), ((1, 1), (40, 2))],
    ids=str,
)
def test_a_registered_pair_decodes_to_what_the_encoder_shows(tiny_codec, order, visible, infrared):
    pair = synthetic_pair(visible=visible, infrared=infrared, infrared_bit_depth=12)
    data = tiny_codec.encode(pair, order=order, effort=1, registration=TURNED)
    assert [each.registration for each in unpack(data).records] == [None, TURNED]
    shown = tiny_codec.encode_frame(pair, order=order, effort=1, registration=TURNED).shown
    own = Pair(**{modality.value: each.raster for modality, each in shown.items()})
    assert tiny_codec.decode(data).equals(own)
    first = ORDERS.index(order)
    alone = tiny_codec.decode(data, only=(Modality.INFRARED, Modality.VISIBLE)[first])
    assert same_shape(alone, Pair(**{m.value: own.get(m) for m in Modality if alone.get(m)}))


def test_a_registration_changes_nothing_of_the_first_picture(tiny_codec, scene):
    with_, without = (
        unpack(tiny_codec.encode(scene, effort=1, registration=each)).records[0]
        for each in (TURNED, None)
    )
    assert with_ == without


def test_pictures_that_fill_each_other_are_coded_as_by_plain_scaling(tiny_codec):
    pair = synthetic_pair(visible=(64, 96), infrared=(64, 96))
    plain, registered = (
        unpack(tiny_codec.encode(pair, effort=1, registration=each)).records[1]
        for each in (None, Homography((0,) * 8))
    )
    assert registered.symbols_crc == plain.symbols_crc
    assert registered.stream == plain.stream


@pytest.mark.parametrize("order", ORDERS)
def test_a_partner_that_sees_nothing_of_the_picture_costs_as_much_as_none(tiny_codec, order):
    pair = synthetic_pair(visible=(64, 96), infrared=(64, 96))
    beside = Homography((8000, 0) * 4)  # two widths to the right
    records = unpack(tiny_codec.encode(pair, order=order, effort=1, registration=beside)).records
    alone = unpack(
        tiny_codec.encode(Pair(**{records[1].modality.value: pair.get(records[1].modality)}))
    )
    coefficients_bytes = 100
    assert len(records[1].stream) <= len(alone.records[0].stream) + coefficients_bytes
    decoded = tiny_codec.decode(pack(alone)).get(records[1].modality)
    whole = tiny_codec.decode(
        tiny_codec.encode(pair, order=order, effort=1, registration=beside)
    ).get(records[1].modality)
    assert whole.samples.tolist() == decoded.samples.tolist()


@pytest.mark.parametrize("order", [*ORDERS, "auto"])
def test_from_effort_4_the_smallest_of_registered_plain_and_alone_is_kept(tiny_codec, scene, order):
    both = tiny_codec.encode(scene, order=order, effort=4, registration=TURNED)
    assert len(both) <= len(tiny_codec.encode(scene, order=order, effort=4))
    assert len(both) <= len(tiny_codec.encode(scene, order=order, effort=1, registration=TURNED))


def test_a_registration_brings_back_what_a_shift_takes(base_codec):
    """With the shipped weights, of a scene whose cameras are apart by an eighth of the width."""
    apart = synthetic_pair(visible=(192, 256), infrared=(192, 256), shift=(0.0, 0.125))
    moved = Homography((-512, 0) * 4)
    plain, registered = (
        unpack(base_codec.encode(apart, effort=1, registration=each)).records[1].coded_bytes
        for each in (None, moved)
    )
    assert registered < plain


def test_sizes_are_kept_with_a_registration(tiny_codec, scene):
    data = tiny_codec.encode_to_size(scene, size_bytes=3000, registration=TURNED)
    assert len(data) <= 3000
    assert tiny_codec.encode_and_show(scene, registration=TURNED).pair.equals(
        tiny_codec.decode(tiny_codec.encode(scene, registration=TURNED))
    )


@pytest.mark.parametrize(
    "displacements",
    [
        (8191, 8191) * 4,
        (-8192, -8192) * 4,
        (8191, 0, -8192, 0, -8192, 0, 8191, 0),
        (0, 0, -4095, 0, -4095, 0, 0, 0),  # a line of one unit
        (0, 0, -4095, 0, -4095, -4095, 0, -4095),
        (-8192, -8192, 8191, -8192, 8191, 8191, -8192, 8191),
        (0, 0, -4000, 2040, -4000, -2040, 0, 0),  # nearly a triangle
    ],
)
@pytest.mark.parametrize("order", ORDERS)
def test_a_hostile_registration_decodes_or_is_refused(tiny_codec, small, displacements, order):
    """Whatever a file may say within the format: no crash, no hang, no number that is none."""
    records = unpack(tiny_codec.encode(small, order=order, quality=30, effort=1)).records
    hostile = replace(records[1], registration=Homography(displacements))
    weights_id = bytes.fromhex(tiny_codec.model.card.weights_id)
    data = pack(PairFile(weights_id, (records[0], hostile)))
    with contextlib.suppress(CorruptStream):  # a picture of a few positions may not tell
        assert same_shape(tiny_codec.decode(data), small)
    honest = tiny_codec.encode(
        small, order=order, quality=30, effort=1, registration=Homography(displacements)
    )
    assert same_shape(tiny_codec.decode(honest), small)


# --- sizes ------------------------------------------------------------------------------------


def sizes_of(codec: Codec, pair: Pair, **options: object) -> int:
    return len(codec.encode(pair, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("codec_name", ["tiny_codec", "base_codec"])
def test_bytes_grow_with_quality(request, codec_name, scene):
    codec = request.getfixturevalue(codec_name)
    sizes = [sizes_of(codec, scene, quality=q, effort=1) for q in (0, 20, 40, 60, 80, 100)]
    assert sizes == sorted(set(sizes))


def test_a_shipped_codec_is_better_at_higher_qualities(base_codec, scene):
    shown = [base_codec.decode(base_codec.encode(scene, quality=q)) for q in (0, 33, 66, 100)]
    for modality in Modality:
        before = scene.get(modality)
        assert before is not None
        scores = []
        for pair in shown:
            after = pair.get(modality)
            assert after is not None
            scores.append(psnr(before, after))
        assert scores == sorted(set(scores))


@pytest.mark.parametrize("quality", [0, 50, 100])
def test_automatic_order_is_the_smaller_of_both(tiny_codec, scene, quality):
    sizes = [sizes_of(tiny_codec, scene, quality=quality, order=order) for order in ORDERS]
    assert sizes_of(tiny_codec, scene, quality=quality, order="auto") == min(sizes)


def alone_bytes(codec: Codec, pair: Pair, quality: float, order: str) -> int:
    """Size of one file with both pictures coded alone."""
    records = []
    for modality in crossband.codec._ORDERS[order]:
        data = codec.encode(Pair(**{modality.value: pair.get(modality)}), quality=quality)
        records += unpack(data).records
    return len(pack(PairFile(unpack(data).weights_id, tuple(records))))


@settings(max_examples=20)
@given(pairs(max_side=48, both=True), st.sampled_from(ORDERS), st.integers(0, 100))
def test_from_effort_4_a_pair_is_never_larger_than_its_pictures_alone(
    tiny_codec, pair, order, quality
):
    """Rule 3, with an untrained partner branch that mostly does harm."""
    most = alone_bytes(tiny_codec, pair, quality, order)
    for effort in (4, 5):  # above, the choice is the same and symbols are refined after it
        assert sizes_of(tiny_codec, pair, quality=quality, order=order, effort=effort) <= most


def test_a_partner_helps_the_shipped_codec(base_codec):
    pair = synthetic_pair(visible=(96, 128), infrared=(96, 128))
    data = base_codec.encode(pair, quality=30)
    assert len(data) <= alone_bytes(base_codec, pair, 30, "infrared-first")


@pytest.mark.parametrize("order", [*ORDERS, "auto"])
def test_a_size_asked_for_is_kept_and_nearly_used(tiny_codec, scene, order):
    sizes = [sizes_of(tiny_codec, scene, quality=q, order=order) for q in (0, 100)]
    for wanted in (sizes[0], sum(sizes) // 2, 10 * sizes[1]):
        data = tiny_codec.encode_to_size(scene, size_bytes=wanted, order=order)
        assert len(data) <= wanted
        # One quality step is about 1/30 of the range.
        assert len(data) >= min(0.9 * wanted, sizes[1])


@pytest.mark.parametrize("size_bytes", [0, 1, 60])
def test_a_size_out_of_reach_is_refused_with_the_smallest(tiny_codec, scene, size_bytes):
    smallest = sizes_of(tiny_codec, scene, quality=0)
    with pytest.raises(TargetUnreachable, match=f"no quality gives .* takes {smallest:,}"):
        tiny_codec.encode_to_size(scene, size_bytes=size_bytes)


@pytest.mark.parametrize("quality", [0, 30, 60, 100])
@pytest.mark.parametrize("order", ORDERS)
def test_a_file_is_as_long_as_training_estimates(
    tiny_codec: Codec, tiny_trainable: TrainableCodec, quality: float, order: str
):
    pair = synthetic_pair(visible=(96, 128), infrared=(96, 128), seed=4)
    data = tiny_codec.encode(pair, quality=quality, order=order, effort=1)  # type: ignore[arg-type]
    pictures = {}
    for modality in Modality:
        raster = pair.get(modality)
        assert raster is not None
        pictures[modality.value] = prepare(raster, modality, geometry(raster))
    with torch.no_grad():
        coded = tiny_trainable(
            **pictures,
            quality_index=torch.tensor([quality_index(quality)]),
            order=crossband.codec._ORDERS[order],
            noise=False,
        )
    bits = sum(float(one.bits + one.coefficient_bits) for one in (coded.visible, coded.infrared))
    assert abs(len(data) - bits / 8) <= 0.01 * bits / 8 + 64


# --- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("quality", "index"), [(0, 0), (50, 32), (100, 63), (1, 1), (0.7, 0)])
def test_quality_0_to_100_is_one_of_64_steps(quality, index):
    assert quality_index(quality) == index


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"quality": -1}, "quality is -1; allowed is 0"),
        ({"quality": 100.5}, "quality is 100.5; allowed is 0"),
        ({"quality": float("nan")}, "quality is nan; allowed is 0"),
        ({"effort": 0}, "effort is 0; allowed are the integers 1 to 9"),
        ({"effort": 10}, "effort is 10; allowed are the integers 1 to 9"),
        ({"effort": 2.5}, "effort is 2.5; allowed are the integers 1 to 9"),
        ({"order": "visible"}, "order is 'visible'; allowed are infrared-first, visible-first"),
    ],
)
def test_an_option_outside_its_range_is_refused(tiny_codec, small, options, complaint):
    with pytest.raises(PictureError, match=complaint):
        tiny_codec.encode(small, **options)


# --- damage -----------------------------------------------------------------------------------


def test_every_flipped_bit_is_noticed(tiny_codec, stream):
    for bit in range(8 * len(stream)):
        damaged = bytearray(stream)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(StreamError):
            tiny_codec.decode(bytes(damaged))


def test_a_file_cut_at_any_byte_is_noticed(tiny_codec, stream):
    for size in range(len(stream)):
        with pytest.raises(StreamError):
            tiny_codec.decode(stream[:size])


@pytest.mark.parametrize("garbage", [b"\0", b"x" * 100])
def test_trailing_bytes_are_noticed(tiny_codec, stream, garbage):
    with pytest.raises(CorruptStream):
        tiny_codec.decode(stream + garbage)


def test_verify_says_what_decode_says(tiny_codec, stream):
    tiny_codec.verify(stream)
    with pytest.raises(CorruptStream):
        tiny_codec.verify(stream[:-1])


@settings(max_examples=40)
@given(st.binary(max_size=300), st.sampled_from((0, 1)))
def test_a_wrong_stream_under_right_checksums_is_noticed(tiny_codec, stream, garbage, number):
    """Such a file is not damaged but made up, or decoded by a wrong implementation."""
    file = unpack(stream)
    records = list(file.records)
    if records[number].stream == garbage.rstrip(b"\0"):
        return
    records[number] = replace(records[number], stream=garbage)
    with pytest.raises(CorruptStream):
        tiny_codec.decode(pack(replace(file, records=tuple(records))))


def test_every_flipped_bit_of_a_stream_changes_its_symbols(tiny_codec, stream):
    """The symbols' checksum alone, without that of the bytes, notices nearly everything."""
    file = unpack(stream)
    noticed = flips = 0
    for number, record in enumerate(file.records):
        for bit in range(0, 8 * len(record.stream), 13):
            damaged = bytearray(record.stream)
            damaged[bit // 8] ^= 1 << bit % 8
            records = list(file.records)
            records[number] = replace(record, stream=bytes(damaged))
            flips += 1
            try:
                tiny_codec.decode(pack(replace(file, records=tuple(records))))
            except CorruptStream:
                noticed += 1
    # The last bits of a range coder's last word may stand for the same symbols.
    assert noticed >= 0.85 * flips


def test_a_made_up_stream_of_a_larger_picture_is_refused_quickly(tiny_codec, stream):
    file = unpack(stream)
    record = replace(file.records[0], height=480, width=640, stream=b"\xa5" * 5000)
    start = time.process_time()
    with pytest.raises(CorruptStream):
        tiny_codec.decode(pack(replace(file, records=(record,))))
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "changes",
    [{"quality_index": 40}, {"height": 33}, {"conditional": False}, {"symbols_crc": 7}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_header_that_is_not_the_streams_is_noticed(tiny_codec, stream, changes):
    file = unpack(stream)
    records = (file.records[0], replace(file.records[1], **changes))
    with pytest.raises(CorruptStream, match=r"visible picture decodes to other symbols|no encoder"):
        tiny_codec.decode(pack(replace(file, records=records)))


def test_a_conditional_picture_after_another_partner_is_noticed(tiny_codec, stream, small):
    other = synthetic_pair(visible=None, infrared=(9, 18), infrared_bit_depth=12, seed=9)
    file = unpack(stream)
    partner = unpack(tiny_codec.encode(other, quality=30)).records[0]
    with pytest.raises(CorruptStream):
        tiny_codec.decode(pack(replace(file, records=(partner, file.records[1]))))


def test_a_file_of_other_weights_is_refused_by_their_name(base_codec, tiny_codec, stream):
    with pytest.raises(MissingWeights, match=f"weights {tiny_codec.model.card.weights_id}, which"):
        base_codec.decode(stream)


def test_a_file_of_shipped_weights_decodes_with_any_codec(base_codec, tiny_codec, small):
    data = base_codec.encode(small)
    assert tiny_codec.decode(data).equals(base_codec.decode(data))


# --- another machine --------------------------------------------------------------------------

ELSEWHERE = """
import sys
import numpy as np
import torch
from crossband import models
from crossband.codec import Codec

threads, onednn, *files = sys.argv[1:]
torch.set_num_threads(int(threads))
torch.backends.mkldnn.set_flags(_enabled=onednn == "on")
codecs = {}
for file, weights in zip(files[::2], files[1::2]):
    if weights not in codecs:
        codecs[weights] = Codec(models.load(weights))
    pair = codecs[weights].decode(open(file, "rb").read())
    np.savez(file, visible=pair.visible.samples, infrared=pair.infrared.samples)
"""


@pytest.mark.usefixtures("thread_count")
@pytest.mark.parametrize(("threads", "onednn"), [(2, "off"), (3, "on")])
def test_a_fresh_process_with_other_settings_decodes_the_same(
    tiny_codec, base_codec, tmp_path, scene, threads, onednn
):
    """Every symbol is equal, or the checksum would refuse it; every sample within one level."""
    torch.set_num_threads(1)
    shown, words = {}, []
    for codec in (tiny_codec, base_codec):
        for order in ORDERS:
            for quality in (10, 90):
                path = tmp_path / f"{codec.model.card.name}-{order}-{quality}.xb"
                encoded = codec.encode(scene, order=order, quality=quality, effort=1)
                path.write_bytes(encoded)
                shown[path] = codec.decode(encoded)
                words += [str(path), str(codec.model.card.path)]
    source = str(Path(crossband.__file__).parents[1])
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(threads), onednn, *words],
        check=True,
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": str(threads)},
    )
    for path, pair in shown.items():
        there = np.load(f"{path}.npz")
        for modality in Modality:
            raster = pair.get(modality)
            assert raster is not None
            here = raster.samples.astype(int)
            # A count of a deep picture is finer than a float's error of the whole range.
            level = 1 + int(np.ptp(here)) // 4096
            assert np.abs(here - there[modality.value].astype(int)).max() <= level


@pytest.mark.usefixtures("thread_count")
def test_the_number_of_threads_does_not_change_a_decoded_symbol(tiny_codec, scene):
    data = tiny_codec.encode(scene)
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        tiny_codec.verify(data)
