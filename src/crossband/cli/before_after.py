# SPDX-License-Identifier: Apache-2.0
"""The end of a fine-tuning: the same val pairs, coded with the weights before it and after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossband.cli.bench import bench_progress
from crossband.cli.outcome import Interrupted, complain

if TYPE_CHECKING:
    from crossband.bench.table import CodecPoints, TableLine
    from crossband.training.validate import ValidationPair

WEIGHTS = "weights.safetensors"
"""The averaged weights of a run that is done, in its folder."""
_START = "start.safetensors"
_ROWS = "before-after.jsonl"
_QUALITIES = (12.0, 24.0, 36.0, 48.0, 60.0)
"""The bench's grid from about 30 dB on."""


@dataclass(frozen=True, slots=True)
class BeforeAfter:
    """Mean rate and distortion of real files, with both weights."""

    rows: Path
    """What `crossband bench table` takes."""
    points: tuple[CodecPoints, ...]
    lines: tuple[TableLine, ...]
    """BD-rates; none where the packages for them are not installed."""
    before: str
    """The codec's name in the rows."""

    @property
    def markdown(self) -> str:
        """A table of points, and one of BD-rates."""
        from crossband.bench.table import points_markdown, table_markdown

        parts = [points_markdown(self.points)]
        if self.lines:
            parts.append(table_markdown(self.lines, reference=self.before))
        return "\n".join(parts)

    def to_mapping(self) -> dict[str, object]:
        """For JSON."""
        return {
            "rows": str(self.rows),
            "against": self.before,
            "points": [asdict(each) for each in self.points],
            "lines": [asdict(each) for each in self.lines if each.codec != self.before],
        }


def before_and_after(run: Path, start: str, pairs: Sequence[ValidationPair]) -> BeforeAfter | None:
    """Exports a run's weights and codes the pairs with them and with those that it began with.

    Every point is a file, decoded in another process, as `crossband bench run` does; points that
    were measured before are kept. Failures are told on standard error.

    Args:
        run: folder of a run that is done.
        start: what it began with, as for `--from`.
        pairs: of the val splits.

    Raises:
        OutputError: the weights or the rows cannot be written.
        Interrupted: by Ctrl-C; what was measured is kept.
    """
    if not pairs or any(len(pair.visible) > 1 for pair in pairs):
        complain("no table of before and after: there is no val pair, or the run is of films")
        return None
    from crossband.bench import coders, table
    from crossband.bench.rows import read_rows
    from crossband.bench.run import Task
    from crossband.bench.run import run as run_bench
    from crossband.datasets import PairPath
    from crossband.training.export import export

    export(run, run / WEIGHTS)
    if Path(start).is_dir() or Path(start).suffix == ".pt":
        folder = Path(start) if Path(start).is_dir() else Path(start).parent
        export(folder, run / _START)
        start = str(run / _START)
    before, after = f"crossband@{start}", f"crossband@{run / WEIGHTS}"
    tasks = [
        Task(
            "val" if pair.source == "." else pair.source,
            PairPath(pair.files.name, pair.files.visible, pair.files.infrared),
        )
        for pair in pairs
    ]
    rows = run / _ROWS
    both = [coders.find(before), coders.find(after)]
    try:
        with bench_progress() as report:
            summary = run_bench(
                tasks,
                both,
                rows,
                qualities={before: _QUALITIES, after: _QUALITIES},
                report=report,
            )
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; the run is done and {rows} keeps every row: the same command goes on"
        ) from None
    for failure in summary.failures:
        complain(failure)
    points = table.average(read_rows(rows))
    lines: list[table.TableLine] = []
    try:
        lines = table.table(points, reference=before)
    except ModuleNotFoundError as error:
        complain(f"no BD-rates: {error.name} is not installed: pip install 'crossband[bench]'")
    return BeforeAfter(rows, tuple(points), tuple(lines), before)
