# SPDX-License-Identifier: Apache-2.0
"""The integer layers are integer arithmetic, and the trainable ones imitate them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from crossband.entropy.fixed_point import (
    UNIT,
    IntegerDepthwise,
    IntegerPointwise,
    IntegerWeights,
    RealDepthwise,
    RealLayer,
    RealPointwise,
    power_of_two,
    quantize_weights,
    shift_down,
)

TOP = 32_767
Integers = npt.NDArray[np.int64]


def drawn(random: np.random.Generator, kind: str, top: int, shape: tuple[int, ...]) -> Tensor:
    """Integers within +-top: of all sizes, only the largest, or small."""
    if kind == "extreme":
        return torch.from_numpy(random.choice([-top, top], shape))
    return torch.from_numpy(random.integers(-top, top + 1, shape) // (1 if kind == "any" else 128))


def weights(random: np.random.Generator, kind: str, shape: tuple[int, int]) -> IntegerWeights:
    return IntegerWeights(
        drawn(random, kind, TOP, shape).to(torch.int16),
        drawn(random, kind, 2**31 - 1, shape[:1]).to(torch.int32),
        torch.from_numpy(random.integers(0, 16, shape[0])).to(torch.uint8),
    )


def finished(total: Integers, layer: IntegerWeights) -> Integers:
    """docs/format.md: add the bias, add half, shift down, clamp; nothing but int64."""
    total = total + layer.bias.numpy().astype(np.int64)
    shift = layer.shift.numpy().astype(np.int64)
    return np.clip((total + ((1 << shift) >> 1)) >> shift, -TOP, TOP)


kinds = st.sampled_from(("any", "extreme", "small"))


@given(st.integers(0, 2**16), kinds, kinds, st.integers(1, 300), st.integers(1, 9))
def test_a_pointwise_layer_is_int64_arithmetic(seed, kind, weight_kind, inputs, outputs):
    random = np.random.default_rng(seed)
    layer = weights(random, weight_kind, (outputs, inputs))
    activation = drawn(random, kind, TOP, (2, 3, inputs))
    expected = finished(
        activation.numpy() @ layer.weight.numpy().astype(np.int64).T,
        layer,
    )
    assert torch.equal(
        IntegerPointwise(layer)(activation.double()), torch.from_numpy(expected).double()
    )


@given(st.integers(0, 2**16), kinds, kinds, st.integers(1, 7), st.integers(1, 7), st.integers(1, 5))
def test_a_depthwise_layer_is_int64_arithmetic(seed, kind, weight_kind, height, width, channels):
    random = np.random.default_rng(seed)
    layer = weights(random, weight_kind, (channels, 9))
    activation = drawn(random, kind, TOP, (2, height, width, channels))
    padded = np.pad(activation.numpy(), ((0, 0), (1, 1), (1, 1), (0, 0)))
    total = np.zeros((2, height, width, channels), np.int64)
    for row in range(3):
        for column in range(3):
            total += (
                padded[:, row : row + height, column : column + width]
                * layer.weight.numpy().astype(np.int64)[:, 3 * row + column]
            )
    assert torch.equal(
        IntegerDepthwise(layer)(activation.double()),
        torch.from_numpy(finished(total, layer)).double(),
    )


def test_the_order_of_summation_does_not_matter():
    random = np.random.default_rng(5)
    layer = weights(random, "any", (64, 512))
    activation = drawn(random, "any", TOP, (40, 512)).double()
    first = IntegerPointwise(layer)(activation)
    for _ in range(5):
        order = torch.randperm(512)
        shuffled = IntegerWeights(layer.weight[:, order], layer.bias, layer.shift)
        assert torch.equal(IntegerPointwise(shuffled)(activation[:, order]), first)
        blocks = [activation[:, part] @ layer.weight[:, part].double().T for part in order.chunk(7)]
        assert torch.equal(IntegerPointwise(layer).finish(sum(blocks)), first)


@pytest.mark.parametrize("kind", [IntegerPointwise, IntegerDepthwise])
def test_one_unit_of_a_sum_of_thirty_bits_decides(kind):
    """Which float32 could not hold."""
    activation = torch.arange(-TOP, TOP, 97)
    result = torch.linspace(-32_000, 32_000, len(activation)).long()
    # One channel for each case: the sum is half a step above `result`, or one less than that.
    half = (result << 15) + (1 << 14)
    for below in (0, 1):
        bias = half - below - TOP * activation
        weight = torch.zeros(len(activation), 9, dtype=torch.int64)
        weight[:, 4] = TOP
        shown = activation[None, None, None]
        if kind is IntegerPointwise:
            weight, shown = torch.diag(weight[:, 4]), activation[None]
        layer = IntegerWeights(
            weight.to(torch.int16), bias.to(torch.int32), torch.full(bias.shape, 15).to(torch.uint8)
        )
        assert torch.equal(kind(layer)(shown.double()).flatten(), (result + 1 - below).double())


@pytest.mark.parametrize(
    ("total", "shift", "result"),
    [(5, 1, 3), (-5, 1, -2), (4, 3, 1), (3, 3, 0), (-4, 3, 0), (-5, 3, -1), (7, 0, 7)],
)
def test_halves_are_rounded_up(total, shift, result):
    scale = power_of_two(torch.tensor([shift]))
    assert shift_down(torch.tensor([total]).double(), scale).item() == result


def test_powers_of_two_are_exact():
    shift = torch.arange(16, dtype=torch.uint8)
    assert power_of_two(shift).tolist() == [1 / 2**k for k in range(16)]


@given(
    st.integers(0, 2**16),
    st.floats(1e-12, 1e7),
    st.floats(0, 1e9),
)
def test_quantised_weights_stay_within_their_types_and_near_the_real_ones(seed, size, offset):
    random = np.random.default_rng(seed)
    weight = torch.from_numpy(random.uniform(-size, size, (4, 6))).float()
    bias = torch.from_numpy(random.uniform(-offset, offset, 4)).float()
    integer = quantize_weights(weight, bias)
    assert (integer.weight.dtype, integer.bias.dtype) == (torch.int16, torch.int32)
    assert integer.shift.dtype == torch.uint8
    assert integer.weight.int().abs().max() <= TOP
    assert integer.bias.long().abs().max() < 2**31
    assert integer.shift.max() <= 15
    scale = 2.0 ** integer.shift.double()
    fits = weight.abs().amax(1) <= TOP
    back = integer.weight.double() / scale[:, None]
    assert ((back - weight).abs() <= 0.5001 / scale[:, None])[fits].all()
    wanted = bias.double() * scale * UNIT
    inside = wanted.abs() < 2**31 - 1
    assert ((integer.bias - wanted).abs() <= 0.5)[inside].all()


def test_a_channel_of_zeros_is_exported_as_zeros():
    integer = quantize_weights(torch.zeros(2, 3), torch.zeros(2))
    assert not integer.weight.any() and not integer.bias.any()


def layers() -> list[RealLayer]:
    made: list[RealLayer] = [RealPointwise(24, 10), RealDepthwise(24)]
    for layer in made:
        torch.nn.init.normal_(layer.bias, 0, 0.5)
        layer.row_gain.uniform_(0.3, 3)
        layer.column_gain.uniform_(0.3, 3)
    # A saturating and a silent channel.
    for layer in made:
        layer.weight.data[0] *= 300
        layer.weight.data[1] = 0
    return made


@pytest.mark.parametrize("number", [0, 1])
def test_a_layer_that_imitates_integers_gives_those_of_the_exported_one(number):
    layer = layers()[number]
    kind = (IntegerPointwise, IntegerDepthwise)[number]
    activation = torch.randint(-2000, 2001, (2, 5, 6, 24))
    exported = kind(layer.quantized())(activation.double())
    layer.imitate_integers = True
    imitated = layer(activation.float() / UNIT).double() * UNIT
    assert (imitated - exported).abs().max() <= 1
    # Only where float32 falls on the other side of a half.
    assert (imitated == exported).double().mean() > 0.99


@pytest.mark.parametrize("number", [0, 1])
def test_the_exported_layer_is_near_the_real_one(number):
    layer = layers()[number]
    kind = (IntegerPointwise, IntegerDepthwise)[number]
    activation = torch.randint(-2000, 2001, (2, 5, 6, 24))
    exported = kind(layer.quantized())(activation.double())
    real = layer(activation.float() / UNIT).double() * UNIT
    # The first channel, 300 times the others, has 300 times their error until it saturates.
    assert (real - exported).abs()[..., 1:].max() <= 2


@pytest.mark.parametrize("imitate", [False, True])
def test_gradients_pass_through_the_rounding(imitate):
    layer = RealPointwise(8, 4)
    layer.imitate_integers = imitate
    activation = torch.randn(3, 8, requires_grad=True)
    layer(activation).sum().backward()
    weight = layer.weight.grad
    assert weight is not None and activation.grad is not None
    assert torch.allclose(weight, activation.detach().sum(0).expand(4, -1), atol=1e-5)
    assert activation.grad.abs().min() > 0


def test_an_exported_layer_has_nothing_to_train():
    layer = IntegerPointwise(RealPointwise(3, 2).quantized())
    assert list(layer.parameters()) == []
