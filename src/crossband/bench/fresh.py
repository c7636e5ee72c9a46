# SPDX-License-Identifier: Apache-2.0
"""A process that decodes files which it has not encoded.

    this process                            fresh process
    files on disk, one line of JSON  ──►    reads the files, decodes, writes samples to disk
    samples, seconds                 ◄──    one line of JSON

It shares nothing with the encoder but the files and the shapes of the pictures, so what comes back
is what a stranger gets. One such process decodes file after file: what a codec loads once is
loaded before the clock starts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from crossband.bench import coders
from crossband.bench.anchors import AnchorError
from crossband.bench.pair_coder import CodedFile, Shapes
from crossband.errors import CrossbandError
from crossband.pair import Modality, Pair, Raster


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A coded file on disk."""

    path: Path
    holds: tuple[Modality, ...]


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came back, and how long it took."""

    pair: Pair
    seconds: float
    """Wall clock of the decoder alone, bytes to samples."""


class FreshDecoder:
    """The other process, started at the first use and ended with the `with` block."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> FreshDecoder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def decode(
        self, coder: str, files: Sequence[WrittenFile], shapes: Shapes, *, folder: Path
    ) -> Decoded:
        """The pair in the files.

        Args:
            coder: name of what wrote them.
            files: on disk.
            shapes: of the samples, for raw streams that do not tell.
            folder: an empty one, for the samples on their way back.

        Raises:
            AnchorError: the decoder refused them, or ended the process.
        """
        request = {
            "coder": coder,
            "files": [[str(file.path), [each.value for each in file.holds]] for file in files],
            "visible": shapes.visible,
            "infrared": shapes.infrared,
            "folder": str(folder),
        }
        reply = self._ask(json.dumps(request))
        if "error" in reply:
            raise AnchorError(f"{coder} could not decode its own files: {reply['error']}")
        rasters = {
            name: Raster(np.load(folder / f"{name}.npy"), bit_depth)
            for name, bit_depth in reply["bit_depths"].items()
        }
        return Decoded(Pair(**rasters), float(reply["seconds"]))

    def _ask(self, request: str) -> dict[str, Any]:
        if self._process is None:
            self._process = _start()
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(f"{request}\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = process.wait()
            self._process = None
            return {"error": f"the decoding process ended with exit code {code}"}
        reply: dict[str, Any] = json.loads(line)
        return reply


def _start() -> subprocess.Popen[str]:
    # The package may run from a source tree that is not installed.
    source = str(Path(__file__).resolve().parents[2])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-m", "crossband.bench.fresh"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )


def main() -> None:
    """Answers requests from standard input until it closes."""
    # Replies go to a stream of their own: a library may print.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        try:
            reply = _answer(json.loads(line))
        except (CrossbandError, OSError, ValueError, MemoryError) as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    coder = coders.find(request["coder"])
    files = [
        CodedFile(Path(path).read_bytes(), tuple(Modality(name) for name in holds))
        for path, holds in request["files"]
    ]
    shapes = Shapes(*(request[each.value] and tuple(request[each.value]) for each in Modality))
    coder.prepare()
    start = time.perf_counter()
    pair = coder.decode(files, shapes)
    seconds = time.perf_counter() - start
    bit_depths: dict[str, int] = {}
    for modality in Modality:
        if (raster := pair.get(modality)) is not None:
            np.save(Path(request["folder"]) / f"{modality.value}.npy", raster.samples)
            bit_depths[modality.value] = raster.bit_depth
    return {"seconds": seconds, "bit_depths": bit_depths}


if __name__ == "__main__":
    main()
