# SPDX-License-Identifier: Apache-2.0
"""Measures anew what depends on the weights, then fills the documents: `make results DATA=FOLDER`.

    python scripts/results.py --data FOLDER                 everything, in this order
    python scripts/results.py --data FOLDER stills figures  only these

anchors        results/anchors-stills.jsonl: rows that are there are kept, new pairs are added
stills         results/crossband-stills.jsonl
timing         results/timing.json; seconds, so nothing else should run
film-anchors   results/anchors-films.jsonl
films          results/crossband-films.jsonl
integer-path   results/integer-path.json
golden         tests/bench/golden_benchmark.jsonl
figures        the tables of README and docs

A file is replaced when all of it is measured. Rows of a run that was stopped lie beside it, in a
`.part` file, and the next run goes on there.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
STILLS = ("roadscene:test:10", "m3svd:test:5", "msrs:test:5", "llvip:test:6", "tno:test:8")
ANCHORS = (
    *("x265", "vvenc", "webp", "jpeg2000", "jpegxl", "avif"),
    *("x265-420", "avif-default", "jpeg", "svtav1"),
)
CLIPS = ("0111_1803", "0115_1847")
FILM_CODECS = ("crossband", "crossband-slow", "crossband-keys", "crossband-alone")
FILM_QUALITIES = "0,16,32,48"
INTEGER_PATH = ("roadscene:test:3", "m3svd:test:2", "msrs:test:2")
PART_FILE = "{part}"
"""Stands in a command for the file that it writes."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to measure."""

    name: str
    command: tuple[str, ...]
    output: Path | None = None
    """Replaced in the end by `PART_FILE`, or by what the command prints; None: the command sees
    to it itself."""
    keeps_rows: bool = False
    """Whether the command adds to what the output holds."""


class PartFailed(Exception):
    """A command ended with another code than 0; its output is as it was."""


def parts(data: Path, results: Path) -> tuple[Part, ...]:
    """Every part, in order.

    Args:
        data: folder of the data sets.
        results: folder of the outputs.
    """
    python = sys.executable
    bench = (python, "-m", "crossband", "bench")
    pairs = ("--data", str(data), *_sets(STILLS), "-o", PART_FILE)
    grids = ("--quality", "x265=47,42,37,33,29,25", "--quality", "vvenc=48,42,37,32,27,22")
    films = (*bench, "films", "--name", "m3svd-films", *_clips(data), "-o", PART_FILE)
    film_grids = [
        word for name in FILM_CODECS for word in ("--quality", f"{name}={FILM_QUALITIES}")
    ]
    integers = (*bench, "integer-path", "--data", str(data), *_sets(INTEGER_PATH), "--json")
    return (
        Part(
            "anchors",
            (*bench, "run", *pairs, "--codecs", ",".join(ANCHORS), *grids),
            results / "anchors-stills.jsonl",
            keeps_rows=True,
        ),
        Part(
            "stills",
            (*bench, "run", *pairs, "--codecs", "crossband,crossband-alone,crossband-slow"),
            results / "crossband-stills.jsonl",
        ),
        Part(
            "film-anchors",
            (*films, "--codecs", "x265-ldp,x265-ra,svtav1-ra,vvenc-ra", "--untimed"),
            results / "anchors-films.jsonl",
            keeps_rows=True,
        ),
        Part(
            "films",
            (*films, "--codecs", ",".join(FILM_CODECS), *film_grids, "--untimed"),
            results / "crossband-films.jsonl",
        ),
        Part("timing", (*bench, "time", "--json"), results / "timing.json"),
        Part("integer-path", integers, results / "integer-path.json"),
        Part("golden", (python, str(ROOT / "tests" / "bench" / "test_golden_benchmark.py"))),
        Part("figures", (python, str(ROOT / "scripts" / "figures.py"))),
    )


def measure(part: Part) -> None:
    """Runs the command and puts its output in place.

    Raises:
        PartFailed: the command failed; rows that it measured are kept for the next run.
    """
    # One thread, as the documents say of the other codecs; crossband's timing sets its own.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} if part.name == "anchors" else None
    if part.output is None:
        _run(part, part.command, environment)
        return
    beside = part.output.with_name(f".{part.output.name}.part")
    if PART_FILE not in part.command:
        printed = _run(part, part.command, environment, capture=True)
        beside.write_bytes(printed)
    else:
        if beside.exists():
            print(f"{part.name}: goes on with {beside}; remove it to begin anew", flush=True)
        elif part.keeps_rows and part.output.exists():
            shutil.copyfile(part.output, beside)
        words = [str(beside) if word == PART_FILE else word for word in part.command]
        _run(part, words, environment)
    beside.replace(part.output)


def _run(
    part: Part,
    words: Sequence[str],
    environment: dict[str, str] | None,
    *,
    capture: bool = False,
) -> bytes:
    """What the command printed, if that is wanted."""
    stdout = subprocess.PIPE if capture else None
    done = subprocess.run(words, stdout=stdout, env=environment, cwd=ROOT)
    if done.returncode:
        kept = f"; {part.output} is as it was" if part.output else ""
        raise PartFailed(f"{part.name}: ended with code {done.returncode}{kept}")
    return done.stdout or b""


def _clips(data: Path) -> tuple[str, ...]:
    folders = {clip: data / "m3svd" / "video" / f"test_{clip}" for clip in CLIPS}
    return tuple(
        word
        for clip, folder in folders.items()
        for word in ("--clip", f"{clip}={folder / 'vis'},{folder / 'ir'}")
    )


def _sets(selections: Sequence[str]) -> tuple[str, ...]:
    return tuple(word for selection in selections for word in ("--set", selection))


def main(words: Sequence[str] | None = None) -> int:
    """Measures what the command line says; stops at the first part that fails."""
    every = parts(Path(), ROOT / "results")
    names = [part.name for part in every]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)}")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    options = parser.parse_args(words)
    if unknown := set(options.parts) - set(names):
        parser.error(
            f"no part is called {', '.join(sorted(unknown))}; parts are {', '.join(names)}"
        )
    if not options.data.is_dir():
        parser.error(f"--data {options.data}: is not a folder; name the one with the data sets")
    for part in parts(options.data.resolve(), ROOT / "results"):
        if options.parts and part.name not in options.parts:
            continue
        print(f"{part.name} ...", flush=True)
        try:
            measure(part)
        except PartFailed as error:
            print(f"results: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("results: interrupted; the same command goes on", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
