# SPDX-License-Identifier: Apache-2.0
"""The untrained network is an orthonormal transform codec."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from crossband.errors import PictureError
from crossband.pair import Modality
from crossband.prepare import geometry, prepare
from crossband.testing import synthetic_pair
from crossband.transforms import PictureTransforms, TransformSettings, base_step
from crossband.transforms.start import block_transform, haar_transform

CENTRE = torch.tensor([32])
HERE = torch.ones(1, 1, 1, 1)


def identity_of(matrix: np.ndarray) -> bool:
    return np.allclose(matrix @ matrix.T, np.eye(len(matrix)), atol=1e-12)


@pytest.mark.parametrize(("channels", "kept"), [(1, 64), (1, 20), (3, 192), (3, 144), (3, 1)])
def test_the_first_layer_is_orthonormal(channels, kept):
    rows, spreads = block_transform(channels, kept)
    assert rows.shape == (kept, 64 * channels)
    assert identity_of(rows)
    assert (np.diff(spreads) <= 0).all()


@pytest.mark.parametrize(("channels", "kept"), [(64, 256), (64, 192), (70, 100)])
def test_the_second_layer_is_orthonormal(channels, kept):
    _, spreads = block_transform(1, 64)
    rows, chosen = haar_transform(spreads, channels, kept)
    assert rows.shape == (kept, 4 * channels)
    assert identity_of(rows)
    assert (np.diff(chosen) <= 0).all()


def test_the_first_coefficient_is_the_mean():
    for channels in (1, 3):
        row = block_transform(channels, 1)[0][0]
        assert np.allclose(row, row[0])


def transforms(modality: Modality, *, latents: int, eighth: int) -> PictureTransforms:
    picture_channels = 3 if modality is Modality.VISIBLE else 1
    return PictureTransforms(
        TransformSettings(
            picture_channels=picture_channels,
            eighth_channels=eighth,
            latent_channels=latents,
            deep_channels=latents // 2,
            analysis_blocks=2,
            synthesis_blocks=2,
            analysis_deep_blocks=1,
            synthesis_deep_blocks=1,
        )
    ).eval()


def picture(modality: Modality, *, noise: float = 0.0) -> Tensor:
    scene = synthetic_pair(visible=(96, 128), infrared=(96, 128), noise=noise)
    raster = scene.get(modality)
    assert raster is not None
    return prepare(raster, modality, geometry(raster))


@torch.no_grad()
def coded(network: PictureTransforms, shown: Tensor, step: float | None = None) -> Tensor:
    """There and back, the latents rounded to multiples of a step."""
    features = network.analysis.features(shown, CENTRE)
    latents = network.analysis(features, None, HERE)
    if step is not None:
        latents = torch.round(latents / step) * step
    restored, _ = network.synthesis(latents, CENTRE, None, None, HERE)
    return restored


def psnr(error: Tensor) -> float:
    return -10 * float(torch.log10(error.double().square().mean() + 1e-30))


@pytest.mark.parametrize(
    ("modality", "eighth", "latents"), [(Modality.INFRARED, 64, 256), (Modality.VISIBLE, 192, 768)]
)
def test_with_all_latents_the_untrained_network_loses_nothing(modality, eighth, latents):
    network = transforms(modality, latents=latents, eighth=eighth)
    for shown in (picture(modality, noise=1.0), torch.rand(1, *picture(modality).shape[1:])):
        assert psnr(coded(network, shown) - shown) > 110


@torch.no_grad()
def test_latents_of_the_untrained_network_are_in_sample_units():
    network = transforms(Modality.INFRARED, latents=256, eighth=64)
    shown = torch.rand(1, 1, 64, 64)
    features = network.analysis.features(shown, CENTRE)
    latents = network.analysis(features, None, HERE)
    energy = (shown - 0.5).square().sum()
    assert float(latents.square().sum()) == pytest.approx(float(energy), rel=1e-4)


@pytest.mark.parametrize("index", [0, 20, 40, 63])
def test_the_error_of_the_untrained_network_is_the_quantisers(index):
    network = transforms(Modality.INFRARED, latents=256, eighth=64)
    step = float(base_step(torch.tensor(index)))
    shown = torch.rand(1, 1, 128, 128)
    error = coded(network, shown, step) - shown
    expected = step**2 / 12
    if index < 20:  # steps larger than most latents: those become zero and lose only themselves
        assert float(error.square().mean()) < expected
    else:
        assert float(error.square().mean()) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("modality", "eighth", "latents", "least_db"),
    [(Modality.INFRARED, 64, 96, 30), (Modality.VISIBLE, 96, 192, 28)],
)
def test_the_latents_kept_are_those_that_matter(modality, eighth, latents, least_db):
    """A third or a quarter of the latents of a smooth picture hold nearly all of it."""
    network = transforms(modality, latents=latents, eighth=eighth)
    shown = picture(modality)
    assert psnr(coded(network, shown) - shown) > least_db


def test_spare_channels_start_random_and_carry_nothing():
    network = transforms(Modality.INFRARED, latents=256, eighth=80)
    shown = picture(Modality.INFRARED)
    assert psnr(coded(network, shown) - shown) > 110


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"latent_channels": 300}, "300 latent channels are more .* from 128 at 1/8"),
        ({"eighth_channels": 60}, "256 latent channels are more .* from 60 at 1/8"),
        ({"latent_channels": 257, "eighth_channels": 80}, "257 latent channels are more"),
    ],
)
def test_widths_that_the_start_cannot_fill_are_refused(settings, complaint):
    with pytest.raises(PictureError, match=complaint):
        TransformSettings(picture_channels=1, **settings)
