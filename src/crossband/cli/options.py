# SPDX-License-Identifier: Apache-2.0
"""Options that more than one command has, so that they read the same everywhere."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Replace output files that exist.")]
CodedWith = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME|FILE",
        help="Weights that the file was made with, if they are not shipped ones.",
    ),
]
FilmCodedWith = Annotated[
    str | None,
    typer.Option(
        "--film-model",
        metavar="NAME|FILE",
        help="Films: weights of the frames between key frames, if they are not shipped ones.",
    ),
]
DropAlpha = Annotated[
    bool, typer.Option("--drop-alpha", help="Leave transparency out instead of refusing it.")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Films: groups of frames that are worked on at once, each on one core.  [default: one"
        " a core, up to 4]",
    ),
]
