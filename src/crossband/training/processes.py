# SPDX-License-Identifier: Apache-2.0
"""One run on several GPUs or machines: each process takes its part of every batch.

Whatever launches them says who they are in the environment: `accelerate launch` or `torchrun`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor

from crossband.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of a run, of which the first also writes files.

    All draw the same batch from the same random state and keep every `count`-th crop, so that
    their mean gradient is the one of the whole batch in a single process.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def from_environment(cls) -> Processes:
        """Joins those that the launcher started; alone where nothing was launched.

        Raises:
            TrainingError: they do not find each other.
        """
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        on_gpu = torch.cuda.is_available()
        try:
            torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
        except (RuntimeError, ValueError) as error:
            said = str(error).splitlines()[0][:120]
            raise TrainingError(
                f"the {count} processes of this training do not find each other ({said});"
                " start them with accelerate launch or torchrun"
            ) from None
        if on_gpu:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        return cls(torch.distributed.get_rank(), count)

    @property
    def writes(self) -> bool:
        """Whether this one writes files and shows progress."""
        return self.rank == 0

    @property
    def part(self) -> slice:
        """Which crops of a batch are this process's."""
        return slice(self.rank, None, self.count)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replaces each tensor by its mean over the processes."""
        if self.count == 1:
            return
        each = list(tensors)
        flat = torch.cat([tensor.reshape(-1) for tensor in each])
        torch.distributed.all_reduce(flat)
        flat /= self.count
        parts = torch.split(flat, [tensor.numel() for tensor in each])
        for tensor, part in zip(each, parts, strict=True):
            tensor.copy_(part.reshape(tensor.shape))

    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Replaces each tensor by the first process's."""
        if self.count > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor, 0)

    def agree(self, seconds: float, device: str) -> float:
        """One time for all processes: the mean of what their clocks say."""
        if self.count == 1:
            return seconds
        mean = torch.tensor(seconds, dtype=torch.float64, device=device)
        self.average([mean])
        return float(mean)

    def any(self, happened: bool, device: str) -> bool:
        """Whether something happened in any of the processes."""
        if self.count == 1:
            return happened
        flag = torch.tensor(float(happened), device=device)
        torch.distributed.all_reduce(flag)
        return bool(flag)
