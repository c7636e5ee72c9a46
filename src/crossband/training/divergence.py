# SPDX-License-Identifier: Apache-2.0
"""Notices a run that gets worse for good: windows of steps, the best of which is remembered."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

_FIRST_END = 10
"""The first window is short, so that the start is known before a learning rate can spoil it. Fewer
steps than these tell nothing at a run's end."""
WINDOW = 100
"""Steps of every other window, of which the first ends at this step."""
_MOST_GROWTH = 2.0
"""Of a window's cost against the best one's; noise of 800 crops is below a tenth."""


@dataclass(slots=True)
class CostWindows:
    """Mean logarithms of the cost over windows that end at fixed steps of the run.

    The logarithm, because a crop's cost spans four decades from quality 0 to 63: an arithmetic mean
    would tell what qualities were drawn.
    """

    best: float = math.inf
    """Of all windows that ended."""
    total: float = 0.0
    """Of the window that is open."""
    count: int = 0

    def add(self, log_cost: float) -> None:
        """A finite step's mean over its crops."""
        self.total += log_cost
        self.count += 1

    @property
    def growth(self) -> float:
        """The open window's cost as a multiple of the best one's; 0 as long as there is none."""
        if not self.count or math.isinf(self.best):
            return 0.0
        return math.exp(self.total / self.count - self.best)

    @property
    def has_doubled(self) -> bool:
        """Whether the open window, as far as it is, has twice the cost of the best one."""
        return self.growth > _MOST_GROWTH

    def ends(self, step: int, steps: int) -> bool:
        """Whether the open window ends with this step of so many; 0: not known yet."""
        at_the_end = step == steps and self.count >= _FIRST_END
        return step == _FIRST_END or step % WINDOW == 0 or at_the_end

    def close(self) -> None:
        """Begins another window."""
        if self.count:
            self.best = min(self.best, self.total / self.count)
        self.total, self.count = 0.0, 0

    def to_state(self) -> dict[str, float]:
        """For the checkpoint; its inverse is `CostWindows(**state)`."""
        return asdict(self)
