# SPDX-License-Identifier: Apache-2.0
"""From a run's averaged weights to the 16-bit file that codes."""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from crossband.entropy.arithmetic import HYPER_VALUE_BITS, INDEX_GAIN, StepTables
from crossband.entropy.fixed_point import UNIT
from crossband.entropy.tables import TABLE_COUNT, logistic_tables
from crossband.errors import TrainingError
from crossband.models.network import integer_tensors
from crossband.training.network import TrainableCodec, TrainablePicture
from crossband.training.recipe import recipe_from_mapping
from crossband.transforms import QUALITY_COUNT

_TOP = 32_767


def export(run: Path, destination: Path, *, notes: dict[str, str] | None = None) -> None:
    """Writes the weight file of a run.

    Args:
        run: folder with the checkpoint.
        destination: a `.safetensors` file; replaced if it exists.
        notes: further metadata, such as measured rate and distortion.

    Raises:
        TrainingError: the folder holds no checkpoint.
    """
    checkpoint = run / "checkpoint.pt"
    if not checkpoint.is_file():
        raise TrainingError(f"{run} holds no checkpoint; give the folder of a run")
    state: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    recipe = recipe_from_mapping(json.loads(state["recipe"]), str(checkpoint))
    codec = TrainableCodec(recipe.codec)
    codec.load_state_dict(state["average"])
    metadata = {
        "settings": recipe.codec.to_json(),
        "recipe": recipe.to_json(),
        "steps": str(state["step"]),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "validation": json.dumps(_last_validation(run)),
        **(notes or {}),
    }
    partial = destination.with_name(destination.name + ".part")
    try:
        save_file(exported_tensors(codec), partial, metadata=metadata)
        os.replace(partial, destination)  # noqa: PTH105 - atomic on all systems
    finally:
        partial.unlink(missing_ok=True)


def _last_validation(run: Path) -> list[dict[str, object]]:
    log = run / "log.jsonl"
    points: list[dict[str, object]] = []
    if log.is_file():
        for line in log.read_text(encoding="utf-8").splitlines():
            points = json.loads(line).get("validation", points)
    return points


@torch.no_grad()
def exported_tensors(codec: TrainableCodec) -> dict[str, Tensor]:
    """All tensors of the weight file (docs/format.md §10 names them)."""
    tables = logistic_tables()
    found = {
        "tables.radius": torch.from_numpy(tables.radius),
        "tables.frequencies": torch.from_numpy(tables.frequencies),
    }
    for name, network in (("visible", codec.visible), ("infrared", codec.infrared)):
        found |= {f"{name}.{key}": value for key, value in _picture(network).items()}
    return {key: value.contiguous() for key, value in found.items()}


def _picture(network: TrainablePicture) -> dict[str, Tensor]:
    transforms, entropy = network.transforms, network.entropy
    # Rounded first: the step tables below must be those of the rounded gains.
    for module in (transforms, entropy.hyper_analysis):
        for parameter in module.parameters():
            parameter.copy_(parameter.half().float())
    found = {f"transforms.{k}": v.half() for k, v in transforms.state_dict().items()}
    found |= {
        f"hyper_analysis.{k}": v.half() for k, v in entropy.hyper_analysis.state_dict().items()
    }
    found |= {f"prior.{k}": v for k, v in integer_tensors(entropy.prior).items()}
    steps = StepTables.from_steps(transforms.step(torch.arange(QUALITY_COUNT)))
    gain = entropy.hyper_gain(entropy.hyper_log_gain.rows())
    top = TABLE_COUNT - 1
    found |= {
        "qualities.signal": steps.signal,
        "qualities.mean": steps.mean,
        "qualities.offset": steps.offset,
        "qualities.hyper_value": torch.round(UNIT * 2**HYPER_VALUE_BITS / gain).int(),
        "qualities.hyper_index": _index(entropy.hyper_index.rows(), top),
        "qualities.features": torch.round(entropy.quality_features.rows() * UNIT)
        .clamp(-_TOP, _TOP)
        .int(),
        "hyper_gain": gain,
        "coefficient_index": _index(entropy.coefficient_index, top),
    }
    return found


def _index(real: Tensor, top: int) -> Tensor:
    return torch.round(real * INDEX_GAIN).clamp(0, top).int()
