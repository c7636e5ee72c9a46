# SPDX-License-Identifier: Apache-2.0
"""Seconds, memory and start-up of one pair, beside other codecs in the same run."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from crossband.bench.coders import find
from crossband.bench.pair_coder import PairCoder, Shapes
from crossband.codec import load
from crossband.pair import Pair


@dataclass(frozen=True, slots=True)
class Timing:
    """One coder on one pair, both pictures, what it needs loaded before the clock starts."""

    codec: str
    version: str
    quality: float
    size_bytes: int
    encode_s: float
    """Median of the rounds."""
    decode_s: float


@dataclass(frozen=True, slots=True)
class StartUp:
    """What a user waits for besides coding; medians of five fresh processes."""

    import_s: float
    """`import crossband`, beyond an empty Python."""
    info_s: float
    """`crossband info FILE`, the whole process."""
    peak_bytes: int
    """Resident memory of this process after all rounds of crossband."""


def measure(pair: Pair, coders: dict[str, float], *, rounds: int = 5) -> list[Timing]:
    """Each coder at its quality; the coders take turns, so that a slow spell hits all of them.

    Crossband runs in as many threads as torch has, the others in one, as their encoders do here.
    """
    found: dict[str, list[tuple[int, float, float]]] = {}
    chosen: list[tuple[PairCoder, float]] = [(find(name), q) for name, q in coders.items()]
    chosen = [(coder, quality) for coder, quality in chosen if coder.available()]
    for coder, _ in chosen:
        coder.prepare()
    for _ in range(rounds + 1):  # the first warms up and is not counted
        for coder, quality in chosen:
            start = time.perf_counter()
            coded = coder.encode(pair, quality)
            middle = time.perf_counter()
            coder.decode(coded.files, Shapes.of(pair))
            end = time.perf_counter()
            size = sum(len(file.data) for file in coded.files)
            found.setdefault(coder.name, []).append((size, middle - start, end - middle))
    return [
        Timing(
            coder.name,
            coder.version(),
            quality,
            found[coder.name][0][0],
            statistics.median(row[1] for row in found[coder.name][1:]),
            statistics.median(row[2] for row in found[coder.name][1:]),
        )
        for coder, quality in chosen
    ]


def start_up(pair: Pair) -> StartUp:
    """Import and `info` in fresh processes."""
    data = load("base").encode(pair, quality=30)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pair.xb"
        file.write_bytes(data)
        empty = _seconds([sys.executable, "-c", "pass"])
        imported = _seconds([sys.executable, "-c", "import crossband"])
        info = _seconds([sys.executable, "-m", "crossband", "info", str(file)])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return StartUp(max(imported - empty, 0.0), info, peak)


def _seconds(command: list[str], rounds: int = 5) -> float:
    def once() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ)
        return time.perf_counter() - start

    return statistics.median(once() for _ in range(rounds))


def threads() -> int:
    """Threads that crossband's networks run in."""
    return torch.get_num_threads()
