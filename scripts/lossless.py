# SPDX-License-Identifier: Apache-2.0
"""Measures infrared with a guaranteed error against PNG, JPEG XL and JPEG-LS.

    python scripts/lossless.py --data DIR -o results/lossless.jsonl

One line a picture and bound. Crossband's bytes are those of a file that a fresh process decoded,
with another number of threads; the largest error is of what that process gave. JPEG XL has no bound
of its own: it codes samples that were rounded to multiples of 2 N + 1 counts, or as they are,
lossless, effort 7.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from crossband.bounded import encode_bounded
from crossband.container import PairFile, pack
from crossband.pair import Raster

SOURCE = Path(__file__).resolve().parents[1] / "src"
BOUNDS = (0, 1, 2, 4, 8, 16)
SETS = {"thermal16": 99, "flir16": 99, "roadscene": 2, "msrs": 2}
"""Data sets and how many test pictures of each at most."""
DECODE = """
import sys, numpy as np, crossband
from pathlib import Path
shown = crossband.decode(Path(sys.argv[1]).read_bytes()).infrared
np.save(sys.argv[2], shown.samples)
"""
Samples = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


def pictures(root: Path) -> Iterator[tuple[str, str, Samples]]:
    """Data set, name and samples of each picture."""
    with (root / "MANIFEST.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    for name, most in SETS.items():
        for row in [each for each in rows if each["source"] == name][:most]:
            with Image.open(root / row["ir_path"]) as image:
                wide = image.mode.startswith("I")
                samples = np.asarray(image if wide else image.convert("L"))
            yield name, row["name"], samples.astype(np.uint16 if wide else np.uint8)


def decoded(data: bytes) -> Samples:
    """What a fresh process with two threads decodes."""
    with tempfile.TemporaryDirectory() as folder:
        coded, shown = Path(folder) / "picture.xb", Path(folder) / "shown.npy"
        coded.write_bytes(data)
        subprocess.run(
            [sys.executable, "-c", DECODE, str(coded), str(shown)],
            check=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "2"},
        )
        samples: Samples = np.load(shown)
        return samples


def largest_error(first: Samples, second: Samples) -> int:
    """In counts."""
    return int(np.abs(first.astype(np.int64) - second.astype(np.int64)).max())


def crossband_bytes(samples: Samples, bound: int) -> tuple[int, int]:
    """Bytes of the file and its largest error."""
    data = pack(PairFile(bytes(8), (encode_bounded(Raster(samples), bound),)))
    return len(data), largest_error(samples, decoded(data))


def png_bytes(samples: Samples) -> int:
    """The smaller of Pillow's and libpng's best."""
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "PNG", optimize=True)
    return min(len(buffer.getvalue()), len(imagecodecs.png_encode(samples, level=9)))


def jpeg_xl_bytes(samples: Samples, bound: int) -> int:
    """Lossless, of rounded samples or of the samples themselves: the smaller."""
    rounded = ((samples.astype(np.int64) + bound) // (2 * bound + 1)).astype(samples.dtype)
    return min(
        len(imagecodecs.jpegxl_encode(each, lossless=True, effort=7)) for each in (rounded, samples)
    )


def jpeg_ls_bytes(samples: Samples, bound: int) -> tuple[int, int]:
    """With its own near-lossless mode, and its largest error."""
    data = imagecodecs.jpegls_encode(samples, level=bound)
    return len(data), largest_error(samples, imagecodecs.jpegls_decode(data))


def main() -> None:
    """Adds the lines that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--bounds", type=int, nargs="+", default=BOUNDS)
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    given = parser.parse_args()
    lines = given.output.read_text(encoding="utf-8").splitlines() if given.output.exists() else []
    there = {(row["image"], row["bound"]) for row in map(json.loads, lines)}
    for bound in given.bounds:
        for dataset, name, samples in pictures(given.data):
            if (name, bound) in there or dataset not in given.sets:
                continue
            size, error = crossband_bytes(samples, bound)
            other, other_error = jpeg_ls_bytes(samples, bound)
            row = {
                "dataset": dataset,
                "image": name,
                "pixels": samples.size,
                "bound": bound,
                "crossband_bytes": size,
                "crossband_error": error,
                "jpegls_bytes": other,
                "jpegls_error": other_error,
                "jpegxl_bytes": jpeg_xl_bytes(samples, bound),
                "png_bytes": png_bytes(samples) if bound == 0 else None,
            }
            with given.output.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(row, file=sys.stderr)


if __name__ == "__main__":
    main()
