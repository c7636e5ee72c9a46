# SPDX-License-Identifier: Apache-2.0
"""`crossband compare`: how far one picture is from another."""

from __future__ import annotations

import io
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossband.cli.options import DropAlpha, Json
from crossband.cli.outcome import ExitCode, UsageError, print_json
from crossband.cli.streams import STANDARD

if TYPE_CHECKING:
    from crossband.pair import Raster

EXAMPLES = """
crossband compare visible.png pair.visible.png
crossband compare infrared.tiff pair.infrared.png --bit-depth 14
crossband compare infrared.tiff pair.infrared.png --json | jq .psnr_db
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
    drop_alpha: DropAlpha = False,
    json: Json = False,
) -> ExitCode:
    """Compare two pictures: PSNR, MS-SSIM and the error in counts.

    PSNR is over all samples of all channels, with full scale 255 for 8 bits. Equal pictures have
    no finite PSNR: JSON gives null and "identical": true. MS-SSIM needs more than 160 pixels a
    side, smaller pictures have SSIM instead; both need the package pytorch-msssim.
    """
    if reference == test == STANDARD:
        raise UsageError("both pictures are -; one of them can come from standard input")
    if bit_depth is not None and not 1 <= bit_depth <= 16:
        raise UsageError(f"--bit-depth is {bit_depth}; allowed are 1 to 16")
    from crossband.bench.metrics import compare as compare_rasters

    first, second = _read_alike(reference, test, drop_alpha=drop_alpha)
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
    return ExitCode.DONE


def _read_alike(reference: str, test: str, *, drop_alpha: bool) -> tuple[Raster, Raster]:
    """Both pictures as infrared if they can be, so that 16 bits stay 16; else as visible.

    A gray picture saved as three equal channels so compares with one of a single channel.
    """
    from crossband.errors import SourceError
    from crossband.pair import Modality
    from crossband.sources import read

    sources = [
        _Buffered(sys.stdin.buffer.read()) if name == STANDARD else Path(name)
        for name in (reference, test)
    ]
    try:
        first, second = (read(one, Modality.INFRARED, drop_alpha=drop_alpha) for one in sources)
    except SourceError:
        for one in sources:
            if isinstance(one, _Buffered):
                one.seek(0)
        first, second = (read(one, Modality.VISIBLE, drop_alpha=drop_alpha) for one in sources)
    return first.raster, second.raster


class _Buffered(io.BytesIO):
    """Standard input that can be read twice."""

    name = "<stdin>"
