# SPDX-License-Identifier: Apache-2.0
"""One training run: steps, averages, checkpoints, validations."""

from __future__ import annotations

import copy
import json
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from crossband.errors import TrainingError
from crossband.pair import Modality
from crossband.training.data import PictureStore, Sampler
from crossband.training.network import CodedPicture, TrainableCodec
from crossband.training.recipe import Recipe, recipe_from_mapping
from crossband.training.validate import QUALITIES, measure, rows, validation_pairs
from crossband.transforms import lagrangian, to_channels_last

log = logging.getLogger(__name__)

_MOST_BAD_STEPS = 20
"""Non-finite steps in a row before the run gives up."""
_CHECKPOINT = "checkpoint.pt"
_MIDDLE_LAGRANGIAN = 0.02


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step saw."""

    loss: float
    bpp: float
    """Both pictures' bits over the pixels of one."""
    psnr: float
    """Mean of both pictures' PSNR at the random qualities of the batch."""
    finite: bool


class Run:
    """A training run in a folder: recipe.json, log.jsonl, checkpoint.pt.

    Args:
        recipe: what to do.
        data: folder of the sources.
        folder: where the run is kept; a checkpoint in it is resumed.
        device: `cpu` or `cuda`.
        start: weights to begin from (a run's checkpoint), or None for the transform-codec start.
    """

    def __init__(
        self, recipe: Recipe, data: Path, folder: Path, *, device: str, start: Path | None = None
    ) -> None:
        self.recipe, self.data, self.folder, self.device = recipe, data, folder, device
        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(recipe.seed)
        self.codec = TrainableCodec(recipe.codec).to(device)
        to_channels_last(self.codec)
        self.store = PictureStore(
            data, recipe.sources, split="train", smallest=recipe.crop, device=device
        )
        self.sampler = Sampler(
            self.store, size=recipe.crop, variation=recipe.variation, seed=recipe.seed
        )
        self.optimizer = torch.optim.AdamW(
            self._parameter_groups(), lr=recipe.learning_rate, weight_decay=0.0, fused=True
        )
        self.step_number = self.skipped_steps = self._bad_in_row = 0
        checkpoint = folder / _CHECKPOINT
        if checkpoint.exists():
            self.average = copy.deepcopy(self.codec)
            self._resume(checkpoint)
        else:
            if start is not None:
                state = torch.load(start, map_location=device, weights_only=True)
                self.codec.load_state_dict(state["average"])
            else:
                self._calibrate()
            self.average = copy.deepcopy(self.codec)
            (folder / "recipe.json").write_text(recipe.to_json() + "\n", encoding="utf-8")
        self.average.requires_grad_(False)
        self._stop = False

    def _parameter_groups(self) -> list[dict[str, Any]]:
        """The transform-codec start moves more slowly: it is already near its place."""
        started = {
            id(parameter)
            for network in (self.codec.visible, self.codec.infrared)
            for layer in network.transforms.started_layers()
            for parameter in layer.parameters()
        }
        slow = [p for p in self.codec.parameters() if id(p) in started]
        rest = [p for p in self.codec.parameters() if id(p) not in started]
        return [
            {"params": rest, "share": 1.0},
            {"params": slow, "share": self.recipe.started_share},
        ]

    # --- state ---------------------------------------------------------------------------------

    @torch.no_grad()
    def _calibrate(self) -> None:
        """Tables and scales of the transform-codec start, measured on a few batches."""
        spreads = {}
        for modality in Modality:
            network = getattr(self.codec, modality.value)
            total = 0.0
            for _ in range(8):
                picture = getattr(self.sampler.draw(8), modality.value)
                quality = torch.full((8,), 32, device=self.device)
                features = network.transforms.analysis.features(picture, quality)
                latents = network.transforms.analysis(features, None, features.new_ones(1))
                total = total + latents.abs().mean((0, 2, 3)) * 16 / 8
            spreads[modality] = torch.as_tensor(total)
        for modality in Modality:
            network = getattr(self.codec, modality.value)
            network.entropy.calibrate(spreads[modality], spreads[modality.partner])

    def save(self) -> None:
        """Writes the checkpoint beside the old one, then replaces it."""
        state = {
            "recipe": self.recipe.to_json(),
            "step": self.step_number,
            "skipped_steps": self.skipped_steps,
            "codec": self.codec.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "sampler": json.dumps(self.sampler.random.bit_generator.state),
        }
        partial = self.folder / f"{_CHECKPOINT}.partial"
        try:
            torch.save(state, partial)
            os.replace(partial, self.folder / _CHECKPOINT)  # noqa: PTH105 - atomic on all systems
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise TrainingError(
                f"checkpoint not written ({error.strerror}); the previous one is kept:"
                " free some space"
            ) from None

    def _resume(self, checkpoint: Path) -> None:
        state: dict[str, Any] = torch.load(checkpoint, map_location=self.device, weights_only=True)
        before = recipe_from_mapping(json.loads(state["recipe"]), str(checkpoint))
        if before != self.recipe:
            raise TrainingError(
                f"{self.folder} holds a run of another recipe ('{before.name}'); name another"
                " folder, or start from its weights with --from"
            )
        self.step_number = state["step"]
        self.skipped_steps = state["skipped_steps"]
        self.codec.load_state_dict(state["codec"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"].cpu())
        self.sampler.random.bit_generator.state = json.loads(state["sampler"])

    # --- one step ------------------------------------------------------------------------------

    def learning_rate(self, step: int) -> float:
        """Linear rise, constant, then a linear fall to zero."""
        recipe = self.recipe
        rise = min(1.0, (step + 1) / recipe.warmup_steps)
        fall = min(1.0, (1 - step / recipe.steps) / recipe.decay_share)
        return recipe.learning_rate * min(rise, max(fall, 0.0))

    def step(self) -> StepResult:
        """Draws a batch and takes one optimiser step; a non-finite one is skipped."""
        recipe, random = self.recipe, self.sampler.random
        imitate = self.step_number >= recipe.steps - recipe.integer_steps
        for network in (self.codec.visible, self.codec.infrared):
            network.entropy.imitate_integers(imitate)
        batch = self.sampler.draw(recipe.batch)
        span = recipe.quality_high + 1 - recipe.quality_low
        drawn = np.floor(random.random(recipe.batch) ** recipe.quality_bias * span)
        quality = torch.from_numpy(recipe.quality_low + drawn.astype(np.int64)).to(self.device)
        alone = bool(random.random() < recipe.alone_share)
        order = (Modality.INFRARED, Modality.VISIBLE)
        if random.random() < recipe.reversed_share:
            order = (Modality.VISIBLE, Modality.INFRARED)
        present = torch.from_numpy(random.random(recipe.batch) >= recipe.dropout)
        present = present.float().to(self.device)
        visible = batch.visible.contiguous(memory_format=torch.channels_last)
        infrared = batch.infrared.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device, torch.bfloat16):
            coded = self.codec(
                visible, infrared, quality, order=order, present=present, alone=alone
            )
        weight = lagrangian(quality)
        balance = (weight / _MIDDLE_LAGRANGIAN) ** -recipe.rate_balance
        pixels = recipe.crop**2
        loss = torch.zeros((), device=self.device)
        bpp = torch.zeros((), device=self.device)
        psnr = torch.zeros((), device=self.device)
        for one, true, share in (
            (coded.visible, visible, recipe.visible_weight),
            (coded.infrared, infrared, recipe.infrared_weight),
        ):
            rate = self._bits(one) / pixels
            error = (one.picture - true).square().mean((1, 2, 3))
            loss = loss + share * (balance * (rate + weight * 255**2 * error)).mean()
            bpp = bpp + rate.detach().mean()
            psnr = psnr - 5 * torch.log10(error.detach().clamp(min=1e-9)).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.codec.parameters(), recipe.clip_norm)
        finite = bool(torch.isfinite(norm) & torch.isfinite(loss))
        if finite:
            for group in self.optimizer.param_groups:
                group["lr"] = self.learning_rate(self.step_number) * group["share"]
            self.optimizer.step()
            self._bad_in_row = 0
        else:
            self.skipped_steps += 1
            self._bad_in_row += 1
            if self._bad_in_row >= _MOST_BAD_STEPS:
                raise TrainingError(
                    f"{_MOST_BAD_STEPS} non-finite steps in a row at step {self.step_number};"
                    " lower the learning rate"
                )
        self._update_average()
        self.step_number += 1
        return StepResult(float(loss.detach()), float(bpp), float(psnr), finite)

    def _bits(self, one: CodedPicture) -> Tensor:
        return one.bits + self.recipe.coefficient_share * one.coefficient_bits

    @torch.no_grad()
    def _update_average(self) -> None:
        # Short runs average over less: else the start would still be in the average.
        decay = min(self.recipe.ema_decay, (1 + self.step_number) / (10 + self.step_number))
        mine: list[Tensor] = list(self.average.parameters())
        theirs: list[Tensor] = list(self.codec.parameters())
        torch._foreach_lerp_(mine, theirs, 1 - decay)

    # --- the run -------------------------------------------------------------------------------

    def train(self, *, minutes: float | None = None, progress: bool | None = None) -> None:
        """Steps until the recipe's end or for some minutes; leaves a checkpoint either way.

        Args:
            minutes: budget, or None for the whole recipe.
            progress: show a bar; None: only on a terminal.
        """
        started = checked = validated = time.monotonic()
        old = signal.signal(signal.SIGINT, self._interrupted)
        show = sys.stderr.isatty() if progress is None else progress
        bar = tqdm(total=self.recipe.steps, initial=self.step_number, disable=not show, unit="step")
        recent: list[StepResult] = []
        since = time.monotonic()
        try:
            while self.step_number < self.recipe.steps and not self._stop:
                recent.append(self.step())
                bar.update()
                now = time.monotonic()
                if len(recent) == 50:
                    self._log(recent, (now - since) / len(recent))
                    bar.set_postfix(loss=f"{np.mean([r.loss for r in recent]):.3f}")
                    recent, since = [], now
                if now - checked > self.recipe.checkpoint_minutes * 60:
                    self.save()
                    checked = now
                if now - validated > self.recipe.validate_minutes * 60:
                    self.validate()
                    validated = time.monotonic()
                if minutes is not None and now - started > minutes * 60:
                    break
            self.save()
            if self.step_number >= self.recipe.steps:
                self.validate()
        finally:
            signal.signal(signal.SIGINT, old)
            bar.close()

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self._stop = True

    def validate(self) -> None:
        """Measures the averaged weights on the validation pictures and logs the points."""
        if not self.recipe.validation_sources:
            return
        pairs = validation_pairs(self.data, self.recipe.validation_sources)
        points = measure(self.average, pairs, self.device, qualities=QUALITIES)
        self._append({"step": self.step_number, "validation": list(rows(points))})

    def _log(self, recent: list[StepResult], seconds: float) -> None:
        self._append(
            {
                "step": self.step_number,
                "loss": round(float(np.mean([r.loss for r in recent])), 5),
                "bpp": round(float(np.mean([r.bpp for r in recent])), 5),
                "psnr": round(float(np.mean([r.psnr for r in recent])), 3),
                "learning_rate": self.learning_rate(self.step_number),
                "seconds_per_step": round(seconds, 4),
                "skipped_steps": self.skipped_steps,
            }
        )

    def _append(self, row: dict[str, object]) -> None:
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
