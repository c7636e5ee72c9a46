# SPDX-License-Identifier: Apache-2.0
"""The optimiser of the layers that are one matrix."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from crossband.training.precision import working_dtype

_MOMENTUM = 0.95
_ROUNDS = 4
"""A fifth lifts singular values below 1/200 of the norm as well; it showed no gain."""
_A, _B, _C = 3.4445, -4.7750, 2.0315
_SHARE_OF_ADAM = 0.2
"""Root mean square of an update at learning rate 1, about that of Adam's."""


class Muon(torch.optim.Optimizer):
    """Steps of equal length in every direction of a matrix: the momentum with its singular values
    brought to about 1, by a few rounds of an odd polynomial.

    Adam moves along a matrix's few strong directions and hardly along the others. For the prior,
    whose units specialise slowly, equal steps are worth 2 to 5 % of the bits after 400 steps; the
    transforms lose fine detail by them (docs/training-log.md, run 6).

    Source: K. Jordan et al., Muon: an optimizer for hidden layers, 2024 (polynomial);
    J. Liu et al., Muon is scalable for LLM training, 2025, 2.2 (the scale of the update).
    `torch.optim.Muon` takes two-dimensional parameters only, one by one; 1x1 convolutions have
    four dimensions, and equal shapes go through one product here.

    Args:
        parameters: groups or weights that are matrices (`is_matrix`).
        lr: learning rate, on Adam's scale.
    """

    def __init__(self, parameters: Iterable[Any], lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Takes one step; `closure` is not supported."""
        assert closure is None
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    shape = (weight.shape[0], weight.shape[1])
                    wanted = self._wanted(weight, weight.grad).reshape(shape)
                    alike[shape].append((weight, wanted))
            for shape, moves in alike.items():
                length = group["lr"] * _SHARE_OF_ADAM * max(shape) ** 0.5
                straight = _orthogonal(torch.stack([wanted for _, wanted in moves]))
                for (weight, _), move in zip(moves, straight, strict=True):
                    weight.sub_(move.reshape(weight.shape), alpha=length)

    def _wanted(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """Nesterov's momentum: the average of the gradients, with the newest once more."""
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        average: Tensor = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
        return torch.lerp(gradient, average, _MOMENTUM)


def _orthogonal(matrices: Tensor) -> Tensor:
    """(count, rows, columns) with singular values near 1, as far as a few rounds bring them."""
    tall = matrices.shape[1] > matrices.shape[2]
    work = (matrices.mT if tall else matrices).to(working_dtype(matrices.device.type))
    work = work / (work.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ROUNDS):
        square = work @ work.mT
        work = torch.baddbmm(
            work, torch.baddbmm(square, square, square, beta=_B, alpha=_C), work, beta=_A
        )
    return (work.mT if tall else work).float()


def is_matrix(weight: Tensor) -> bool:
    """Whether a weight is one matrix of some size, with or without further dimensions of 1."""
    return weight.ndim >= 2 and min(weight.shape[:2]) >= 16 and weight[0, 0].numel() == 1
