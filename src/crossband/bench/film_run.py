# SPDX-License-Identifier: Apache-2.0
"""Measures films: every clip, by every codec, at every quality, through files and a fresh process.

    clip ──► process encodes ──► files ──► process decodes ──► PSNR of each frame ──► one row

Rows are those of pairs (`rows.py`): `image` is the clip, pixels are those of all frames, PSNR and
MS-SSIM are means of the frames', seconds are those of the whole clip.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from crossband.bench.anchors.anchor import AnchorError
from crossband.bench.film_coders import FilmCoder, Films, find
from crossband.bench.memory import watch_peak
from crossband.bench.metrics import ms_ssim, ssim
from crossband.bench.rows import LOSSLESS_DB, Row, RowFile
from crossband.bench.run import Progress, Summary
from crossband.bench.worker import WorkerError
from crossband.errors import CrossbandError, InputError
from crossband.pair import Modality, Raster
from crossband.sources import match, read_folder, read_video

LIMIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class ClipPath:
    """Two recordings of one scene."""

    name: str
    visible: Path
    infrared: Path
    """Film files, or folders of numbered pictures."""


def parse_clip(text: str) -> ClipPath:
    """`NAME=VISIBLE,INFRARED`.

    Raises:
        InputError: it is something else, or one of both is not there.
    """
    name, _, paths = text.partition("=")
    parts = paths.split(",")
    if not name or len(parts) != 2 or not all(parts):
        raise InputError(f"--clip {text}: write it as NAME=VISIBLE,INFRARED")
    for part in parts:
        if not Path(part).exists():
            raise InputError(f"--clip {text}: {part} is not there; name a film or a folder")
    return ClipPath(name, Path(parts[0]), Path(parts[1]))


def read_clip(path: ClipPath, frames: int | None) -> Films:
    """The frames that both cameras have, at most so many.

    Raises:
        SourceError: a film cannot be read.
        InputError: it has no such frame, or more than 8 bits.
    """
    recordings = [
        (read_folder if each.is_dir() else read_video)(each, modality)
        for each, modality in ((path.visible, Modality.VISIBLE), (path.infrared, Modality.INFRARED))
    ]
    found: dict[Modality, list[np.ndarray]] = {each: [] for each in Modality}
    for frame in islice(match(*recordings)[1], frames):
        for each in Modality:
            raster = frame.pair.get(each)
            if raster is None:
                raise InputError(f"{path.name}: a camera is silent in frame {len(found[each])}")
            if raster.samples.dtype != np.uint8:
                raise InputError(f"{path.name}: films of more than 8 bits are not measured")
            found[each].append(raster.samples)
    return {each: np.stack(rasters) for each, rasters in found.items()}


def run(
    clips: Sequence[ClipPath],
    coders: Sequence[FilmCoder],
    output: Path,
    *,
    dataset: str,
    frames: int | None = None,
    qualities: Mapping[str, Sequence[float]] | None = None,
    limit_s: float = LIMIT_S,
    timed: bool = True,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Summary:
    """Adds a row to the output for each clip, codec and quality that is not in it yet.

    Args:
        clips: the films.
        coders: the codecs; one that is not installed is skipped.
        output: file of JSON lines, made if it is not there.
        dataset: what rows call these films.
        frames: of each clip from its start on; None: all.
        qualities: by codec name; the codec's grid where it is not given.
        limit_s: seconds that one encode or decode may take.
        timed: whether rows have seconds.
        report: called after each point.

    Raises:
        InputError: the output holds something else than rows, or a clip cannot be measured.
        OutputError: the output cannot be written.
    """
    present = [coder for coder in coders if coder.available()]
    skipped = tuple(coder.name for coder in coders if coder not in present)
    grids = {each.name: tuple((qualities or {}).get(each.name) or each.grid()) for each in present}
    total = len(clips) * sum(map(len, grids.values()))
    done = measured = kept = 0
    failures = []
    with contextlib.closing(RowFile(output)) as file:
        for clip in clips:
            films = read_clip(clip, frames)
            input_id = _digest(films)
            for coder in present:
                names = (dataset, clip.name, input_id, coder.name, coder.version())
                for quality in map(float, grids[coder.name]):
                    point = f"{dataset}/{clip.name} {coder.name} {quality:g}"
                    if (*names, quality) in file:
                        kept += 1
                    else:
                        try:
                            file.add(_measure(names, films, coder, quality, limit_s, timed))
                            measured += 1
                        except CrossbandError as error:
                            failures.append(f"{point}: {error}")
                    done += 1
                    report(Progress(done, total, point))
    return Summary(measured, kept, tuple(failures), skipped)


def _measure(
    names: tuple[str, str, str, str, str],
    films: Films,
    coder: FilmCoder,
    quality: float,
    limit_s: float,
    timed: bool,
) -> Row:
    with tempfile.TemporaryDirectory(prefix="crossband-bench-") as temporary:
        folder = Path(temporary)
        for each, samples in films.items():
            np.save(folder / f"{each.value}.npy", samples)
        coded = _in_process("encode", coder, folder, limit_s, quality)
        shapes = {}
        for each, samples in films.items():
            (folder / f"{each.value}.npy").unlink()
            shapes[each.value] = samples.shape[1:]
        decoded = _in_process("decode", coder, folder, limit_s, shapes)
        shown = {each: np.load(folder / f"{each.value}.npy") for each in films}
        written_bytes = sum(path.stat().st_size for path in folder.glob("*.bin"))
    sizes = {Modality(name): size_bytes for name, size_bytes in coded["size_bytes"].items()}
    assert written_bytes == sum(sizes.values()), "a byte is not counted"
    visible, infrared = films[Modality.VISIBLE], films[Modality.INFRARED]
    pixels = {each: int(np.prod(samples.shape[:3])) for each, samples in films.items()}
    structure = {each: _structure(samples, shown[each]) for each, samples in films.items()}
    dataset, image, digest, codec, version = names
    return Row(
        dataset=dataset,
        image=image,
        input=digest,
        codec=codec,
        version=version,
        settings=f"{coded['settings']}, {len(visible)} frames",
        pixel_format=coded["pixel_format"],
        quality=quality,
        pixels_visible=pixels[Modality.VISIBLE],
        pixels_infrared=pixels[Modality.INFRARED],
        bytes_visible=sizes[Modality.VISIBLE],
        bytes_infrared=sizes[Modality.INFRARED],
        bpp=round(sum(8 * sizes[each] / pixels[each] for each in films), 5),
        psnr_visible=_psnr(visible, shown[Modality.VISIBLE]),
        psnr_infrared=_psnr(infrared, shown[Modality.INFRARED]),
        msssim_visible=structure[Modality.VISIBLE].ms_ssim,
        msssim_infrared=structure[Modality.INFRARED].ms_ssim,
        encode_s=round(coded["seconds"], 4) if timed else None,
        decode_s=round(decoded["seconds"], 4) if timed else None,
        ssim_visible=structure[Modality.VISIBLE].ssim,
        ssim_infrared=structure[Modality.INFRARED].ssim,
        encode_peak_bytes=coded["peak_bytes"],
        decode_peak_bytes=decoded["peak_bytes"],
    )


def _psnr(films: np.ndarray, shown: np.ndarray) -> float:
    """Mean over the frames, dB."""
    if films.shape != shown.shape:
        raise AnchorError(f"frames of shape {shown.shape} came back; {films.shape} were coded")
    errors = [
        np.square(one.astype(np.float64) - other).mean()
        for one, other in zip(films, shown, strict=True)
    ]
    levels = [min(10 * np.log10(255**2 / max(e, 1e-12)), LOSSLESS_DB) for e in errors]
    return round(float(np.mean(levels)), 5)


@dataclass(frozen=True, slots=True)
class _Structure:
    """Mean over the frames; both None without pytorch-msssim."""

    ms_ssim: float | None = None
    ssim: float | None = None
    """Only where frames are too small for MS-SSIM."""


def _structure(films: np.ndarray, shown: np.ndarray) -> _Structure:
    frames = [(Raster(one), Raster(other)) for one, other in zip(films, shown, strict=True)]
    with contextlib.suppress(ModuleNotFoundError):
        if (mean := _mean([ms_ssim(*each) for each in frames])) is not None:
            return _Structure(ms_ssim=mean)
        return _Structure(ssim=_mean([ssim(*each) for each in frames]))
    return _Structure()


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 6) if known and len(known) == len(values) else None


def _in_process(
    action: str, coder: FilmCoder, folder: Path, limit_s: float, told: object
) -> dict[str, Any]:
    """What a new process answers.

    Raises:
        WorkerError: the codec refused the film, took too long or ended the process.
    """
    source = str(Path(__file__).resolve().parents[2])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    words = [action, coder.name, str(folder), json.dumps(told)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "crossband.bench.film_run", *words],
            capture_output=True,
            text=True,
            timeout=limit_s,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
    except subprocess.TimeoutExpired:
        raise WorkerError(
            f"{action} took more than {limit_s:g} s and was stopped; see --timeout"
        ) from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise WorkerError(f"{action} failed: {lines[-1] if lines else done.returncode}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _digest(films: Films) -> str:
    found = hashlib.sha256()
    for each, samples in films.items():
        found.update(f"{each.value} {samples.shape} {samples.dtype}".encode())
        found.update(samples.tobytes())
    return found.hexdigest()[:16]


def main(action: str, name: str, folder: Path, told: object) -> None:
    """One encode or decode, in the process of `_in_process`."""
    coder = find(name)
    if action == "encode":
        films = {each: np.load(folder / f"{each.value}.npy") for each in Modality}
        peak_bytes = watch_peak()
        started = time.perf_counter()
        coded = coder.encode(films, float(told))  # type: ignore[arg-type]
        seconds = time.perf_counter() - started
        peak = peak_bytes()
        for number, data in enumerate(coded.files):
            (folder / f"{number}.bin").write_bytes(data)
        answer = {
            "size_bytes": {each.value: size for each, size in coded.size_bytes.items()},
            "settings": coded.settings,
            "pixel_format": coded.pixel_format,
            "seconds": seconds,
            "peak_bytes": peak,
        }
    else:
        assert isinstance(told, dict)
        shapes = {Modality(each): tuple(shape) for each, shape in told.items()}
        files = [path.read_bytes() for path in sorted(folder.glob("*.bin"))]
        peak_bytes = watch_peak()
        started = time.perf_counter()
        shown = coder.decode(files, shapes)
        answer = {"seconds": time.perf_counter() - started, "peak_bytes": peak_bytes()}
        for each, samples in shown.items():
            np.save(folder / f"{each.value}.npy", samples)
    print(json.dumps(answer))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4]))
