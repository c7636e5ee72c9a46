# SPDX-License-Identifier: Apache-2.0
"""Measures: every pair, by every codec, at every quality, through files and a fresh process.

pair ──► encode ──► files on disk ──► fresh process ──► PSNR, MS-SSIM ──► one row
         timed        counted          decodes, timed                    written at once
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossband.bench.fresh import FreshDecoder, WrittenFile
from crossband.bench.grids import qualities as grid
from crossband.bench.metrics import ms_ssim, psnr
from crossband.bench.pair_coder import CodedPair, PairCoder, Shapes
from crossband.bench.rows import LOSSLESS_DB, Row, RowFile
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
    report: Callable[[Progress], None] = lambda progress: None,
) -> Summary:
    """Adds a row to the output for each pair, codec and quality that is not in it yet.

    A picture that cannot be read and a codec that fails on one are told in the summary, and the run
    goes on.

    Args:
        tasks: the pairs.
        coders: the codecs; one that is not installed is skipped.
        output: file of JSON lines, made if it is not there.
        qualities: by codec name; the codec's grid where it is not given.
        report: called after each point.

    Raises:
        InputError: the output holds something else than rows.
        OutputError: the output cannot be written.
    """
    present = [coder for coder in coders if coder.available()]
    grids = {
        coder.name: tuple(map(float, (qualities or {}).get(coder.name) or grid(coder.name)))
        for coder in present
    }
    points_a_pair = sum(len(each) for each in grids.values())
    done = measured = kept = 0
    failures: list[str] = []

    def step(what: str, *, points: int = 1, failure: str = "") -> None:
        nonlocal done
        done += points
        if failure:
            failures.append(f"{what}: {failure}")
            log.warning("%s: %s", what, failure)
        report(Progress(done, points_a_pair * len(tasks), what))

    file = RowFile(output)
    try:
        with FreshDecoder() as decoder:
            for task in tasks:
                what = f"{task.dataset}/{task.path.name}"
                try:
                    pair = read_pair(task.path.visible, task.path.infrared).pair
                except SourceError as error:
                    step(what, points=points_a_pair, failure=str(error))
                    continue
                input_id = digest(pair)
                for coder in present:
                    names = (task.dataset, task.path.name, input_id, coder.name, coder.version())
                    for quality in grids[coder.name]:
                        point = f"{what} {coder.name} {quality:g}"
                        if (*names, quality) in file:
                            kept += 1
                            step(point)
                            continue
                        try:
                            file.add(_measure(names, pair, coder, quality, decoder))
                        except CrossbandError as error:
                            step(point, failure=str(error))
                        else:
                            measured += 1
                            step(point)
    finally:
        file.close()
    skipped = tuple(coder.name for coder in coders if coder not in present)
    return Summary(measured, kept, tuple(failures), skipped)


def _measure(
    names: tuple[str, str, str, str, str],
    pair: Pair,
    coder: PairCoder,
    quality: float,
    decoder: FreshDecoder,
) -> Row:
    dataset, image, digest, codec, version = names
    coder.prepare()
    start = time.perf_counter()
    coded = coder.encode(pair, quality)
    encode_s = time.perf_counter() - start
    with tempfile.TemporaryDirectory(prefix="crossband-bench-") as folder:
        files = _write(coded, Path(folder))
        written_bytes = sum(file.path.stat().st_size for file in files)
        assert written_bytes == coded.bytes_visible + coded.bytes_infrared, "a byte is not counted"
        decoded = decoder.decode(codec, files, Shapes.of(pair), folder=Path(folder))
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
        encode_s=round(encode_s, 4),
        decode_s=round(decoded.seconds, 4),
    )


@dataclass(frozen=True, slots=True)
class _Fidelity:
    """Of one picture; all None for one that the pair lacks."""

    pixels: int | None = None
    psnr_db: float | None = None
    ms_ssim: float | None = None


def _compare(original: Raster | None, decoded: Raster | None) -> _Fidelity:
    if original is None:
        return _Fidelity()
    if decoded is None:
        raise CrossbandError("a picture was coded and did not come back")
    try:
        structure = ms_ssim(original, decoded)
    except ModuleNotFoundError:
        structure = None
    return _Fidelity(
        pixels=original.height * original.width,
        psnr_db=round(min(psnr(original, decoded), LOSSLESS_DB), 5),
        ms_ssim=structure if structure is None else round(structure, 6),
    )


def _write(coded: CodedPair, folder: Path) -> list[WrittenFile]:
    files = []
    for number, file in enumerate(coded.files):
        path = folder / f"{number}.bin"
        path.write_bytes(file.data)
        files.append(WrittenFile(path, file.holds))
    return files


def digest(pair: Pair) -> str:
    """A row's `input` for this pair."""
    found = hashlib.sha256()
    for modality in Modality:
        if (raster := pair.get(modality)) is not None:
            found.update(f"{modality.value} {raster.samples.shape} {raster.samples.dtype}".encode())
            found.update(raster.samples.tobytes())
    return found.hexdigest()[:16]
