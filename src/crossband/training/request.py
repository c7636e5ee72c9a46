# SPDX-License-Identifier: Apache-2.0
"""A training as a command line asks for it, and the line that tells how it went.

Shared by `crossband train` and `python -m crossband.training`, which needs no typer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from crossband import datasets
from crossband.errors import TrainingError
from crossband.training.budget import NO_END
from crossband.training.checkpoint import CHECKPOINT, LATE_CHECKPOINT, newest_checkpoint
from crossband.training.loop import Progress, Run
from crossband.training.processes import Processes
from crossband.training.recipe import read_recipe
from crossband.training.replay import GraphRecording
from crossband.training.validate import ValidationPair

OWN_RECIPE = Path(__file__).with_name("own.toml")
"""What is trained by if no recipe is named: a user's own pairs, from shipped weights."""
_OWN_START = "base"
_MEASURED_PAIRS = 8
"""Of a published set's val split."""


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What the options say.

    Raises:
        TrainingError: a number outside its range.
    """

    data: Path
    recipe: Path | None = None
    """None: `OWN_RECIPE`, from the shipped weights if `start` says nothing else."""
    run: Path | None = None
    """None: a folder called after the recipe in `runs`."""
    minutes: float | None = None
    """Budget of this session; None: until the run's end."""
    steps: int | None = None
    """Instead of the recipe's."""
    start: str | None = None
    """What `starting_codec` takes."""
    layout: str | None = None
    """Name of the published set that `data` holds; its pairs are then the only source."""
    threads: int | None = None
    """Of the CPU; None: torch decides."""
    eager: bool = False
    """Steps are done as they are, not recorded and replayed on a GPU."""
    moments: Path | None = None
    """What the optimisers begin with (`moments.py`); None: nothing."""

    def __post_init__(self) -> None:
        if self.minutes is not None and not 0 <= self.minutes < math.inf:
            raise TrainingError(f"--minutes is {self.minutes:g}; allowed are 0 and more")
        for option, value in (("steps", self.steps), ("threads", self.threads)):
            if value is not None and value < 1:
                raise TrainingError(f"--{option} is {value}; allowed are 1 and more")

    def carry_out(self, say: Callable[[str], None]) -> TrainingResult:
        """Trains; the first Ctrl-C ends it with a checkpoint.

        Args:
            say: is given each line on the data, before the first step.

        Raises:
            TrainingError: a recipe, data, weights or a folder that cannot be used, or a run without
                an end.
            InputError: there is no such published set.
        """
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        recipe = read_recipe(self.recipe or OWN_RECIPE, self._overrides())
        folder = self.run or Path("runs") / recipe.name
        start = self.start or (_OWN_START if self.recipe is None else None)
        if not recipe.steps and self.minutes is None and newest_checkpoint(folder) is None:
            raise TrainingError(NO_END)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        processes = Processes.from_environment()
        record = GraphRecording if device == "cuda" and not self.eager else None
        run = Run(
            recipe,
            self.data,
            folder,
            device=device,
            start=start,
            moments=self.moments,
            processes=processes,
            record=record,
        )
        for note in run.notes if processes.writes else ():
            say(note)
        progress = run.train(minutes=self.minutes)
        return TrainingResult(
            folder, run.start, progress, run.validation.pairs, run.store.report.unreadable
        )

    def _overrides(self) -> dict[str, object]:
        """What the options put in place of the recipe's."""
        found: dict[str, object] = {} if self.steps is None else {"steps": self.steps}
        if self.layout is not None:
            datasets.find(self.layout)
            found |= {
                "sources": {".": 1.0},
                "validation_sources": {".": _MEASURED_PAIRS},
                "layouts": {".": self.layout},
            }
        return found


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a session of a run went."""

    run: Path
    start: str | None
    """What the weights began as; None: a transform-codec start."""
    progress: Progress
    validation: tuple[ValidationPair, ...]
    """The pairs of the val splits that are measured."""
    unreadable: tuple[str, ...]
    """Files that were left out, with the reason."""

    @property
    def line(self) -> str:
        """For standard output, or for standard error after Ctrl-C."""
        done = self.progress
        where = f"step {done.step:,}" + ("" if done.steps is None else f" of {done.steps:,}")
        loss = "" if done.loss is None else f", loss {done.loss:.3f}"
        bad = f", {done.skipped_steps} steps skipped" if done.skipped_steps else ""
        left_out = f", {len(self.unreadable)} unreadable files" if self.unreadable else ""
        if done.interrupted:
            return (
                f"interrupted after {where}{loss}; {self._newest} holds it:"
                f" the same command goes on from there{self._late}"
            )
        more = "" if done.done else f"; the same command goes on{self._late}"
        return f"{self.run}: {where}{loss}{bad}{left_out}, {done.minutes:.1f} minutes{more}"

    @property
    def _newest(self) -> Path:
        return self.run / (LATE_CHECKPOINT if self.progress.late else CHECKPOINT)

    @property
    def _late(self) -> str:
        """What to know if the run stopped while its cost had doubled."""
        if not self.progress.late:
            return ""
        good = self.progress.good_step
        kept = (
            "there is no good one" if good is None else f"{self.run / CHECKPOINT} is of step {good}"
        )
        return f"; its last steps have twice the cost of the best ones: {kept}"

    @property
    def last_words(self) -> tuple[str, ...]:
        """Lines that would have scrolled away by the end."""
        return tuple(f"left out, cannot be read: {name}" for name in self.unreadable)

    def to_mapping(self) -> dict[str, object]:
        """For JSON."""
        return {
            "run": str(self.run),
            "checkpoint": str(self._newest),
            "done": self.progress.done,
            **asdict(self.progress),
            "unreadable": list(self.unreadable),
        }
