# SPDX-License-Identifier: Apache-2.0
"""Which weights are moved by which optimiser, and how far."""

from __future__ import annotations

from typing import Any

import torch

from crossband.training.muon import Muon, is_matrix
from crossband.training.network import TrainableCodec
from crossband.training.recipe import Recipe


def optimizers_of(codec: TrainableCodec, recipe: Recipe) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the entropy models' matrices, Adam for the rest."""
    matrices, rest = _parameter_groups(codec, recipe)
    return (
        Muon(matrices, lr=recipe.learning_rate),
        # A short memory of the second moment: with 0.999, one odd batch broke a run.
        torch.optim.AdamW(
            rest, lr=recipe.learning_rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True
        ),
    )


def _parameter_groups(
    codec: TrainableCodec, recipe: Recipe
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """For Muon and for Adam, each with its share of the learning rate.

    The transform-codec start moves more slowly: it is already near its place.
    """
    networks = (codec.visible, codec.infrared)
    matrices = [
        weight
        for network in networks
        for weight in network.entropy.parameters()
        if is_matrix(weight)
    ]
    layers = [layer for each in networks for layer in each.transforms.started_layers()]
    started = [parameter for layer in layers for parameter in layer.parameters()]
    taken = {id(parameter) for parameter in matrices + started}
    rest = [p for p in codec.parameters() if id(p) not in taken]
    groups: list[dict[str, Any]] = [{"params": rest, "share": 1.0}]
    for layer in layers:
        weight = layer.weight.detach()
        # Adam moves every weight equally far; a layer that scales up may move further.
        scale = float(weight.norm()) / min(weight.shape[:2]) ** 0.5  # 1 if orthonormal
        share = recipe.started_share * scale
        groups.append({"params": list(layer.parameters()), "share": share})
    return [{"params": matrices, "share": recipe.prior_share}], groups
