# SPDX-License-Identifier: Apache-2.0
"""A weight file as networks that code."""

from __future__ import annotations

import json
from dataclasses import dataclass

from safetensors.torch import load_file
from torch import Tensor

from crossband.entropy.arithmetic import SIGNAL, StepTables
from crossband.entropy.coder import TableModels
from crossband.entropy.fixed_point import IntegerWeights
from crossband.entropy.integer_model import IntegerModel, QualityTables
from crossband.entropy.model import HyperAnalysis
from crossband.entropy.prior import Prior
from crossband.entropy.tables import SymbolTables
from crossband.errors import PictureError, TrainingError
from crossband.models.cards import ModelCard
from crossband.models.settings import CodecSettings
from crossband.pair import Modality
from crossband.transforms import PictureTransforms, to_channels_last


@dataclass(frozen=True, slots=True)
class PictureModel:
    """Everything that codes one modality."""

    transforms: PictureTransforms
    hyper_analysis: HyperAnalysis
    hyper_gain: Tensor
    """(qualities, hyper channels): hyper-latent steps a unit; the encoder's side of it."""
    entropy: IntegerModel

    def hyper(self, latents: Tensor, quality_index: int) -> Tensor:
        """Hyper-latents in their steps, not rounded, (1, rows, columns, hyper channels).

        Args:
            latents: in sample units, (1, channels, height, width).
            quality_index: 0 to 63.
        """
        found: Tensor = self.hyper_analysis(latents * SIGNAL).permute(0, 2, 3, 1)
        return found * self.hyper_gain[quality_index]


@dataclass(frozen=True, slots=True)
class Model:
    """Loaded weights."""

    card: ModelCard
    visible: PictureModel
    infrared: PictureModel

    @property
    def codes_films(self) -> bool:
        """Whether every picture is coded given the same camera's frame before."""
        return self.visible.transforms.settings.past

    def get(self, modality: Modality) -> PictureModel:
        """The part for one camera."""
        return self.visible if modality is Modality.VISIBLE else self.infrared


def load_model(card: ModelCard) -> Model:
    """The networks of a weight file, on the CPU, float32 where they are not integers.

    Raises:
        PictureError: the file holds something else, or weights of another version.
    """
    try:
        return _model(card, load_file(card.path))
    except (KeyError, RuntimeError, TrainingError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise PictureError(
            f"{card.path} does not hold weights of this crossband ({reason:.120}); name another"
            " file, or export it again"
        ) from error


def _model(card: ModelCard, tensors: dict[str, Tensor]) -> Model:
    settings = CodecSettings.from_mapping(json.loads(card.metadata["settings"]))
    models = TableModels(
        SymbolTables(tensors["tables.radius"].numpy(), tensors["tables.frequencies"].numpy())
    )
    parts = {m: _picture(_part(tensors, m.value), settings, m, models) for m in Modality}
    return Model(card, parts[Modality.VISIBLE], parts[Modality.INFRARED])


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {key[len(start) :]: value for key, value in tensors.items() if key.startswith(start)}


def _picture(
    tensors: dict[str, Tensor], settings: CodecSettings, modality: Modality, models: TableModels
) -> PictureModel:
    transforms = PictureTransforms(settings.transform(modality))
    hyper_analysis = HyperAnalysis(settings.entropy(modality))
    for module, name in ((transforms, "transforms"), (hyper_analysis, "hyper_analysis")):
        state = {key: value.float() for key, value in _part(tensors, name).items()}
        module.load_state_dict(state)
        module.requires_grad_(False).eval()
        to_channels_last(module)
    prior = Prior(settings.entropy(modality)).with_integers(
        lambda name: IntegerWeights(
            *(tensors[f"prior.{name}.{field}"] for field in ("weight", "bias", "shift"))
        )
    )
    rows = _part(tensors, "qualities")
    qualities = QualityTables(
        StepTables(rows["signal"], rows["offset"]),
        rows["hyper_value"],
        rows["hyper_index"],
        rows["features"],
    )
    entropy = IntegerModel(prior, qualities, tensors["coefficient_index"], models)
    return PictureModel(transforms, hyper_analysis, tensors["hyper_gain"], entropy)
