# SPDX-License-Identifier: Apache-2.0
"""Processes that encode, and others that decode files which they have not encoded.

    this process                          process of a worker
    samples on disk, one line of JSON ──► reads the samples, encodes, writes files
    one line of JSON                  ◄── sizes, settings, seconds

    files on disk, one line of JSON   ──► reads the files, decodes, writes samples to disk
    samples, seconds                  ◄── one line of JSON

A worker's process codes picture after picture, so what a codec loads once is loaded before the
clock starts. A codec that hangs is killed with everything that it started, one that crashes takes
only its process along; either way the next picture gets a new process.

A worker that only decodes shares nothing with the encoder but the files and the shapes of the
pictures, so what comes back is what a stranger gets.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossband.bench import coders
from crossband.bench.memory import watch_peak
from crossband.bench.pair_coder import CodedFile, PairCoder, Shapes
from crossband.errors import CrossbandError
from crossband.pair import Modality, Pair, Raster

LIMIT_S = 300.0
"""Time limit of one encode or decode: VTM needs 20 s for a picture, VVenC slow 3 s."""
_START_LIMIT_S = 120.0
"""Shortest limit for a process to start and load a codec: torch alone takes 10 s on a busy disk."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What torch and numpy take their number of threads from."""


class WorkerError(CrossbandError):
    """A process that codes did not answer in time, ended, or could not code."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A coded file on disk."""

    path: Path
    holds: tuple[Modality, ...]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The files of one pair, and how long they took; see `CodedPair`."""

    files: tuple[WrittenFile, ...]
    bytes_visible: int
    bytes_infrared: int
    settings: str
    pixel_format: str
    seconds: float
    """Wall clock of the encoder alone, samples to bytes."""
    peak_bytes: int | None
    """Memory of the process while it encoded; see `memory.watch_peak`."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came back, and how long it took."""

    pair: Pair
    seconds: float
    """Wall clock of the decoder alone, bytes to samples."""
    peak_bytes: int | None
    """Memory of the process while it decoded; see `memory.watch_peak`."""


class Worker:
    """One process, started at the first use and replaced after it had to be killed or died.

    Args:
        limit_s: seconds that one encode or decode may take.
        threads: that libraries are told to use; None: as many as they like.
    """

    def __init__(self, *, limit_s: float = LIMIT_S, threads: int | None = None) -> None:
        self._limit_s = limit_s
        self._threads = threads
        self._process: subprocess.Popen[str] | None = None
        self._prepared: set[str] = set()
        self._stopped = False
        self._starting = threading.Lock()
        self._temporary = tempfile.TemporaryDirectory(prefix="crossband-bench-")

    def stop(self) -> None:
        """Ends the process, whatever it does, from any thread; the worker takes no more work."""
        with self._starting:
            self._stopped = True
            if self._process is not None:
                _kill(self._process)

    def renew(self) -> None:
        """Ends the process; the next use starts one that has loaded nothing yet."""
        if self._process is not None:
            _kill(self._process)
            _end(self._process)
            self._process = None

    def close(self) -> None:
        """Stops, and gives back what the worker holds; no thread may be waiting for it."""
        self.stop()
        if self._process is not None:
            _end(self._process)
            self._process = None
        self._temporary.cleanup()

    def encode(self, coder: PairCoder, pair: Pair, quality: float, *, folder: Path) -> Encoded:
        """The pair's files.

        Args:
            coder: what encodes.
            pair: goes to the process through the folder.
            quality: on the coder's scale.
            folder: an empty one; the files are written to it.

        Raises:
            WorkerError: the encoder refused the pair, took too long or ended the process.
        """
        bit_depths = _write_samples(pair, folder)
        reply = self._ask("encode", coder, folder, bit_depths=bit_depths, quality=quality)
        if "error" in reply:
            raise WorkerError(reply["error"])
        files = [
            WrittenFile(folder / name, tuple(map(Modality, holds)))
            for name, holds in reply.pop("files")
        ]
        return Encoded(tuple(files), **reply)

    def decode(
        self, coder: PairCoder, files: Sequence[WrittenFile], shapes: Shapes, *, folder: Path
    ) -> Decoded:
        """The pair in the files.

        Args:
            coder: what wrote them.
            files: on disk.
            shapes: of the samples, for raw streams that do not tell.
            folder: an empty one, for the samples on their way back.

        Raises:
            WorkerError: the decoder refused them, took too long or ended the process.
        """
        reply = self._ask(
            "decode",
            coder,
            folder,
            files=[[str(file.path), [each.value for each in file.holds]] for file in files],
            visible=shapes.visible,
            infrared=shapes.infrared,
        )
        if "error" in reply:
            raise WorkerError(f"{coder.name} could not decode its own files: {reply['error']}")
        pair = _read_samples(folder, reply["bit_depths"])
        return Decoded(pair, reply["seconds"], reply["peak_bytes"])

    def _ask(
        self, action: str, coder: PairCoder, folder: Path, **request: object
    ) -> dict[str, Any]:
        """The answer; before a codec's first, the process loads what it loads once."""
        request = {"coder": coder.spec, "folder": str(folder), **request}
        if self._process is None or coder.spec not in self._prepared:
            limit_s = max(self._limit_s, _START_LIMIT_S)
            reply = self._exchange({**request, "action": "prepare"}, "loading the codec", limit_s)
            if "error" in reply:
                return reply
            self._prepared.add(coder.spec)
        what = "encoding" if action == "encode" else "decoding"
        return self._exchange({**request, "action": action}, what, self._limit_s)

    def _exchange(self, request: dict[str, object], what: str, limit_s: float) -> dict[str, Any]:
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        too_late = threading.Event()

        def stop() -> None:
            too_late.set()
            _kill(process)

        timer = threading.Timer(limit_s, stop)
        timer.start()
        try:
            process.stdin.write(f"{json.dumps(request)}\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timer.cancel()
            timer.join()
        if line.endswith("\n") and not too_late.is_set():
            reply: dict[str, Any] = json.loads(line)
            return reply
        self._process = None
        code = _end(process)
        if self._stopped:
            raise WorkerError(f"{what} was stopped: the run ended")
        if too_late.is_set():
            raise WorkerError(f"{what} took more than {limit_s:g} s and was stopped; see --timeout")
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        raise WorkerError(f"{what} ended its process with {how}")

    def _started(self) -> subprocess.Popen[str]:
        with self._starting:
            if self._stopped:
                raise WorkerError("the run ended")
            if self._process is None:
                self._prepared.clear()
                self._process = _start(self._temporary.name, self._threads)
            return self._process


def _start(temporary: str, threads: int | None) -> subprocess.Popen[str]:
    # The package may run from a source tree that is not installed.
    source = str(Path(__file__).resolve().parents[2])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    limits = {} if threads is None else dict.fromkeys(_THREAD_VARIABLES, str(threads))
    return subprocess.Popen(
        [sys.executable, "-m", "crossband.bench.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A codec that is killed leaves its temporary files where they are taken away.
        env={
            **os.environ,
            **limits,
            "PYTHONPATH": os.pathsep.join(paths),
            "TMPDIR": temporary,
        },
        # Its own group: encoders that it starts are killed with it, and Ctrl-C is for the parent.
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[str]) -> None:
    """Ends a process that is still there, and what it started."""
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):  # it ended just now
            os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[str]) -> int:
    """The exit code of a process that answers no more; below 0 a signal's number."""
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        _kill(process)
    process.communicate()
    return process.returncode


def _write_samples(pair: Pair, folder: Path) -> dict[str, int]:
    """Puts the samples into a folder; gives the bit depth of each picture."""
    bit_depths: dict[str, int] = {}
    for modality in Modality:
        if (raster := pair.get(modality)) is not None:
            np.save(folder / f"{modality.value}.npy", raster.samples)
            bit_depths[modality.value] = raster.bit_depth
    return bit_depths


def _read_samples(folder: Path, bit_depths: dict[str, int]) -> Pair:
    rasters = {
        name: Raster(np.load(folder / f"{name}.npy"), bit_depth)
        for name, bit_depth in bit_depths.items()
    }
    return Pair(**rasters)


def main() -> None:
    """Answers requests from standard input until it closes."""
    # Replies go to a stream of their own: a library may print.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    actions = {"prepare": _prepare, "encode": _encode, "decode": _decode}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = actions[request["action"]](request)
        except CrossbandError as error:
            reply = {"error": str(error)}
        except Exception as error:  # libraries of others raise what they like
            reply = {"error": f"{type(error).__name__}: {error}"}
        replies.write(f"{json.dumps(reply)}\n")
        replies.flush()


def _prepare(request: dict[str, Any]) -> dict[str, Any]:
    coders.find(request["coder"]).prepare()
    return {}


def _encode(request: dict[str, Any]) -> dict[str, Any]:
    coder = coders.find(request["coder"])
    folder = Path(request["folder"])
    pair = _read_samples(folder, request["bit_depths"])
    peak_bytes = watch_peak()
    start = time.perf_counter()
    coded = coder.encode(pair, request["quality"])
    seconds = time.perf_counter() - start
    peak = peak_bytes()
    files = []
    for number, file in enumerate(coded.files):
        (folder / f"{number}.bin").write_bytes(file.data)
        files.append([f"{number}.bin", [each.value for each in file.holds]])
    return {
        "files": files,
        "bytes_visible": coded.bytes_visible,
        "bytes_infrared": coded.bytes_infrared,
        "settings": coded.settings,
        "pixel_format": coded.pixel_format,
        "seconds": seconds,
        "peak_bytes": peak,
    }


def _decode(request: dict[str, Any]) -> dict[str, Any]:
    coder = coders.find(request["coder"])
    files = [
        CodedFile(Path(path).read_bytes(), tuple(map(Modality, holds)))
        for path, holds in request["files"]
    ]
    shapes = Shapes(*(request[each.value] and tuple(request[each.value]) for each in Modality))
    peak_bytes = watch_peak()
    start = time.perf_counter()
    pair = coder.decode(files, shapes)
    seconds = time.perf_counter() - start
    peak = peak_bytes()
    bit_depths = _write_samples(pair, Path(request["folder"]))
    return {"bit_depths": bit_depths, "seconds": seconds, "peak_bytes": peak}


if __name__ == "__main__":
    main()
