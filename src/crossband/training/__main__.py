# SPDX-License-Identifier: Apache-2.0
"""`python -m crossband.training [RECIPE] ...`: what `crossband train` does, without typer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from crossband.errors import CrossbandError, TrainingError
from crossband.training.request import TrainingRequest


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a recipe; 0 when done or out of minutes, 2 wrong usage, 3 failed, 130 Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m crossband.training",
        description="Train a codec on pairs of pictures, as `crossband train` does.",
    )
    parser.add_argument("recipe", type=Path, nargs="?", help="default: own pairs, from base")
    parser.add_argument("--data", type=Path, required=True, help="folder of the sources")
    parser.add_argument("--run", type=Path, help="folder of the run; resumed; default: runs/NAME")
    parser.add_argument("--minutes", type=float, help="end after this long, with a checkpoint")
    parser.add_argument("--steps", type=int, help="of the whole run, instead of the recipe's")
    parser.add_argument("--from", dest="start", help="run, weight file or name to begin from")
    parser.add_argument("--moments", type=Path, help="what the optimisers begin with")
    parser.add_argument("--set", dest="layout", help="published set that --data holds")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--eager", action="store_true", help="record no steps on a GPU")
    options = parser.parse_args(arguments)
    try:
        request = TrainingRequest(**vars(options))
    except TrainingError as error:
        parser.error(str(error))
    try:
        result = request.carry_out(_complain)
    except CrossbandError as error:
        _complain(str(error))
        return 3
    except KeyboardInterrupt:
        _complain("interrupted; the last checkpoint is whole")
        return 130
    for words in result.last_words:
        _complain(words)
    if result.progress.interrupted:
        _complain(result.line)
        return 130
    print(result.line)
    return 0


def _complain(message: str) -> None:
    print(f"crossband: {' '.join(message.split())}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
