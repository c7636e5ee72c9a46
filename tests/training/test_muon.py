# SPDX-License-Identifier: Apache-2.0
"""Muon: equal steps in every direction of a matrix."""

import pytest
import torch
from torch import nn

from crossband.training.muon import Muon, is_matrix


def moved(shape: tuple[int, ...], gradient: torch.Tensor, *, lr: float = 0.01) -> torch.Tensor:
    """What one step from zero changes."""
    weight = nn.Parameter(torch.zeros(shape))
    weight.grad = gradient.reshape(shape)
    Muon([weight], lr=lr).step()
    return weight.detach()


@pytest.mark.parametrize("shape", [(32, 32), (24, 80), (80, 24), (64, 16, 1, 1)])
def test_a_step_is_as_long_in_weak_directions_as_in_strong_ones(shape):
    rows, columns = shape[:2]
    left, _ = torch.linalg.qr(torch.randn(rows, rows))
    right, _ = torch.linalg.qr(torch.randn(columns, columns))
    count = min(rows, columns)
    strength = torch.logspace(0, -1.5, count)
    gradient = left[:, :count] * strength @ right[:, :count].T
    move = -moved(shape, gradient).reshape(rows, columns)
    length = 0.01 * 0.2 * max(rows, columns) ** 0.5
    along = (left[:, :count].T @ move @ right[:, :count]).diagonal() / length
    assert along.min() > 0.55
    assert along.max() < 1.25


def test_the_scale_of_the_gradient_does_not_matter():
    gradient = torch.randn(20, 30)
    small = moved((20, 30), 2.0**-10 * gradient)
    assert torch.allclose(small, moved((20, 30), gradient), atol=1e-5)


def test_the_momentum_outlives_a_step():
    weight = nn.Parameter(torch.zeros(16, 16))
    optimizer = Muon([weight], lr=0.01)
    weight.grad = torch.eye(16)
    optimizer.step()
    before = weight.detach().clone()
    weight.grad = torch.zeros(16, 16)
    optimizer.step()
    assert (weight.detach() - before).diagonal().max() < 0


def test_a_resumed_optimizer_takes_the_same_step():
    gradients = [torch.randn(16, 24) for _ in range(3)]
    weights = []
    for resumed in (False, True):
        weight = nn.Parameter(torch.zeros(16, 24))
        optimizer = Muon([weight], lr=0.01)
        for number, gradient in enumerate(gradients):
            if resumed and number == 2:
                state = optimizer.state_dict()
                optimizer = Muon([weight], lr=0.01)
                optimizer.load_state_dict(state)
            weight.grad = gradient
            optimizer.step()
        weights.append(weight.detach())
    assert torch.equal(*weights)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        *(((64, 32), True), ((64, 32, 1, 1), True)),
        *(((64,), False), ((8, 64), False), ((64, 32, 3, 3), False)),
        *(((64, 1, 3, 3), False), ((64, 9), False)),
    ],
)
def test_matrices_are_told_by_their_shape(shape, expected):
    assert is_matrix(torch.zeros(shape)) is expected
