# SPDX-License-Identifier: Apache-2.0
"""A training as a command line asks for it, and the line that tells how it went.

Shared by `crossband train` and `python -m crossband.training`, which needs no typer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from crossband.training.checkpoint import CHECKPOINT
from crossband.training.loop import Progress, Run
from crossband.training.processes import Processes
from crossband.training.recipe import read_recipe


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What the options say."""

    recipe: Path
    data: Path
    run: Path
    minutes: float | None = None
    """Budget of this session; None: until the recipe's end."""
    steps: int | None = None
    """Instead of the recipe's."""
    start: str | None = None
    """What `starting_codec` takes."""
    threads: int | None = None
    """Of the CPU; None: torch decides."""

    def carry_out(self, say: Callable[[str], None]) -> TrainingResult:
        """Trains; the first Ctrl-C ends it with a checkpoint.

        Args:
            say: is given each line on the data, before the first step.

        Raises:
            TrainingError: a recipe, data, weights or a folder that cannot be used.
        """
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        overrides: dict[str, object] = {} if self.steps is None else {"steps": self.steps}
        recipe = read_recipe(self.recipe, overrides)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        processes = Processes.from_environment()
        run = Run(recipe, self.data, self.run, device=device, start=self.start, processes=processes)
        for note in run.notes if processes.writes else ():
            say(note)
        progress = run.train(minutes=self.minutes)
        return TrainingResult(self.run, progress, run.store.report.unreadable)


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a session of a run went."""

    run: Path
    progress: Progress
    unreadable: tuple[str, ...]
    """Files that were left out, with the reason."""

    @property
    def line(self) -> str:
        """For standard output, or for standard error after Ctrl-C."""
        done = self.progress
        where = f"step {done.step:,} of {done.steps:,}"
        loss = "" if done.loss is None else f", loss {done.loss:.3f}"
        bad = f", {done.skipped_steps} steps skipped" if done.skipped_steps else ""
        left_out = f", {len(self.unreadable)} unreadable files" if self.unreadable else ""
        if done.interrupted:
            return (
                f"interrupted after {where}{loss}; {self.run / CHECKPOINT} holds it:"
                " the same command goes on from there"
            )
        return f"{self.run}: {where}{loss}{bad}{left_out}, {done.minutes:.1f} minutes"

    @property
    def last_words(self) -> tuple[str, ...]:
        """Lines that would have scrolled away by the end."""
        return tuple(f"left out, cannot be read: {name}" for name in self.unreadable)

    def to_mapping(self) -> dict[str, object]:
        """For JSON."""
        return {
            "run": str(self.run),
            "checkpoint": str(self.run / CHECKPOINT),
            **asdict(self.progress),
            "unreadable": list(self.unreadable),
        }
