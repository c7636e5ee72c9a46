# SPDX-License-Identifier: Apache-2.0
"""What rule 1 costs: written files against the same weights' estimate in real numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from crossband import models
from crossband.bench.run import Task
from crossband.codec import Codec, quality_index
from crossband.container import unpack
from crossband.errors import CrossbandError
from crossband.models import ModelCard
from crossband.pair import Modality
from crossband.prepare import geometry, prepare
from crossband.sources import read_pair
from crossband.training.start import load_exported


@dataclass(frozen=True, slots=True)
class IntegerCost:
    """Both pictures of a set at one quality."""

    dataset: str
    quality: float
    pairs: int
    stream_bits: int
    """Bits of the range-coder streams in the written files."""
    estimate_bits: float
    """The float prior's estimate for the same latents: real means, real table indices, no coder."""

    @property
    def cost_percent(self) -> float:
        """How many more bits the integer path takes."""
        return 100 * (self.stream_bits / self.estimate_bits - 1)


def measure(
    tasks: Sequence[Task],
    qualities: Sequence[float],
    *,
    weights: str = "base",
    report: Callable[[str], None] = lambda line: None,
) -> list[IntegerCost]:
    """The cost on each data set at each quality.

    Raises:
        CrossbandError: a pair lacks a picture, or its sizes differ.
    """
    card: ModelCard = models.describe(weights)
    codec, trainable = Codec(models.load(weights)), load_exported(card).eval()
    found: dict[tuple[str, float], tuple[int, int, float]] = {}
    for task in tasks:
        pair = read_pair(task.path.visible, task.path.infrared).pair.without_metadata()
        if pair.visible is None or pair.infrared is None:
            raise CrossbandError(f"{task.path.name} has one picture; pairs are needed here")
        shapes = {each: geometry(raster) for each in Modality if (raster := pair.get(each))}
        if len({(s.height, s.width) for s in shapes.values()}) > 1:
            raise CrossbandError(f"{task.path.name} has two sizes; equal ones are needed here")
        visible = prepare(pair.visible, Modality.VISIBLE, shapes[Modality.VISIBLE])
        infrared = prepare(pair.infrared, Modality.INFRARED, shapes[Modality.INFRARED])
        for quality in qualities:
            index = torch.tensor([quality_index(quality)])
            with torch.inference_mode():
                coded = trainable(visible, infrared, index, noise=False)
            parts = (coded.visible, coded.infrared)
            bits = sum(float((part.bits + part.coefficient_bits).sum()) for part in parts)
            file = codec.encode(pair, quality=quality, effort=1)
            streams = sum(8 * len(record.stream) for record in unpack(file).records)
            count, before, estimate = found.get((task.dataset, quality), (0, 0, 0.0))
            found[task.dataset, quality] = (count + 1, before + streams, estimate + bits)
        report(f"{task.dataset} {task.path.name}")
    return [
        IntegerCost(dataset, quality, pairs, bits, estimate)
        for (dataset, quality), (pairs, bits, estimate) in found.items()
    ]
