# SPDX-License-Identifier: Apache-2.0
"""`crossband bench bd`: BD-rates one by one, with what they rest on."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from crossband.cli.bench_rows import Against, Ranges, Rows, read_findings
from crossband.cli.options import Json
from crossband.cli.outcome import ExitCode, print_json

EXAMPLES = """
crossband bench bd rows.jsonl --against x265
crossband bench bd anchors.jsonl ours.jsonl --psnr roadscene=28:37 --bootstrap 1000
crossband bench bd rows.jsonl --pictures
"""


def bd(
    rows: Rows,
    *,
    against: Against = "x265",
    ranges: Ranges = None,
    bootstrap: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Resamples of the pictures for 95 % intervals; 0 is none."
        ),
    ] = 200,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Add the BD-rates of each picture alone.")
    ] = False,
    json: Json = False,
) -> ExitCode:
    """Print each BD-rate with its interval, the PSNRs it is over, and how many pictures lose.

    Only what both curves have counts; n/a if there is nothing. Needs
    pip install 'crossband[bench]'.
    """
    from crossband.bench.bd_lines import bd_lines, bd_markdown, pictures_markdown

    findings = read_findings(rows, against=against, ranges=ranges)
    lines = bd_lines(findings, resamples=bootstrap)
    if json:
        alone = [
            {
                "dataset": of_set.dataset,
                "image": picture.image,
                "codec": line.codec,
                "visible": line.visible,
                "infrared": line.infrared,
                "pair": line.pair,
            }
            for of_set in findings.sets
            for picture in of_set.pictures
            for line in picture.lines
            if line.codec != against
        ]
        print_json(
            {
                "against": against,
                "bootstrap": bootstrap,
                "lines": [asdict(line) for line in lines],
                "pictures": alone if pictures else None,
                "failures": findings.failures,
            }
        )
    else:
        print(bd_markdown(lines, reference=against), end="")
        if pictures:
            print(f"\n{pictures_markdown(findings)}", end="")
    return ExitCode.SOME_FAILED if findings.failures else ExitCode.DONE
