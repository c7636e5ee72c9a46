# SPDX-License-Identifier: Apache-2.0
"""What plots and reports are made from: each data set's curves, BD-rates and single pictures.

rows ──► newest version of each codec ──► pictures that every codec has whole ──► findings of a set
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crossband.bench import published
from crossband.bench import table as tables
from crossband.bench.published import PublishedLine
from crossband.bench.rows import Row, read_rows
from crossband.bench.table import CodecPoints, TableLine
from crossband.errors import InputError
from crossband.pair import Modality

Column = Literal["visible", "infrared", "pair"]
"""What a BD-rate is of; `pair` has the best split of bits."""


@dataclass(frozen=True, slots=True)
class PictureFindings:
    """BD-rates of every codec on one pair alone."""

    image: str
    lines: tuple[TableLine, ...]

    def percent(self, codec: str, column: Column) -> float | None:
        """BD-rate in percent; None: n/a, or no such codec."""
        return next((bd_percent(line, column) for line in self.lines if line.codec == codec), None)


@dataclass(frozen=True, slots=True)
class SetFindings:
    """One data set."""

    dataset: str
    psnr_range: tuple[float, float] | None
    """dB; BD-rates are over this part of the curves only. None: over all that both have."""
    averages: tuple[CodecPoints, ...]
    lines: tuple[TableLine, ...]
    published: tuple[PublishedLine, ...]
    """Against published curves of this data set; mostly none."""
    pictures: tuple[PictureFindings, ...]
    """By name."""
    rows: tuple[Row, ...]
    """Those that count."""
    images_left_out: int
    """Pictures that some codec lacks at some quality."""
    rows_left_out: int
    """Of versions of a codec that later rows replace."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """What there are BD-rates of, the most telling one last."""
        held = [each for each in Modality if any(of.curve(each) for of in self.averages)]
        if len(held) == 2:
            return ("visible", "infrared", "pair")
        return ("visible",) if held == [Modality.VISIBLE] else ("infrared",)


@dataclass(frozen=True, slots=True)
class Findings:
    """All data sets against one codec."""

    reference: str
    """The codec that is 0 %."""
    codecs: tuple[str, ...]
    """In the order of the rows."""
    sets: tuple[SetFindings, ...]
    """At least one."""
    failures: tuple[str, ...]
    """One line for each data set that could not be compared."""


def bd_percent(line: TableLine, column: Column) -> float | None:
    """One column of a line, in percent; None: n/a."""
    return {"visible": line.visible, "infrared": line.infrared, "pair": line.pair}[column]


def read_all(paths: Sequence[Path]) -> list[Row]:
    """The rows of several files, in their order.

    Raises:
        InputError: a file is not there, a line is no row, or there is no row at all.
    """
    rows = []
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; `crossband bench run` makes one")
        rows += read_rows(path)
    if not rows:
        names = ", ".join(map(str, paths))
        raise InputError(f"{names}: no row is in there; `crossband bench run` adds some")
    return rows


def find(
    rows: Sequence[Row],
    *,
    reference: str,
    psnr_range: tuple[float, float] | None = None,
    set_ranges: Mapping[str, tuple[float, float]] | None = None,
) -> Findings:
    """Compares every codec with the reference, data set by data set.

    Args:
        rows: at least one, in the order of their files.
        reference: the codec that is 0 %.
        psnr_range: dB; only this part of the curves counts.
        set_ranges: the same for single data sets, by name.

    Raises:
        InputError: no row is of the reference, a range is of a data set without rows, or no data
            set can be compared.
    """
    codecs = tuple(dict.fromkeys(row.codec for row in rows))
    if reference not in codecs:
        raise InputError(f"no row is of {reference}; rows are of {', '.join(codecs)}")
    by_set: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_set[row.dataset].append(row)
    if unknown := (set_ranges or {}).keys() - by_set.keys():
        raise InputError(
            f"no row is of {', '.join(sorted(unknown))}; data sets are {', '.join(by_set)}"
        )
    sets: list[SetFindings] = []
    failures: list[str] = []
    for dataset, rows_of_set in by_set.items():
        limits = (set_ranges or {}).get(dataset, psnr_range)
        try:
            sets.append(_find_of_set(rows_of_set, reference, limits))
        except InputError as error:
            failures.append(str(error))
    if not sets:
        raise InputError("; ".join(failures))
    return Findings(reference, codecs, tuple(sets), tuple(failures))


def _find_of_set(
    rows: Sequence[Row], reference: str, psnr_range: tuple[float, float] | None
) -> SetFindings:
    latest = {row.codec: row.version for row in rows}
    newest = [row for row in rows if row.version == latest[row.codec]]
    points = {(row.codec, row.quality) for row in newest}
    by_image: dict[str, list[Row]] = defaultdict(list)
    for row in newest:
        by_image[row.image].append(row)
    whole = {
        image: of
        for image, of in sorted(by_image.items())
        if {(row.codec, row.quality) for row in of} == points
    }
    counted = [row for of in whole.values() for row in of]
    averages = tables.average(newest)
    return SetFindings(
        dataset=rows[0].dataset,
        psnr_range=psnr_range,
        averages=tuple(averages),
        lines=tuple(tables.table(averages, reference=reference, psnr_range=psnr_range)),
        published=tuple(published.compare(averages, psnr_range=psnr_range)),
        pictures=tuple(
            PictureFindings(
                image,
                tuple(tables.table(tables.average(of), reference=reference, psnr_range=psnr_range)),
            )
            for image, of in whole.items()
        ),
        rows=tuple(counted),
        images_left_out=len(by_image) - len(whole),
        rows_left_out=len(rows) - len(newest),
    )
