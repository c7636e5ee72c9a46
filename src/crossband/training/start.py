# SPDX-License-Identifier: Apache-2.0
"""Weights to begin a training from: a run's, a weight file's, or shipped ones by their name.

`load_exported` is the inverse of `training/export.py`: exporting what it gives yields the same
tensors again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from crossband import models
from crossband.entropy.fixed_point import IntegerWeights, RealLayer, dequantize_weights
from crossband.errors import PictureError, TrainingError
from crossband.models import ModelCard
from crossband.models.settings import CodecSettings
from crossband.training.checkpoint import CHECKPOINT, read_checkpoint, recipe_of
from crossband.training.export import KNOT_TABLES
from crossband.training.network import TrainableCodec, TrainablePicture

SWITCHES = (
    *("channel_alignment", "spatial_alignment", "entropy_context"),
    *("residual", "past", "random_start"),
    *("synthesis_deep_blocks", "infrared_analysis_deep_blocks"),
)
"""Settings in which weights and recipe may differ: which branches of the partner and of the frame
before there are, what they see, how many blocks do without any, and how the training of the weights
began."""


def starting_codec(start: str | Path, settings: CodecSettings) -> TrainableCodec:
    """The codec that a run begins with.

    The cross-modal branches and the blocks of the synthesis may be other ones than those of the
    weights: what the recipe leaves out is dropped, what it adds is new and adds nothing yet.

    Args:
        start: folder of a run or its checkpoint (the averaged weights are taken), a
            `.safetensors` file, or the name of shipped weights.
        settings: what the recipe asks for.

    Raises:
        TrainingError: there are no such weights, or they have other widths.
    """
    found, state = _stored(start)
    _check(found, settings, start)
    return _fitted(state, settings)


def stored_codec(start: str | Path) -> TrainableCodec:
    """The codec of weights as they are: arguments and errors of `starting_codec`."""
    found, state = _stored(start)
    return _fitted(state, found)


def _stored(start: str | Path) -> tuple[CodecSettings, dict[str, Tensor]]:
    """Settings and state of weights."""
    path = Path(start)
    if path.is_dir() or path.suffix == Path(CHECKPOINT).suffix:
        checkpoint = path / CHECKPOINT if path.is_dir() else path
        state = read_checkpoint(checkpoint)
        return recipe_of(state, checkpoint).codec, state["average"]
    try:
        card = models.describe(str(start))
    except PictureError:
        raise TrainingError(
            f"{start} is neither the folder of a run, nor a .safetensors file, nor one of the"
            f" shipped weights ({', '.join(models.names()) or 'there are none'})"
        ) from None
    return _settings(card), load_exported(card).state_dict()


def _fitted(state: dict[str, Tensor], settings: CodecSettings) -> TrainableCodec:
    codec = TrainableCodec(settings)
    codec.load_state_dict(state, strict=False)
    return codec


def _check(found: CodecSettings, wanted: CodecSettings, start: str | Path) -> None:
    """Widths must agree; `SWITCHES` need not."""
    mine, theirs = asdict(wanted), asdict(found)
    for key, value in mine.items():
        if value != theirs[key] and key not in SWITCHES:
            raise TrainingError(
                f"the recipe's codec has {key} = {value}, the weights of {start} {theirs[key]};"
                " give the recipe the [codec] of those weights"
            )


def _settings(card: ModelCard) -> CodecSettings:
    if "settings" not in card.metadata:
        raise TrainingError(f"{card.path} does not say what codec it holds; export it again")
    return CodecSettings.from_mapping(json.loads(card.metadata["settings"]))


def load_exported(weights: Path | ModelCard) -> TrainableCodec:
    """A weight file as a codec that trains on.

    Args:
        weights: the file, or its card.

    Raises:
        TrainingError: the file was exported without what training needs, or is damaged.
        PictureError: there is no such file.
    """
    card = weights if isinstance(weights, ModelCard) else models.describe(str(weights))
    codec = TrainableCodec(_settings(card))
    try:
        tensors = load_file(card.path)
        for name, network in (("visible", codec.visible), ("infrared", codec.infrared)):
            network.load_state_dict(_state(network, _part(tensors, f"{name}.")))
    except KeyError as error:
        raise TrainingError(
            f"{card.path} has no tensor {error}: it was exported to code, not to train on;"
            " export its run again"
        ) from None
    except (RuntimeError, SafetensorError) as error:
        said = str(error).splitlines()[0][:120]
        raise TrainingError(f"{card.path} does not fit its own settings ({said})") from None
    return codec


def _part(tensors: dict[str, Tensor], start: str) -> dict[str, Tensor]:
    return {key[len(start) :]: value for key, value in tensors.items() if key.startswith(start)}


def _state(network: TrainablePicture, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The trainable state of one modality."""
    state = {
        f"transforms.{key}": value.float() for key, value in _part(tensors, "transforms.").items()
    }
    for key, value in _part(tensors, "hyper_analysis.").items():
        state[f"entropy.hyper_analysis.{key}"] = value.float()
    for name, layer in network.entropy.prior.named_modules():
        if isinstance(layer, RealLayer):
            for key, value in _layer(layer, name, tensors).items():
                state[f"entropy.prior.{name}.{key}"] = value
    for name in KNOT_TABLES:
        state[f"entropy.{name}.knots"] = tensors[f"training.{name}"]
    state["entropy.coefficient_index"] = tensors["training.coefficient_index"]
    return state


def _layer(layer: RealLayer, name: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A prior layer's integers as weights under its gains, which are powers of two: exact."""
    integer = IntegerWeights(
        *(tensors[f"prior.{name}.{field}"] for field in ("weight", "bias", "shift"))
    )
    weight, bias = dequantize_weights(integer)
    start = f"training.prior.{name}"
    row = tensors.get(f"{start}.row_gain", torch.ones_like(layer.row_gain))
    column = tensors.get(f"{start}.column_gain", torch.ones_like(layer.column_gain))
    return {
        "weight": weight / row[:, None] / column,
        "bias": bias / row,
        "row_gain": row,
        "column_gain": column,
    }
