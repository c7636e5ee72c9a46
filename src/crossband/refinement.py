# SPDX-License-Identifier: Apache-2.0
"""Symbols chosen for what they cost and what they do to the picture, not by rounding.

An encoder's choice: every decoder reads such files like others. What each symbol's neighbours
would cost comes from the entropy model, what they would do to the error from the gradient of the
synthesis and an estimate of its curvature. Many symbols move by one at a time, at random among
those that promise to pay; where the whole became worse they go back and a more careful step is
made.

The idea of improving one picture's latents in the encoder: J. Campos et al., "Content Adaptive
Optimization for Neural Image Compression", CVPR Workshops 2019, https://arxiv.org/abs/1906.01223.
Whole symbols and their own prices in place of noise and a relaxed rate: ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from crossband.entropy.integer_model import Prices

ROUNDS = {6: 4, 7: 8, 8: 16, 9: 32}
"""By effort: how often the whole picture is coded, shown and improved."""
MOST_PIXELS = 1 << 22
"""A gradient takes 1.2 kB of memory a pixel: larger pictures are coded as with the effort below."""
_SHARE = 0.3
"""Of the symbols that promise to pay, those that move in a round."""
_WORTH_BITS = 0.2
"""What a symbol has to promise."""
_CAREFUL = 1.2
"""What the curvature is multiplied by: symbols that move together add to each other's errors."""
_MORE_CAREFUL = 1.5
"""Likewise, again after each step that made things worse."""
_MOST_FAILURES = 4
_PROBES = 2
_LEAST_CURVATURE = 0.4
"""Of that of an orthonormal transform: what random probes say of single channels is rough."""


def rounds_of(effort: int, height: int, width: int) -> int:
    """How often a picture is improved; 0: its symbols are rounded."""
    return ROUNDS.get(effort, 0) if height * width <= MOST_PIXELS else 0


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be shown, and what an error costs."""

    picture: Tensor
    """(1, channels, height, width), padded."""
    height: int
    """Rows that are shown; errors in the padding are free."""
    width: int
    bits_per_error: float
    """Of a squared error of 1, the whole range, in one sample."""

    def distortion(self, shown: Tensor) -> Tensor:
        """In bits."""
        rows, columns = slice(self.height), slice(self.width)
        off = shown[..., rows, columns] - self.picture[..., rows, columns]
        return self.bits_per_error * off.square().sum()


@dataclass(frozen=True, slots=True)
class _State:
    wanted: Tensor
    prices: Prices
    gradient: Tensor
    """Of the distortion, in bits for each step of a latent."""
    cost: float
    """Rate and distortion in bits."""


def refined(
    wanted: Tensor,
    step: Tensor,
    target: Target,
    *,
    price: Callable[[Tensor], Prices],
    show: Callable[[Tensor], Tensor],
    rounds: int,
) -> Tensor:
    """Latents that, rounded, cost less than the given ones: rate plus weighted squared error.

    Gradients are needed: not to be called in inference mode.

    Args:
        wanted: in steps, not rounded, (1, height, width, channels).
        step: of each channel in sample units, (channels,).
        target: the picture.
        price: codes latents and tells what they and their neighbours take.
        show: the picture of coded latents in steps, (1, channels, height, width), differentiable.
        rounds: how often to code and show.

    Returns:
        As `wanted`; the very same if nothing better was found.
    """
    random = torch.Generator().manual_seed(0)
    best = _state(wanted.double(), target, price, show)
    assert best is not None  # nothing is compared with the first one
    orthonormal = 2 * target.bits_per_error * step.double().square()
    curvature = torch.maximum(
        _curvature(best.prices.latents, target, show, random), _LEAST_CURVATURE * orthonormal
    )
    careful, failures = _CAREFUL, 0
    for _ in range(rounds):
        error = 0.5 * careful * curvature
        up = best.gradient + error + best.prices.up
        down = -best.gradient + error + best.prices.down
        promising = -torch.minimum(up, down) > _WORTH_BITS
        if not promising.any():
            break
        chosen = promising & (torch.rand(up.shape, generator=random) < _SHARE)
        moves = torch.where(up < down, 1.0, -1.0)
        moved = torch.where(chosen, best.prices.latents + moves, best.wanted)
        if not chosen.any():
            continue
        found = _state(moved, target, price, show, below=best.cost)
        if found is not None:
            best, failures = found, 0
            continue
        careful, failures = careful * _MORE_CAREFUL, failures + 1
        if failures == _MOST_FAILURES:
            break
    return best.wanted


def _state(
    wanted: Tensor,
    target: Target,
    price: Callable[[Tensor], Prices],
    show: Callable[[Tensor], Tensor],
    *,
    below: float = float("inf"),
) -> _State | None:
    """None where the cost is not below that."""
    prices = price(wanted)
    latents = _in_front(prices.latents).requires_grad_()
    with torch.enable_grad():
        distortion = target.distortion(show(latents))
    cost = prices.bits + float(distortion.detach())
    if cost >= below:
        return None
    (gradient,) = torch.autograd.grad(distortion, latents)
    return _State(wanted, prices, gradient.permute(0, 2, 3, 1).double(), cost)


def _curvature(
    latents: Tensor, target: Target, show: Callable[[Tensor], Tensor], random: torch.Generator
) -> Tensor:
    """Second derivative of the distortion, mean over each channel, (channels,).

    Twice the sum of all samples' squared derivatives, which is what the square of their sum with
    random signs is in expectation (Hutchinson).
    """
    front = _in_front(latents).requires_grad_()
    with torch.enable_grad():
        shown = show(front)
    total = torch.zeros(latents.shape[-1], dtype=torch.float64)
    for number in range(_PROBES):
        signs = torch.randint(0, 2, shown.shape, generator=random) * 2.0 - 1
        more = number + 1 < _PROBES
        (found,) = torch.autograd.grad(shown, front, signs, retain_graph=more)
        total += found.double().square().mean((0, 2, 3))
    return 2 * target.bits_per_error * total / _PROBES


def _in_front(latents: Tensor) -> Tensor:
    """Channels in front, float32, with a memory of its own."""
    return latents.permute(0, 3, 1, 2).float().clone(memory_format=torch.channels_last)
