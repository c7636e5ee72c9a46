# SPDX-License-Identifier: Apache-2.0
"""What a film holds, in numbers for JSON and in lines for people; needs no weights."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossband.pair import Modality

if TYPE_CHECKING:
    from crossband.cli.streams import Coded
    from crossband.container import FilmHeader, StoredFrame


_PLOT_ROWS, _PLOT_COLUMNS = 8, 72
_FILLINGS = " .:#"
"""From an empty place of the plot to a full one."""


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One line of the table: a frame without its coded bytes."""

    number: int
    timestamp_us: int
    offset: int
    size_bytes: int
    quality_index: int
    """Of the picture coded first."""
    stream_bytes: dict[Modality, int]
    """Coded bytes of each picture that is there."""
    first: Modality
    """Coded on its own."""
    conditional: bool
    """Whether the second picture was coded given the first one."""
    predicted: bool
    """Whether the frame was coded given the one before."""
    registered: bool = False
    """Whether the second picture was laid on the first one by a homography."""


@dataclass(slots=True)
class FilmTally:
    """A film read through once."""

    header: FilmHeader | None = None
    rows: list[FrameRow] = field(default_factory=list)
    damages: list[str] = field(default_factory=list)
    size_bytes: int = 0
    ending: str | None = None

    @classmethod
    def of(cls, coded: Coded) -> FilmTally:
        """Reads a film, from a pipe too, and verifies every checksum of its bytes.

        Raises:
            StreamError: it is no film, or its header is damaged.
        """
        from crossband.container import Damage, FilmReader

        reader = FilmReader(coded.stream())
        tally = cls(reader.header)
        for event in reader:
            if isinstance(event, Damage):
                tally.damages.append(event.message)
            else:
                tally.rows.append(_row(event))
        tally.ending = reader.ending
        tally.size_bytes = reader.size_bytes
        return tally

    @property
    def duration_us(self) -> float:
        """From the first frame to the end of the last one, which is taken for an average one."""
        if len(self.rows) < 2:
            return 0.0
        span = self.rows[-1].timestamp_us - self.rows[0].timestamp_us
        return span * len(self.rows) / (len(self.rows) - 1)

    @property
    def rate_bpp(self) -> float:
        """Bits of the whole file over the pixels of all visible pictures, or of the only camera."""
        assert self.header is not None
        pixels = self.header.cameras[0].pixels * len(self.rows)
        return self.size_bytes * 8 / pixels if pixels else 0.0

    def facts(self, name: str | None, *, table: bool = False) -> dict[str, Any]:
        """The JSON of `encode`, and with `table` that of `info`."""
        from crossband.cli.facts import weights_name

        assert self.header is not None
        weights_id = self.header.weights_id
        facts: dict[str, Any] = {
            "file": name,
            "kind": "film",
            "size_bytes": self.size_bytes,
            "rate_bpp": round(self.rate_bpp, 6),
            "weights_id": weights_id.hex(),
            "weights_name": weights_name(weights_id),
            "predictor_id": self.header.predictor_id.hex() or None,
            "key_frames": sum(not row.predicted for row in self.rows),
            "frames": len(self.rows),
            "duration_us": round(self.duration_us),
            "complete": self.ending is None,
            "ending": self.ending,
            "damaged": self.damages,
            "cameras": [
                {
                    "modality": camera.modality.value,
                    "width": camera.width,
                    "height": camera.height,
                    "channels": camera.channels,
                    "bit_depth": camera.bit_depth,
                    "frames": self._frames(camera.modality),
                    "stream_bytes": self._bytes(camera.modality),
                }
                for camera in self.header.cameras
            ],
        }
        if table:
            facts["table"] = [
                {
                    "number": row.number,
                    "timestamp_us": row.timestamp_us,
                    "offset": row.offset,
                    "size_bytes": row.size_bytes,
                    "quality_index": row.quality_index,
                    "first": row.first.value,
                    "conditional": row.conditional,
                    "registered": row.registered,
                    "predicted": row.predicted,
                    "stream_bytes": {m.value: n for m, n in row.stream_bytes.items()},
                }
                for row in self.rows
            ]
        return facts

    def lines(self, name: str) -> list[str]:
        """What `encode` and `info` print in front of the table."""
        from crossband.cli.facts import weights_name

        assert self.header is not None
        weights_id = self.header.weights_id
        seconds = self.duration_us / 1e6
        rate = f", {self.size_bytes * 8 / seconds / 1000:,.1f} kbit/s" if seconds else ""
        lines = [
            f"{name}: film of {len(self.rows):,} frames, {seconds:,.3f} s, {self.size_bytes:,}"
            f" bytes, {self.rate_bpp:.3f} bits per pixel{rate}",
            f"  weights   {weights_id.hex()} ({weights_name(weights_id) or 'not here'})",
        ]
        if predictor_id := self.header.predictor_id:
            keys = sum(not row.predicted for row in self.rows)
            name = weights_name(predictor_id) or "not here"
            lines.append(f"  between   {predictor_id.hex()} ({name}), {keys:,} key frames")
        lines += [
            f"  {camera.modality.value:<9} {camera}, {self._frames(camera.modality):,} frames,"
            f" {self._bytes(camera.modality):,} bytes"
            for camera in self.header.cameras
        ]
        if registered := sum(row.registered for row in self.rows):
            lines.append(f"  register  {registered:,} frames by a homography")
        lines += [f"  damaged   {damage}" for damage in self.damages]
        if self.ending:
            lines.append(f"  end       {self.ending}")
        return lines

    def table(self) -> list[str]:
        """One line a frame."""
        lines = [
            "   frame      seconds      bytes   infrared    visible  quality  kind       second"
            " picture"
        ]
        for row in self.rows:
            visible, infrared = (
                f"{row.stream_bytes[m]:,}" if m in row.stream_bytes else "-" for m in Modality
            )
            second = f"given {row.first.value}" if row.conditional else "alone"
            second += ", registered" if row.registered else ""
            lines.append(
                f"{row.number:>8} {row.timestamp_us / 1e6:>12.6f} {row.size_bytes:>10,}"
                f" {infrared:>10} {visible:>10} {row.quality_index * 100 / 63:>8.0f}"
                f"  {'predicted' if row.predicted else 'key':<9}"
                f"  {second if len(row.stream_bytes) == 2 else '-'}"
            )
        return lines

    def plot(self) -> list[str]:
        """Bytes of the frames over time, as a picture of characters."""
        if len(self.rows) < 2:
            return []
        sizes = [row.size_bytes for row in self.rows]
        columns = min(len(sizes), _PLOT_COLUMNS)
        starts = [number * len(sizes) // columns for number in range(columns + 1)]
        means = [
            sum(sizes[start:stop]) / (stop - start) for start, stop in itertools.pairwise(starts)
        ]
        top = max(means)
        lines = []
        for row in range(_PLOT_ROWS, 0, -1):
            full = len(_FILLINGS) - 1
            filled = (round(full * (mean / top * _PLOT_ROWS - row + 1)) for mean in means)
            label = f"{top:,.0f}" if row == _PLOT_ROWS else ""
            bars = "".join(_FILLINGS[max(0, min(full, each))] for each in filled)
            lines.append(f"{label:>12} |{bars}".rstrip())
        each = "" if columns == len(sizes) else f", {len(sizes) / columns:.1f} frames a column"
        return [*lines, f"{'0':>12} +{'-' * columns}", f"{'':>14}bytes of a frame{each}"]

    def _frames(self, modality: Modality) -> int:
        return sum(modality in row.stream_bytes for row in self.rows)

    def _bytes(self, modality: Modality) -> int:
        return sum(row.stream_bytes.get(modality, 0) for row in self.rows)


def _row(stored: StoredFrame) -> FrameRow:
    pictures = stored.frame.pictures
    return FrameRow(
        stored.number,
        stored.frame.timestamp_us,
        stored.offset,
        stored.size_bytes,
        pictures[0].quality_index,
        {picture.modality: len(picture.stream) for picture in pictures},
        pictures[0].modality,
        pictures[-1].conditional,
        stored.frame.predicted,
        pictures[-1].registration is not None,
    )
