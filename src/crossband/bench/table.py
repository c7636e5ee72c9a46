# SPDX-License-Identifier: Apache-2.0
"""Rows to curves and to a table: each codec against one of them, by data set and modality.

rows ──► pictures that every codec has at every quality ──► mean curves ──► BD-rates
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from crossband.bench.bd import Curve, bd_rate, best_split
from crossband.bench.rows import LOSSLESS_DB, Row
from crossband.errors import InputError
from crossband.pair import Modality

Measure = Literal["psnr", "msssim", "ssim"]
"""What a picture's fidelity is measured with."""


@dataclass(frozen=True, slots=True)
class Point:
    """One quality of one codec, averaged over pictures; None for a modality that is not there."""

    quality: float
    bpp_visible: float | None
    psnr_visible: float | None
    bpp_infrared: float | None
    psnr_infrared: float | None
    msssim_visible: float | None
    msssim_infrared: float | None
    ssim_visible: float | None
    """Where all pictures are too small for MS-SSIM."""
    ssim_infrared: float | None
    encode_s: float | None
    decode_s: float | None
    peak_bytes: int | None
    """Memory, the largest of all rows, encoding or decoding."""

    @property
    def psnr_mean(self) -> float:
        """Mean over the modalities, in dB."""
        known = [each for each in (self.psnr_visible, self.psnr_infrared) if each is not None]
        return sum(known) / len(known)


@dataclass(frozen=True, slots=True)
class CodecPoints:
    """One codec on one data set."""

    dataset: str
    codec: str
    version: str
    images: int
    points: tuple[Point, ...]
    """By mean PSNR, rising."""

    def curve(self, modality: Modality, measure: Measure = "psnr") -> Curve | None:
        """The mean curve of one modality; None if its pictures or the measure are missing.

        (MS-)SSIM counts as -10 log10(1 - MS-SSIM), in dB like PSNR.
        """
        pairs = [
            (getattr(point, f"bpp_{modality.value}"), getattr(point, f"{measure}_{modality.value}"))
            for point in self.points
        ]
        known = [(bpp, level) for bpp, level in pairs if bpp is not None and level is not None]
        if measure != "psnr":
            known = [(bpp, _structure_db(level)) for bpp, level in known]
        return Curve.through(known) if known else None

    def pair_curve(self, measure: Measure = "psnr") -> Curve | None:
        """The pair with the best split of bits; None if a modality is missing."""
        visible, infrared = (self.curve(modality, measure) for modality in Modality)
        return None if visible is None or infrared is None else best_split(visible, infrared)


@dataclass(frozen=True, slots=True)
class Interval:
    """Where 95 % of the resamples lie, in percent."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class TableLine:
    """BD-rates of one codec against the reference on one data set, in percent; None: n/a."""

    dataset: str
    codec: str
    images: int
    visible: float | None
    infrared: float | None
    pair: float | None
    """With the best split of both codecs."""
    encode_s: float | None
    """Seconds a pair, mean over pictures and qualities; None if one has none."""
    decode_s: float | None
    peak_bytes: int | None
    """Memory of the largest process that coded, over all pictures and qualities."""
    visible_interval: Interval | None = None
    """From `with_intervals`; None: none was asked for, or there is none."""
    infrared_interval: Interval | None = None
    pair_interval: Interval | None = None


def average(
    rows: Sequence[Row], *, steps_db: tuple[float, float] | None = None
) -> list[CodecPoints]:
    """Mean points of each data set and codec, over the pictures that all its codecs have whole.

    Where a file has rows of several versions of a codec the one written last counts.

    Args:
        rows: in the order of the file.
        steps_db: leave out qualities whose mean PSNR, over pictures and both modalities, is not
            between these.

    Raises:
        InputError: a data set has no picture that all its codecs have at all their qualities, or
            its pictures have no modality in common.
    """
    return [
        points
        for rows_of_set in _sort_rows(rows)
        for points in rows_of_set.average(rows_of_set.images, steps_db=steps_db)
    ]


@dataclass(frozen=True, slots=True)
class _RowsOfSet:
    """The rows of one data set that count."""

    dataset: str
    versions: dict[str, str]
    """By codec."""
    rows: dict[str, dict[float, dict[str, Row]]]
    """By codec, quality and image."""
    images: tuple[str, ...]
    """Those that every codec has at every quality, sorted."""

    def average(
        self, images: Sequence[str], *, steps_db: tuple[float, float] | None
    ) -> list[CodecPoints]:
        """Mean points over these images; one that is given twice counts twice."""
        averages = []
        for codec, qualities in self.rows.items():
            points = [
                _mean(quality, [by[image] for image in images]) for quality, by in qualities.items()
            ]
            if steps_db is not None:
                points = [each for each in points if steps_db[0] <= each.psnr_mean <= steps_db[1]]
            points.sort(key=lambda point: point.psnr_mean)
            averages.append(
                CodecPoints(self.dataset, codec, self.versions[codec], len(images), tuple(points))
            )
        return averages


def _sort_rows(rows: Sequence[Row]) -> list[_RowsOfSet]:
    latest = {(row.dataset, row.codec): row.version for row in rows}
    found: dict[str, dict[str, dict[float, dict[str, Row]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(dict))
    )
    for row in rows:
        if row.version == latest[row.dataset, row.codec]:
            found[row.dataset][row.codec][row.quality][row.image] = row
    sets = []
    for dataset, codecs in found.items():
        by_image = [by.keys() for qualities in codecs.values() for by in qualities.values()]
        images = sorted(set.intersection(*(set(each) for each in by_image)))
        if not images:
            raise InputError(
                f"{dataset}: no picture has a row of every codec at every quality;"
                f" codecs are {', '.join(codecs)}: run the bench on them again"
            )
        counted = [
            by[image] for each in codecs.values() for by in each.values() for image in images
        ]
        held = [{each for each in Modality if row.psnr(each) is not None} for row in counted]
        if not set.intersection(*held):
            raise InputError(
                f"{dataset}: some pairs have only a visible picture and others only an"
                " infrared one; they have no mean: measure them as two data sets"
            )
        versions = {codec: latest[dataset, codec] for codec in codecs}
        sets.append(_RowsOfSet(dataset, versions, codecs, tuple(images)))
    return sets


def table(
    averages: Sequence[CodecPoints],
    *,
    reference: str,
    psnr_range: tuple[float, float] | None = None,
) -> list[TableLine]:
    """Every codec against the reference, data set by data set.

    Args:
        averages: from `average`.
        reference: the codec that is 0 %.
        psnr_range: dB; only this part of the curves counts.

    Raises:
        InputError: a data set has no rows of the reference.
    """
    lines = []
    curves = [(*map(each.curve, Modality), each.pair_curve()) for each in averages]
    for each, tests in zip(averages, curves, strict=True):
        references = [
            found
            for other, found in zip(averages, curves, strict=True)
            if other.codec == reference and other.dataset == each.dataset
        ]
        if not references:
            known = ", ".join(other.codec for other in averages if other.dataset == each.dataset)
            raise InputError(f"{each.dataset}: has no rows of {reference}, only of {known}")
        visible, infrared, pair = (
            None if base is None or test is None else bd_rate(base, test, psnr_range=psnr_range)
            for base, test in zip(references[0], tests, strict=True)
        )
        lines.append(
            TableLine(
                dataset=each.dataset,
                codec=each.codec,
                images=each.images,
                visible=visible,
                infrared=infrared,
                pair=pair,
                encode_s=_mean_of([point.encode_s for point in each.points]),
                decode_s=_mean_of([point.decode_s for point in each.points]),
                peak_bytes=_largest([point.peak_bytes for point in each.points]),
            )
        )
    return lines


def with_intervals(
    lines: Sequence[TableLine],
    rows: Sequence[Row],
    *,
    reference: str,
    resamples: int,
    steps_db: tuple[float, float] | None = None,
    psnr_range: tuple[float, float] | None = None,
) -> list[TableLine]:
    """The lines with a percentile bootstrap interval of 95 % for each BD-rate.

    Each resample draws as many pictures of a data set as it has, with replacement, and computes
    mean curves and BD-rates of all its codecs anew from these (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 13). The seed is fixed. There is no interval for
    one picture, nor where a resample has no BD-rate.

    Args:
        lines: from `table`, with the same other arguments.
        rows: what the lines came from.
        reference: the codec that is 0 %.
        resamples: how many; 1,000 is usual.
        steps_db: as for `average`.
        psnr_range: as for `table`.

    Raises:
        InputError: as `average` and `table`.
    """
    generator = np.random.default_rng(0)
    found: dict[tuple[str, str], list[TableLine]] = defaultdict(list)
    for rows_of_set in _sort_rows(rows):
        if len(rows_of_set.images) < 2:
            continue
        for _ in range(resamples):
            images = generator.choice(rows_of_set.images, len(rows_of_set.images)).tolist()
            averages = rows_of_set.average(images, steps_db=steps_db)
            for line in table(averages, reference=reference, psnr_range=psnr_range):
                found[line.dataset, line.codec].append(line)
    return [
        replace(
            line,
            visible_interval=_interval([each.visible for each in drawn]),
            infrared_interval=_interval([each.infrared for each in drawn]),
            pair_interval=_interval([each.pair for each in drawn]),
        )
        for line in lines
        for drawn in [found[line.dataset, line.codec]]
    ]


def _interval(percents: Sequence[float | None]) -> Interval | None:
    known = [percent for percent in percents if percent is not None]
    if not known or len(known) < len(percents):
        return None
    low, high = np.percentile(known, (2.5, 97.5)).tolist()
    return Interval(low, high)


def table_markdown(lines: Sequence[TableLine], *, reference: str) -> str:
    """The lines as a Markdown table."""
    head = (
        "| data set | pictures | codec | visible | infrared | pair, best split | encode s |"
        " decode s | peak MiB |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {line.dataset} | {line.images} | {line.codec} |"
        f" {percent_text(line.visible, line.visible_interval)} |"
        f" {percent_text(line.infrared, line.infrared_interval)} |"
        f" {percent_text(line.pair, line.pair_interval)} | {_number(line.encode_s, 2)} |"
        f" {_number(line.decode_s, 3)} | {mebibytes(line.peak_bytes)} |\n"
        for line in lines
        if line.codec != reference
    )


def points_markdown(averages: Sequence[CodecPoints]) -> str:
    """Every mean point as a Markdown table; SSIM, so named, where there is no MS-SSIM."""
    head = (
        "| data set | codec | quality | visible bpp | dB | MS-SSIM | infrared bpp | dB |"
        " MS-SSIM |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {each.dataset} | {each.codec} | {point.quality:g} |"
        f" {_number(point.bpp_visible, 4)} | {_number(point.psnr_visible, 2)} |"
        f" {_structure(point.msssim_visible, point.ssim_visible)} |"
        f" {_number(point.bpp_infrared, 4)} | {_number(point.psnr_infrared, 2)} |"
        f" {_structure(point.msssim_infrared, point.ssim_infrared)} |\n"
        for each in averages
        for point in each.points
    )


def _mean(quality: float, rows: Sequence[Row]) -> Point:
    return Point(
        quality=quality,
        bpp_visible=_mean_of([row.bpp_visible for row in rows]),
        psnr_visible=_mean_of([row.psnr_visible for row in rows]),
        bpp_infrared=_mean_of([row.bpp_infrared for row in rows]),
        psnr_infrared=_mean_of([row.psnr_infrared for row in rows]),
        msssim_visible=_mean_of([row.msssim_visible for row in rows]),
        msssim_infrared=_mean_of([row.msssim_infrared for row in rows]),
        ssim_visible=_mean_of([row.ssim_visible for row in rows]),
        ssim_infrared=_mean_of([row.ssim_infrared for row in rows]),
        encode_s=_mean_of([row.encode_s for row in rows]),
        decode_s=_mean_of([row.decode_s for row in rows]),
        peak_bytes=_largest(
            [peak for row in rows for peak in (row.encode_peak_bytes, row.decode_peak_bytes)]
        ),
    )


def _structure_db(value: float) -> float:
    """(MS-)SSIM on a scale on which equal steps are equal factors of what is lost."""
    return LOSSLESS_DB if value >= 1 else min(-10 * math.log10(1 - value), LOSSLESS_DB)


def _mean_of(values: Sequence[float | None]) -> float | None:
    """None if there is no value, or one is None: pictures of two kinds have no common mean."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _largest(values: Sequence[int | None]) -> int | None:
    """None if there is no value, or one is None."""
    known = [value for value in values if value is not None]
    return max(known) if known and len(known) == len(values) else None


def mebibytes(value: int | None) -> str:
    """Memory as tables have it."""
    return "n/a" if value is None else f"{value / 2**20:.0f}"


def percent_text(value: float | None, interval: Interval | None = None) -> str:
    """A BD-rate as tables have it."""
    if value is None:
        return "n/a"
    text = f"{value:+.1f} %"
    return text if interval is None else f"{text} [{interval.low:+.1f}, {interval.high:+.1f}]"


def _number(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


def _structure(ms_ssim: float | None, ssim: float | None) -> str:
    if ms_ssim is None and ssim is not None:
        return f"{ssim:.4f} (SSIM)"
    return _number(ms_ssim, 4)
