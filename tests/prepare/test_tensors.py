# SPDX-License-Identifier: Apache-2.0
"""Rasters become tensors of whole blocks and come back sample for sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossband.pair import Modality, Raster
from crossband.prepare import Geometry, geometry, prepare, restore
from crossband.testing.strategies import rasters

any_raster = st.sampled_from(list(Modality)).flatmap(
    lambda modality: st.tuples(st.just(modality), rasters(modality, max_side=40))
)


@given(any_raster)
def test_every_raster_comes_back_sample_for_sample(drawn):
    modality, raster = drawn
    shape = geometry(raster)
    assert restore(prepare(raster, modality, shape), shape).equals(raster)


@given(any_raster)
def test_tensors_are_whole_blocks_between_0_and_1(drawn):
    modality, raster = drawn
    shape = geometry(raster)
    tensor = prepare(raster, modality, shape)
    channels = 3 if modality is Modality.VISIBLE else 1
    assert tensor.dtype == torch.float32
    assert tensor.shape == (1, channels, 16 * shape.latent_height, 16 * shape.latent_width)
    assert 0 <= tensor.shape[2] - raster.height < 16
    assert 0 <= tensor.shape[3] - raster.width < 16
    assert tensor.min() >= 0 and tensor.max() <= 1
    assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_borders_are_repeated_to_whole_blocks():
    raster = Raster(np.arange(15, dtype=np.uint8).reshape(3, 5) * 10)
    tensor = prepare(raster, Modality.INFRARED, geometry(raster))[0, 0]
    assert torch.equal(tensor[:3, 5:], tensor[:3, 4:5].expand(3, 11))
    assert torch.equal(tensor[3:], tensor[2:3].expand(13, 16))


def test_gray_visible_becomes_three_equal_channels_and_gray_again():
    raster = Raster(np.random.default_rng(0).integers(0, 256, (16, 16)).astype(np.uint8))
    shape = geometry(raster)
    tensor = prepare(raster, Modality.VISIBLE, shape)
    assert torch.equal(tensor[:, 0], tensor[:, 1]) and torch.equal(tensor[:, 0], tensor[:, 2])
    # Channels that came out unequal are averaged.
    tensor = tensor + torch.tensor([-0.1, 0.0, 0.1])[:, None, None]
    assert restore(tensor, shape).equals(raster)


@pytest.mark.parametrize("bit_depth", range(9, 17))
def test_a_radiometric_picture_is_stretched_from_its_own_range(bit_depth):
    peak = (1 << bit_depth) - 1
    samples = np.full((16, 16), peak // 3, np.uint16)
    samples[0, 0], samples[0, 1] = peak // 4, peak // 2
    shape = geometry(Raster(samples, bit_depth))
    assert (shape.low, shape.high, shape.bit_depth) == (peak // 4, peak // 2, bit_depth)
    tensor = prepare(Raster(samples, bit_depth), Modality.INFRARED, shape)
    assert (float(tensor.min()), float(tensor.max())) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("dtype", "bit_depth", "high"), [("uint8", 8, 255), ("uint8", 5, 31), ("uint16", 8, 255)]
)
def test_up_to_8_bits_keep_their_full_range(dtype, bit_depth, high):
    raster = Raster(np.full((4, 4), 7, dtype), bit_depth)
    shape = geometry(raster)
    assert (shape.low, shape.high) == (0, high)
    assert shape.sample_bytes == raster.samples.dtype.itemsize


@pytest.mark.parametrize("value", [0, 12_345, 65_535])
def test_a_constant_radiometric_picture_comes_back_whatever_was_decoded(value):
    raster = Raster(np.full((5, 7), value, np.uint16))
    shape = geometry(raster)
    assert (shape.low, shape.high) == (value, value)
    assert prepare(raster, Modality.INFRARED, shape).isfinite().all()
    assert restore(torch.rand(1, 1, 16, 16), shape).equals(raster)


@pytest.mark.parametrize(("value", "sample"), [(-1e30, 1000), (-0.01, 1000), (1.5, 3000)])
def test_what_lies_outside_the_range_is_clipped_to_it(value, sample):
    shape = Geometry(2, 2, 1, 2, 14, 1000, 3000)
    raster = restore(torch.full((1, 1, 16, 16), value), shape)
    assert (raster.samples == sample).all()
    assert raster.bit_depth == 14


def test_samples_are_rounded_to_the_nearest():
    shape = Geometry(1, 2, 1, 1, 8, 0, 255)
    tensor = torch.zeros(1, 1, 16, 16)
    tensor[..., 0], tensor[..., 1] = 99.4 / 255, 99.6 / 255
    assert restore(tensor, shape).samples.tolist() == [[99, 100]]


def test_every_16_bit_sample_survives():
    raster = Raster(np.arange(65_536, dtype=np.uint16).reshape(256, 256))
    shape = geometry(raster)
    assert restore(prepare(raster, Modality.INFRARED, shape), shape).equals(raster)
