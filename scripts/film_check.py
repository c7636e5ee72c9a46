# SPDX-License-Identifier: Apache-2.0
"""Whether a long film stays equal on two kinds of decoders, and small and quick to the end.

    python scripts/film_check.py --frames 300 --size 480x640 -o results/film-equality.json
    python scripts/film_check.py --frames 2000 --size 192x256 --jobs 2 -o results/film-length.json

A rendered scene pans to and fro with new noise in each frame. It is written as a user would write
it; then two processes decode the file side by side, one with one thread and oneDNN, one with two
threads and without. Every picture's symbols are checksummed in the file, so a decoder that read
other symbols would stop; pictures are compared sample by sample.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import crossband
from crossband.container.film_stream import StoredFrame
from crossband.pair import Pair, Raster
from crossband.testing import synthetic_pair

SOURCE = Path(__file__).resolve().parents[1] / "src"
PARTS = 4
"""Of the film, by which time and memory are told apart."""
MARGIN = 64
"""Pixels that the camera goes to each side."""
OTHER = """
import sys, torch
torch.set_num_threads(2)
torch.backends.mkldnn.enabled = False
import crossband
with crossband.open(sys.argv[1]) as film:
    for pair in film:
        for raster in (pair.visible, pair.infrared):
            sys.stdout.buffer.write(raster.samples.tobytes())
"""


@dataclass
class Watch:
    """Seconds of each frame, and the peak of memory after it."""

    seconds: list[float] = field(default_factory=list)
    mebibytes: list[float] = field(default_factory=list)
    _last: float = field(default_factory=time.perf_counter)

    def tick(self) -> None:
        """A frame is done."""
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self.mebibytes.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        self._last = now

    def told(self) -> dict[str, list[float]]:
        """Mean seconds of each part's frames and the peak at its end."""
        seconds = [float(np.mean(part)) for part in np.array_split(self.seconds, PARTS)]
        peaks = [float(part[-1]) for part in np.array_split(self.mebibytes, PARTS)]
        return {
            "seconds_a_frame": [round(each, 4) for each in seconds],
            "peak_mib": [round(each) for each in peaks],
        }


def scene(frames: int, height: int, width: int) -> Iterator[Pair]:
    """A camera that pans to and fro, three pixels across and one down a frame."""
    size = (height + 2 * MARGIN, width + 2 * MARGIN)
    still = synthetic_pair(visible=size, infrared=size, seed=3, noise=0.0)
    assert still.visible is not None and still.infrared is not None
    random = np.random.default_rng(0)
    for number in range(frames):
        down, right = (abs((speed * number) % (4 * MARGIN) - 2 * MARGIN) for speed in (1, 3))
        yield Pair(
            *(
                _noisy(each.samples[down : down + height, right : right + width], random)
                for each in (still.visible, still.infrared)
            )
        )


def _noisy(samples: np.ndarray, random: np.random.Generator) -> Raster:
    noise = random.normal(0, 1.5, samples.shape)
    return Raster(np.clip(np.rint(samples + noise), 0, 255).astype(np.uint8))


def written(
    path: Path, frames: int, height: int, width: int, quality: float, jobs: int
) -> dict[str, Any]:
    """Time and memory of encoding."""
    watch = None
    with crossband.Writer(path, quality=quality, jobs=jobs) as writer:
        for pair in scene(frames, height, width):
            if watch is None:
                watch = Watch()
            writer.write(pair)
            watch.tick()
    assert watch is not None
    watch.seconds[-1] += time.perf_counter() - watch._last  # what was waiting for its job
    return watch.told()


def compared(path: Path, jobs: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Time and memory of decoding, and how two decoders differ."""
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "2"},
    )
    assert other.stdout is not None
    largest, differing, samples, since_key = [], [], 0, []
    with crossband.open(path, jobs=jobs) as film:
        predicted = [
            each.frame.predicted for each in film.stored() if isinstance(each, StoredFrame)
        ]
        watch = Watch()
        for number, pair in enumerate(film):
            watch.tick()
            found, count = 0, 0
            for raster in (pair.visible, pair.infrared):
                assert raster is not None
                mine = raster.samples.astype(np.int16)
                theirs = np.frombuffer(other.stdout.read(mine.size), np.uint8).reshape(mine.shape)
                away = np.abs(mine - theirs)
                found, count = max(found, int(away.max())), count + int((away > 0).sum())
                samples += mine.size
            largest.append(found)
            differing.append(count)
            since_key.append(since_key[-1] + 1 if predicted[number] else 0)
            watch._last = time.perf_counter()
    if other.wait():
        raise SystemExit("film_check: the other decoder failed")
    places = np.array(since_key)
    late = places >= places.max() // 2
    return watch.told(), {
        "key_frames": int((places == 0).sum()),
        "longest_group": int(places.max()) + 1,
        "largest_difference": max(largest),
        "differing_share": float(np.sum(differing) / samples),
        "differing_share_first_half_of_groups": _share(np.array(differing)[~late], samples, places),
        "differing_share_second_half_of_groups": _share(np.array(differing)[late], samples, places),
    }


def _share(counts: np.ndarray, samples: int, places: np.ndarray) -> float:
    return float(counts.mean() * len(places) / samples)


def main() -> None:
    """Writes a film, decodes it twice, tells."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--size", required=True, help="HEIGHTxWIDTH")
    parser.add_argument("--quality", type=float, default=40)
    parser.add_argument("--jobs", type=int, default=1, help="groups that are coded at once")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    height, width = (int(each) for each in given.size.split("x"))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.xb"
        encoding = written(path, given.frames, height, width, given.quality, given.jobs)
        size_bytes = path.stat().st_size
        decoding, difference = compared(path, given.jobs)
    found = {
        "command": f"python scripts/film_check.py --frames {given.frames} --size {given.size}"
        f" --quality {given.quality:g} --jobs {given.jobs} -o results/{given.output.name}",
        "frames": given.frames,
        "height": height,
        "width": width,
        "quality": given.quality,
        "jobs": given.jobs,
        "bytes": size_bytes,
        "encoding": encoding,
        "decoding": decoding,
        "difference": difference,
    }
    given.output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
