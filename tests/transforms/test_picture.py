# SPDX-License-Identifier: Apache-2.0
"""Analysis and synthesis stay finite and bounded, and qualities are in order."""

from __future__ import annotations

import math

import pytest
import torch

from crossband.pair import Modality
from crossband.transforms import (
    QUALITY_COUNT,
    QualityGain,
    SynthesisFeatures,
    base_step,
    lagrangian,
    to_channels_last,
)
from crossband.transforms.blocks import GatedBlock, gate

ALL = torch.arange(QUALITY_COUNT)


def test_each_quality_weighs_errors_more_and_has_a_finer_step():
    assert (lagrangian(ALL).diff() > 0).all()
    assert (base_step(ALL).diff() < 0).all()
    assert float(base_step(ALL)[0]) == pytest.approx(0.666, abs=1e-3)
    assert float(base_step(ALL)[-1]) == pytest.approx(1 / 87, abs=1e-4)


@pytest.mark.parametrize("size", [0.0, 1.0, -1e3, 1e30])
def test_gains_are_bounded_and_positive(size):
    gain = QualityGain(5)
    torch.nn.init.normal_(gain.knots)
    gain.knots.data.mul_(size)
    factors = gain(ALL)
    assert factors.shape == (QUALITY_COUNT, 5)
    assert factors.min() >= math.exp(-1.5) * 0.999
    assert factors.max() <= math.exp(1.5) * 1.001


def test_gains_start_at_one():
    assert torch.equal(QualityGain(3)(ALL), torch.ones(QUALITY_COUNT, 3))


def test_a_gain_reaches_each_knot():
    gain = QualityGain(1)
    gain.knots.data[:, 0] = torch.linspace(-0.7, 0.7, 8)
    factors = gain(ALL)[:, 0].detach()
    assert (factors.diff() > 0).all()
    assert float(factors[0]) == pytest.approx(math.exp(-1.5 * math.tanh(0.7 / 1.5)))
    assert float(factors[-1]) == pytest.approx(math.exp(1.5 * math.tanh(0.7 / 1.5)))


def test_a_gate_never_grows_its_input():
    features = 1e4 * torch.randn(2, 8, 3, 3)
    assert (gate(features).abs() <= features[:, :4].abs()).all()


def test_an_untrained_block_is_the_identity():
    features = torch.randn(2, 8, 5, 4)
    assert torch.equal(GatedBlock(8)(features), features)


@torch.no_grad()
@pytest.mark.parametrize("modality", list(Modality))
@pytest.mark.parametrize("index", [0, 17, 63])
@pytest.mark.parametrize(
    "values",
    [
        pytest.param(lambda shape: torch.zeros(shape), id="black"),
        pytest.param(lambda shape: torch.ones(shape), id="white"),
        pytest.param(lambda shape: torch.randint(0, 2, shape).float(), id="saturated noise"),
        pytest.param(lambda shape: 1e4 * torch.randn(shape), id="far outside"),
    ],
)
def test_everything_stays_finite(tiny_trainable, modality, index, values):
    channels = 3 if modality is Modality.VISIBLE else 1
    network = getattr(tiny_trainable, modality.value)
    coded = network(
        values((2, channels, 32, 48)), torch.tensor([index, index]), None, None, noise=False
    )
    for tensor in (coded.bits, coded.picture, coded.signal, coded.features.eighth):
        assert tensor.isfinite().all()
    assert (coded.bits >= 0).all()


@torch.no_grad()
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (7, 1)])
def test_any_grid_goes_through(tiny_trainable, size):
    height, width = 16 * size[0], 16 * size[1]
    coded = tiny_trainable(
        torch.rand(1, 3, height, width),
        torch.rand(1, 1, height, width),
        torch.tensor([32]),
        noise=False,
    )
    assert coded.visible.picture.shape == (1, 3, height, width)
    assert coded.infrared.picture.shape == (1, 1, height, width)
    assert coded.visible.features.sixteenth.shape[2:] == size
    assert coded.visible.features.eighth.shape[2:] == (2 * size[0], 2 * size[1])


def test_features_are_brought_to_another_grid_by_scale():
    features = SynthesisFeatures(torch.randn(1, 2, 3, 4), torch.randn(1, 2, 6, 8))
    assert features.resampled(3, 4) is features
    other = features.resampled(5, 2)
    assert other.sixteenth.shape == (1, 2, 5, 2)
    assert other.eighth.shape == (1, 2, 10, 4)
    flat = SynthesisFeatures(torch.ones(1, 2, 3, 4), torch.ones(1, 2, 6, 8)).resampled(1, 9)
    assert torch.allclose(flat.sixteenth, torch.ones(1, 2, 1, 9))


@torch.no_grad()
def test_the_layout_of_weights_does_not_change_what_they_do(tiny_trainable):
    transforms = tiny_trainable.infrared.transforms
    shown, quality = torch.rand(1, 1, 48, 64), torch.tensor([32])
    before = transforms.analysis.features(shown, quality)
    to_channels_last(transforms)
    assert transforms.analysis.head.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(transforms.analysis.features(shown, quality), before, atol=1e-4)
