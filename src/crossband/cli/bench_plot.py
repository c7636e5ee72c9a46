# SPDX-License-Identifier: Apache-2.0
"""`crossband bench plot`: measured rows as SVG files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossband.cli.bench_rows import Against, Ours, Ranges, Rows, read_findings
from crossband.cli.options import Force, Json
from crossband.cli.outcome import ExitCode, print_json

EXAMPLES = """
crossband bench plot rows.jsonl -o plots
crossband bench plot anchors.jsonl ours.jsonl -o plots --against vvenc --psnr roadscene=28:37
"""


def plot(
    rows: Rows,
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FOLDER", help="For the files; made if need be."),
    ],
    against: Against = "x265",
    ranges: Ranges = None,
    ours: Ours = "crossband",
    force: Force = False,
    json: Json = False,
) -> ExitCode:
    """Plot rate against quality, time against BD-rate, and BD-rates of single pictures, as SVG.

    One file a plot: SET-visible-psnr.svg and so on. Needs pip install 'crossband[bench]'.
    """
    from crossband.bench.drawing import draw, standalone
    from crossband.bench.plots import plots
    from crossband.errors import OutputError
    from crossband.sources import atomic_write, check_destination

    findings = read_findings(rows, against=against, ranges=ranges)
    made = plots(findings, sort_by=ours)
    paths = [output / f"{each.name}.svg" for each in made]
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: is a file; -o takes the folder for the plots")
    if output.exists():
        for path in paths:
            check_destination(path, force=force)
    texts = [standalone(draw(each)) for each in made]
    try:
        output.mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{output}: cannot be made ({error.strerror}); name a folder in one that exists"
        ) from error
    written: list[Path] = []
    try:
        for path, text in zip(paths, texts, strict=True):
            existed = path.exists()
            atomic_write(path, text.encode(), force=force)
            if not existed:
                written.append(path)
    except BaseException:  # Ctrl-C too: all plots or none
        for path in written:
            path.unlink(missing_ok=True)
        raise
    if json:
        print_json(
            {
                "against": against,
                "plots": [
                    {"file": str(path), "data_set": each.dataset, "title": each.title}
                    for path, each in zip(paths, made, strict=True)
                ],
                "failures": findings.failures,
            }
        )
    else:
        print(f"{output}: {len(made)} plots")
    return ExitCode.SOME_FAILED if findings.failures else ExitCode.DONE
