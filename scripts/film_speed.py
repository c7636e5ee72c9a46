# SPDX-License-Identifier: Apache-2.0
"""Frames a second of films, coded and decoded by one job and by one a core.

    python scripts/film_speed.py -o results/film-speed.json

A rendered scene of two groups of 32 frames of 640x480, weights loaded. Run it alone.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from film_check import scene

import crossband

FRAMES, HEIGHT, WIDTH, QUALITY = 64, 480, 640, 40.0


def main() -> None:
    """Codes and decodes the scene in each way, tells frames a second."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    output = parser.parse_args().output
    cores = os.cpu_count() or 1
    torch.set_num_threads(1)
    pairs = list(scene(FRAMES, HEIGHT, WIDTH))
    codec, predictor = crossband.load("base"), crossband.load("base-video")
    rows = []
    for effort in (1, 5):
        for jobs in (1, cores):
            file = io.BytesIO()
            started = time.perf_counter()
            with crossband.Writer(
                file, quality=QUALITY, effort=effort, jobs=jobs, codec=codec, predictor=predictor
            ) as writer:
                for pair in pairs:
                    writer.write(pair)
            coded = time.perf_counter()
            with crossband.open(file, jobs=jobs, codec=codec, predictor=predictor) as film:
                assert sum(1 for _ in film) == FRAMES
            decoded = time.perf_counter()
            rows.append(
                {
                    "effort": effort,
                    "jobs": jobs,
                    "bytes": len(file.getvalue()),
                    "encoded_a_second": round(FRAMES / (coded - started), 3),
                    "decoded_a_second": round(FRAMES / (decoded - coded), 3),
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    found = {
        "command": f"python scripts/film_speed.py -o results/{output.name}",
        "frames": FRAMES,
        "height": HEIGHT,
        "width": WIDTH,
        "quality": QUALITY,
        "cores": cores,
        "rows": rows,
    }
    output.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
