# SPDX-License-Identifier: Apache-2.0
"""`crossband compare`: how far one picture is from another."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossband.cli.kelvin import KelvinPerCount, check_kelvin_per_count
from crossband.cli.options import DropAlpha, Json
from crossband.cli.outcome import ExitCode, UsageError, print_json
from crossband.cli.streams import STANDARD

if TYPE_CHECKING:
    from crossband.pair import Raster

EXAMPLES = """
crossband compare visible.png pair.visible.png
crossband compare infrared.tiff pair.infrared.png --bit-depth 14
crossband compare infrared.tiff pair.infrared.png --json | jq .psnr_db
crossband compare FLIR0042.jpg pair.infrared.tiff
crossband compare infrared.tiff pair.infrared.tiff --kelvin-per-count 0.04
"""


def compare(
    reference: Annotated[
        str, typer.Argument(metavar="REF", help="The original; - for standard input.")
    ],
    test: Annotated[
        str, typer.Argument(metavar="TEST", help="What came back; - for standard input.")
    ],
    *,
    bit_depth: Annotated[
        int | None,
        typer.Option(
            metavar="1-16",
            help="Bits that count as full scale.  [default: those that REF declares]",
        ),
    ] = None,
    kelvin_per_count: KelvinPerCount = None,
    drop_alpha: DropAlpha = False,
    json: Json = False,
) -> ExitCode:
    """Compare two pictures: PSNR, MS-SSIM and the error in counts.

    A radiometric JPEG stands for its counts where the other picture has 16 bits. The error is
    also given in kelvin where REF or TEST has a calibration that is known, such as that of a FLIR
    radiometric JPEG or the file NAME.calibration that `decode` wrote beside NAME.tiff.

    PSNR is over all samples of all channels, with full scale 255 for 8 bits. Equal pictures have
    no finite PSNR: JSON gives null and "identical": true. MS-SSIM needs more than 160 pixels a
    side, smaller pictures have SSIM instead; both need the package pytorch-msssim.
    """
    if reference == test == STANDARD:
        raise UsageError("both pictures are -; one of them can come from standard input")
    if bit_depth is not None and not 1 <= bit_depth <= 16:
        raise UsageError(f"--bit-depth is {bit_depth}; allowed are 1 to 16")
    check_kelvin_per_count(kelvin_per_count)
    from crossband.bench.metrics import compare as compare_rasters
    from crossband.bench.metrics import kelvin_error
    from crossband.sources import calibration_of

    first, second = _read_alike(reference, test, drop_alpha=drop_alpha)
    known = first if first.metadata.calibration else second
    calibration = calibration_of(known.metadata, kelvin_per_count)
    in_kelvin = None if calibration is None else kelvin_error(first, second, calibration.kelvin)
    peak = None if bit_depth is None else (1 << bit_depth) - 1
    result = compare_rasters(first, second, peak=peak)
    identical = math.isinf(result.psnr_db)
    if json:
        print_json(
            {
                "reference": reference,
                "test": test,
                "identical": identical,
                "psnr_db": None if identical else round(result.psnr_db, 4),
                "ms_ssim": None if result.ms_ssim is None else round(result.ms_ssim, 6),
                "ms_ssim_absent": result.ms_ssim_absent or None,
                "ssim": None if result.ssim is None else round(result.ssim, 6),
                "error_counts": {
                    "mean": round(result.error.mean, 4),
                    "percentile_95": round(result.error.percentile_95, 4),
                    "largest": result.error.largest,
                },
                "error_kelvin": None
                if in_kelvin is None
                else {
                    "mean": round(in_kelvin.mean, 6),
                    "percentile_95": round(in_kelvin.percentile_95, 6),
                    "largest": round(in_kelvin.largest, 6),
                },
                "peak": result.peak,
            }
        )
        return ExitCode.DONE
    structure = (
        f"n/a ({result.ms_ssim_absent})" if result.ms_ssim is None else f"{result.ms_ssim:.5f}"
    )
    decibels = "identical" if identical else f"{result.psnr_db:.2f} dB"
    print(f"PSNR     {decibels} (peak {result.peak:,})")
    print(f"MS-SSIM  {structure}")
    if result.ssim is not None:
        print(f"SSIM     {result.ssim:.5f}")
    print(
        f"error    mean {result.error.mean:.2f}, 95 % within {result.error.percentile_95:.0f},"
        f" largest {result.error.largest:,} counts"
    )
    if in_kelvin is not None:
        print(
            f"         mean {in_kelvin.mean:.4f}, 95 % within {in_kelvin.percentile_95:.4f},"
            f" largest {in_kelvin.largest:.4f} K"
        )
    return ExitCode.DONE


def _read_alike(reference: str, test: str, *, drop_alpha: bool) -> tuple[Raster, Raster]:
    """Both pictures as infrared if they can be, so that 16 bits stay 16; else as visible.

    A gray picture saved as three equal channels so compares with one of a single channel, and a
    radiometric JPEG by its counts with one of 16 bits.
    """
    from crossband.errors import SourceError
    from crossband.pair import Modality
    from crossband.sources import read

    names = (reference, test)
    sources = [
        _Buffered(sys.stdin.buffer.read()) if name == STANDARD else Path(name) for name in names
    ]
    if (counts := _read_counts(sources)) is not None:
        first, second = counts
    else:
        try:
            first, second = (
                read(one, Modality.INFRARED, drop_alpha=drop_alpha).raster
                for one in _rewound(sources)
            )
        except SourceError:
            first, second = (
                read(one, Modality.VISIBLE, drop_alpha=drop_alpha).raster
                for one in _rewound(sources)
            )
    return _calibrated(first, names[0]), _calibrated(second, names[1])


def _read_counts(sources: Sequence[Path | _Buffered]) -> tuple[Raster, Raster] | None:
    """Counts of both where one is a radiometric JPEG; None if that is not what they are."""
    from crossband.errors import SourceError
    from crossband.pair import Modality
    from crossband.sources import read, read_radiometric

    found: list[Raster] = []
    radiometric = 0
    for source in _rewound(sources):
        try:
            raster = read_radiometric(source).pair.infrared
            radiometric += 1
        except SourceError:
            try:
                (again,) = _rewound([source])
                raster = read(again, Modality.INFRARED).raster
            except SourceError:
                return None
        if raster is None or raster.samples.itemsize != 2:
            return None
        found.append(raster)
    return (found[0], found[1]) if radiometric else None


def _rewound(sources: Sequence[Path | _Buffered]) -> Iterator[Path | _Buffered]:
    for one in sources:
        if isinstance(one, _Buffered):
            one.seek(0)
        yield one


def _calibrated(raster: Raster, name: str) -> Raster:
    """The picture with the calibration that `decode` wrote beside it, if it has none itself."""
    if raster.metadata.calibration or name == STANDARD:
        return raster
    try:
        calibration = Path(name).with_suffix(".calibration").read_bytes()
    except (OSError, ValueError):  # there is none, or the name cannot have one
        return raster
    return replace(raster, metadata=replace(raster.metadata, calibration=calibration))


class _Buffered(io.BytesIO):
    """Standard input that can be read twice."""

    name = "<stdin>"
