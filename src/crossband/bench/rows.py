# SPDX-License-Identifier: Apache-2.0
"""One measured point: a pair, a codec, a quality. A file of them is JSON lines."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from types import NoneType
from typing import BinaryIO

from crossband.errors import InputError, OutputError
from crossband.pair import Modality

LOSSLESS_DB = 100.0
"""PSNR written for a picture that came back exact, and the largest that is."""
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "int | None": (int, NoneType),
    "float | None": (float, int, NoneType),
}
"""What a row's fields hold, by how they are declared."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one codec made of one pair at one quality; None for a picture that the pair lacks."""

    dataset: str
    image: str
    input: str
    """First 16 digits of the SHA-256 of both pictures' shapes and samples."""
    codec: str
    version: str
    settings: str
    """Those of each picture if they differ, with | between."""
    pixel_format: str
    """Of visible and infrared, with | between."""
    quality: float
    """On the codec's own scale."""
    pixels_visible: int | None
    pixels_infrared: int | None
    bytes_visible: int | None
    """A joint file's bytes that belong to neither picture are halved between both."""
    bytes_infrared: int | None
    bpp: float
    """Bits per pixel of each picture, added."""
    psnr_visible: float | None
    """dB over all samples, RGB for colour; at most `LOSSLESS_DB`."""
    psnr_infrared: float | None
    """dB; full scale is that of the bit depth."""
    msssim_visible: float | None
    """None below 161 pixels a side or without pytorch-msssim."""
    msssim_infrared: float | None
    encode_s: float | None
    """Seconds for both pictures, samples to bytes; None if measured beside other jobs."""
    decode_s: float | None
    """Seconds for both pictures, bytes to samples, in the fresh process."""
    ssim_visible: float | None = None
    """Only of a picture too small for MS-SSIM; of 11 pixels a side at least."""
    ssim_infrared: float | None = None
    encode_peak_bytes: int | None = None
    """Memory of the process that encoded the pair, with all that its codec loads; of the program
    that it ran, if that took more. None where the system does not tell: only Linux does."""
    decode_peak_bytes: int | None = None
    threads: int | None = None
    """1 where the seconds are those of one thread, with no other bench beside it; None where that
    was not asked for."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) not in _TYPES[str(field.type)]:
                raise ValueError(f"{field.name} is {value!r}; it must be {field.type}")
            if isinstance(value, str) and not value.isprintable():
                raise ValueError(f"{field.name} is {value!r}; it must be printable")
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{field.name} is {value}; it must be finite")
            counted = field.name.startswith(("pixels_", "bytes_"))
            if counted and isinstance(value, int) and value < 1:
                raise ValueError(f"{field.name} is {value}; it must be above 0")
        if self.psnr_visible is None and self.psnr_infrared is None:
            raise ValueError("psnr_visible and psnr_infrared are null; one must be a number")

    @property
    def key(self) -> tuple[str, str, str, str, str, float]:
        """What no two rows of a file share."""
        return (self.dataset, self.image, self.input, self.codec, self.version, self.quality)

    @property
    def bpp_visible(self) -> float | None:
        """Bits per visible pixel."""
        return _bpp(self.bytes_visible, self.pixels_visible)

    @property
    def bpp_infrared(self) -> float | None:
        """Bits per infrared pixel."""
        return _bpp(self.bytes_infrared, self.pixels_infrared)

    def psnr(self, modality: Modality) -> float | None:
        """dB of one picture; None if the pair lacks it."""
        return self.psnr_visible if modality is Modality.VISIBLE else self.psnr_infrared

    @property
    def psnr_mean(self) -> float:
        """Mean of both pictures' PSNR, or that of the only one."""
        known = [each for each in (self.psnr_visible, self.psnr_infrared) if each is not None]
        return sum(known) / len(known)


def read_rows(path: Path) -> list[Row]:
    """The rows of a file; none if there is no file. A last line that was cut off is left out.

    Of two rows of one point the later one counts: it was measured again, for its seconds.

    Raises:
        InputError: a line is no row.
    """
    if not path.exists():
        return []
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    rows: dict[object, Row] = {}
    for number, line in enumerate(lines, 1):
        try:
            row = _row(line)
        except ValueError as error:
            if number == len(lines) and not line.endswith(b"\n"):
                break
            raise InputError(
                f"{path}: line {number} is damaged ({error}); delete that line,"
                " and `crossband bench run` measures it again"
            ) from error
        rows.pop(row.key, None)
        rows[row.key] = row
    return list(rows.values())


class RowFile:
    """A file that rows are added to, one by one; what is in it survives a kill.

    Raises:
        InputError: a line of it is no row.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = read_rows(path)
        self._keys = {row.key for row in self.rows}
        try:
            self._file = path.open("a+b")
            _end_last_line(self._file)
        except OSError as error:
            raise OutputError(
                f"{path}: cannot be written: {error.strerror or error}; choose another --output"
            ) from error

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def add(self, row: Row) -> None:
        """Writes the row before it returns."""
        line = json.dumps(asdict(row), separators=(",", ":"), allow_nan=False)
        self._file.write(f"{line}\n".encode())
        self._file.flush()
        self.rows.append(row)
        self._keys.add(row.key)

    def close(self) -> None:
        """No row comes after."""
        self._file.close()


def _row(line: bytes) -> Row:
    """The row in a line.

    Raises:
        ValueError: it is cut or changed.
    """
    try:
        values = json.loads(line)
    except ValueError:  # its message tells a line and column of its own
        raise ValueError("it is no whole JSON object") from None
    if not isinstance(values, dict):
        raise ValueError("it is no whole JSON object")
    known = {field.name for field in fields(Row)}
    needed = {
        field.name for field in fields(Row) if field.default is MISSING
    }  # older rows lack some
    if wrong := (values.keys() - known) | (needed - values.keys()):
        raise ValueError(f"{', '.join(sorted(wrong))} is missing or unknown")
    return Row(**values)


def _end_last_line(file: BinaryIO) -> None:
    """Takes away a last line that a kill cut off, so that the next row begins a line."""
    file.seek(0)
    data = file.read()
    begin = data.rfind(b"\n") + 1
    if begin == len(data):
        return
    try:
        _row(data[begin:])
    except ValueError:
        file.truncate(begin)
    else:
        file.write(b"\n")


def _bpp(size_bytes: int | None, pixels: int | None) -> float | None:
    return None if size_bytes is None or pixels is None else 8 * size_bytes / pixels
