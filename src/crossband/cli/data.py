# SPDX-License-Identifier: Apache-2.0
"""`crossband data`: what a folder of pairs is worth before anything is trained on it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossband.cli.options import Force, Json
from crossband.cli.outcome import ExitCode, print_json

if TYPE_CHECKING:
    from crossband.datasets.check import Audit

CHECK_EXAMPLES = """
crossband data check my-pairs
crossband data check my-pairs -o manifest.json
crossband data check LLVIP --set llvip-full --json | jq '.findings[].kind'
"""
_NAMED = 5
"""How many files the table names for each finding."""


def check(
    root: Annotated[
        Path, typer.Argument(metavar="ROOT", help="Folder with visible/ and infrared/, or --set's.")
    ],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Manifest: facts and SHA-256 of every file."
        ),
    ] = None,
    data_set: Annotated[
        str,
        typer.Option(
            "--set", metavar="NAME", help="Layout of a published set; a wrong name lists them all."
        ),
    ] = "folder",
    force: Force = False,
    json: Json = False,
) -> ExitCode:
    """Look at every picture of a set of pairs and tell what is wrong, before training on it.

    Found are unreadable files, files without partner, pairs of two sizes, 8-bit infrared in 16-bit
    files, traces of JPEG in other files, pairs that are shifted, near duplicates, and pictures of
    train that are in val or test too. No picture is changed.

    Exit code 0: nothing was found; 1: something was; 3: there is no pair to look at.
    """
    from crossband import datasets
    from crossband.datasets.check import audit
    from crossband.sources import atomic_write, check_destination

    layout = datasets.find(data_set)
    if output is not None:
        check_destination(output, force=force)
    with _progress() as report:
        result = audit(root, layout, report=report)
    if output is not None:
        atomic_write(output, result.manifest(), force=force)
    if json:
        print_json(result.summary())
    else:
        _print_table(result, root)
        if output is not None:
            print(f"{output}: manifest of {result.summary()['files']:,} files")
    return ExitCode.SOME_FAILED if result.findings else ExitCode.DONE


def _print_table(result: Audit, root: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from crossband.datasets.check import KINDS

    facts = result.summary()
    console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
    table = Table(title=escape(f"{root} ({facts['data_set']})"), title_justify="left")
    table.add_column("looked for", no_wrap=True)
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("where (the first five)", overflow="fold")
    findings = {finding.kind: finding for finding in result.findings}
    for kind in KINDS:
        finding = findings.get(kind)
        lines = [] if finding is None else [*finding.where[:_NAMED], f"-> {finding.advice}"]
        count = "none" if finding is None else f"{len(finding.where):,}"
        table.add_row(kind, count, escape("\n".join(lines)))
    for line in _facts(facts):
        console.print(line, markup=False, soft_wrap=True)
    console.print(table)


def _facts(facts: dict[str, Any]) -> list[str]:
    """What the set is, one line each."""
    lines = [f"files    {facts['files']:,}, {facts['size_bytes']:,} bytes"]
    lines.append(f"paired   by {facts['paired_by']}")
    for split, counts in facts["splits"].items():
        alone = [
            f"{counts[f'{camera}_only']:,} {camera} alone"
            for camera in ("visible", "infrared")
            if counts[f"{camera}_only"]
        ]
        pairs = f"{counts['pairs']:,} pair{'' if counts['pairs'] == 1 else 's'}"
        lines.append(f"{split:<8} {', '.join([pairs, *alone])}")
    for key in ("sizes", "depths"):
        values = list(facts[key].items())
        shown = [f"{what}: {count:,}" for what, count in values[:_NAMED]]
        more = [f"{len(values) - _NAMED:,} more"] if len(values) > _NAMED else []
        lines.append(f"{key:<8} {', '.join([*shown, *more]) or 'none'}")
    offsets = facts["offsets"]
    counts = f"clear in {offsets['clear']:,} pairs, unclear in {offsets['unclear']:,}"
    if offsets["not_compared"]:
        counts += f", not to be compared in {offsets['not_compared']:,}"
    if offsets["clear"]:
        counts += (
            f"; median {offsets['median_right_px']:+.0f} right,"
            f" {offsets['median_down_px']:+.0f} down, {offsets['median_distance_px']:.1f} px long"
        )
    lines.append(f"offsets  {counts}")
    return lines


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """What shows progress with the time left, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task("pairs")
        yield lambda done, total: bar.update(shown, completed=done, total=total)
