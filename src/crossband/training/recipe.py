# SPDX-License-Identifier: Apache-2.0
"""What a training run is told: a TOML file that fills these frozen values."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path

from crossband.errors import TrainingError
from crossband.models.settings import CodecSettings
from crossband.training.data import Variation


@dataclass(frozen=True, slots=True)
class Recipe:
    """One run: data, codec, schedule."""

    name: str = "first"
    steps: int = 25_000
    """The learning rate is decayed to zero over these."""
    batch: int = 8
    """Crops a step."""
    crop: int = 128
    """Pixels a side, a multiple of 64."""
    learning_rate: float = 1.5e-3
    """Peak; 4e-4 was three times slower to the same rate in a prototype."""
    started_share: float = 0.2
    """Learning rate of the layers that start as DCT and Haar, as a share of the others'."""
    warmup_steps: int = 200
    """Linear rise to the peak."""
    clip_norm: float = 1.0
    """Gradients longer than this are shortened."""
    ema_decay: float = 0.999
    """Average of the weights that is validated and exported."""
    quality_low: int = 0
    """Lowest quality index trained."""
    quality_high: int = 63
    """Highest quality index trained."""
    quality_bias: float = 1.5
    """Exponent of the uniform draw: 1.5 puts half of the crops below index 22, about 37 dB."""
    rate_balance: float = 0.4
    """Losses are weighted by lagrangian^-balance: else the near-lossless steps drown the rest."""
    visible_weight: float = 1.0
    """Weight of the visible picture's loss."""
    infrared_weight: float = 1.0
    """Weight of the infrared picture's loss."""
    alone_share: float = 0.15
    """Of steps that code both pictures without context."""
    reversed_share: float = 0.2
    """Of the other steps that code the visible picture first."""
    dropout: float = 0.1
    """Of second pictures that must do without the first (Rule 3)."""
    coefficient_share: float = 0.06
    """A crop's share of its picture's alignment bits: 128x128 of about 512x512."""
    decay_share: float = 0.4
    """Last part of the run, in which the learning rate falls to zero."""
    integer_steps: int = 2_000
    """Last steps, which imitate the exported prior's rounding."""
    seed: int = 1
    """Of weights, crops and qualities."""
    validate_minutes: float = 20.0
    """Between validations."""
    checkpoint_minutes: float = 5.0
    """Between checkpoints."""
    sources: dict[str, float] = field(default_factory=dict)
    """Source folders and their shares of the crops."""
    validation_sources: dict[str, int] = field(default_factory=dict)
    """Source folders and how many pictures of their val split are measured."""
    variation: Variation = field(default_factory=Variation)
    """How crops are varied."""
    codec: CodecSettings = field(default_factory=CodecSettings)
    """The network's shape."""

    def __post_init__(self) -> None:
        if self.crop % 64 or self.crop < 64:
            raise TrainingError(f"crop is {self.crop}; allowed are multiples of 64: try 128")
        if not 0 <= self.quality_low <= self.quality_high <= 63:
            raise TrainingError(
                f"qualities {self.quality_low} to {self.quality_high}; allowed are 0 to 63"
            )
        if not self.sources:
            raise TrainingError("the recipe names no sources; add a [sources] table")

    def to_json(self) -> str:
        """One line, for the run's folder and the weight file's metadata."""
        return json.dumps(asdict(self), sort_keys=True)


def read_recipe(path: Path, overrides: dict[str, object] | None = None) -> Recipe:
    """The recipe in a TOML file.

    Args:
        path: the file.
        overrides: top-level values that replace the file's.

    Raises:
        TrainingError: missing file, bad TOML, unknown key, or a value of another type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path}: recipe cannot be read: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"{path}: not valid TOML: {error}") from None
    return recipe_from_mapping(values | (overrides or {}), str(path))


def recipe_from_mapping(values: dict[str, object], where: str) -> Recipe:
    """The recipe in a mapping, as in a TOML file or a checkpoint."""
    values = dict(values)
    known = Recipe.__dataclass_fields__
    for key in values:
        if key not in known:
            raise TrainingError(f"{where}: unknown recipe key '{key}'; known: {', '.join(known)}")
    variation, codec = values.pop("variation", {}), values.pop("codec", {})
    if not isinstance(variation, dict) or not isinstance(codec, dict):
        raise TrainingError(f"{where}: 'variation' and 'codec' must be tables")
    unknown = set(variation) - set(Variation.__dataclass_fields__)
    if unknown:
        raise TrainingError(f"{where}: unknown variation key '{sorted(unknown)[0]}'")
    for key, value in values.items():
        kind = {"str": str, "int": int, "float": (int, float)}.get(str(known[key].type), dict)
        if not isinstance(value, kind) or isinstance(value, bool):  # type: ignore[arg-type]
            raise TrainingError(f"{where}: '{key}' is {value!r}; a {known[key].type} is allowed")
    return Recipe(
        **values,  # type: ignore[arg-type]
        variation=Variation(**variation),
        codec=CodecSettings.from_mapping(codec),
    )
