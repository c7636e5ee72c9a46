# SPDX-License-Identifier: Apache-2.0
"""`crossband export`: a run in, a weight file out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossband.cli.options import Force, Json
from crossband.cli.outcome import ExitCode, UsageError, print_json

EXAMPLES = """
crossband export runs/mine -o mine.safetensors
crossband export runs/mine -o mine.safetensors --note cameras="FLIR A65, IMX273" --force
crossband train --from mine.safetensors --data more-pairs --run runs/next --minutes 60
crossband export runs/mine -o mine.safetensors --moments mine.moments.safetensors
"""

_ENDING = ".safetensors"
_OWN_KEYS = ("settings", "recipe", "steps", "date", "data", "validation")


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Folder that `crossband train` kept a run in.")
    ],
    *,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="A .safetensors file.")
    ],
    force: Force = False,
    note: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Say this in the file's metadata. May be repeated."),
    ] = None,
    moments: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write what the optimisers remember, for `crossband train --moments`.",
        ),
    ] = None,
    json: Json = False,
) -> ExitCode:
    """Write the averaged weights of a run as a file that codes, and that --from takes.

    It holds the recipe, the data, the date and the last validation. Coded files name their
    weights by its content: keep it for as long as you keep them.
    """
    notes = _notes(note or [])
    from crossband.sources import check_destination

    for option, path in (("-o", output), ("--moments", moments)):
        if path is not None and path.suffix != _ENDING:
            raise UsageError(f"{option} {path}: weight files end in {_ENDING}")
        if path is not None:
            check_destination(path, force=force)

    from crossband import models
    from crossband.training.export import export as write_weights
    from crossband.training.export import export_moments

    exported = write_weights(run, output, notes=notes)
    if moments is not None:
        export_moments(run, moments)
    weights_id = models.describe(str(output)).weights_id
    if json:
        print_json(
            {
                "file": str(output),
                "weights_id": weights_id,
                "size_bytes": exported.size_bytes,
                "step": exported.step,
            }
        )
    else:
        print(
            f"{output}: {exported.size_bytes:,} bytes, weights {weights_id},"
            f" step {exported.step:,} of {run}"
        )
    return ExitCode.DONE


def _notes(words: list[str]) -> dict[str, str]:
    notes = {}
    for text in words:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--note {text}: write it as KEY=VALUE")
        if key in _OWN_KEYS:
            raise UsageError(f"--note {text}: {key} is written by the export; take another key")
        notes[key] = value
    return notes
