# SPDX-License-Identifier: Apache-2.0
"""From a map that is nearly right to one that is right, by climbing the likeness of edges.

Gauss-Newton on the correlation as G. D. Evangelidis and E. Z. Psarakis do it ("Parametric Image
Alignment Using Enhanced Correlation Coefficient Maximization", PAMI 30, 2008), but of oriented
edges in place of gray values, and with a step only where it gains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crossband.registration.edges import likeness, oriented_edges
from crossband.registration.views import Map, magnification, shrunk, shrunk_to, warped

_ENTRIES = np.eye(9).reshape(9, 3, 3)[:8]
_SIMILARITY = np.stack(
    [_ENTRIES[2], _ENTRIES[5], _ENTRIES[0] + _ENTRIES[4], _ENTRIES[1] - _ENTRIES[3]]
)
_AFFINE = _ENTRIES[:6]
_STEPS = 25
_LEAST_GAIN = 2e-4
_LEAST_OVERLAP = 0.6
"""Of that at the start: a map must not climb by leaving the picture."""
_DAMPING = 1e-4
_LONGEST_STEP = 0.25
"""Of any entry: the change of a map then has an inverse."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class _Look:
    """The infrared picture's edges on the visible view, under one map."""

    where: Map
    edges: Tensor
    inside: Tensor
    likeness: float


def nearly(visible: Tensor, infrared: Tensor, where: Map) -> Map:
    """The affine map near `where` at which the edges of small pictures agree best."""
    return _climbed(shrunk_to(visible, 160), infrared, where, 2.0, (_SIMILARITY, _AFFINE))


def refined(visible: Tensor, infrared: Tensor, where: Map) -> Map:
    """The map near `where` at which the edges of both pictures agree best."""
    return _climbed(shrunk_to(visible, 400), infrared, where, 1.5, (_AFFINE, _ENTRIES))


def _climbed(
    view: Tensor, infrared: Tensor, where: Map, blur_px: float, groups: tuple[Map, ...]
) -> Map:
    small = shrunk(infrared, magnification(where, infrared, view.shape))
    wanted = oriented_edges(view, blur_px)

    def look(at: Map) -> _Look:
        laid = warped(small, at, view.shape)
        edges = oriented_edges(laid.gray, blur_px)
        return _Look(at, edges, laid.inside, likeness(wanted, edges, laid.inside))

    best = look(where)
    least = _LEAST_OVERLAP * float(best.inside.sum())
    # Coordinates of -1 to 1 across, 0 in the middle: all entries are then of one order.
    aspect = view.shape[0] / view.shape[1]
    middle = np.array([[2, 0, -1], [0, 2 * aspect, -aspect], [0, 0, 1]])
    for moves in groups:
        for _ in range(_STEPS):
            step = _step(wanted, best, moves, aspect)
            tried, length = best, 1.0
            while length > 0.05:
                change = np.eye(3) + np.tensordot(length * step, moves, 1)
                at = np.linalg.inv(middle) @ np.linalg.inv(change) @ middle @ best.where
                tried = look(at / np.abs(at).max())
                if tried.likeness > best.likeness and float(tried.inside.sum()) > least:
                    break
                tried, length = best, length / 2
            gained = tried.likeness - best.likeness
            best = tried
            if gained < _LEAST_GAIN:
                break
    return best.where


def _step(wanted: Tensor, look: _Look, moves: Map, aspect: float) -> Map:
    """How far to go along each of the moves."""
    height, width = look.inside.shape
    across = torch.linspace(1 / width - 1, 1 - 1 / width, width)
    along = aspect * torch.linspace(1 / height - 1, 1 - 1 / height, height)
    y, x = torch.meshgrid(along, across, indexing="ij")
    down, right = torch.gradient(look.edges, dim=(1, 2))
    down, right = down * width / 2, right * width / 2
    inside = look.inside > 0
    point = torch.stack([x, y, torch.ones_like(x)])
    columns = []
    for move in torch.from_numpy(moves).float():
        moved = torch.einsum("ij,jyx->iyx", move, point)
        change = right * (moved[0] - x * moved[2]) + down * (moved[1] - y * moved[2])
        columns.append(change[:, inside].flatten())
    slopes = torch.stack(columns, 1)
    seen, target = look.edges[:, inside].flatten(), wanted[:, inside].flatten()
    square = (slopes.T @ slopes).double()
    square += (_DAMPING * square.trace() / len(square) + _TINY) * torch.eye(len(square))
    by_seen, by_target = (slopes.T @ seen).double(), (slopes.T @ target).double()
    to_seen, to_target = torch.linalg.solve(square, torch.stack([by_seen, by_target], 1)).T
    below = float(target @ seen) - float(by_target @ to_seen)
    scale = (float(seen @ seen) - float(by_seen @ to_seen)) / below if below > 0 else 1.0
    step: Map = (scale * to_target - to_seen).numpy()
    return step * min(1.0, _LONGEST_STEP / max(float(np.abs(step).max()), _TINY))
