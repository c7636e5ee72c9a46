# SPDX-License-Identifier: Apache-2.0
"""What the prior does between its layers."""

import torch

from crossband.entropy.arithmetic import IntegerArithmetic, RealArithmetic
from crossband.entropy.fixed_point import UNIT


def test_negative_activations_count_an_eighth_in_both_arithmetics():
    activation = torch.arange(-32_767, 32_768, dtype=torch.float64)
    integer = IntegerArithmetic.leaky(activation)
    assert torch.equal(integer, integer.round())
    assert torch.equal(integer[activation >= 0], activation[activation >= 0])
    assert (integer - RealArithmetic.leaky(activation / UNIT) * UNIT).abs().max() <= 0.5


def test_a_negative_activation_passes_gradient():
    activation = torch.tensor([-3.0, 2.0], requires_grad=True)
    RealArithmetic.leaky(activation).sum().backward()
    assert activation.grad is not None
    assert activation.grad.tolist() == [0.125, 1.0]


def test_magnitudes_are_a_logarithm_straight_between_powers_of_two_in_both_arithmetics():
    activation = torch.arange(-32_767, 32_768, dtype=torch.float64)
    integer = IntegerArithmetic.magnitude(activation)
    assert torch.equal(integer, integer.round())
    assert integer.min() == 0 and integer.max() == 1_794
    assert torch.equal(integer, integer.flip(0))
    assert (integer - RealArithmetic.magnitude(activation / UNIT) * UNIT).abs().max() <= 0.5
    powers = torch.tensor([1.0, 3.0, 7.0, 15.0])  # log2(1 + |x|) is exact there
    assert RealArithmetic.magnitude(-powers).tolist() == [1.0, 2.0, 3.0, 4.0]


def test_magnitudes_pass_the_gradient_of_their_pieces():
    activation = torch.tensor([-0.5, 2.0, 5.0], requires_grad=True)
    RealArithmetic.magnitude(activation).sum().backward()
    assert activation.grad is not None
    assert activation.grad.tolist() == [-1.0, 0.5, 0.25]
