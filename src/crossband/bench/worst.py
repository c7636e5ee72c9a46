# SPDX-License-Identifier: Apache-2.0
"""The pictures on which a codec loses most, coded anew to be looked at.

findings ──► worst pictures ──► coded at about equal bytes ──► part with the largest excess error
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossband import datasets
from crossband.bench import coders
from crossband.bench.findings import Findings, PictureFindings, SetFindings
from crossband.bench.metrics import psnr
from crossband.bench.pair_coder import Shapes
from crossband.bench.rows import LOSSLESS_DB, Row
from crossband.bench.run import digest
from crossband.bench.worker import Worker
from crossband.errors import CrossbandError, InputError
from crossband.pair import Modality, Pair, Raster
from crossband.sources import read_pair

_Workers = tuple[Worker, Worker]
"""One that encodes, and another that decodes."""
Samples = npt.NDArray[np.uint8]
"""8-bit samples for a screen, (height, width) or (height, width, 3)."""
CROP_SIDE = 192
"""Pixels: shown at twice its size, small enough to keep the page light."""


@dataclass(frozen=True, slots=True)
class Crop:
    """Part of a picture, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def of(
        self, samples: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
    ) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
        """That part of the samples, (height, width) or (height, width, 3)."""
        return samples[self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What one codec made of it."""

    codec: str
    quality: float
    size_bytes: int
    """Of this modality's picture."""
    psnr_db: float
    """Of the whole picture; at most `LOSSLESS_DB`."""
    other_version: str
    """The version that coded it, if that is not the rows'; else empty."""
    samples: Samples


@dataclass(frozen=True, slots=True, eq=False)
class WorstPicture:
    """One picture of one modality: the original, the codec that loses, the best other one."""

    dataset: str
    image: str
    modality: Modality
    percent: float
    """BD-rate of this picture against the reference."""
    picture_width: int
    picture_height: int
    crop: Crop
    stretched: bool
    """Whether the samples are not as they are: above 8 bits."""
    original: Samples
    ours: View
    best: View


@dataclass(frozen=True, slots=True, eq=False)
class _Coded:
    """A picture that came back from another process."""

    codec: str
    quality: float
    size_bytes: int
    other_version: str
    raster: Raster


@dataclass(frozen=True, slots=True)
class _Choice:
    """A picture to show, from rows alone."""

    rows: tuple[Row, ...]
    """Of this picture, of both codecs."""
    modality: Modality
    percent: float
    best: str


def find_worst(
    findings: Findings,
    root: Path,
    *,
    ours: str,
    count: int = 5,
    report: Callable[[str], None] = lambda failure: None,
) -> list[WorstPicture]:
    """The pictures with the highest BD-rates of one codec, in the modality where it loses most.

    The best other codec takes its quality below the middle of its rows; ours takes the one that, by
    its rows, comes to the same bytes.

    Args:
        findings: against one reference.
        root: folder of the data sets, as `bench run` got it.
        ours: the codec that is looked at.
        count: how many pictures.
        report: called with a line for each picture that could not be shown.

    Raises:
        InputError: no row is of that codec, or the root is no folder.
    """
    if ours not in findings.codecs:
        raise InputError(f"no row is of {ours}; rows are of {', '.join(findings.codecs)}")
    if not root.is_dir():
        raise InputError(f"{root}: is not a folder; name the one that `bench run` got")
    choices = [
        choice
        for of_set in findings.sets
        for picture in of_set.pictures
        if (choice := _choose(of_set, picture, ours)) is not None
    ]
    choices.sort(key=lambda choice: choice.percent, reverse=True)
    shown = []
    with contextlib.closing(Worker()) as encoder, contextlib.closing(Worker()) as decoder:
        for choice in choices[:count]:
            try:
                shown.append(_show(choice, root, ours, (encoder, decoder)))
            except CrossbandError as error:
                report(f"{choice.rows[0].dataset}/{choice.rows[0].image}: not shown: {error}")
    return shown


def most_excess(ours: npt.NDArray[np.float64], best: npt.NDArray[np.float64], side: int) -> Crop:
    """The square in which the first error exceeds the second most, or the whole picture if smaller.

    Args:
        ours: squared error of each pixel, (height, width).
        best: that of the other codec.
        side: of the square, in pixels.
    """
    height, width = (min(side, length) for length in ours.shape)
    # sums[i, j] is that of everything above row i and left of column j
    sums = np.pad(ours - best, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    windows = (sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]) + sums[
        :-height, :-width
    ]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    return Crop(int(left), int(top), width, height)


def _choose(of_set: SetFindings, picture: PictureFindings, ours: str) -> _Choice | None:
    losses = {
        modality: percent
        for modality in Modality
        if (percent := picture.percent(ours, modality.value)) is not None
    }
    if not losses:
        return None
    modality = max(losses, key=lambda each: losses[each])
    others = {
        line.codec: percent
        for line in picture.lines
        if not line.codec.startswith("crossband")
        and line.codec != ours
        and (percent := picture.percent(line.codec, modality.value)) is not None
    }
    if not others:
        return None
    best = min(others, key=lambda each: others[each])
    rows = [row for row in of_set.rows if row.image == picture.image and row.codec in (ours, best)]
    return _Choice(tuple(rows), modality, losses[modality], best)


def _show(choice: _Choice, root: Path, ours: str, workers: _Workers) -> WorstPicture:
    first = choice.rows[0]
    pair = _find_pair(first, root)
    original = pair.get(choice.modality)
    if original is None:
        raise InputError(f"the {choice.modality.value} picture is not in {root}")
    best_rows = _by_bytes(choice, choice.best)
    target = best_rows[(len(best_rows) - 1) // 2]
    quality = _quality_of_bytes(_by_bytes(choice, ours), choice, _size(target, choice))
    row_of_ours = next(row for row in choice.rows if row.codec == ours)
    best = _code(target, target.quality, pair, choice.modality, workers)
    our = _code(row_of_ours, quality, pair, choice.modality, workers)
    crop = most_excess(
        _squared_error(original, our.raster), _squared_error(original, best.raster), CROP_SIDE
    )
    return WorstPicture(
        dataset=first.dataset,
        image=first.image,
        modality=choice.modality,
        percent=choice.percent,
        picture_width=original.width,
        picture_height=original.height,
        crop=crop,
        stretched=original.bit_depth > 8,
        original=_for_screen(original, original, crop),
        ours=_view(our, original, crop),
        best=_view(best, original, crop),
    )


def _find_pair(row: Row, root: Path) -> Pair:
    """The pair that was measured, not only one of its name."""
    dataset = datasets.find(row.dataset)
    pairs = [pair for split in datasets.SPLITS for pair in dataset.list_pairs(root, split)]
    found = [pair for pair in pairs if pair.name == row.image]
    if not found:
        raise InputError(
            f"no picture of that name is in {root}; --data takes the folder of the run"
        )
    pair = read_pair(found[0].visible, found[0].infrared).pair.without_metadata()
    if digest(pair) != row.input:
        raise InputError(f"the picture in {root} is not the one of the rows: its samples differ")
    return pair


def _by_bytes(choice: _Choice, codec: str) -> list[Row]:
    return sorted(
        (row for row in choice.rows if row.codec == codec), key=lambda row: _size(row, choice)
    )


def _size(row: Row, choice: _Choice) -> int:
    size = row.bytes_visible if choice.modality is Modality.VISIBLE else row.bytes_infrared
    return size or 0


def _quality_of_bytes(rows: list[Row], choice: _Choice, size_bytes: int) -> float:
    """Between the qualities of rows, by log bytes; an end of them where they do not reach."""
    logs = [math.log(_size(row, choice)) for row in rows]
    return float(np.interp(math.log(size_bytes), logs, [row.quality for row in rows]))


def _code(row: Row, quality: float, pair: Pair, modality: Modality, workers: _Workers) -> _Coded:
    """What the row's codec makes of one modality's picture now, through files."""
    coder = coders.find(row.codec)
    if not coder.available():
        raise InputError(f"{row.codec} is not installed: pip install 'crossband[bench]'")
    encoder, decoder = workers
    with tempfile.TemporaryDirectory(prefix="crossband-bench-") as folder:
        there, back = Path(folder) / "there", Path(folder) / "back"
        there.mkdir()
        back.mkdir()
        coded = encoder.encode(coder, pair, quality, folder=there)
        decoded = decoder.decode(coder, coded.files, Shapes.of(pair), folder=back).pair
    raster = decoded.get(modality)
    if raster is None:
        raise InputError(f"{row.codec} did not give the {modality.value} picture back")
    sizes = {Modality.VISIBLE: coded.bytes_visible, Modality.INFRARED: coded.bytes_infrared}
    version = coder.version()
    other_version = "" if version == row.version else version
    return _Coded(row.codec, quality, sizes[modality], other_version, raster)


def _view(coded: _Coded, original: Raster, crop: Crop) -> View:
    return View(
        codec=coded.codec,
        quality=coded.quality,
        size_bytes=coded.size_bytes,
        psnr_db=min(psnr(original, coded.raster), LOSSLESS_DB),
        other_version=coded.other_version,
        samples=_for_screen(coded.raster, original, crop),
    )


def _squared_error(original: Raster, decoded: Raster) -> npt.NDArray[np.float64]:
    """Of each pixel, (height, width), over its channels."""
    error = (original.samples.astype(np.float64) - decoded.samples) ** 2
    return error if error.ndim == 2 else error.mean(axis=2)


def _for_screen(raster: Raster, original: Raster, crop: Crop) -> Samples:
    """The part in 8 bits; above 8 bits the range of the original's part is stretched to them."""
    samples = crop.of(raster.samples)
    if original.bit_depth <= 8:
        return samples.astype(np.uint8)
    part = crop.of(original.samples)
    low, span = float(part.min()), max(float(part.max()) - float(part.min()), 1.0)
    shades: Samples = np.clip((samples - low) * (255 / span), 0, 255).round().astype(np.uint8)
    return shades
