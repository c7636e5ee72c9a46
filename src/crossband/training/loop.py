# SPDX-License-Identifier: Apache-2.0
"""One training run: steps, averages, checkpoints, validations."""

from __future__ import annotations

import copy
import json
import math
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crossband.entropy.arithmetic import SIGNAL
from crossband.errors import TrainingError
from crossband.models.settings import CodecSettings
from crossband.pair import Modality
from crossband.training.budget import NO_END, Forecast
from crossband.training.checkpoint import (
    CHECKPOINT,
    LATE_CHECKPOINT,
    newest_checkpoint,
    read_checkpoint,
    recipe_of,
    write_checkpoint,
)
from crossband.training.clips import ClipSampler
from crossband.training.data import Batch, PictureStore, Sampler
from crossband.training.divergence import CostWindows
from crossband.training.moments import load_moments
from crossband.training.network import CodedPair, CodedPicture, TrainableCodec
from crossband.training.optimizers import optimizers_of
from crossband.training.precision import autocast
from crossband.training.processes import Processes
from crossband.training.recipe import Recipe, differences
from crossband.training.replay import Recording, Replays
from crossband.training.run_log import append_row
from crossband.training.split_check import refuse_test_pictures
from crossband.training.start import starting_codec, stored_codec
from crossband.training.validate import QUALITIES, measure, rows, validation_set
from crossband.transforms import QUALITY_COUNT, lagrangian, to_channels_last

_MOST_BAD_STEPS = 20
"""Non-finite steps in a row before the run gives up."""
_STEPS_A_ROW = 50
"""Steps that one row of the log averages."""
_LONGEST_RISE = 0.1
"""Of a run's steps: a warm-up that is right for hours would take up all of a minute."""
_MIDDLE_LAGRANGIAN = 0.02


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step saw."""

    loss: float
    bpp: float
    """Both pictures' bits over the pixels of one."""
    psnr: float
    """Mean of both pictures' PSNR at the random qualities of the batch."""
    hyper_share: float
    """Of the bits: zero means that the hyperprior has died."""
    log_cost: float
    """Mean logarithm of the crops' costs, which are rate and weighted error."""
    finite: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run came."""

    step: int
    steps: int | None
    """Of the whole run; None if it was left before its pace had told them."""
    loss: float | None
    """Mean of the last steps of this session; None if it took none."""
    skipped_steps: int
    """Non-finite ones, in the whole run."""
    minutes: float
    """Of this session."""
    interrupted: bool
    """By Ctrl-C."""
    good_step: int | None
    """Of the checkpoint that weights are taken from; None if all of them were too late."""

    @property
    def late(self) -> bool:
        """Whether the last steps have twice the cost of the best ones."""
        return self.good_step != self.step

    @property
    def done(self) -> bool:
        """Whether the run is at its end, and the learning rate at zero."""
        return self.steps is not None and self.step >= self.steps


@dataclass(frozen=True, slots=True)
class _Way:
    """How a batch is coded."""

    alone: bool
    """Both pictures without their partner."""
    reverse: bool
    """Visible first."""

    @property
    def order(self) -> tuple[Modality, Modality]:
        """What `TrainableCodec` takes."""
        first = Modality.VISIBLE if self.reverse else Modality.INFRARED
        return first, first.partner


class Run:
    """A training run in a folder: recipe.json, log.jsonl, checkpoint.pt.

    A checkpoint of steps that have twice the cost of the best ones lies beside the good one.

    Args:
        recipe: what to do.
        data: folder of the sources.
        folder: where the run is kept; a checkpoint in it is resumed.
        device: `cpu` or `cuda`.
        start: weights to begin from (see `starting_codec`), or None for the transform-codec
            start; not looked at when a checkpoint is resumed.
        moments: what the optimisers begin with (see `moments.py`); not looked at then either.
        processes: those that share the run.
        build: makes the codec of the recipe's settings; experiments make others, which no weight
            file can say.
        record: records the work of steps, to replay it (`replay.py`); None: each step is done as
            it is, as those of films are anyway.

    Raises:
        TrainingError: data or weights that cannot be used, or a checkpoint of another recipe.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: Path,
        folder: Path,
        *,
        device: str,
        start: str | Path | None = None,
        moments: Path | None = None,
        processes: Processes | None = None,
        build: Callable[[CodecSettings], TrainableCodec] = TrainableCodec,
        record: Callable[[Callable[[], Tensor]], Recording] | None = None,
    ) -> None:
        self.recipe, self.data, self.folder, self.device = recipe, data, folder, device
        self.processes = Processes() if processes is None else processes
        if recipe.batch % self.processes.count:
            raise TrainingError(
                f"a batch of {recipe.batch} crops does not divide into"
                f" {self.processes.count} processes; give the recipe a multiple of these"
            )
        state = self._state_to_resume()
        torch.manual_seed(recipe.seed)
        self.codec = build(recipe.codec).to(device)
        to_channels_last(self.codec)
        if state is None:
            refuse_test_pictures(data, recipe.sources, recipe.layouts)
        self.validation = validation_set(
            data, recipe.validation_sources, frames=recipe.frames, layouts=recipe.layouts
        )
        self.store = PictureStore(
            data,
            recipe.sources,
            split="train",
            smallest=recipe.crop,
            device=device,
            layouts=recipe.layouts,
        )
        self.sampler = Sampler(
            self.store, size=recipe.crop, variation=recipe.variation, seed=recipe.seed
        )
        self.clips: ClipSampler | None = None
        self.key_codec: TrainableCodec | None = None
        if recipe.frames > 1:
            self.clips = ClipSampler(self.sampler, frames=recipe.frames, motion=recipe.motion)
            key_codec = stored_codec(recipe.key_weights)
            _check_key_weights(key_codec.settings, recipe)
            to_channels_last(key_codec)
            self.key_codec = key_codec.to(device).requires_grad_(False)
        self.start = None if start is None else str(start)
        """What the run began with, also when it is resumed."""
        self.steps = recipe.steps
        """Of the whole run; 0 until `train` knows how many its minutes hold."""
        self.step_number = self.skipped_steps = self._bad_in_row = self._validated_step = 0
        self.seconds = self._validated_seconds = 0.0
        self.costs = CostWindows()
        self._good_step: int | None = None
        if state is None:
            if start is not None:
                self.codec.load_state_dict(starting_codec(start, recipe.codec).state_dict())
            self._calibrate(new=start is None)
            self.processes.copy_from_first([*self.codec.parameters(), *self.codec.buffers()])
        self.optimizers = optimizers_of(self.codec, recipe)
        if state is None and moments is not None:
            load_moments(moments, self.codec, self.optimizers)
        self._replays = Replays(tuple(self.codec.parameters()), record)
        self.average = copy.deepcopy(self.codec)
        if state is not None:
            self._resume(state)
        self.average.requires_grad_(False)
        self._stop = False
        self._write_down(new=state is None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines on the data that its owner should know."""
        return self.store.report.notes + self.validation.notes

    # --- state ---------------------------------------------------------------------------------

    @torch.no_grad()
    def _calibrate(self, *, new: bool) -> None:
        """Tables and scales measured on a few batches: a new codec's, or what a started one lacks.

        A hyperprior that has died (all hyper-latents round to zero) is drawn anew.
        """
        batches = [self.sampler.draw(8) for _ in range(8)]
        quality = torch.full((8,), 32, device=self.device)
        latents = {}
        for modality in Modality:
            analysis = getattr(self.codec, modality.value).transforms.analysis
            features = [analysis.features(getattr(b, modality.value), quality) for b in batches]
            latents[modality] = torch.cat([analysis(f, None, f.new_ones(1)) for f in features])
        spreads = {each: SIGNAL * latents[each].abs().mean((0, 2, 3)) for each in Modality}
        for modality in Modality:
            entropy = getattr(self.codec, modality.value).entropy
            if new:
                entropy.calibrate(spreads[modality], spreads[modality.partner])
            elif entropy.lacks_partner_scales():
                entropy.calibrate_partner(spreads[modality.partner])
            if new or entropy.hyper_is_dead(latents[modality], quality[:1]):
                entropy.calibrate_hyper(latents[modality], quality[:1])

    def _write_down(self, *, new: bool) -> None:
        """The recipe beside a new run, and a row on the data of each session."""
        if not self.processes.writes:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if new:
                recipe = self.recipe.to_json() + "\n"
                (self.folder / "recipe.json").write_text(recipe, encoding="utf-8")
        except OSError as error:
            raise TrainingError(
                f"{self.folder}: the run cannot be kept there ({error.strerror}); name another"
                " folder"
            ) from None
        append_row(self.folder, {"step": self.step_number, "data": self.store.report.to_row()})

    def save(self) -> None:
        """Writes the checkpoint beside the old one, then replaces it.

        While the cost has doubled the good one stays and the new one has a name of its own.

        Raises:
            TrainingError: the system refuses to write; the old one is kept.
        """
        late = self.costs.has_doubled and not self._done
        if not late:
            self._good_step = self.step_number
        if not self.processes.writes:
            return
        state = {
            "recipe": self.recipe.to_json(),
            "good_step": self._good_step,
            "step": self.step_number,
            "steps": self.steps,
            "start": self.start,
            "costs": self.costs.to_state(),
            "skipped_steps": self.skipped_steps,
            "bad_in_row": self._bad_in_row,
            "seconds": self.seconds,
            "validated_step": self._validated_step,
            "validated_seconds": self._validated_seconds,
            "codec": self.codec.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "data": self.store.checksum,
            "random": torch.get_rng_state(),
            "sampler": json.dumps(self.sampler.random.bit_generator.state),
        }
        if self.device == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state()
        write_checkpoint(self.folder / (LATE_CHECKPOINT if late else CHECKPOINT), state)
        if not late:
            (self.folder / LATE_CHECKPOINT).unlink(missing_ok=True)

    def _state_to_resume(self) -> dict[str, Any] | None:
        """The newest checkpoint in the folder, if there is one."""
        path = newest_checkpoint(self.folder)
        if path is None:
            return None
        state = read_checkpoint(path, device=self.device)
        if found := differences(recipe_of(state, path), self.recipe):
            raise TrainingError(
                f"{self.folder} holds a run of another recipe ({'; '.join(found[:3])}); name"
                " another folder, or begin there from its weights with --from"
            )
        return state

    def _resume(self, state: dict[str, Any]) -> None:
        if state.get("data", self.store.checksum) != self.store.checksum:
            raise TrainingError(
                f"{self.folder} holds a run on other pictures than those of {self.data}; name"
                " another folder with --run, or begin there from its weights with --from"
            )
        self.step_number = state["step"]
        # Older checkpoints have none of these, nor the data's checksum.
        self.start = state.get("start", self.start)
        self.steps = state.get("steps", self.recipe.steps)
        self.costs = CostWindows(**state.get("costs", {}))
        self._good_step = state.get("good_step", self.step_number)
        self.skipped_steps = state["skipped_steps"]
        self._bad_in_row = state["bad_in_row"]
        self.seconds = state["seconds"]
        self._validated_step = state["validated_step"]
        self._validated_seconds = state["validated_seconds"]
        self.codec.load_state_dict(state["codec"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        torch.set_rng_state(state["random"].cpu())
        if "random_cuda" in state and self.device == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"].cpu())
        self.sampler.random.bit_generator.state = json.loads(state["sampler"])

    # --- one step ------------------------------------------------------------------------------

    def learning_rate(self, step: int) -> float:
        """Linear rise, constant, then a linear fall to zero at the run's end, if that is known."""
        recipe = self.recipe
        rising = float(recipe.warmup_steps)
        if self.steps:
            rising = min(rising, _LONGEST_RISE * self.steps)
        rise = min(1.0, (step + 1) / max(rising, 1))
        left = 1 - step / self.steps if self.steps else 1.0
        fall = min(1.0, left / recipe.decay_share) if recipe.decay_share else 1.0
        return recipe.learning_rate * min(rise, max(fall, 0.0))

    def step(self) -> StepResult:
        """Draws a batch and takes one optimiser step; a non-finite one is skipped.

        Raises:
            TrainingError: 20 non-finite ones in a row, or a cost that has doubled for a window.
        """
        recipe, random, part = self.recipe, self.sampler.random, self.processes.part
        if self.processes.count > 1:  # other noise in each process, the same after a resumption
            torch.manual_seed(hash((recipe.seed, self.step_number, self.processes.rank)))
        imitate = 0 < self.steps <= self.step_number + recipe.integer_steps
        charge = min(1.0, self.step_number / max(recipe.hyper_free_steps, 1))
        for network in (self.codec.visible, self.codec.infrared):
            network.entropy.imitate_integers(imitate)
            network.entropy.hyper_charge = charge
        if self.clips is None:
            frames = [self._mine(self.sampler.draw(recipe.batch))]
        else:
            frames = [self._mine(frame) for frame in self.clips.draw(recipe.batch)]
        span = recipe.quality_high + 1 - recipe.quality_low
        indices = np.floor(random.random(recipe.batch) ** recipe.quality_bias * span)
        quality = torch.from_numpy(recipe.quality_low + indices.astype(np.int64))[part]
        quality = quality.to(self.device)
        alone = bool(random.random() < recipe.alone_share)
        reverse = bool(random.random() < recipe.reversed_share)
        way = _Way(alone, reverse)
        present = torch.from_numpy(random.random(recipe.batch) >= recipe.dropout)[part]
        present = present.float().to(self.device)
        before: CodedPair | None = None
        if self.key_codec is not None:
            with torch.no_grad(), autocast(self.device):
                key = frames.pop(0)
                finer = (quality + recipe.key_finer).clamp(max=QUALITY_COUNT - 1)
                before = self.key_codec(key.visible, key.infrared, finer, noise=False)
        if before is None:
            (frame,) = frames

            def work(visible: Tensor, infrared: Tensor, quality: Tensor, present: Tensor) -> Tensor:
                return self._gradients([Batch(visible, infrared)], None, quality, present, way)

            # Charges that still rise would be recorded as they were.
            kind = (way, imitate) if charge == 1 else None
            seen = self._replays(kind, work, frame.visible, frame.infrared, quality, present)
        else:
            seen = self._gradients(frames, before, quality, present, way)
        self.processes.average(
            [seen, *(p.grad for p in self.codec.parameters() if p.grad is not None)]
        )
        norm = torch.nn.utils.clip_grad_norm_(self.codec.parameters(), recipe.clip_norm)
        # The one time in a step that the host waits for the device.
        length, mean_loss, rate, quality_db, side, log_cost = torch.hstack([norm, seen]).tolist()
        finite = math.isfinite(length) and math.isfinite(mean_loss)
        if finite:
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = self.learning_rate(self.step_number) * group["share"]
                optimizer.step()
            self._bad_in_row = 0
            self.costs.add(log_cost)
        else:
            self.skipped_steps += 1
            self._bad_in_row += 1
            if self._bad_in_row >= _MOST_BAD_STEPS:
                raise TrainingError(
                    f"{_MOST_BAD_STEPS} non-finite steps in a row up to step {self.step_number};"
                    " the last checkpoint is kept: lower the learning rate, or see the data"
                )
        self._update_average()
        self.step_number += 1
        self._check_costs()
        return StepResult(mean_loss, rate, quality_db, side / rate, log_cost, finite)

    def _gradients(
        self,
        frames: Sequence[Batch],
        before: CodedPair | None,
        quality: Tensor,
        present: Tensor,
        way: _Way,
    ) -> Tensor:
        """Codes one frame after the other, and leaves gradients; gives the means of `_loss`."""
        self.codec.zero_grad(set_to_none=True)
        losses, told = [], []
        for frame in frames:
            with autocast(self.device):
                before = self.codec(
                    frame.visible,
                    frame.infrared,
                    quality,
                    order=way.order,
                    present=present,
                    alone=way.alone,
                    past=before,
                )
            loss, numbers = self._loss(before, frame, quality)
            losses.append(loss)
            told.append(numbers)
        torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
        return torch.stack(told).mean(0)

    def _check_costs(self) -> None:
        """Stops a run that diverges, after the last step of a window."""
        if not self.costs.ends(self.step_number, self.steps):
            return
        if self.costs.has_doubled:
            kept = "there is no good checkpoint yet: begin again"
            if self._good_step is not None:
                kept = (
                    f"the last good checkpoint is {self.folder / CHECKPOINT}, of step"
                    f" {self._good_step}: begin another run --from it"
                )
            if self.processes.writes:
                (self.folder / LATE_CHECKPOINT).unlink(missing_ok=True)
            raise TrainingError(
                f"the cost up to step {self.step_number} is {self.costs.growth:.1f} times that of"
                f" the best steps before: the training diverges; {kept} with a lower learning rate"
            )
        self.costs.close()

    def _mine(self, batch: Batch) -> Batch:
        """This process's part of a batch, as the networks take it."""
        part = self.processes.part
        return Batch(_channels_last(batch.visible[part]), _channels_last(batch.infrared[part]))

    def _loss(self, coded: CodedPair, frame: Batch, quality: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of both pictures; with it, its value and the other means of `StepResult`."""
        recipe = self.recipe
        weight = lagrangian(quality)
        balance = (weight / _MIDDLE_LAGRANGIAN) ** -recipe.rate_balance
        pixels = recipe.crop**2
        loss = torch.zeros((), device=self.device)
        bpp = torch.zeros((), device=self.device)
        psnr = torch.zeros((), device=self.device)
        hyper = torch.zeros((), device=self.device)
        log_cost = torch.zeros((), device=self.device)
        for one, true, share in (
            (coded.visible, frame.visible, recipe.visible_weight),
            (coded.infrared, frame.infrared, recipe.infrared_weight),
        ):
            rate = self._bits(one) / pixels
            error = (one.picture - true).square().mean((1, 2, 3))
            cost = rate + weight * 255**2 * error
            # A small cost is as hard to halve as a large one, and BD-rate counts it as much.
            relative = torch.log(cost + recipe.log_floor)
            loss = loss + share * torch.lerp(balance * cost, relative, recipe.log_share).mean()
            bpp = bpp + rate.detach().mean()
            hyper = hyper + one.hyper_bits.detach().mean() / pixels
            log_cost = log_cost + relative.detach().mean() / 2
            psnr = psnr - 5 * torch.log10(error.detach().clamp(min=1e-9)).mean()
        return loss, torch.stack([loss.detach(), bpp, psnr, hyper, log_cost])

    def _bits(self, one: CodedPicture) -> Tensor:
        return one.bits + self.recipe.coefficient_share * one.coefficient_bits + one.vector_bits

    @torch.no_grad()
    def _update_average(self) -> None:
        # Short runs average over less: else the start would still be in the average.
        decay = min(self.recipe.ema_decay, (1 + self.step_number) / (10 + self.step_number))
        mine: list[Tensor] = list(self.average.parameters())
        theirs: list[Tensor] = list(self.codec.parameters())
        torch._foreach_lerp_(mine, theirs, 1 - decay)

    # --- the run -------------------------------------------------------------------------------

    def train(self, *, minutes: float | None = None, progress: bool | None = None) -> Progress:
        """Steps until the run's end or for some minutes; leaves a checkpoint either way.

        A recipe without steps has as many as the minutes of its first session hold, and is
        validated at its end only.
        Ctrl-C ends it after the step in hand, with a checkpoint; a second Ctrl-C at once.

        Args:
            minutes: budget of this session, or None for the rest of the run.
            progress: show a bar; None: only on a terminal.

        Raises:
            TrainingError: a checkpoint or the log cannot be written, 20 non-finite steps in a row,
                a cost that has doubled, or no end: neither steps nor enough minutes to tell them.
        """
        recipe, before = self.recipe, self.seconds
        forecast: Forecast | None = None
        if not self.steps:
            if minutes is None:
                raise TrainingError(NO_END)
            forecast = Forecast(minutes * 60, self.step_number)
        started = checked = since = time.monotonic()
        old = signal.signal(signal.SIGINT, self._interrupted)
        show = self.processes.writes and (sys.stderr.isatty() if progress is None else progress)
        bar = _bar(self.steps or None, self.step_number) if show else None
        recent: list[StepResult] = []
        loss: float | None = None
        try:
            over = False
            while not self._done and not over:
                recent.append(self.step())
                now = time.monotonic()
                self.seconds = before + now - started
                if forecast is not None and not self.steps:
                    elapsed = self.processes.agree(now - started, self.device)
                    self._fix_steps(forecast.steps(self.step_number, elapsed), bar)
                if len(recent) == _STEPS_A_ROW:
                    loss = self._log(recent, (now - since) / len(recent))
                    recent, since = [], now
                if bar is not None:
                    bar.set_postfix({} if loss is None else {"loss": f"{loss:.3f}"}, refresh=False)
                    bar.update()
                if now - checked > recipe.checkpoint_minutes * 60 and not self.costs.has_doubled:
                    self.save()
                    checked = now
                if (
                    recipe.steps
                    and self.seconds - self._validated_seconds > recipe.validate_minutes * 60
                ):
                    self.validate()
                self._stop = self.processes.any(self._stop, self.device)
                late = minutes is not None and now - started > minutes * 60
                over = self._stop or self.processes.any(late, self.device)
            if not self.steps and not self._stop:
                raise TrainingError(
                    f"{minutes:g} minutes were over after {self.step_number} steps, too few to tell"
                    " how many there is time for: give more --minutes, or --steps"
                )
            if recent:
                found = self._log(recent, (time.monotonic() - since) / len(recent))
                loss = found if loss is None else loss
            self.save()
            if self._done and self._validated_step < self.steps and not self._stop:
                self.validate()
                self.save()
        finally:
            signal.signal(signal.SIGINT, old)
            if bar is not None:
                bar.close()
        return Progress(
            step=self.step_number,
            steps=self.steps or None,
            loss=loss,
            skipped_steps=self.skipped_steps,
            minutes=(time.monotonic() - started) / 60,
            interrupted=self._stop,
            good_step=self._good_step,
        )

    @property
    def _done(self) -> bool:
        return 0 < self.steps <= self.step_number

    def _fix_steps(self, steps: int | None, bar: Any) -> None:
        """Keeps how many steps the run has, for this session and all others."""
        if steps is None:
            return
        self.steps = steps
        self._append({"steps": steps})
        if bar is not None:
            bar.total = steps
            bar.refresh()

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._stop:
            raise KeyboardInterrupt
        self._stop = True

    def validate(self) -> None:
        """Measures the averaged weights on the validation pictures and logs the points."""
        if self.processes.writes:
            points = measure(
                self.average,
                self.validation.pairs,
                self.device,
                qualities=QUALITIES,
                stopped=lambda: self._stop,
                key_codec=self.key_codec,
            )
            if self._stop:
                return
            if points:
                self._append({"validation": list(rows(points))})
        self._validated_step, self._validated_seconds = self.step_number, self.seconds

    def _log(self, recent: list[StepResult], seconds: float) -> float | None:
        """Adds a row on the last steps, means over the finite ones; gives their mean loss."""
        finite = [result for result in recent if result.finite]
        loss = float(np.mean([r.loss for r in finite])) if finite else None
        self._append(
            {
                "loss": None if loss is None else round(loss, 5),
                "bpp": round(float(np.mean([r.bpp for r in finite])), 5) if finite else None,
                "psnr": round(float(np.mean([r.psnr for r in finite])), 3) if finite else None,
                "hyper_share": round(float(np.mean([r.hyper_share for r in finite])), 4)
                if finite
                else None,
                "learning_rate": self.learning_rate(self.step_number),
                "seconds_per_step": round(seconds, 4),
                "skipped_steps": self.skipped_steps,
            }
            | ({"not_recorded": self._replays.failure} if self._replays.failure else {})
        )
        return loss

    def _append(self, row: dict[str, object]) -> None:
        if not self.processes.writes:
            return
        minutes = round(self.seconds / 60, 3)
        append_row(self.folder, {"step": self.step_number, "minutes": minutes} | row)


def _channels_last(pictures: Tensor) -> Tensor:
    """The same, laid out channels last by their strides too.

    Those of one channel fit both layouts, and all layers that follow would take them for channels
    first: the infrared analysis took half as long again.
    """
    _, channels, height, width = pictures.shape
    strides = (height * width * channels, 1, width * channels, channels)
    laid_out = pictures.contiguous(memory_format=torch.channels_last)
    return laid_out.as_strided(pictures.shape, strides)


_KEPT = ("visible_channels", "visible_latents", "infrared_channels", "infrared_latents")
"""Widths of what frames hand on to the next."""


def _check_key_weights(found: CodecSettings, recipe: Recipe) -> None:
    """Whether the recipe's codec can go on from key frames of these weights."""
    wrong = [key for key in _KEPT if getattr(found, key) != getattr(recipe.codec, key)]
    if found.past or wrong:
        why = "are weights of films themselves" if found.past else f"differ in {', '.join(wrong)}"
        raise TrainingError(
            f"key_weights = {recipe.key_weights} {why}; name weights of pictures with the widths of"
            " the recipe's [codec]"
        )


def _bar(total: int | None, done: int) -> Any:
    """A progress bar on standard error; None where tqdm is not installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(total=total, initial=done, unit="step")
