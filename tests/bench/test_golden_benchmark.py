# SPDX-License-Identifier: Apache-2.0
"""Three rendered pairs by three codecs: none of them may need more bits than it did.

After a change that is meant to change the rates (new weights, a newer codec library):
`PYTHONPATH=src python tests/bench/test_golden_benchmark.py` measures the golden rows anew.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from crossband import datasets
from crossband.bench import coders
from crossband.bench.bd import bd_rate
from crossband.bench.rows import Row, read_rows
from crossband.bench.run import Task, run
from crossband.bench.table import CodecPoints, average
from crossband.pair import Modality
from crossband.sources import atomic_write, write
from crossband.testing import synthetic_pair

GOLDEN = Path(__file__).parent / "golden_benchmark.jsonl"
QUALITIES: Mapping[str, tuple[float, ...]] = {
    "crossband": (10, 30, 50, 70),
    "webp": (5, 30, 60, 85),
    "avif": (20, 35, 50, 65),
}
MOST_PERCENT = 1.0
WORSE = 1.0105
"""Bits of a codec that got worse by just too much."""
SEEDS = (11, 12, 13)


def measured(folder: Path) -> list[Row]:
    """Rows of all three codecs, by way of files and a fresh process as always."""
    for modality in Modality:
        (folder / modality.value).mkdir()
    for seed in SEEDS:
        pair = synthetic_pair(visible=(208, 272), infrared=(208, 272), seed=seed)
        for modality in Modality:
            raster = pair.get(modality)
            assert raster is not None
            write(raster, folder / modality.value / f"{seed}.png")
    tasks = [Task("rendered", path) for path in datasets.find("folder").pairs(folder)]
    output = folder / "rows.jsonl"
    summary = run(tasks, [coders.find(name) for name in QUALITIES], output, qualities=QUALITIES)
    assert not summary.failures and not summary.skipped
    return read_rows(output)


def by_codec(rows: list[Row]) -> dict[str, CodecPoints]:
    return {points.codec: points for points in average(rows)}


def changes(golden: list[Row], now: list[Row]) -> dict[tuple[str, Modality], float]:
    """BD-rate of each codec and modality against its golden rows, in percent."""
    before, after = by_codec(golden), by_codec(now)
    found = {}
    for codec in QUALITIES:
        for modality in Modality:
            curves = before[codec].curve(modality), after[codec].curve(modality)
            assert curves[0] is not None and curves[1] is not None
            percent = bd_rate(curves[0], curves[1])
            assert percent is not None, f"{codec} {modality.value}: no PSNR in common"
            found[codec, modality] = percent
    return found


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return measured(tmp_path_factory.mktemp("golden-benchmark"))


def test_no_codec_needs_more_bits_than_it_did(rows):
    for (codec, modality), percent in changes(read_rows(GOLDEN), rows).items():
        assert percent <= MOST_PERCENT, (
            f"{codec} {modality.value}: {percent:+.2f} % at equal PSNR, allowed is"
            f" {MOST_PERCENT:+.0f} %; if it is meant: PYTHONPATH=src python {Path(__file__).name}"
        )


def test_a_little_more_than_one_percent_of_bits_would_be_noticed(rows):
    worse = [
        replace(
            row,
            # Scaled pixels count as fewer bits; bytes could not change by so little.
            pixels_visible=row.pixels_visible and round(row.pixels_visible / WORSE),
            pixels_infrared=row.pixels_infrared and round(row.pixels_infrared / WORSE),
        )
        for row in rows
    ]
    for percent in changes(rows, worse).values():
        assert MOST_PERCENT < percent < 1.1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        new = measured(Path(scratch))
        if GOLDEN.exists():
            for (name, kind), difference in changes(read_rows(GOLDEN), new).items():
                print(f"{name} {kind.value}: {difference:+.2f} %")
        atomic_write(GOLDEN, (Path(scratch) / "rows.jsonl").read_bytes(), force=True)
