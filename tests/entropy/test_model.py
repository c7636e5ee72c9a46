# SPDX-License-Identifier: Apache-2.0
"""The trainable entropy model begins with hyper-latents that say something, and keeps them."""

from __future__ import annotations

import pytest
import torch

from crossband.entropy.arithmetic import SIGNAL
from crossband.entropy.model import EntropyModel
from crossband.entropy.settings import EntropySettings

QUALITY = torch.tensor([32])
SETTINGS = EntropySettings(
    latent_channels=24,
    partner_channels=16,
    first_channels=6,
    hyper_channels=20,
    hyper_width=16,
    width=32,
    alignment_channels=8,
)


@pytest.fixture
def latents() -> torch.Tensor:
    spread = torch.logspace(0, -3, SETTINGS.latent_channels)[:, None, None]
    detail = torch.rand(16, 1, 2, 2).repeat_interleave(8, 2).repeat_interleave(8, 3)
    return torch.randn(16, SETTINGS.latent_channels, 16, 16) * spread * detail


@torch.no_grad()
def test_calibrated_hyper_latents_spread_from_two_steps_to_a_tenth(latents: torch.Tensor) -> None:
    model = EntropyModel(SETTINGS)
    model.calibrate_hyper(latents, QUALITY)
    gain = model.hyper_gain(model.hyper_log_gain(QUALITY))[:, :, None, None]
    hyper = model.hyper_analysis(latents * SIGNAL) * gain
    expected = 2 * 0.05 ** torch.linspace(0, 1, SETTINGS.hyper_channels)
    assert torch.allclose(hyper.std((0, 2, 3)), expected, rtol=1e-3)
    assert hyper.mean((0, 2, 3)).abs().max() < 1e-3
    assert not model.hyper_is_dead(latents, QUALITY)


@torch.no_grad()
def test_a_hyperprior_drawn_anew_leaves_the_passes_what_they_saw(latents: torch.Tensor) -> None:
    model = EntropyModel(SETTINGS)
    model.hyper_analysis.down_quarter.weight.zero_()
    model.hyper_analysis.down_quarter.bias.zero_()
    assert model.hyper_is_dead(latents, QUALITY)
    arithmetic = model.arithmetic(torch.ones(1, 1), QUALITY)
    before = model._hyper_features(latents, arithmetic).mean((0, 1, 2))
    model.calibrate_hyper(latents, QUALITY)
    arithmetic = model.arithmetic(torch.ones(1, 1), QUALITY)
    features = model._hyper_features(latents, arithmetic)
    assert torch.allclose(features.mean((0, 1, 2)), before, atol=1e-4)
    assert features.std((0, 1, 2)).min() > 0


@pytest.mark.parametrize(("charge", "pulls"), [(0.0, False), (1.0, True)])
def test_a_charge_of_zero_counts_the_cost_and_does_not_pull(
    latents: torch.Tensor, charge: float, pulls: bool
) -> None:
    model = EntropyModel(SETTINGS)
    model.calibrate_hyper(latents, QUALITY)
    model.hyper_charge = charge
    step = torch.full((16, SETTINGS.latent_channels), 0.1)
    estimate = model.estimate(latents, step, QUALITY.expand(16))
    assert (estimate.hyper_bits > 1).all() and (estimate.hyper_bits < estimate.bits).all()
    estimate.hyper_bits.sum().backward()  # type: ignore[no-untyped-call]
    gradient = model.hyper_analysis.down_quarter.weight.grad
    assert pulls == (gradient is not None and bool(gradient.any()))
    assert model.hyper_index.knots.grad is not None and model.hyper_index.knots.grad.any()
