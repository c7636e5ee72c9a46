# SPDX-License-Identifier: Apache-2.0
"""`crossband bench time`: seconds and memory beside other codecs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from crossband.cli.options import Json
from crossband.cli.outcome import ExitCode, print_json

EXAMPLES = """
crossband bench time
crossband bench time visible.png infrared.png --quality 50 --json > timing.json
"""


def time(
    visible: Annotated[
        Path | None, typer.Argument(help="8-bit RGB or gray.  [default: a rendered 640x512 pair]")
    ] = None,
    infrared: Annotated[Path | None, typer.Argument(help="8-bit infrared.")] = None,
    *,
    quality: Annotated[float, typer.Option(help="Of crossband, 0 to 100.")] = 40,
    x265_qp: Annotated[float, typer.Option("--x265", help="Of x265 veryslow, 0 to 51.")] = 35,
    vvenc_qp: Annotated[float, typer.Option("--vvenc", help="Of VVenC medium, 0 to 51.")] = 35,
    threads: Annotated[int, typer.Option(min=1, help="Of crossband's networks.")] = 2,
    json: Json = False,
) -> ExitCode:
    """Time crossband on one pair, weights loaded, in turns with x265 and VVenC in one thread.

    Other work on the machine falls on all of them alike: read the ratios.
    """
    import torch

    from crossband.bench.timing import measure, start_up
    from crossband.sources import read_pair
    from crossband.testing import synthetic_pair

    torch.set_num_threads(threads)
    if visible is None and infrared is None:
        pair = synthetic_pair()
    else:
        pair = read_pair(visible, infrared).pair.without_metadata()
    # First, so that the other codecs are not in the peak of memory.
    measure(pair, {"crossband": quality}, rounds=2)
    begun = start_up(pair)
    timings = measure(pair, {"crossband": quality, "x265": x265_qp, "vvenc": vvenc_qp})
    if json:
        print_json(
            {
                "threads": threads,
                "codecs": [asdict(each) for each in timings],
                "start_up": asdict(begun),
            }
        )
        return ExitCode.DONE
    for each in timings:
        print(
            f"{each.codec:12} {each.size_bytes:9,} bytes   encode {each.encode_s:6.2f} s"
            f"   decode {each.decode_s:6.3f} s"
        )
    print(
        f"import {begun.import_s:.2f} s, info {begun.info_s:.2f} s,"
        f" peak memory {begun.peak_bytes / 2**20:.0f} MiB"
    )
    return ExitCode.DONE
