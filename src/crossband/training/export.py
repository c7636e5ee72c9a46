# SPDX-License-Identifier: Apache-2.0
"""From a run's averaged weights to the 16-bit file that codes."""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from crossband.entropy.arithmetic import HYPER_VALUE_BITS, StepTables
from crossband.entropy.fixed_point import UNIT, RealLayer, integer_tensors, power_of_two
from crossband.entropy.model import EntropyModel
from crossband.entropy.tables import logistic_tables
from crossband.errors import OutputError
from crossband.training.checkpoint import CHECKPOINT, explain, read_checkpoint, recipe_of
from crossband.training.moments import write_moments
from crossband.training.network import TrainableCodec, TrainablePicture
from crossband.training.optimizers import optimizers_of
from crossband.training.recipe import Recipe
from crossband.training.run_log import read_rows
from crossband.transforms import QUALITY_COUNT

KNOT_TABLES = ("hyper_log_gain", "hyper_index", "quality_features")
"""The entropy model's tables that are kept as knots too: their rows alone are rounded."""
_TOP = 32_767


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    size_bytes: int
    step: int
    """Of the run."""


def export(run: Path, destination: Path, *, notes: dict[str, str] | None = None) -> Exported:
    """Writes the weight file of a run.

    Args:
        run: folder with the checkpoint.
        destination: a `.safetensors` file; replaced if it exists.
        notes: further metadata, such as measured rate and distortion.

    Raises:
        TrainingError: the folder holds no checkpoint, or a damaged one.
        OutputError: the system refuses to write.
    """
    state, recipe = _kept(run)
    codec = TrainableCodec(recipe.codec)
    codec.load_state_dict(state["average"])
    metadata = {
        "recipe": recipe.to_json(),
        "steps": str(state["step"]),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "data": json.dumps(_last(run, "data") or {"sources": sorted(recipe.sources)}),
        "validation": json.dumps(_last(run, "validation") or []),
        **(notes or {}),
    }
    size_bytes = write_weights(codec, destination, metadata=metadata)
    return Exported(size_bytes, state["step"])


def export_moments(run: Path, destination: Path) -> int:
    """Writes what the optimisers of a run remember; gives the file's bytes.

    Args:
        run: folder with the checkpoint.
        destination: a `.safetensors` file; replaced if it exists.

    Raises:
        TrainingError: the folder holds no checkpoint, or a damaged one.
        OutputError: the system refuses to write.
    """
    state, recipe = _kept(run)
    codec = TrainableCodec(recipe.codec)
    optimizers = optimizers_of(codec, recipe)
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return write_moments(destination, codec, optimizers)


def _kept(run: Path) -> tuple[dict[str, Any], Recipe]:
    """The last good checkpoint of a run, and its recipe."""
    checkpoint = run / CHECKPOINT
    state = read_checkpoint(checkpoint)
    return state, recipe_of(state, checkpoint)


def write_weights(
    codec: TrainableCodec, destination: Path, *, metadata: dict[str, str] | None = None
) -> int:
    """Writes a codec as a weight file; its own weights are rounded to what the file holds.

    Args:
        codec: trained or not.
        destination: a `.safetensors` file; replaced if it exists.
        metadata: said of the weights beside the codec's settings.

    Returns:
        The file's bytes.

    Raises:
        OutputError: the system refuses to write.
    """
    everything = {"settings": codec.settings.to_json(), **(metadata or {})}
    data = _in_order(save(exported_tensors(codec), metadata=everything))
    partial = destination.with_name(f"{destination.name}.part")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(destination)
    except OSError as error:
        raise OutputError(f"{destination}: not written ({explain(error)})") from error
    finally:
        partial.unlink(missing_ok=True)
    return len(data)


def _in_order(data: bytes) -> bytes:
    """The same file with sorted metadata.

    safetensors writes them in another order each time, and the id of weights is a digest of all
    bytes: the same weights would get another one.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # as safetensors does, for the tensors' alignment
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def _last(run: Path, key: str) -> object:
    """What the last row of the run's log with this key says."""
    for row in reversed(read_rows(run)):
        if key in row:
            return row[key]
    return None


@torch.no_grad()
def exported_tensors(codec: TrainableCodec) -> dict[str, Tensor]:
    """All tensors of the weight file (docs/format.md §10 names them).

    Those with `training` in their names are for `training/start.py`; coding ignores them.
    """
    tables = logistic_tables()
    found = {
        "tables.radius": torch.from_numpy(tables.radius),
        "tables.frequencies": torch.from_numpy(tables.frequencies),
    }
    for name, network in (("visible", codec.visible), ("infrared", codec.infrared)):
        found |= {f"{name}.{key}": value for key, value in _picture(network).items()}
        training = _for_training(network.entropy)
        found |= {f"{name}.training.{key}": value for key, value in training.items()}
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
    found |= {
        "qualities.signal": steps.signal,
        "qualities.offset": steps.offset,
        "qualities.hyper_value": torch.round(UNIT * 2**HYPER_VALUE_BITS / gain).int(),
        "qualities.hyper_index": _index(entropy, entropy.hyper_index.rows()),
        "qualities.features": torch.round(entropy.quality_features.rows() * UNIT)
        .clamp(-_TOP, _TOP)
        .int(),
        "hyper_gain": gain,
        "coefficient_index": _index(entropy, entropy.coefficient_index),
    }
    return found


def _for_training(entropy: EntropyModel) -> dict[str, Tensor]:
    """What the integers do not say: knots, and the gains that condition the optimiser.

    Gains are rounded to powers of two: dividing the integers by them is then exact. Layers whose
    gains are all 1 have none here.
    """
    found = {name: getattr(entropy, name).knots.detach() for name in KNOT_TABLES}
    found["coefficient_index"] = entropy.coefficient_index.detach()
    for name, layer in entropy.prior.named_modules():
        if isinstance(layer, RealLayer):
            for key in ("row_gain", "column_gain"):
                gain = power_of_two(-torch.round(torch.log2(getattr(layer, key)))).float()
                if (gain != 1).any():
                    found[f"prior.{name}.{key}"] = gain
    return found


def _index(entropy: EntropyModel, learned: Tensor) -> Tensor:
    return torch.round(entropy.side_table(learned)).int()
