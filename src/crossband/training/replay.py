# SPDX-License-Identifier: Apache-2.0
"""A step's work recorded once on the GPU and replayed: thousands of small kernels, one launch.

work(*inputs) ── first times: as it is ── then recorded ──► copy inputs, replay, same gradients
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

Work = Callable[..., Tensor]
"""From inputs to a result; leaves gradients. Whatever else it reads must stay the same."""
_WARM_UPS = 3
"""Times that work is done before it is recorded: libraries choose their kernels in these."""


class Recording(Protocol):
    """Work on inputs that stay where they are."""

    result: Tensor

    def replay(self) -> None:
        """Does the work again on what is in the inputs now."""


class GraphRecording:
    """A CUDA graph. Recording does not do the work."""

    def __init__(self, work: Callable[[], Tensor]) -> None:
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self.result = work()

    def replay(self) -> None:
        """Does the work again; result and gradients lie where they lay when it was recorded."""
        self._graph.replay()


@dataclass(frozen=True, slots=True)
class _Kept:
    inputs: tuple[Tensor, ...]
    recording: Recording
    gradients: tuple[Tensor | None, ...]


class Replays:
    """Does work, by replaying it where its kind was recorded.

    Args:
        parameters: whose gradients the work leaves.
        record: makes a recording; None: nothing is recorded.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        record: Callable[[Callable[[], Tensor]], Recording] | None,
    ) -> None:
        self._parameters, self._record = tuple(parameters), record
        self._kept: dict[Hashable, _Kept] = {}
        self._times: Counter[Hashable] = Counter()
        self.failure: str | None = None
        """Why nothing is recorded any more, in one line."""

    def __call__(self, kind: Hashable, work: Work, *inputs: Tensor) -> Tensor:
        """The work's result; gradients are left in the parameters.

        Args:
            kind: of work; None: as it is, it will not come again.
            work: the same for the same kind.
            inputs: of the same shapes for the same kind.
        """
        if kind is None or self._record is None or self.failure is not None:
            return work(*inputs)
        if kind not in self._kept:
            self._times[kind] += 1
            if self._times[kind] <= _WARM_UPS:
                return work(*inputs)
            try:
                self._kept[kind] = self._recorded(self._record, work, inputs)
            except RuntimeError as error:
                self.failure = str(error).splitlines()[0]
                return work(*inputs)
        kept = self._kept[kind]
        for place, given in zip(kept.inputs, inputs, strict=True):
            place.copy_(given)
        for parameter, gradient in zip(self._parameters, kept.gradients, strict=True):
            parameter.grad = gradient
        kept.recording.replay()
        return kept.recording.result

    def _recorded(
        self,
        record: Callable[[Callable[[], Tensor]], Recording],
        work: Work,
        inputs: tuple[Tensor, ...],
    ) -> _Kept:
        places = tuple(each.clone() for each in inputs)
        for parameter in self._parameters:
            parameter.grad = None
        recording = record(lambda: work(*places))
        return _Kept(places, recording, tuple(each.grad for each in self._parameters))
