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
