# SPDX-License-Identifier: Apache-2.0
"""Calls that run in several threads, their results in the order of the calls."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

import torch

Result = TypeVar("Result")
WAITING_BYTES = 1 << 30
"""Samples of frames that wait for a job or were decoded ahead by one; more make fewer jobs."""


class InOrder(Generic[Result]):
    """Threads that each compute on one core; use it as a context manager.

    Layers of networks that share two cores wait for each other; calls that do not know of each
    other do not: with one call a core, a film takes two thirds of the time.

    Args:
        threads: calls under way at once.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pending: deque[Future[Result]] = deque()
        self._before = torch.get_num_threads()
        self._pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def put(self, call: Callable[..., Result], *arguments: object) -> Iterator[Result]:
        """Starts a call; gives the oldest results until no more than `threads` calls are left."""
        self._pending.append(self._pool.submit(call, *arguments))
        return self._oldest(self._threads)

    def rest(self) -> Iterator[Result]:
        """Waits for all results that were not given yet."""
        return self._oldest(0)

    def _oldest(self, left: int) -> Iterator[Result]:
        while len(self._pending) > left:
            yield self._pending.popleft().result()

    def __enter__(self) -> InOrder[Result]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        # A thread's setting is the library's for what is common to all threads.
        torch.set_num_threads(self._before)
