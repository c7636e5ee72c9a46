# SPDX-License-Identifier: Apache-2.0
"""`crossband bench report`: measured rows as one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossband.cli.bench_rows import Against, Ours, Ranges, Rows, read_findings
from crossband.cli.options import Force, Json
from crossband.cli.outcome import ExitCode, complain, print_json

if TYPE_CHECKING:
    from crossband.bench.worst import WorstPicture

EXAMPLES = """
crossband bench report rows.jsonl -o report.html
crossband bench report anchors.jsonl ours.jsonl -o report.html --psnr roadscene=28:37
crossband bench report rows.jsonl -o report.html --data shared/data
"""


def report(
    rows: Rows,
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="One HTML file, whole in itself.")
    ],
    against: Against = "x265",
    ranges: Ranges = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="ROOT",
            help="Folder of the pictures, as `bench run` got it: adds the five worst of --ours,"
            " coded anew.",
        ),
    ] = None,
    ours: Ours = "crossband",
    force: Force = False,
    json: Json = False,
) -> ExitCode:
    """Write one HTML page of BD-rates, plots, codecs and settings, readable without a network.

    It says what the rows say: BD-rates of each data set, rate and quality, time, every picture
    alone, how it was measured. Needs pip install 'crossband[bench]'.
    """
    from crossband.bench.plots import plots
    from crossband.bench.report import write_report
    from crossband.sources import atomic_write, check_destination

    check_destination(output, force=force)
    findings = read_findings(rows, against=against, ranges=ranges)
    failures = list(findings.failures)
    worst: list[WorstPicture] = []
    if data is not None:
        from crossband.bench.worst import find_worst

        def lost(failure: str) -> None:
            complain(failure)
            failures.append(failure)

        worst = find_worst(findings, data, ours=ours, report=lost)
    made = plots(findings, sort_by=ours)
    page = write_report(findings, made, worst=worst).encode()
    atomic_write(output, page, force=force)
    if json:
        print_json(
            {
                "output": str(output),
                "size_bytes": len(page),
                "against": against,
                "data_sets": [each.dataset for each in findings.sets],
                "plots": len(made),
                "worst_pictures": [f"{each.dataset}/{each.image}" for each in worst],
                "failures": failures,
            }
        )
    else:
        print(f"{output}: {len(page):,} bytes, {len(made)} plots")
    return ExitCode.SOME_FAILED if failures else ExitCode.DONE
