# SPDX-License-Identifier: Apache-2.0
"""`crossband info`: what a file's header says, without weights or torch."""

from __future__ import annotations

from typing import Annotated

import typer

from crossband.cli.options import Json
from crossband.cli.outcome import ExitCode, print_json
from crossband.cli.streams import STANDARD, Coded, shown_name

EXAMPLES = """
crossband info pair.xb
crossband info pair.xb --metadata
crossband info pair.xb --json | jq .rate_bpp
crossband encode visible.png infrared.png -o - | crossband info -
"""


def info(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Crossband file; - for standard input.")
    ],
    *,
    metadata: Annotated[
        bool,
        typer.Option("--metadata", help="List the metadata of each picture, verified."),
    ] = False,
    json: Json = False,
) -> ExitCode:
    """Show sizes, depths, order, quality and bytes of each picture in a file.

    Every checksum of the file is verified, its pictures are not decoded (see `verify`). The bits
    per pixel are those of the whole file over the pixels of the visible picture, or of the only
    one. A film is shown frame by frame.
    """
    coded = Coded(file)
    if coded.is_film:
        from crossband.cli.film import info_film

        with coded:
            return info_film(coded, json=json)
    from crossband.cli.facts import file_facts, file_lines, metadata_facts, metadata_lines
    from crossband.container import unpack

    header = unpack(coded.read())
    if json:
        facts = file_facts(None if file == STANDARD else file, header)
        print_json({**facts, "metadata": metadata_facts(header)} if metadata else facts)
    else:
        lines = file_lines(shown_name(file), header)
        print("\n".join([*lines, *metadata_lines(header)] if metadata else lines))
    return ExitCode.DONE
