# SPDX-License-Identifier: Apache-2.0
"""What the partner adds: nothing at the start, where it is missing, or from outside of it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossband.models.settings import CodecSettings
from crossband.pair import Modality
from crossband.training.network import CodedPair, TrainableCodec
from crossband.transforms import ChannelAlignment, SpatialAlignment
from crossband.transforms.alignment import COEFFICIENT_LIMIT, ContextBranch

ORDERS = [(Modality.INFRARED, Modality.VISIBLE), (Modality.VISIBLE, Modality.INFRARED)]
HERE = torch.ones(1, 1, 1, 1)
WINDOW, REACH = 4, 3


@pytest.fixture(scope="module")
def start(tiny_settings: CodecSettings) -> TrainableCodec:
    """An untrained codec, as training finds it."""
    return TrainableCodec(tiny_settings)


def batch() -> dict[str, Tensor]:
    return {
        "visible": torch.rand(2, 3, 64, 96),
        "infrared": torch.rand(2, 1, 64, 96),
        "quality_index": torch.tensor([10, 50]),
    }


def equal(first: CodedPair, second: CodedPair) -> bool:
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for one, other in (
            (first.visible, second.visible),
            (first.infrared, second.infrared),
        )
        for name in ("bits", "picture", "signal")
    )


# --- beginning without a partner --------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("order", ORDERS)
def test_before_training_a_partner_changes_nothing(start, order):
    pictures = batch()
    given_partner = start(**pictures, order=order, noise=False)
    alone = start(**pictures, order=order, noise=False, alone=True)
    assert equal(given_partner, alone)


@torch.no_grad()
@pytest.mark.parametrize("order", ORDERS)
def test_afterwards_it_does(tiny_trainable, order):
    pictures = batch()
    second = order[1].value
    given_partner = getattr(tiny_trainable(**pictures, order=order, noise=False), second)
    alone = getattr(tiny_trainable(**pictures, order=order, noise=False, alone=True), second)
    assert not torch.equal(given_partner.bits, alone.bits)
    assert not torch.equal(given_partner.picture, alone.picture)


@torch.no_grad()
@pytest.mark.parametrize("order", ORDERS)
def test_a_missing_partner_is_as_if_coded_alone(tiny_trainable, order):
    pictures = batch()
    present = torch.tensor([0.0, 1.0])
    some = tiny_trainable(**pictures, order=order, present=present, noise=False)
    alone = tiny_trainable(**pictures, order=order, noise=False, alone=True)
    both = tiny_trainable(**pictures, order=order, noise=False)
    second = order[1].value
    for name in ("bits", "picture", "signal"):
        mixed = getattr(getattr(some, second), name)
        assert torch.equal(mixed[0], getattr(getattr(alone, second), name)[0])
        assert torch.equal(mixed[1], getattr(getattr(both, second), name)[1])
    assert getattr(some, second).coefficient_bits[0] == 0


@pytest.mark.parametrize("order", ORDERS)
def test_the_first_step_trains_every_branch_to_the_partner(start, order):
    """Zero-initialised, not dead: the last layers get a gradient."""
    coded = start(**batch(), order=order)
    second = getattr(coded, order[1].value)
    (second.bits.sum() + second.picture.square().sum()).backward()
    network = getattr(start, order[1].value)
    transforms, prior = network.transforms, network.entropy.prior
    for layer in (
        transforms.analysis.context.leave,
        transforms.synthesis.context.leave,
        transforms.synthesis.look_deep.leave,
        transforms.synthesis.look_wide.leave,
        prior.partner_out,
    ):
        assert layer.weight.grad is not None and layer.weight.grad.abs().sum() > 0
    start.zero_grad()


# --- channel alignment ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0.0, 1.0, 1e4, 1e9])
def test_coefficients_are_bounded_whatever_the_features(size):
    alignment = ChannelAlignment(8, 6, 5)
    torch.nn.init.normal_(alignment.predict.weight)
    current, partner = size * torch.randn(2, 8, 4, 4), size * torch.randn(2, 6, 4, 4)
    coefficients = alignment.coefficients(current, partner)
    assert coefficients.shape == (2, 10)
    assert coefficients.isfinite().all()
    assert coefficients.abs().max() <= COEFFICIENT_LIMIT


def test_coefficients_start_at_zero_and_zero_is_the_identity():
    alignment = ChannelAlignment(8, 6, 5)
    partner = torch.randn(2, 6, 4, 4)
    coefficients = alignment.coefficients(torch.randn(2, 8, 4, 4), partner)
    assert not coefficients.any()
    assert torch.equal(alignment(partner, coefficients), alignment.project(partner))


def test_coefficients_scale_and_shift_in_sixteenths():
    alignment = ChannelAlignment(8, 6, 2)
    partner = torch.randn(1, 6, 4, 4)
    projected = alignment.project(partner)
    aligned = alignment(partner, torch.tensor([[16.0, -16.0, 8.0, 0.0]]))
    assert torch.allclose(aligned[:, 0], 2 * projected[:, 0] + 0.5)
    assert torch.equal(aligned[:, 1], torch.zeros(1, 4, 4))


@pytest.mark.parametrize("residual", [False, True])
def test_only_a_residual_branch_does_not_see_the_current_features(residual):
    branch = ContextBranch(6, 4, residual=residual)
    torch.nn.init.normal_(branch.leave.weight)
    context = torch.randn(1, 4, 8, 8)
    features = torch.zeros(1, 6, 8, 8), torch.randn(1, 6, 8, 8)
    with torch.no_grad():
        added = [branch(each, context, HERE) - each for each in features]
        assert not torch.allclose(added[0], branch(features[0], 2 * context, HERE), atol=1e-4)
    assert torch.allclose(*added, atol=1e-5) is residual


def test_a_context_branch_starts_as_the_identity():
    branch = ContextBranch(8, 5)
    features = torch.randn(2, 8, 4, 4)
    assert torch.equal(branch(features, torch.randn(2, 5, 4, 4), HERE), features)


# --- spatial alignment ------------------------------------------------------------------------


def attention(*, uniform: bool = False) -> SpatialAlignment:
    """One that adds what it finds of an 8-channel partner to 16 channels; optionally blurs."""
    layer = SpatialAlignment(16, 8, window=WINDOW, reach=REACH, width=16)
    torch.nn.init.normal_(layer.leave.weight, 0, 0.5)
    if uniform:
        layer.place.data.zero_()
        torch.nn.init.zeros_(layer.query.weight)
    return layer.requires_grad_(False)


@settings(max_examples=25)
@given(st.integers(1, 11), st.integers(1, 11), st.integers(1, 2))
def test_any_grid_is_attended(height, width, batch):
    features, partner = torch.randn(batch, 16, height, width), torch.randn(batch, 8, height, width)
    seen = attention()(features, partner, HERE)
    assert seen.shape == features.shape
    assert seen.isfinite().all()
    assert not torch.equal(seen, features)


@given(st.integers(1, 11), st.integers(1, 11))
@settings(max_examples=25)
def test_nothing_outside_the_picture_is_found(height, width):
    """Of a partner that is one colour the same is found everywhere, at its borders too."""
    layer = attention(uniform=True)
    partner = torch.randn(1, 8, 1, 1).expand(1, 8, height, width)
    found = layer(torch.zeros(1, 16, height, width), partner, HERE)
    assert torch.allclose(found, found[:, :, :1, :1].expand_as(found), atol=1e-5)
    value = layer.leave(layer.key_value(partner)[:, 16:])
    assert torch.allclose(found, value, atol=1e-5)


def test_a_window_sees_its_reach_and_no_further():
    layer = attention()
    partner = torch.randn(1, 8, 20, 20, requires_grad=True)
    row, column = 9, 6  # in the window of rows 8-11 and columns 4-7
    layer(torch.randn(1, 16, 20, 20), partner, HERE)[0, :, row, column].sum().backward()
    assert partner.grad is not None
    seen = partner.grad[0].abs().sum(0) > 0
    expected = torch.zeros(20, 20, dtype=torch.bool)
    expected[8 - REACH : 12 + REACH, 4 - REACH : 8 + REACH] = True
    assert torch.equal(seen, expected)


def test_a_displaced_partner_is_found():
    """With keys that fit and no preference for a place, each position finds its counterpart."""
    layer = SpatialAlignment(16, 16, window=WINDOW, reach=REACH, width=32).requires_grad_(False)
    layer.place.zero_()
    lift = 20 * torch.eye(16).repeat(2, 1)[:, :, None, None]
    layer.query.weight.copy_(lift)
    layer.key_value.weight[:32].copy_(lift)
    torch.nn.init.normal_(layer.leave.weight)
    features = torch.nn.functional.normalize(torch.randn(1, 16, 12, 16), dim=1)
    moved = torch.roll(features, (2, -3), (2, 3))
    same = layer(features, features, HERE)
    there = layer(features, moved, HERE)
    inner = (..., slice(4, 8), slice(4, 12))
    assert torch.allclose(same[inner], there[inner], atol=1e-2)


def test_one_grid_of_a_batch_does_not_see_another():
    layer = attention()
    features, partner = torch.randn(3, 16, 6, 7), torch.randn(3, 8, 6, 7)
    together = layer(features, partner, HERE)
    for number in range(3):
        one = slice(number, number + 1)
        assert torch.allclose(together[one], layer(features[one], partner[one], HERE), atol=1e-5)


def test_an_absent_partner_is_not_attended():
    layer = attention()
    features = torch.randn(2, 16, 6, 7)
    present = torch.tensor([0.0, 1.0])[:, None, None, None]
    seen = layer(features, torch.randn(2, 8, 6, 7), present)
    assert torch.equal(seen[0], features[0])
    assert not torch.equal(seen[1], features[1])
