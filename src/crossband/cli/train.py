# SPDX-License-Identifier: Apache-2.0
"""`crossband train`: a recipe and a folder of pairs in, a run out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossband.cli.options import Json
from crossband.cli.outcome import ExitCode, Interrupted, complain, print_json

EXAMPLES = """
crossband train recipes/first.toml --data shared/data --run runs/first
crossband train recipes/first.toml --data shared/data --run runs/first --minutes 9
crossband train recipes/own.toml --data my-pairs --run runs/mine --from base --minutes 60
crossband export runs/mine -o mine.safetensors
"""


def train(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="TOML file: see docs/training.md.")
    ],
    *,
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder that holds the recipe's sources.")
    ],
    run: Annotated[
        Path,
        typer.Option(metavar="FOLDER", help="Where the run is kept; one that is there goes on."),
    ],
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="N", min=0, help="Stop after N minutes.  [default: at the recipe's end]"
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
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="CPU threads.  [default: torch's]")
    ] = None,
    json: Json = False,
) -> ExitCode:
    """Train a codec on a folder of pairs; the same command again goes on where it stopped.

    Ctrl-C ends it after the step in hand, with a checkpoint. Uses a GPU if there is one. The
    folder of the run gets recipe.json, log.jsonl and checkpoint.pt.
    """
    from crossband.training.request import TrainingRequest

    request = TrainingRequest(recipe, data, run, minutes, steps, start, threads)
    result = request.carry_out(complain)
    for words in result.last_words:
        complain(words)
    if result.progress.interrupted:
        raise Interrupted(result.line)
    if json:
        print_json(result.to_mapping())
    else:
        print(result.line)
    return ExitCode.DONE
