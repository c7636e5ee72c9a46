# SPDX-License-Identifier: Apache-2.0
"""One line for each BD-rate of findings: over which PSNRs it is, and how sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crossband.bench.bd import Curve, common_range
from crossband.bench.findings import Column, Findings, SetFindings, bd_percent
from crossband.bench.plots import COLUMN_NAMES
from crossband.bench.table import CodecPoints, Interval, TableLine, percent_text, with_intervals
from crossband.pair import Modality


@dataclass(frozen=True, slots=True)
class BdLine:
    """BD-rate of one codec on one data set, of one picture of the pairs or of both."""

    dataset: str
    codec: str
    of: Column
    percent: float | None
    """None: n/a."""
    interval: Interval | None
    """95 % of the resamples of the pictures; None: none was asked for, or there is none."""
    common_db: tuple[float, float] | None
    """PSNRs, mean PSNRs for pairs, that the figure is over; None: there are none."""
    images: int
    worse_on: int
    """Pictures on which this codec alone needs more bits than the reference."""


def bd_lines(findings: Findings, *, resamples: int = 0) -> list[BdLine]:
    """Every codec but the reference, data set by data set.

    Args:
        findings: of one reference.
        resamples: for intervals; see `table.with_intervals`.
    """
    return [
        line
        for of_set in findings.sets
        for with_interval in _lines(findings.reference, of_set, resamples)
        if with_interval.codec != findings.reference
        for column in of_set.columns
        for line in [_line(findings.reference, of_set, with_interval, column)]
    ]


def bd_markdown(lines: Sequence[BdLine], *, reference: str) -> str:
    """The lines as a Markdown table."""
    head = (
        f"| data set | codec | of | BD-rate against {reference} | over dB | pictures | worse on |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(
        f"| {line.dataset} | {line.codec} | {COLUMN_NAMES[line.of]} |"
        f" {percent_text(line.percent, line.interval)} | {_range(line.common_db)} |"
        f" {line.images} | {line.worse_on} |\n"
        for line in lines
    )


def pictures_markdown(findings: Findings) -> str:
    """Every picture alone as a Markdown table."""
    head = "| data set | picture | codec | visible | infrared | pair, best split |\n"
    head += "|---|---|---|---|---|---|\n"
    return head + "".join(
        f"| {of_set.dataset} | {picture.image} | {line.codec} | {percent_text(line.visible)} |"
        f" {percent_text(line.infrared)} | {percent_text(line.pair)} |\n"
        for of_set in findings.sets
        for picture in of_set.pictures
        for line in picture.lines
        if line.codec != findings.reference
    )


def _lines(reference: str, of_set: SetFindings, resamples: int) -> Sequence[TableLine]:
    if not resamples:
        return of_set.lines
    return with_intervals(
        of_set.lines,
        of_set.rows,
        reference=reference,
        resamples=resamples,
        psnr_range=of_set.psnr_range,
    )


def _line(reference: str, of_set: SetFindings, line: TableLine, column: Column) -> BdLine:
    by_codec = {each.codec: each for each in of_set.averages}
    curves = [_curve(by_codec[codec], column) for codec in (reference, line.codec)]
    base, test = curves
    percents = [each.percent(line.codec, column) for each in of_set.pictures]
    return BdLine(
        dataset=of_set.dataset,
        codec=line.codec,
        of=column,
        percent=bd_percent(line, column),
        interval={
            "visible": line.visible_interval,
            "infrared": line.infrared_interval,
            "pair": line.pair_interval,
        }[column],
        common_db=None
        if base is None or test is None
        else common_range(base, test, psnr_range=of_set.psnr_range),
        images=line.images,
        worse_on=sum(percent is not None and percent > 0 for percent in percents),
    )


def _curve(codec: CodecPoints, column: Column) -> Curve | None:
    return codec.pair_curve() if column == "pair" else codec.curve(Modality(column))


def _range(common_db: tuple[float, float] | None) -> str:
    return "none" if common_db is None else f"{common_db[0]:.1f} to {common_db[1]:.1f}"
