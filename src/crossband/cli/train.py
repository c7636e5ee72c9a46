# SPDX-License-Identifier: Apache-2.0
"""`crossband train`: a recipe and a folder of pairs in, a run out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossband.cli.options import Json
from crossband.cli.outcome import ExitCode, Interrupted, UsageError, complain, print_json

EXAMPLES = """
crossband train --from base --data my-pairs --minutes 60
crossband train --from base --data KAIST --set kaist --run runs/kaist --minutes 60
crossband train recipes/first.toml --data shared/data --run runs/first
crossband train recipes/first.toml --data shared/data --run runs/first --minutes 9
"""


def train(
    recipe: Annotated[
        Path | None,
        typer.Argument(
            metavar="RECIPE",
            help="TOML file: see docs/training.md.  [default: own pairs, from shipped weights]",
        ),
    ] = None,
    *,
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder that holds the recipe's sources.")
    ],
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the run is kept; one that is there goes on."
            "  [default: runs/ and the recipe's name]",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Train for N minutes. A recipe without steps ends then; others go on with the"
            " next call.  [default: to the end of the recipe's steps]",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Steps of the whole run.  [default: the recipe's]"),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN|FILE|NAME",
            help="Begin with the weights of a run, of a weight file, or with shipped ones.",
        ),
    ] = None,
    moments: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Begin with what the optimisers of these weights' run remembered: see"
            " `crossband export --moments`.",
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            "--set",
            metavar="NAME",
            help="FOLDER is this published set, as its archive unpacks; a wrong name lists all.",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="CPU threads.  [default: torch's]")
    ] = None,
    eager: Annotated[
        bool, typer.Option("--eager", help="On a GPU: do every step anew, replay no recorded ones.")
    ] = False,
    table: Annotated[
        bool,
        typer.Option(
            "--table/--no-table",
            help="After a run that began --from others: the bits of both weights at each quality.",
        ),
    ] = True,
    json: Json = False,
) -> ExitCode:
    """Train a codec on a folder of pairs; the same command again goes on where it stopped.

    Ctrl-C ends it after the step in hand, with a checkpoint. Uses a GPU if there is one. The
    folder of the run gets recipe.json, log.jsonl and checkpoint.pt; a run that began --from other
    weights ends with weights.safetensors and a table of the val pairs, coded before and after.
    """
    from crossband.errors import TrainingError
    from crossband.training.request import TrainingRequest

    try:
        request = TrainingRequest(
            data, recipe, run, minutes, steps, start, layout, threads, eager, moments
        )
    except TrainingError as error:
        raise UsageError(str(error)) from None
    result = request.carry_out(complain)
    for words in result.last_words:
        complain(words)
    if result.progress.interrupted:
        raise Interrupted(result.line)
    if not json:
        print(result.line, flush=True)
    found = None
    if table and result.start is not None and result.progress.done:
        from crossband.cli.before_after import before_and_after

        found = before_and_after(result.run, result.start, result.validation)
    if json:
        print_json(result.to_mapping() | {"table": None if found is None else found.to_mapping()})
    elif found is not None:
        print(f"\n{found.markdown}", end="")
    return ExitCode.DONE
