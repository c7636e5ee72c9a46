# SPDX-License-Identifier: Apache-2.0
"""`crossband bench`: crossband and other codecs on the same pairs, side by side."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossband.cli.options import Json
from crossband.cli.outcome import ExitCode, Interrupted, UsageError, complain, print_json

if TYPE_CHECKING:
    from crossband.bench.run import Progress, Summary, Task

BUSY_LOAD = 0.5
"""Processes on average, above which a machine is no place for timings."""
RUN_EXAMPLES = """
crossband bench run --data pairs --codecs x265,webp,crossband -o rows.jsonl
crossband bench run --data pairs --codecs crossband --quality crossband=20,40,60 -o rows.jsonl
crossband bench run --data shared/data --set roadscene:test:10 --set msrs --codecs vvenc -o r.jsonl
"""
FILMS_EXAMPLES = """
crossband bench films --clip yard=vis.mp4,ir.mkv --codecs x265-ldp,crossband -o films.jsonl
crossband bench films --clip a=a/vis,a/ir --codecs vvenc-ra/32,crossband/32 -o films.jsonl
crossband bench table films.jsonl --against x265-ldp
"""
TABLE_EXAMPLES = """
crossband bench table rows.jsonl --against x265
crossband bench table rows.jsonl --against x265 --psnr 28:37 --points
crossband bench table rows.jsonl --against x265 --bootstrap 1000
"""


def run(
    *,
    data: Annotated[
        Path,
        typer.Option(metavar="ROOT", help="Folder with visible/ and infrared/, or that of --set."),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Rows as JSON lines; rows in it are kept."
        ),
    ],
    codecs: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Codecs, with commas; a wrong name lists them all."),
    ] = None,
    external: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COMMANDS",
            help="A codec of two commands, from PNG to a file of its own and back: NAME='encoder"
            " {input} {output} {quality} ::: decoder {input} {output}'. Needs --quality. May be"
            " repeated.",
        ),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME[:SPLIT[:COUNT]]",
            help="Pairs of a published set: of a split (train, val, test, all), and that many,"
            " evenly spread. May be repeated.  [default: folder]",
        ),
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Only these pictures of the sets, with commas."),
    ] = None,
    quality: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODEC=Q,Q,...",
            help="Qualities of one codec, on its own scale. May be repeated."
            "  [default: its grid, about 27 to 42 dB]",
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=1, help="A slower encode or decode is stopped and has failed."
        ),
    ] = 300,
    jobs: Annotated[
        int,
        typer.Option(min=1, help="Points measured at once; rows of more than 1 have no seconds."),
    ] = 1,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume", help="Go on with the rows in the file, or refuse such a file."
        ),
    ] = True,
    timing: Annotated[
        bool,
        typer.Option(
            "--timing",
            help="Take seconds in one thread while no other bench runs; rows without such are"
            " measured again.",
        ),
    ] = False,
    json: Json = False,
) -> ExitCode:
    """Measure codecs on pairs: bytes, PSNR, MS-SSIM and seconds, one row a point.

    Every encode is a file, decoded in another process. A run that was stopped goes on where it
    was. A codec that hangs, crashes or fails on a picture is told at the end. A codec that is not
    installed is skipped with a line: pip install 'crossband[bench]'.
    """
    from crossband.bench import alone, coders
    from crossband.bench.rows import read_rows
    from crossband.bench.run import run as run_bench

    if timing and jobs > 1:
        raise UsageError(f"--timing with --jobs {jobs}: what runs beside other work is no timing")
    specs = [name.strip() for name in codecs.split(",")] if codecs else []
    if not specs and not external:
        raise UsageError("no codec to measure; name some with --codecs or --external")
    chosen = [coders.find(spec) for spec in [*specs, *(external or [])]]
    qualities = _qualities(quality or [], [coder.name for coder in chosen])
    tasks = chosen_tasks(data, sets or ["folder"], images)
    if not resume and (there := len(read_rows(output))):
        raise UsageError(
            f"{output}: has {there} rows already; go on with them (--resume) or choose another"
            " --output"
        )
    if timing and (load := alone.load() or 0) > BUSY_LOAD:
        complain(f"other work runs on this machine (load {load:.1f}); seconds will tell of it too")
    try:
        with bench_progress() as report:
            summary = run_bench(
                tasks,
                chosen,
                output,
                qualities=qualities,
                limit_s=timeout,
                jobs=jobs,
                timing=timing,
                report=report,
            )
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; {output} keeps every row, the same command goes on"
        ) from None
    return _told(summary, output, json=json)


def films(
    *,
    clips: Annotated[
        list[str],
        typer.Option(
            "--clip",
            metavar="NAME=VISIBLE,INFRARED",
            help="Two film files, or two folders of numbered pictures. May be repeated.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Rows as JSON lines; rows in it are kept."
        ),
    ],
    codecs: Annotated[
        str, typer.Option(metavar="NAMES", help="Codecs, with commas; a wrong name lists them all.")
    ],
    name: Annotated[
        str, typer.Option(metavar="NAME", help="What rows and tables call these clips.")
    ] = "films",
    frames: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Only so many of each clip.  [default: all]"),
    ] = None,
    quality: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODEC=Q,Q,...",
            help="Qualities of one codec, on its own scale. May be repeated.",
        ),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=1, help="A slower encode or decode has failed."),
    ] = 3600,
    untimed: Annotated[
        bool, typer.Option("--untimed", help="Rows without seconds: other work runs beside it.")
    ] = False,
    json: Json = False,
) -> ExitCode:
    """Measure film codecs on clips of two cameras: one row a clip, codec and quality.

    A whole clip is one group; NAME/32 makes a key frame every 32 frames. Every encode is a file,
    decoded in another process. PSNR is the mean of the frames'. A run that was stopped goes on
    where it was, and `bench table` and `bench plot` read its rows.
    """
    from crossband.bench import film_coders, film_run

    chosen = [film_coders.find(each.strip()) for each in codecs.split(",")]
    qualities = _qualities(quality or [], [coder.name for coder in chosen])
    paths = [film_run.parse_clip(text) for text in clips]
    try:
        with bench_progress() as report:
            summary = film_run.run(
                paths,
                chosen,
                output,
                dataset=name,
                frames=frames,
                qualities=qualities,
                limit_s=timeout,
                timed=not untimed,
                report=report,
            )
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; {output} keeps every row, the same command goes on"
        ) from None
    return _told(summary, output, json=json)


def _told(summary: Summary, output: Path, *, json: bool) -> ExitCode:
    """Says what a run did."""
    for line in summary.failures:
        complain(line)
    for name in summary.skipped:
        complain(f"{name} was skipped: not installed (see `crossband bench run --help`)")
    if json:
        print_json(asdict(summary))
    else:
        print(
            f"{output}: {summary.measured} rows measured, {summary.kept} kept,"
            f" {len(summary.failures)} failed"
        )
    if not summary.measured and not summary.kept:
        return ExitCode.NOTHING_DONE
    return ExitCode.SOME_FAILED if summary.failures or summary.skipped else ExitCode.DONE


def table(
    rows: Annotated[
        list[Path], typer.Argument(metavar="ROWS", help="Files that `bench run` wrote.")
    ],
    *,
    against: Annotated[str, typer.Option(metavar="CODEC", help="The codec that is 0 %.")] = "x265",
    psnr: Annotated[
        str | None,
        typer.Option(metavar="LOW:HIGH", help="Only this part of the curves, in dB."),
    ] = None,
    steps: Annotated[
        str | None,
        typer.Option(
            metavar="LOW:HIGH", help="Only qualities whose mean PSNR is between these, in dB."
        ),
    ] = None,
    bootstrap: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="Add 95 % intervals from N resamples of the pictures; 1000 is usual, 0 is none.",
        ),
    ] = 0,
    points: Annotated[bool, typer.Option("--points", help="Add every mean point.")] = False,
    json: Json = False,
) -> ExitCode:
    """Print BD-rates of each codec against one, by data set and modality, as Markdown.

    Negative: fewer bits at equal PSNR, over the range that both curves have; n/a if there is none.
    Curves are means over the pictures that all codecs have. The pair counts with the best split of
    bits between both pictures, for both codecs. On the sets flir and kaist a second table has each
    codec against published curves. Needs pip install 'crossband[bench]'.
    """
    from crossband.bench import published
    from crossband.bench import table as tables
    from crossband.bench.rows import read_rows
    from crossband.cli.bench_rows import check_packages
    from crossband.errors import InputError

    check_packages("bjontegaard", "scipy")
    found = []
    for path in rows:
        if not path.is_file():
            raise InputError(f"{path}: there is no such file; `crossband bench run` makes one")
        found += read_rows(path)
    if not found:
        raise InputError(
            f"{', '.join(map(str, rows))}: has no row; `crossband bench run` adds some"
        )
    steps_db, psnr_range = parse_range("--steps", steps), parse_range("--psnr", psnr)
    averages = tables.average(found, steps_db=steps_db)
    lines = tables.table(averages, reference=against, psnr_range=psnr_range)
    if bootstrap:
        lines = tables.with_intervals(
            lines,
            found,
            reference=against,
            resamples=bootstrap,
            steps_db=steps_db,
            psnr_range=psnr_range,
        )
    beside = published.compare(averages, psnr_range=psnr_range)
    if json:
        curves = [asdict(each) for each in averages] if points else None
        print_json(
            {
                "against": against,
                "bootstrap": bootstrap,
                "lines": [asdict(each) for each in lines],
                "published": {
                    "note": published.footnote(),
                    "lines": [asdict(each) for each in beside],
                }
                if beside
                else None,
                "points": curves,
            }
        )
        return ExitCode.DONE
    print(tables.table_markdown(lines, reference=against), end="")
    if beside:
        print(f"\n{published.published_markdown(beside)}", end="")
    if points:
        print(f"\n{tables.points_markdown(averages)}", end="")
    return ExitCode.DONE


def chosen_tasks(root: Path, selections: list[str], images: str | None) -> list[Task]:
    """The pairs that `--set` and `--images` name."""
    from crossband import datasets
    from crossband.bench.run import Task

    tasks = []
    for text in selections:
        selection = datasets.select(text)
        tasks += [Task(selection.dataset.name, path) for path in selection.pairs(root)]
    if images is None:
        return tasks
    wanted = {name.strip() for name in images.split(",")}
    if absent := wanted - {task.path.name for task in tasks}:
        raise UsageError(f"--images: {', '.join(sorted(absent))} is not in {', '.join(selections)}")
    return [task for task in tasks if task.path.name in wanted]


def _qualities(options: list[str], codecs: list[str]) -> dict[str, tuple[float, ...]]:
    grids = {}
    for option in options:
        codec, _, values = option.partition("=")
        if codec not in codecs:
            raise UsageError(f"--quality {option}: {codec} is not among {', '.join(codecs)}")
        try:
            grids[codec] = tuple(float(value) for value in values.split(","))
        except ValueError:
            raise UsageError(f"--quality {option}: write it as {codec}=20,40,60") from None
    return grids


def parse_range(option: str, text: str | None) -> tuple[float, float] | None:
    """Two numbers as `28:37`, the first the lower; None for none."""
    if text is None:
        return None
    try:
        low, high = (float(value) for value in text.split(":"))
    except ValueError:
        raise UsageError(f"{option} is {text}; write it as 28:37") from None
    if low >= high:
        raise UsageError(f"{option} is {text}; the first number must be the lower")
    return low, high


@contextmanager
def bench_progress() -> Iterator[Callable[[Progress], None]]:
    """What shows progress with the time left, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda progress: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
    with Bar(
        *columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True
    ) as bar:
        shown = bar.add_task("")
        yield lambda progress: bar.update(
            shown, completed=progress.done, total=progress.total, description=progress.what
        )
