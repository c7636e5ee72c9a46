# SPDX-License-Identifier: Apache-2.0
"""What a training run is told: a TOML file that fills these frozen values."""

from __future__ import annotations

import difflib
import json
import math
import tomllib
from dataclasses import Field, asdict, dataclass, field
from pathlib import Path
from typing import Any

from crossband import datasets
from crossband.errors import TrainingError
from crossband.models.settings import CodecSettings
from crossband.training.clips import Motion
from crossband.training.data import Variation

_ALLOWED: dict[str, tuple[float, float]] = {
    "steps": (0, math.inf),
    "batch": (1, math.inf),
    "crop": (64, math.inf),
    "frames": (1, math.inf),
    "key_finer": (0, 63),
    "learning_rate": (0, math.inf),
    "prior_share": (0, math.inf),
    "started_share": (0, math.inf),
    "warmup_steps": (0, math.inf),
    "clip_norm": (0, math.inf),
    "ema_decay": (0, 1),
    "quality_low": (0, 63),
    "quality_high": (0, 63),
    "quality_bias": (0, math.inf),
    "log_share": (0, 1),
    "log_floor": (0, math.inf),
    "visible_weight": (0, math.inf),
    "infrared_weight": (0, math.inf),
    "alone_share": (0, 1),
    "reversed_share": (0, 1),
    "dropout": (0, 1),
    "coefficient_share": (0, math.inf),
    "decay_share": (0, 1),
    "hyper_free_steps": (0, math.inf),
    "integer_steps": (0, math.inf),
    "seed": (0, 2**63 - 1),
    "validate_minutes": (0, math.inf),
    "checkpoint_minutes": (0, math.inf),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One run: data, codec, schedule.

    Raises:
        TrainingError: a value outside its range.
    """

    name: str = "first"
    """What its runs and weights are told apart by."""
    steps: int = 0
    """The learning rate is decayed to zero over these; 0: as many as the `--minutes` of the first
    session hold."""
    batch: int = 8
    """Crops a step."""
    crop: int = 128
    """Pixels a side, a multiple of 64."""
    frames: int = 1
    """Of a clip; 1: pairs. The first is a key frame, which other weights code."""
    key_finer: int = 0
    """Quality indices that the key frames of clips are above the others."""
    key_weights: str = "base"
    """What codes the key frames of clips: as for `--from`."""
    learning_rate: float = 3.0e-3
    """Peak; 1.2e-3 needed 12 % more bits after 300 steps, 4e-3 broke at step 1,450."""
    prior_share: float = 1.7
    """Learning rate of the entropy models' matrices, by Muon, as a share of the others', by
    Adam."""
    started_share: float = 0.05
    """Learning rate of the layers that start as DCT and Haar, likewise."""
    warmup_steps: int = 200
    """Linear rise to the peak; at most a tenth of the run's steps."""
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
    log_share: float = 0.0
    """Of the loss that is the logarithm of each crop's cost: 1 counts all contents alike."""
    log_floor: float = 2e-3
    """Bits a pixel below which a crop's cost stops counting relatively: blank sky."""
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
    hyper_free_steps: int = 1_000
    """First steps, in which the hyper-latents' cost rises from nothing to what it is; without them
    all hyper-latents went to zero and stayed there."""
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
    layouts: dict[str, str] = field(default_factory=dict)
    """Of sources that lie as in the archive of a published set: its name."""
    variation: Variation = field(default_factory=Variation)
    """How crops are varied."""
    motion: Motion = field(default_factory=Motion)
    """How clips move."""
    codec: CodecSettings = field(default_factory=CodecSettings)
    """The network's shape."""

    def __post_init__(self) -> None:
        for key, (low, high) in _ALLOWED.items():
            if not low <= (value := getattr(self, key)) <= high:
                allowed = f"{low:g} to {high:g}" if high < math.inf else f"{low:g} and more"
                raise TrainingError(f"{key} is {value:g}; allowed are {allowed}")
        if self.crop % 64:
            raise TrainingError(f"crop is {self.crop}; allowed are multiples of 64: try 128")
        if self.codec.past != (self.frames > 1):
            raise TrainingError(
                f"codec.past is {str(self.codec.past).lower()} and frames is {self.frames};"
                " weights of films need past = true and 2 frames or more, all others neither"
            )
        if self.quality_low > self.quality_high:
            raise TrainingError(
                f"qualities are {self.quality_low} to {self.quality_high}; the first must not be"
                " above the second"
            )
        if not self.sources:
            raise TrainingError("the recipe names no sources; add a [sources] table")
        for source, share in self.sources.items():
            if not isinstance(share, int | float) or isinstance(share, bool) or not share >= 0:
                raise TrainingError(f"sources.{source} is {share!r}; a number from 0 is allowed")
        if not any(self.sources.values()):
            raise TrainingError("all sources have a share of 0; give one of them more")
        for source, count in self.validation_sources.items():
            if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                raise TrainingError(
                    f"validation_sources.{source} is {count!r}; a whole number from 1 is allowed"
                )

        for source, layout in self.layouts.items():
            if source not in self.sources | self.validation_sources:
                raise TrainingError(
                    f"layouts.{source} is of no source; sources are {', '.join(self.sources)}"
                )
            if layout not in datasets.names():
                raise TrainingError(
                    f"layouts.{source} is {layout!r}; allowed are {', '.join(datasets.names())}"
                )

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
    except ValueError as error:  # not TOML, or not even text
        raise TrainingError(f"{path}: not valid TOML: {error}") from None
    return recipe_from_mapping(values | (overrides or {}), str(path))


def recipe_from_mapping(values: dict[str, object], where: str) -> Recipe:
    """The recipe in a mapping, as in a TOML file or a checkpoint.

    Raises:
        TrainingError: unknown key, or a value of another type or outside its range.
    """
    values = dict(values)
    variation = _table(values, "variation", where)
    motion = _table(values, "motion", where)
    codec = _table(values, "codec", where)
    try:
        _check_kinds(values, Recipe.__dataclass_fields__, "")
        _check_kinds(variation, Variation.__dataclass_fields__, "variation.")
        _check_kinds(motion, Motion.__dataclass_fields__, "motion.")
        return Recipe(
            **values,  # type: ignore[arg-type]
            variation=Variation(**variation),
            motion=Motion(**motion),
            codec=CodecSettings.from_mapping(codec),
        )
    except TrainingError as error:
        raise TrainingError(f"{where}: {error}") from None


def _table(values: dict[str, object], name: str, where: str) -> dict[str, Any]:
    """Takes a table out of a recipe's values; an empty one if it is not there."""
    table = values.pop(name, {})
    if not isinstance(table, dict):
        raise TrainingError(f"{where}: '{name}' is {table!r}; a table [{name}] is allowed")
    return table


def _check_kinds(values: dict[str, Any], known: dict[str, Field[Any]], table: str) -> None:
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            meant = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
            raise TrainingError(f"unknown recipe key '{table}{key}'; {meant}")
        wanted = str(known[key].type)
        kind = {"str": str, "int": int, "float": (int, float)}.get(wanted, dict)
        if not isinstance(value, kind) or isinstance(value, bool):  # type: ignore[arg-type]
            raise TrainingError(f"'{table}{key}' is {value!r}; a {wanted} is allowed")


def differences(before: Recipe, now: Recipe) -> list[str]:
    """What two recipes disagree on, such as `steps: 100 before, 200 now`."""
    old, new = asdict(before), asdict(now)
    return [f"{key}: {old[key]} before, {new[key]} now" for key in old if old[key] != new[key]]
