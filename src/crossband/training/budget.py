# SPDX-License-Identifier: Apache-2.0
"""How many steps a run has whose recipe leaves them to its minutes."""

from __future__ import annotations

NO_END = "neither the recipe nor the command says when to end: give --minutes or --steps"

_UNTIMED = 5
"""First steps of a session: memory is got and kernels are chosen, which takes several times as
long."""
_TIMED = 10
"""Fewest steps that tell a pace."""
_MEASURED = 0.1
"""Share of the budget in which the pace is measured, if those steps take no longer."""
_PLANNED = 0.9
"""Of the time left that steps are planned for: a machine may slow down, and checkpoints take time.
What is not used is the last validation's."""


class Forecast:
    """Tells once, from the pace of a session's first steps, how many steps its budget holds.

    It knows seconds and no clock, so that processes that agree on the seconds agree on the steps.

    Args:
        budget_s: of the session, in seconds.
        step: of the run, where the session begins.
    """

    def __init__(self, budget_s: float, step: int) -> None:
        self._budget_s, self._first = budget_s, step
        self._timed_from_s = 0.0

    def steps(self, step: int, elapsed_s: float) -> int | None:
        """Steps of the whole run; None as long as too little was seen.

        Args:
            step: of the run, just taken; each step of the session is told.
            elapsed_s: seconds of the session.
        """
        taken = step - self._first
        if taken <= _UNTIMED:
            self._timed_from_s = elapsed_s
        if taken < _UNTIMED + _TIMED or elapsed_s < _MEASURED * self._budget_s:
            return None
        left_s = self._budget_s - elapsed_s
        if left_s <= 0:
            return None
        pace_s = (elapsed_s - self._timed_from_s) / (taken - _UNTIMED)
        return step + max(1, int(_PLANNED * left_s / pace_s))
