# SPDX-License-Identifier: Apache-2.0
"""What training has given and still gives: the validations of runs, as bits against their end.

    python scripts/learning_curve.py runs/first runs/second -o results/learning-curve.json

The runs stand in their order, each begun `--from` the one before; their logs are all that is read.
A point's BD-rate against the last one says how many more bits it needed at equal PSNR, and the
difference between two points, over the hours between them, what an hour still gave.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crossband.bench.bd import Curve, bd_rate
from crossband.errors import CrossbandError, TrainingError
from crossband.sources import atomic_write
from crossband.training.run_log import LOG, read_rows

CAMERAS = ("visible", "infrared")
MODE = "joint"


def validations(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """The points of all runs, with the steps and hours since the first one began.

    Raises:
        TrainingError: a run has no validation, or others than the one before.
    """
    found: list[dict[str, Any]] = []
    steps, hours = 0, 0.0
    for run in runs:
        # Of two rows with one step the later counts: the first was trained again.
        own = {row["step"]: row for row in read_rows(run) if row.get("validation")}
        if not own:
            raise TrainingError(f"{run / LOG} has no validation; name the folder of a run")
        for step, row in sorted(own.items()):
            found.append(
                {
                    "recipe": _recipe(run),
                    "step": step,
                    "steps": steps + step,
                    "hours": round(hours + row["minutes"] / 60, 3),
                    "points": [each for each in row["validation"] if each["mode"] == MODE],
                }
            )
        steps, hours = found[-1]["steps"], found[-1]["hours"]
    places = [{(p["source"], p["quality_index"]) for p in each["points"]} for each in found]
    if any(each != places[-1] for each in places):
        raise TrainingError("these runs were not validated on the same sources and qualities")
    return found


def _recipe(run: Path) -> str:
    """What the run was told apart by."""
    path = run / "recipe.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["name"])
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(f"{path}: no recipe of a run ({error}); name its folder") from None


def curve(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """Every validation and its BD-rate in percent against the last one."""
    found = validations(runs)
    last = found[-1]["points"]
    for each in found:
        each["bd_percent"] = {
            f"{source} {camera}": _rounded(
                bd_rate(_of(last, source, camera), _of(each["points"], source, camera))
            )
            for source in dict.fromkeys(point["source"] for point in last)
            for camera in CAMERAS
        }
        values = [value for value in each["bd_percent"].values() if value is not None]
        each["mean_percent"] = _rounded(sum(values) / len(values)) if values else None
    for before, each in zip([None, *found], found, strict=False):
        each["percent_an_hour"] = None if before is None else _slope(before, each)
    return found


def _slope(before: Mapping[str, Any], after: Mapping[str, Any]) -> float | None:
    hours = after["hours"] - before["hours"]
    if not hours or None in (before["mean_percent"], after["mean_percent"]):
        return None
    return _rounded((after["mean_percent"] - before["mean_percent"]) / hours)


def _of(points: Sequence[Mapping[str, Any]], source: str, camera: str) -> Curve:
    chosen = [each for each in points if each["source"] == source]
    return Curve.through((each[f"{camera}_bpp"], each[f"{camera}_psnr"]) for each in chosen)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def main(words: Sequence[str] | None = None) -> int:
    """Writes the curve of the runs on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders, in order")
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON")
    options = parser.parse_args(words)
    try:
        made = {
            "command": "python scripts/learning_curve.py"
            f" {' '.join(f'runs/{_recipe(run)}' for run in options.runs)} -o {options.output.name}",
            "validations": curve(options.runs),
        }
        atomic_write(options.output, (json.dumps(made, indent=1) + "\n").encode(), force=True)
    except CrossbandError as error:
        print(f"learning_curve: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
