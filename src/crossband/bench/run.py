# SPDX-License-Identifier: Apache-2.0
"""Measures: every pair, by every codec, at every quality, through files and a fresh process.

pair ──► process ──► files on disk ──► fresh process ──► PSNR, MS-SSIM ──► one row
         encodes,      counted          decodes, timed                    written at once
         timed

Both processes have a time limit (`worker.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from crossband.bench import alone
from crossband.bench.grids import qualities as grid
from crossband.bench.metrics import ms_ssim, psnr, ssim
from crossband.bench.pair_coder import PairCoder, Shapes
from crossband.bench.rows import LOSSLESS_DB, Row, RowFile
from crossband.bench.worker import LIMIT_S, Worker
from crossband.datasets import PairPath
from crossband.errors import CrossbandError, SourceError
from crossband.pair import Modality, Pair, Raster
from crossband.sources import read_pair

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Task:
    """A pair and the data set that it is from."""

    dataset: str
    path: PairPath


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    done: int
    total: int
    what: str
    """The row that was just measured, skipped or lost."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did."""

    measured: int
    kept: int
    """Rows that were in the file before."""
    failures: tuple[str, ...]
    """One line for each point that a codec could not code or lost."""
    skipped: tuple[str, ...]
    """Codecs that are not installed."""


def run(
    tasks: Sequence[Task],
    coders: Sequence[PairCoder],
    output: Path,
    *,
    qualities: Mapping[str, Sequence[float]] | None = None,
    limit_s: float = LIMIT_S,
    jobs: int = 1,
    timing: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Summary:
    """Adds a row to the output for each pair, codec and quality that is not in it yet.

    A picture that cannot be read and a codec that fails on one, hangs or crashes are told in the
    summary, and the run goes on.

    Args:
        tasks: the pairs.
        coders: the codecs; one that is not installed is skipped.
        output: file of JSON lines, made if it is not there.
        qualities: by codec name; the codec's grid where it is not given.
        limit_s: seconds that one encode or decode may take.
        jobs: points that are measured at once; with more than one, rows have no seconds and come
            in the order in which they end.
        timing: take seconds in one thread, while no other bench runs; a row that has none such is
            measured again. Only with one job.
        report: called after each point.

    Raises:
        InputError: the output holds something else than rows, or another bench is running and one
            of both takes times.
        OutputError: the output cannot be written.
    """
    if timing and jobs > 1:
        raise ValueError(f"timing with {jobs} jobs; it must be 1")
    present = [coder for coder in coders if coder.available()]
    grids = {
        coder.name: tuple(map(float, (qualities or {}).get(coder.name) or grid(coder.name)))
        for coder in present
    }
    skipped = tuple(coder.name for coder in coders if coder not in present)
    if not present:
        return Summary(0, 0, (), skipped)
    points_a_pair = sum(len(each) for each in grids.values())
    done = measured = kept = 0
    failures: list[str] = []

    def step(what: str, *, points: int = 1, failure: str = "") -> None:
        nonlocal done
        done += points
        if failure:
            failures.append(f"{what}: {failure}")
            log.info("%s: %s", what, failure)
        report(Progress(done, points_a_pair * len(tasks), what))

    def settle(pending: dict[Future[Row], str], *, down_to: int) -> None:
        nonlocal measured
        while len(pending) > down_to:
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                point = pending.pop(future)
                try:
                    file.add(future.result())
                except CrossbandError as error:
                    step(point, failure=str(error))
                else:
                    measured += 1
                    step(point)

    unreadable: set[Task] = set()
    threads = 1 if timing else None
    with (
        alone.machine(alone=timing),
        contextlib.closing(RowFile(output)) as file,
        _Benches(jobs, limit_s, threads) as benches,
    ):
        timed = {row.key for row in file.rows if row.threads == 1}
        pending: dict[Future[Row], str] = {}
        # Codec by codec, for a process has one codec only: `_Bench`.
        for coder, task in itertools.product(present, tasks):
            if task in unreadable:
                continue
            what = f"{task.dataset}/{task.path.name}"
            try:
                pair = read_pair(task.path.visible, task.path.infrared).pair.without_metadata()
            except SourceError as error:
                unreadable.add(task)
                points = sum(len(grids[each.name]) for each in present[present.index(coder) :])
                step(what, points=points, failure=str(error))
                continue
            names = (task.dataset, task.path.name, digest(pair), coder.name, coder.version())
            for quality in grids[coder.name]:
                point = f"{what} {coder.name} {quality:g}"
                if (*names, quality) in (timed if timing else file):
                    kept += 1
                    step(point)
                    continue
                pending[benches.submit(names, pair, coder, quality)] = point
                # One job leaves this process idle: the seconds are the codec's alone.
                settle(pending, down_to=jobs - 1)
        settle(pending, down_to=0)
    return Summary(measured, kept, tuple(failures), skipped)


class _Benches:
    """As many benches as jobs; a thread waits at each that measures."""

    def __init__(self, jobs: int, limit_s: float, threads: int | None) -> None:
        self._timed = jobs == 1
        self._benches = [_Bench(limit_s, threads) for _ in range(jobs)]
        self._free: SimpleQueue[_Bench] = SimpleQueue()
        for bench in self._benches:
            self._free.put(bench)
        self._threads = ThreadPoolExecutor(jobs)

    def __enter__(self) -> _Benches:
        return self

    def __exit__(self, *error: object) -> None:
        """Ends all processes, whatever they do."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for bench in self._benches:
            bench.stop()
        self._threads.shutdown()
        for bench in self._benches:
            bench.close()

    def submit(
        self,
        names: tuple[str, str, str, str, str],
        pair: Pair,
        coder: PairCoder,
        quality: float,
    ) -> Future[Row]:
        """The row to come."""

        def measure() -> Row:
            bench = self._free.get()
            try:
                row = bench.measure(names, pair, coder, quality)
            finally:
                self._free.put(bench)
            # Seconds beside other work are no timings.
            return row if self._timed else replace(row, encode_s=None, decode_s=None)

        return self._threads.submit(measure)


class _Bench:
    """A process that encodes and one that decodes; new ones for another codec.

    So memory is that of one codec and not of those before it.
    """

    def __init__(self, limit_s: float, threads: int | None) -> None:
        self._coder = ""
        self._threads = threads
        self._encoder = Worker(limit_s=limit_s, threads=threads)
        self._decoder = Worker(limit_s=limit_s, threads=threads)

    def stop(self) -> None:
        """Ends both processes, from any thread."""
        self._encoder.stop()
        self._decoder.stop()

    def close(self) -> None:
        """Gives back what they hold."""
        self._encoder.close()
        self._decoder.close()

    def measure(
        self,
        names: tuple[str, str, str, str, str],
        pair: Pair,
        coder: PairCoder,
        quality: float,
    ) -> Row:
        """One row.

        Raises:
            CrossbandError: the codec failed, or a picture did not come back.
        """
        dataset, image, digest, codec, version = names
        if coder.spec != self._coder:
            self._coder = coder.spec
            self._encoder.renew()
            self._decoder.renew()
        with tempfile.TemporaryDirectory(prefix="crossband-bench-") as folder:
            coded_folder, decoded_folder = Path(folder) / "coded", Path(folder) / "decoded"
            coded_folder.mkdir()
            decoded_folder.mkdir()
            coded = self._encoder.encode(coder, pair, quality, folder=coded_folder)
            written_bytes = sum(file.path.stat().st_size for file in coded.files)
            counted_bytes = coded.bytes_visible + coded.bytes_infrared
            assert written_bytes == counted_bytes, "a byte is not counted"
            decoded = self._decoder.decode(
                coder, coded.files, Shapes.of(pair), folder=decoded_folder
            )
        visible = _compare(pair.visible, decoded.pair.visible)
        infrared = _compare(pair.infrared, decoded.pair.infrared)
        pictures = [(visible, coded.bytes_visible), (infrared, coded.bytes_infrared)]
        rate_bpp = sum(8 * size_bytes / each.pixels for each, size_bytes in pictures if each.pixels)
        return Row(
            dataset=dataset,
            image=image,
            input=digest,
            codec=codec,
            version=version,
            settings=coded.settings,
            pixel_format=coded.pixel_format,
            quality=quality,
            pixels_visible=visible.pixels,
            pixels_infrared=infrared.pixels,
            bytes_visible=visible.pixels and coded.bytes_visible,
            bytes_infrared=infrared.pixels and coded.bytes_infrared,
            bpp=round(rate_bpp, 5),
            psnr_visible=visible.psnr_db,
            psnr_infrared=infrared.psnr_db,
            msssim_visible=visible.ms_ssim,
            msssim_infrared=infrared.ms_ssim,
            ssim_visible=visible.ssim,
            ssim_infrared=infrared.ssim,
            encode_s=round(coded.seconds, 4),
            decode_s=round(decoded.seconds, 4),
            encode_peak_bytes=coded.peak_bytes,
            decode_peak_bytes=decoded.peak_bytes,
            threads=self._threads,
        )


@dataclass(frozen=True, slots=True)
class _Fidelity:
    """Of one picture; all None for one that the pair lacks."""

    pixels: int | None = None
    psnr_db: float | None = None
    ms_ssim: float | None = None
    ssim: float | None = None
    """Only where the picture is too small for MS-SSIM."""


def _compare(original: Raster | None, decoded: Raster | None) -> _Fidelity:
    if original is None:
        return _Fidelity()
    if decoded is None:
        raise CrossbandError("a picture was coded and did not come back")
    structure = small = None
    with contextlib.suppress(ModuleNotFoundError):
        structure = ms_ssim(original, decoded)
        small = ssim(original, decoded) if structure is None else None
    return _Fidelity(
        pixels=original.height * original.width,
        psnr_db=round(min(psnr(original, decoded), LOSSLESS_DB), 5),
        ms_ssim=structure if structure is None else round(structure, 6),
        ssim=small if small is None else round(small, 6),
    )


def digest(pair: Pair) -> str:
    """A row's `input` for this pair."""
    found = hashlib.sha256()
    for modality in Modality:
        if (raster := pair.get(modality)) is not None:
            found.update(f"{modality.value} {raster.samples.shape} {raster.samples.dtype}".encode())
            found.update(raster.samples.tobytes())
    return found.hexdigest()[:16]
