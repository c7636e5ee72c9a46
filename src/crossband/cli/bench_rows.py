# SPDX-License-Identifier: Apache-2.0
"""What `bench plot` and `bench report` take: rows, a reference, ranges of PSNR."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from crossband.bench.findings import Findings

Rows = Annotated[list[Path], typer.Argument(metavar="ROWS", help="Files that `bench run` wrote.")]
Against = Annotated[str, typer.Option(metavar="CODEC", help="The codec that is 0 %.")]
Ranges = Annotated[
    list[str] | None,
    typer.Option(
        "--psnr",
        metavar="[SET=]LOW:HIGH",
        help="Only this part of the curves counts for BD-rates, in dB; of one data set, or of all"
        " others. May be repeated.",
    ),
]
Ours = Annotated[str, typer.Option(metavar="CODEC", help="The codec whose losses are looked for.")]


def read_findings(rows: list[Path], *, against: str, ranges: list[str] | None) -> Findings:
    """The rows, compared; a line on standard error for each data set that could not be.

    Raises:
        UsageError: a range is none.
        InputError: the rows cannot be used, or a package of the extra `bench` is missing.
    """
    from crossband.bench.findings import find, read_all
    from crossband.cli.bench import parse_range
    from crossband.cli.outcome import complain

    check_packages("bjontegaard", "jinja2", "matplotlib", "scipy")
    of_all = None
    of_sets = {}
    for text in ranges or []:
        dataset, _, limits = text.rpartition("=")
        parsed = parse_range("--psnr", limits)
        if dataset and parsed is not None:
            of_sets[dataset] = parsed
        else:
            of_all = parsed
    findings = find(read_all(rows), reference=against, psnr_range=of_all, set_ranges=of_sets)
    for failure in findings.failures:
        complain(failure)
    return findings


def check_packages(*names: str) -> None:
    """Nothing, if all these packages are installed.

    Raises:
        InputError: one is missing.
    """
    from crossband.errors import InputError

    for name in names:
        if find_spec(name) is None:
            raise InputError(f"{name} is not installed: pip install 'crossband[bench]'")
