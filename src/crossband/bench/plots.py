# SPDX-License-Identifier: Apache-2.0
"""Which plots findings give, and what is in each; `drawing` makes pictures of them.

of each data set     rate      bpp against PSNR and MS-SSIM (or SSIM), each modality, published
                               curves beside PSNR; the pair's best split by each of them
                     time      seconds against BD-rate
                     pictures  BD-rate of each picture
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from crossband.bench import published
from crossband.bench.findings import Column, Findings, SetFindings, bd_percent
from crossband.bench.table import CodecPoints, Measure, Point
from crossband.pair import Modality

COLUMN_NAMES: dict[Column, str] = {
    "visible": "visible",
    "infrared": "infrared",
    "pair": "pair, best split",
}
"""How a reader is told what a BD-rate is of."""
_SPLIT_POINTS = 13
"""Of a best-split curve, which has one every 0.01 dB."""

Topic = Literal["rate", "time", "pictures"]


@dataclass(frozen=True, slots=True)
class Axis:
    """What one direction of a plot says."""

    label: str
    """With the unit."""
    scale: Literal["linear", "log", "ms-ssim", "percent", "names"] = "linear"
    """`ms-ssim`, for SSIM too, has equal steps for equal factors of 1 - MS-SSIM; `percent` has a
    line at 0."""
    names: tuple[str, ...] = ()
    """Of 0, 1, 2, ... on an axis of names."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One point."""

    x: float
    y: float
    name: str
    """Which quality or picture it is."""


@dataclass(frozen=True, slots=True)
class Series:
    """One codec's points."""

    codec: str
    style: int
    """Place of the codec among all, or of a published one among those; it looks alike in every
    plot."""
    marks: tuple[Mark, ...]
    """At least one."""
    published: bool = False
    """Taken from others and not measured here; drawn thin and dashed, with crosses."""


@dataclass(frozen=True, slots=True)
class Plot:
    """One plot, not yet drawn."""

    name: str
    """Letters, digits, points and dashes; no two plots share it."""
    dataset: str
    topic: Topic
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    """At least one."""
    joined: bool
    """Whether a line goes through the points of a series."""


def plots(findings: Findings, *, sort_by: str) -> list[Plot]:
    """Every plot that has at least one point, data set by data set.

    Args:
        findings: of one reference.
        sort_by: the codec whose losses order single pictures, the worst one on top.
    """
    made: list[Plot] = []
    for number, of_set in enumerate(findings.sets):
        prefix = re.sub(r"[^A-Za-z0-9]+", "-", of_set.dataset).strip("-").lower() or "set"
        if any(plot.name.startswith(f"{prefix}-") for plot in made):
            prefix += f"-{number}"
        rates = [*_rate_plots(findings, of_set, prefix), *_split_plots(findings, of_set, prefix)]
        times = [_time_plot(findings, of_set, prefix, each) for each in ("encode", "decode")]
        pictures = [
            _picture_plot(findings, of_set, prefix, column, sort_by) for column in of_set.columns
        ]
        made += [plot for plot in (*rates, *times, *pictures) if plot.series]
    return made


def _rate_plots(findings: Findings, of_set: SetFindings, prefix: str) -> Iterable[Plot]:
    quantities: tuple[tuple[Axis, Callable[[Point, Modality], float | None]], ...] = (
        (Axis("PSNR, dB"), lambda point, modality: _of(point, "psnr", modality)),
        (Axis("MS-SSIM", "ms-ssim"), lambda point, modality: _of(point, "msssim", modality)),
        (Axis("SSIM", "ms-ssim"), lambda point, modality: _of(point, "ssim", modality)),
    )
    for axis, value in quantities:
        for modality in Modality:
            measure = axis.label.partition(",")[0]
            measured = _series(
                findings,
                {
                    each.codec: [
                        Mark(x, y, f"quality {point.quality:g}")
                        for point in each.points
                        if (x := _of(point, "bpp", modality)) is not None
                        and (y := value(point, modality)) is not None
                    ]
                    for each in of_set.averages
                },
            )
            beside = _published(of_set.dataset, modality) if measure == "PSNR" else ()
            yield Plot(
                name=f"{prefix}-{modality.value}-{measure.lower()}",
                dataset=of_set.dataset,
                topic="rate",
                title=f"{of_set.dataset}, {modality.value}: {measure}",
                x=Axis("bits per pixel", "log"),
                y=axis,
                series=(*measured, *beside) if measured else (),
                joined=True,
            )


def _published(dataset: str, modality: Modality) -> tuple[Series, ...]:
    """Published curves of this modality, named as such; mostly none."""
    curves = [each for each in published.curves(dataset) if each.modality is modality]
    return tuple(
        Series(
            f"{each.codec} (published)",
            style,
            tuple(
                Mark(rate, psnr, "not measured here")
                for rate, psnr in zip(each.curve.rate_bpp, each.curve.psnr_db, strict=True)
            ),
            published=True,
        )
        for style, each in enumerate(curves)
    )


def _split_plots(findings: Findings, of_set: SetFindings, prefix: str) -> Iterable[Plot]:
    """By each measure, with the split that is best for it."""
    measures: dict[Measure, str] = {
        "psnr": "mean PSNR, dB",
        "msssim": "mean of -10 log10(1 - MS-SSIM), dB",
        "ssim": "mean of -10 log10(1 - SSIM), dB",
    }
    for measure, label in measures.items():
        name = {"psnr": "PSNR", "msssim": "MS-SSIM", "ssim": "SSIM"}[measure]
        yield Plot(
            name=f"{prefix}-pair-{name.lower()}",
            dataset=of_set.dataset,
            topic="rate",
            title=f"{of_set.dataset}, pair with the best split: {name}",
            x=Axis("bits per pixel, both pictures added", "log"),
            y=Axis(label),
            series=_series(
                findings,
                {each.codec: list(_split_marks(each, measure)) for each in of_set.averages},
            ),
            joined=True,
        )


def _split_marks(codec: CodecPoints, measure: Measure) -> Iterable[Mark]:
    if (curve := codec.pair_curve(measure)) is None:
        return
    last = len(curve.rate_bpp) - 1
    for index in np.unique(np.linspace(0, last, _SPLIT_POINTS).round().astype(int)).tolist():
        yield Mark(curve.rate_bpp[index], curve.psnr_db[index], "best split")


def _time_plot(findings: Findings, of_set: SetFindings, prefix: str, verb: str) -> Plot:
    column = of_set.columns[-1]
    marks = {
        line.codec: [Mark(seconds, percent, f"mean of {line.images} pictures")]
        for line in of_set.lines
        if (percent := bd_percent(line, column)) is not None
        and (seconds := line.encode_s if verb == "encode" else line.decode_s)
    }
    return Plot(
        name=f"{prefix}-{verb}-time",
        dataset=of_set.dataset,
        topic="time",
        title=f"{of_set.dataset}, {COLUMN_NAMES[column]}: seconds to {verb} against BD-rate",
        x=Axis(f"seconds to {verb} a pair", "log"),
        y=Axis(f"BD-rate against {findings.reference}", "percent"),
        series=_series(findings, marks),
        joined=False,
    )


def _picture_plot(
    findings: Findings, of_set: SetFindings, prefix: str, column: Column, sort_by: str
) -> Plot:
    def loss(index: int) -> float:
        percent = of_set.pictures[index].percent(sort_by, column)
        return -float("inf") if percent is None else percent

    order = sorted(range(len(of_set.pictures)), key=loss)
    pictures = [of_set.pictures[index] for index in order]
    return Plot(
        name=f"{prefix}-{column}-pictures",
        dataset=of_set.dataset,
        topic="pictures",
        title=f"{of_set.dataset}, {COLUMN_NAMES[column]}: each picture",
        x=Axis(f"BD-rate against {findings.reference}", "percent"),
        y=Axis("picture", "names", tuple(picture.image for picture in pictures)),
        series=_series(
            findings,
            {
                codec: [
                    Mark(percent, row, picture.image)
                    for row, picture in enumerate(pictures)
                    if (percent := picture.percent(codec, column)) is not None
                ]
                for codec in findings.codecs
                if codec != findings.reference
            },
        ),
        joined=False,
    )


def _series(findings: Findings, marks: dict[str, list[Mark]]) -> tuple[Series, ...]:
    """One for each codec that has a mark."""
    return tuple(
        Series(codec, findings.codecs.index(codec), tuple(of_codec))
        for codec, of_codec in marks.items()
        if of_codec
    )


def _of(point: Point, quantity: Literal["bpp"] | Measure, modality: Modality) -> float | None:
    value: float | None = getattr(point, f"{quantity}_{modality.value}")
    return value
