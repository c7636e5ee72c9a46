# SPDX-License-Identifier: Apache-2.0
"""Infrared with a guaranteed error, from samples to bytes and back."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

import crossband
from crossband.bounded import decode_bounded, encode_bounded
from crossband.container import BoundedRecord, PairFile, pack, unpack
from crossband.errors import CorruptStream, PictureError, StreamError
from crossband.homography import Homography
from crossband.pair import Metadata, Modality, Pair, Raster
from crossband.sources import calibration_of
from crossband.testing import synthetic_pair
from crossband.testing.radiometric import camera_record
from crossband.testing.strategies import rasters

SOURCE = Path(__file__).parents[1] / "src"
TURNED = Homography((900, -400, 300, 500, -700, 100, 600, -900))
GOLDEN = Path(__file__).parent / "conformance" / "bounded"


@pytest.fixture(scope="module")
def counts() -> Raster:
    """A small radiometric picture."""
    raster = synthetic_pair(visible=None, infrared=(40, 48), infrared_bit_depth=14).infrared
    assert raster is not None
    return raster


@given(rasters(Modality.INFRARED, max_side=14))
@settings(max_examples=15, deadline=None)
def test_lossless_is_lossless_at_any_size_and_depth(raster):
    assert decode_bounded(encode_bounded(raster, 0)).equals(raster)


@given(rasters(Modality.INFRARED, max_side=12), st.sampled_from((1, 2, 4, 8, 16, 65_535)))
@settings(max_examples=15, deadline=None)
def test_no_sample_is_further_off_than_the_bound(raster, bound):
    record = encode_bounded(raster, bound)
    shown = decode_bounded(record)
    off = np.abs(shown.samples.astype(np.int64) - raster.samples.astype(np.int64)).max()
    assert off <= record.max_error <= bound
    assert (shown.samples.dtype, shown.bit_depth) == (raster.samples.dtype, raster.bit_depth)


def test_a_larger_bound_takes_fewer_bytes(counts):
    sizes = [len(encode_bounded(counts, bound).stream) for bound in (0, 2, 16)]
    assert sizes == sorted(sizes, reverse=True) and sizes[2] < sizes[0] / 2


def test_smooth_pictures_of_few_counts_are_rounded_first_and_noisy_ones_are_not(counts):
    rows, columns = np.mgrid[0:64, 0:80]
    smooth = Raster((120 + 40 * np.sin(rows / 9) + 30 * np.cos(columns / 7)).astype(np.uint8))
    noise = np.random.default_rng(1).normal(8000, 90, (64, 80)).round().astype(np.uint16)
    assert encode_bounded(smooth, 4).rounding == 4
    assert encode_bounded(Raster(noise, 14), 1).rounding == 0
    assert encode_bounded(counts, 0).rounding == 0


@pytest.mark.parametrize("bound", [1, 3, 16, 60])
def test_no_decoded_count_leaves_the_range_of_the_source(bound):
    rows, columns = np.mgrid[0:40, 0:64]
    waves = 7100 + 127.5 * np.sin(rows / 9) * np.cos(columns / 7)
    smooth = Raster(waves.round().astype(np.uint16), 14)
    record = encode_bounded(smooth, bound)
    shown = decode_bounded(record).samples.astype(int)
    assert record.rounding == bound
    assert smooth.samples.min() <= shown.min() and shown.max() <= smooth.samples.max()
    assert np.abs(shown - smooth.samples.astype(int)).max() <= bound


@pytest.mark.parametrize("value", [0, 65_535])
def test_a_blank_picture_has_no_stream(value):
    raster = Raster(np.full((300, 200), value, np.uint16))
    record = encode_bounded(raster, 3)
    assert record.stream == b"" and record.max_error == 0
    assert decode_bounded(record).equals(raster)


def test_a_picture_of_every_fourth_count_is_lossless_below_four(counts):
    raster = Raster(counts.samples // 4 * 4, counts.bit_depth)
    record = encode_bounded(raster, 3)
    assert (record.step, record.max_error) == (4, 0)
    assert decode_bounded(record).equals(raster)
    assert encode_bounded(raster, 9).max_error == 8


@pytest.mark.parametrize("dark", [0, 1, 2, 5])
def test_rounding_keeps_what_the_picture_shows_most_of_in_one_piece(dark):
    # Nearly all samples are the darkest or the one above it: both fall into one value.
    samples = np.where(np.random.default_rng(dark).random((64, 80)) < 0.5, dark, dark + 1)
    samples[::16, ::16] = 250
    record = encode_bounded(Raster(samples.astype(np.uint8)), 2)
    assert record.rounding == 2
    shown = decode_bounded(record).samples.astype(int)
    assert len(np.unique(shown[samples < 9])) == 1
    assert np.abs(shown - samples).max() <= 2


@pytest.mark.parametrize("bound", [-1, 65_536, 1.5])
def test_a_bound_outside_its_range_is_refused(counts, bound):
    with pytest.raises(PictureError, match="max_error"):
        encode_bounded(counts, bound)


def test_a_wrong_stream_is_an_error_and_never_a_picture(counts):
    record = encode_bounded(counts, 0)
    middle = len(record.stream) // 2
    for at in (0, middle, len(record.stream) - 1):
        stream = bytearray(record.stream)
        stream[at] ^= 4
        with pytest.raises(CorruptStream):
            decode_bounded(replace(record, stream=bytes(stream)))


@pytest.mark.parametrize("effort", [1, 6])
@pytest.mark.parametrize("registration", [None, TURNED], ids=["plain", "registered"])
def test_the_whole_codec_keeps_both_pictures_and_the_bound(registration, effort):
    pair = synthetic_pair(visible=(32, 40), infrared=(24, 30), infrared_bit_depth=14)
    data = crossband.encode(
        pair.visible, pair.infrared, max_error=2, registration=registration, effort=effort
    )
    header = crossband.info(data)
    infrared, visible = header.records
    assert isinstance(infrared, BoundedRecord) and infrared.max_error == 2
    assert visible.conditional or effort > 3
    shown = crossband.decode(data)
    off = shown.infrared.samples.astype(np.int64) - pair.infrared.samples.astype(np.int64)
    assert np.abs(off).max() <= 2
    assert shown.visible.samples.shape == pair.visible.samples.shape
    only = crossband.decode(data, only=Modality.INFRARED)
    assert only.visible is None and only.infrared.equals(shown.infrared)
    only = crossband.decode(data, only=Modality.VISIBLE)
    assert only.infrared is None and only.visible.equals(shown.visible)


def test_exact_infrared_makes_the_visible_picture_smaller(base_codec):
    """With the shipped weights; from effort 4 on the smaller of both ways is kept."""
    pair = synthetic_pair(visible=(192, 256), infrared=(192, 256))
    sizes = {}
    for effort in (1, 5):
        visible = unpack(base_codec.encode(pair, max_error=0, effort=effort)).records[1]
        assert visible.conditional
        sizes[effort] = len(visible.stream)
    alone = unpack(base_codec.encode(Pair(visible=pair.visible))).records[0]
    assert sizes[5] == sizes[1] < len(alone.stream)


@pytest.mark.parametrize("effort", [1, 5])
def test_infrared_of_one_value_is_not_looked_at(effort):
    pair = synthetic_pair(visible=(32, 40), infrared=(32, 40))
    data = crossband.encode(
        pair.visible, np.full((32, 40), 7, np.uint8), max_error=0, effort=effort
    )
    assert not crossband.info(data).records[1].conditional


def test_weights_of_other_latents_code_the_visible_picture_alone(tiny_codec):
    pair = synthetic_pair(visible=(32, 40), infrared=(32, 40))
    file = unpack(tiny_codec.encode(pair, max_error=0, effort=1))
    assert not file.records[1].conditional
    forged = replace(file, records=(file.records[0], replace(file.records[1], conditional=True)))
    with pytest.raises(CorruptStream, match="cannot look at"):
        tiny_codec.decode(pack(forged))
    assert tiny_codec.decode(pack(forged), only=Modality.INFRARED).infrared is not None


@pytest.mark.parametrize("bound", [{"max_error": 0}, {"max_error_kelvin": 1}], ids=str)
def test_a_bound_without_infrared_is_refused(bound):
    with pytest.raises(PictureError, match="for infrared pictures and there is none"):
        crossband.encode(np.zeros((8, 8), np.uint8), None, **bound)


def test_a_bound_in_kelvin_holds_by_the_picture_s_calibration(counts):
    metadata = Metadata(calibration=camera_record().payload)
    warm = Raster((15_000 + counts.samples // 8).astype(np.uint16), metadata=metadata)
    data = crossband.encode(None, warm, max_error_kelvin=0.1)
    assert crossband.info(data).records[0].max_error > 0
    kelvin = calibration_of(metadata).kelvin
    shown = crossband.decode(data).infrared
    assert 0 < np.abs(kelvin(shown.samples) - kelvin(warm.samples)).max() <= 0.1


@pytest.mark.parametrize(("kelvin", "most"), [(0.1, 2), (0.04, 1), (0.01, 0)])
def test_a_bound_in_kelvin_holds_for_linear_counts(counts, kelvin, most):
    data = crossband.encode(None, counts, max_error_kelvin=kelvin, kelvin_per_count=0.04)
    shown = crossband.decode(data).infrared
    off = np.abs(shown.samples.astype(np.int64) - counts.samples.astype(np.int64)).max()
    assert off <= crossband.info(data).records[0].max_error <= most


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"max_error_kelvin": 0.1}, "has no calibration"),
        ({"max_error_kelvin": 0.1, "max_error": 1}, "leave max_error out"),
        ({"kelvin_per_count": 0.1}, "give both or neither"),
        ({"max_error_kelvin": 0, "kelvin_per_count": 0.1}, "max_error_kelvin is 0"),
        ({"max_error_kelvin": 1, "kelvin_per_count": 0}, "kelvin_per_count is 0"),
    ],
    ids=str,
)
def test_bounds_in_kelvin_that_contradict_are_refused(counts, options, complaint):
    with pytest.raises(PictureError, match=complaint):
        crossband.encode(None, counts, **options)


def test_infrared_alone_needs_no_weights(counts):
    data = pack(PairFile(b"no such!", (encode_bounded(counts, 0),)))
    assert crossband.decode(data).infrared.equals(counts)


def test_a_file_that_claims_many_pixels_is_refused_at_once(counts):
    record = encode_bounded(counts, 0)
    with pytest.raises(PictureError, match="at least"):
        replace(record, height=60_000, width=60_000)


def test_a_cut_file_is_refused(counts):
    data = pack(PairFile(b"no such!", (encode_bounded(counts, 4),)))
    for length in range(0, len(data), 97):
        with pytest.raises(StreamError):
            unpack(data[:length])


@pytest.mark.parametrize("threads", ["1", "2"])
def test_bytes_do_not_depend_on_threads(counts, tmp_path, threads):
    np.save(tmp_path / "counts.npy", counts.samples)
    program = (
        "import sys, numpy as np; from crossband.bounded import encode_bounded;"
        "from crossband.pair import Raster;"
        "sys.stdout.buffer.write(encode_bounded(Raster(np.load(sys.argv[1]), 14), 1).stream)"
    )
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "counts.npy")],
        check=True,
        capture_output=True,
        env={"PYTHONPATH": str(SOURCE), "PATH": "", **dict.fromkeys(names, threads)},
    )
    assert done.stdout == encode_bounded(counts, 1).stream


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.xb")), ids=lambda path: path.stem)
def test_stored_files_decode_to_the_same_samples_for_ever(path):
    shown = crossband.decode(path.read_bytes()).infrared
    name, _, checksum = path.stem.rpartition("-")
    assert f"{crc32c(shown.samples.astype('<u2').tobytes()):08x}" == checksum, name


def test_there_are_stored_files():
    assert len(list(GOLDEN.glob("*.xb"))) >= 3
