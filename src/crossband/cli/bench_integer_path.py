# SPDX-License-Identifier: Apache-2.0
"""`crossband bench integer-path`: what exact integers cost."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from crossband.cli.options import Json
from crossband.cli.outcome import ExitCode, complain, print_json

EXAMPLES = """
crossband bench integer-path --data shared/data --set roadscene:test:3 --json > integer-path.json
"""


def integer_path(
    *,
    data: Annotated[Path, typer.Option(metavar="ROOT", help="Folder of --set.")],
    sets: Annotated[
        list[str], typer.Option("--set", metavar="NAME[:SPLIT[:COUNT]]", help="May be repeated.")
    ],
    json: Json = False,
) -> ExitCode:
    """Compare written streams with the same weights' estimate in real numbers."""
    from crossband.bench.integer_cost import measure
    from crossband.cli.bench import chosen_tasks

    qualities = (10.0, 30.0, 50.0, 80.0)
    found = measure(chosen_tasks(data, sets, None), qualities, report=complain)
    if json:
        rows = [{**asdict(each), "cost_percent": each.cost_percent} for each in found]
        print_json({"rows": rows})
        return ExitCode.DONE
    for each in found:
        print(f"{each.dataset:12} quality {each.quality:3g}: {each.cost_percent:+.2f} %")
    return ExitCode.DONE
